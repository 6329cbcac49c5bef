"""POT's network simplex as a solver of ours: its codes, its deadline, its import."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from scipy.spatial.distance import cdist

import otgan
from otgan.deadline import Deadline
from otgan.exact import pot
from otgan.exact.endings import OutOfTimeError, SimplexError
from otgan.exact.pot import import_pot
from otgan.exact.simplex import solve_simplex


def _problem(n=12, m=9):
    rng = np.random.default_rng(0)
    cost = cdist(rng.standard_normal((n, 2)), rng.standard_normal((m, 2)) + 1) ** 2
    a, b = rng.uniform(0.1, 1, n), rng.uniform(0.1, 1, m)
    return cost, a / a.sum(), b / b.sum()


def _tamper(monkeypatch, change):
    """Let POT's solver return something else than it found."""
    lp = import_pot().lp
    solve = lp.emd

    def tampered(*args, **kwargs):
        plan, log = solve(*args, **kwargs)
        return change(plan, dict(log))

    monkeypatch.setattr(lp, "emd", tampered)


@pytest.mark.parametrize("code", [0, 2, 3, 4])
def test_any_code_but_optimal_is_an_error(monkeypatch, code):
    _tamper(monkeypatch, lambda plan, log: (plan, {**log, "result_code": code, "warning": "injected"}))
    with pytest.raises(SimplexError, match="injected"):
        solve_simplex(*_problem(), solver="pot")


def test_a_plan_without_the_marginals_is_an_error(monkeypatch):
    _tamper(monkeypatch, lambda plan, log: (0.999 * plan, log))
    with pytest.raises(SimplexError, match=r"marginal error of 2\.0e-03"):
        solve_simplex(*_problem(), solver="pot")


def test_a_plan_that_is_not_optimal_is_an_error(monkeypatch):
    cost, a, b = _problem()
    _tamper(monkeypatch, lambda plan, log: (np.outer(a, b), log))
    with pytest.raises(SimplexError, match="duality gap"):
        solve_simplex(cost, a, b, solver="pot")


@pytest.mark.parametrize("bad", [0.0, np.nan])
def test_potentials_that_do_not_prove_it_are_an_error(monkeypatch, bad):
    _tamper(
        monkeypatch, lambda plan, log: (plan, {**log, "v": log["v"] * bad + np.linspace(0, 1, plan.shape[1])})
    )
    with pytest.raises(SimplexError, match="duality gap"):
        solve_simplex(*_problem(), solver="pot")


def test_pot_is_imported_without_other_frameworks(monkeypatch):
    for name in ("jax", "cupy", "tensorflow"):
        monkeypatch.delenv(f"POT_BACKEND_DISABLE_{name.upper()}", raising=False)
    before = dict(pot.os.environ)
    seen = {}
    importer = pot.importlib.import_module

    def spy(name):
        seen.update({k: v for k, v in pot.os.environ.items() if k.startswith("POT_BACKEND_DISABLE")})
        return importer(name)

    monkeypatch.setattr(pot.importlib, "import_module", spy)
    import_pot()
    loaded = {name for name in ("jax", "cupy", "tensorflow") if name in sys.modules}
    assert set(seen) == {f"POT_BACKEND_DISABLE_{n.upper()}" for n in {"jax", "cupy", "tensorflow"} - loaded}
    assert dict(pot.os.environ) == before


def test_it_is_chosen_by_name_alone():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((30, 2)), rng.standard_normal((20, 2))
    ours, theirs = otgan.transport(x, y), otgan.transport(x, y, backend="pot")
    assert (ours.backend, theirs.backend) == ("simplex", "pot")
    assert theirs.value == pytest.approx(ours.value, rel=1e-12)


def test_a_deadline_is_kept():
    with pytest.raises(OutOfTimeError):
        solve_simplex(*_problem(600, 500), solver="pot", deadline=Deadline.after(1e-3))
    plan = solve_simplex(*_problem(60, 50), solver="pot", deadline=Deadline.after(60))
    assert plan.mass.sum() == pytest.approx(1, abs=1e-12)
