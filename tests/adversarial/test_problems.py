"""A few seconds of the campaign: a sample of each generator under its oracle, and proof that the checks see what is wrong."""

from __future__ import annotations

import dataclasses
import json
import time
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import pytest

import otgan
from tests.adversarial import campaign, invariants, oracles, problems
from tests.adversarial.guard import Hang, limit


def told(report: invariants.Report, case: problems.Case) -> str:
    """What failed, with lines to paste."""
    words = [
        f"{kind} ({detail})\n{case.item(k).lines() if k >= 0 else case.lines()}"
        for kind, k, detail in report.failures
    ]
    return "\n\n".join(words[:5])


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("function", problems.FUNCTIONS)
def test_a_sample(function: str, seed: int) -> None:
    rng = np.random.default_rng([100, seed])
    case = problems.case(rng, function, batch=12)
    report = invariants.check(case, rng, oracle=6, rational=3)
    assert not report.failures, told(report, case)
    assert sum(report.ends.values()) == report.cases or function in {"kl", "js", "tv"}


@pytest.mark.parametrize("relation", invariants.RELATIONS)
@pytest.mark.parametrize("function", ["emd", "exact", "sinkhorn", "entropic", "divergence"])
def test_the_same_in_other_words(function: str, relation: str) -> None:
    rng = np.random.default_rng([200, len(relation)])
    case = problems.case(rng, function, batch=8)
    report = invariants.relate(case, relation, rng)
    assert not report.failures, told(report, case)


@pytest.mark.parametrize("kind", problems.CLOUDS)
@pytest.mark.parametrize("place", sorted(set(problems.PLACES)))
def test_every_kind_of_cloud_at_every_place(place: str, kind: str) -> None:
    rng = np.random.default_rng([300, len(kind), len(place)])
    x, y = problems.placed(rng, place, problems.points(rng, kind, 4, 2), 4, kind)
    exact = problems.Case("exact", [x], [y], None, None, {"p": 2.0})
    epsilon = float(problems.mean_costs([x], [y], None, None, 2.0)[0]) / 10 or 1.0
    for case in (exact, exact.with_(function="entropic", options={"p": 2.0, "epsilon": np.array([epsilon])})):
        report = invariants.check(case, rng)
        assert not report.failures, told(report, case)


@pytest.mark.parametrize("kind", problems.WEIGHTS)
def test_every_kind_of_weights(kind: str) -> None:
    rng = np.random.default_rng([400, len(kind)])
    x, y = rng.standard_normal((5, 2)), rng.standard_normal((4, 2))
    a, b = problems.weights(rng, kind, 5), problems.weights(rng, kind, 4)
    for function, options in (("exact", {"p": 1.0}), ("entropic", {"p": 2.0, "epsilon": np.array([0.1])})):
        case = problems.Case(
            function, [x], [y], None if a is None else [a], None if b is None else [b], options
        )
        report = invariants.check(case, rng)
        assert not report.failures, told(report, case)


# The oracles agree with each other and with closed forms.


def test_exact_oracles_agree() -> None:
    rng = np.random.default_rng(0)
    for p in problems.POWERS:
        x, y = rng.standard_normal((4, 1)), rng.standard_normal((4, 1))
        a, b = 10.0 ** rng.uniform(-16, 0, 4), 10.0 ** rng.uniform(-16, 0, 4)
        line, flow = oracles.line_cost(x, y, a, b, p), oracles.transport_cost(x, y, a, b, p)
        assert line[0] <= flow[1] + flow[1] / 10**60
        assert flow[0] <= line[1] + flow[1] / 10**60
        program = oracles.linear_program(x, y, a, b, p)
        assert program is None or (program[0] <= flow[1] and flow[0] <= program[1])
        x, y = rng.standard_normal((4, 3)), rng.standard_normal((4, 3))
        every, flow = oracles.assignment_cost(x, y, p), oracles.transport_cost(x, y, None, None, p)
        assert every[0] <= flow[1]
        assert flow[0] <= every[1]
    assert oracles.transport_cost([[0.0], [1.0]], [[1.0], [3.0]], None, None, 1) == (
        Fraction(3, 2),
        Fraction(3, 2),
    )


def test_the_entropic_oracle_proves_closed_forms() -> None:
    C = np.array([[[1.0, 9.0], [0.0, 4.0]]], dtype=np.longdouble)
    half = np.full((1, 2), 0.5, dtype=np.longdouble)
    for epsilon in (1e-3, 0.1, 1.0, 1e3, 1e18):
        found = oracles.entropic(C, half, half, np.array([epsilon], dtype=np.longdouble))
        # Two points and two: the plan is (t, ½ − t), with t² / (½ − t)² = exp(−(1 + 4 − 9 − 0)/ε).
        with mpmath.workdps(60):
            ratio = mpmath.exp(mpmath.mpf(4) / (2 * mpmath.mpf(epsilon)))
            t = ratio / (1 + ratio) / 2
            plan = [(t, 1), (mpmath.mpf(1) / 2 - t, 9), (mpmath.mpf(1) / 2 - t, 0), (t, 4)]
            value = sum(m * c + (epsilon * m * mpmath.log(4 * m) if m else 0) for m, c in plan)
            low, high = (oracles_fraction(v) for v in (found.lower[0], found.upper[0]))
            assert low <= value <= high
            assert high - low <= 1e-12 * value
    # One target: there is one plan. What a light point far away weighs is less than the rounding of what is sent.
    mass = np.array(
        [[2.4551469905181733e-08, 0.014224998163880797, 1.1e-12, 5.7e-11, 0.0012530907963007119, 2.4e-13]]
    )
    mass = mass.astype(np.longdouble) / mass.astype(np.longdouble).sum()
    C = np.array([[3.2e13, 3.2e13, 3.2e13, 3.2e13, 3.2e13, 1e27]], dtype=np.longdouble)[..., None]
    found = oracles.entropic(
        C, mass, np.ones((1, 1), dtype=np.longdouble), np.full(1, 1.1e16, dtype=np.longdouble)
    )
    value = (mass * C[..., 0]).sum()
    assert found.lower[0] <= value <= found.upper[0]
    assert found.upper[0] - found.lower[0] <= 1e-6 * value
    # One point and one, unbalanced: min over the mass m of m c + ε KL(m | ab) + ρ KL(m | a) + ρ KL(m | b).
    a, b, c, epsilon, rho = 0.7, 1.9, 2.5, 0.3, 0.8
    one = np.ones((1, 1), dtype=np.longdouble)
    found = oracles.entropic(
        c * one[..., None],
        a * one,
        b * one,
        np.array([epsilon], dtype=np.longdouble),
        np.array([rho], dtype=np.longdouble),
    )
    m = np.exp((epsilon * np.log(a * b) + rho * np.log(a * b) - c) / (epsilon + 2 * rho))

    def kl(s: float, t: float) -> float:
        return float(s * np.log(s / t) - s + t)

    value = m * c + epsilon * kl(m, a * b) + rho * (kl(m, a) + kl(m, b))
    assert float(found.value[0]) == pytest.approx(value, rel=1e-13)


def oracles_fraction(value: np.longdouble) -> mpmath.mpf:
    """A long double as an mpf, exactly."""
    high = float(value)
    return mpmath.mpf(high) + mpmath.mpf(float(value - np.longdouble(high)))


@pytest.mark.parametrize("rho", [None, 0.3])
@pytest.mark.parametrize("relative", [1e-6, 1e-3, 0.1, 10.0, 1e18])
def test_the_entropic_oracle_proves_itself(relative: float, rho: float | None) -> None:
    rng = np.random.default_rng(1)
    C = rng.uniform(0, 1, (8, 5, 6)).astype(np.longdouble)
    a, b = (10.0 ** rng.uniform(-3, 0, (8, n)).astype(np.longdouble) for n in (5, 6))
    a[:, 0] = 0
    a, b = (w / w.sum(1, keepdims=True) for w in (a, b))
    many = np.full(8, relative, dtype=np.longdouble)
    found = oracles.entropic(C, a, b, many, None if rho is None else np.full(8, rho, dtype=np.longdouble))
    assert (found.lower <= found.upper).all()
    proved = found.upper - found.lower <= 1e-9 * (np.abs(found.value) + 1e-3)
    assert proved.mean() >= 0.75
    assert (found.plan[:, 0] == 0).all()


def test_divergence_oracles() -> None:
    p, q = oracles.cells([[0.0], [0.0], [1.0]], None), oracles.cells([[0.0], [1.0], [1.0]], None)
    found = oracles.divergences(p, q)
    assert float(found["kl"]) == pytest.approx(np.log(2) / 3, rel=1e-15)
    assert float(found["tv"]) == pytest.approx(1 / 3, rel=1e-15)
    assert oracles.divergences(p, oracles.cells([[0.0]], None))["kl"] == mpmath.inf


# The checks see what is wrong.


def case(function: str = "entropic", **options: Any) -> problems.Case:
    """A plain problem, which every check passes."""
    rng = np.random.default_rng(5)
    x, y = [rng.standard_normal((4, 2))], [rng.standard_normal((5, 2))]
    more = {"epsilon": np.array([0.1])} if function == "entropic" else {}
    return problems.Case(function, x, y, None, None, {"p": 2.0, **more, **options})


def kinds(report: invariants.Report) -> set[str]:
    return {kind for kind, _, _ in report.failures}


@pytest.mark.parametrize(
    ("name", "off", "kind"),
    [
        ("lower", 2.0, "lower bound above the exact cost (rational)"),
        ("upper", 0.5, "upper bound below the exact cost (rational)"),
        ("value", 1.0001, "dual value above the optimum"),
        ("value", 0.99, "value below the optimum"),
        ("value_linear", 1.0001, "value_linear is another"),
        ("value", float("nan"), "NaN value"),
    ],
)
def test_a_wrong_number_is_seen(monkeypatch: pytest.MonkeyPatch, name: str, off: float, kind: str) -> None:
    rng = np.random.default_rng(0)
    assert not invariants.check(case(), rng).failures
    right = getattr(otgan.Transport, name)
    get = right.func if hasattr(right, "func") else right.fget
    monkeypatch.setattr(otgan.Transport, name, property(lambda t: get(t) * off))
    assert kind in kinds(invariants.check(case(), rng))


@pytest.mark.parametrize("off", [1 + 1e-9, 1 - 1e-9, -1.0])
def test_a_wrong_distance_is_seen(monkeypatch: pytest.MonkeyPatch, off: float) -> None:
    right = otgan.emd
    monkeypatch.setattr(otgan, "emd", lambda *a, **o: off * right(*a, **o))
    assert "wrong exact value" in kinds(invariants.check(case("emd"), np.random.default_rng(0)))


def test_potentials_that_do_not_belong_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    right = otgan.Transport.f.func
    monkeypatch.setattr(otgan.Transport, "f", property(lambda t: right(t) * 1.001))
    found = kinds(invariants.check(case(), np.random.default_rng(0)))
    assert "converged, but its marginals are off" in found


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (RuntimeError("expected scalar type"), "raw error"),
        (ZeroDivisionError("float division by zero"), "raw error"),
        (OverflowError("costs leave the range"), "raw error"),  # not raised by otgan itself
    ],
)
def test_raw_errors_are_seen(monkeypatch: pytest.MonkeyPatch, error: Exception, kind: str) -> None:
    def fails(*args: Any, **options: Any) -> None:
        raise error

    monkeypatch.setattr(otgan, "transport", fails)
    assert kind in kinds(invariants.check(case(), np.random.default_rng(0)))


def test_refusals_need_a_reason() -> None:
    rng = np.random.default_rng(0)
    far = dataclasses.replace(case("exact"), x=[np.full((1, 2), 1e200)], y=[np.zeros((1, 2))])
    report = invariants.check(far, rng)
    assert not report.failures
    assert report.ends == {"OverflowError": 1}
    report = invariants.Report("", 1)
    assert not invariants._extreme(case(), invariants.prepare(case()))


def test_hangs_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def hangs(*args: Any, **options: Any) -> None:
        while True:
            sum(range(1000))

    monkeypatch.setattr(otgan, "transport", hangs)
    monkeypatch.setattr(invariants, "SECONDS", 0.2)
    assert kinds(invariants.check(case(), np.random.default_rng(0))) == {"hang"}
    with pytest.raises(Hang), limit(0.1):
        time.sleep(60)


def test_two_answers_to_one_question_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    right, calls = otgan.emd, []

    def wavers(*args: Any, **options: Any) -> Any:
        calls.append(1)
        return right(*args, **options) * (1 + 1e-9 * len(calls))

    monkeypatch.setattr(otgan, "emd", wavers)
    assert "swap: another value" in kinds(invariants.relate(case("emd"), "swap", np.random.default_rng(0)))


# The campaign.


def test_a_case_is_the_same_one_always() -> None:
    first, second = (problems.case(np.random.default_rng([3, 4]), batch=5) for _ in range(2))
    assert first.lines() == second.lines()
    assert (
        eval(first.item(0).lines(), {"np": np, "otgan": otgan, "torch": pytest.importorskip("torch")})
        is not None
    )


def test_the_campaign_goes_on_where_it_stopped(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    state = campaign.State(tmp_path)
    failure = {"index": 2, "item": 1, "kind": "wrong", "row": "emd", "detail": "d", "lines": "otgan.emd()"}
    state.add(
        "problems", 0, {"rows": {"emd": [10, 4, 1, 1]}, "failures": [failure], "ends": {"CONVERGED": 9}}
    )
    state.add("files", 0, {"rows": {"file npy": [5, None, None, 0]}, "failures": []})
    with (tmp_path / "chunks.jsonl").open("a") as file:
        file.write('{"part": "problems", "se')  # killed while it wrote
    again = campaign.State(tmp_path)
    assert again.seeds("problems") == {0}
    assert next(campaign._unused(again.seeds("problems"))) == 1
    again.add("problems", 1, {"rows": {"emd": [20, 6, 0, 0]}, "failures": []})
    last = campaign.State(tmp_path)
    assert last.cases("problems") == 30
    assert campaign.table(last) == [
        ["emd", 30, 10, 1, 1],
        ["**all problems**", 30, 10, 1, 1],
        ["file npy", 5, None, None, 0],
        ["**all files**", 5, None, None, 0],
    ]
    campaign.show_failures(last)
    shown = capsys.readouterr().out
    assert "problems:0:2 problem 1: wrong" in shown
    assert "otgan.emd()" in shown
    monkeypatch.setattr(campaign, "code", lambda: "another")
    assert campaign.State(tmp_path).cases("problems") == 0
    assert all(
        json.loads(line)["revision"] != ""
        for line in (tmp_path / "chunks.jsonl").read_text().splitlines()[:2]
    )


def test_a_worker_that_dies_or_hangs_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    worker = campaign.Worker()
    worker.chunk, worker.since = ("problems", 0), time.monotonic()
    worker.process.kill()
    worker.process.join()
    found = worker.taken()
    assert found is not None
    assert found["failures"][0]["kind"] == "a chunk was lost"
    other = campaign.Worker()
    other.chunk, other.since = ("problems", 0), time.monotonic()
    monkeypatch.setattr(campaign, "PATIENCE", -1.0)
    found = other.taken()
    assert found is not None
    assert "no answer" in found["failures"][0]["detail"]
    assert not other.process.is_alive()
