"""What is known of a problem where there was no time to solve it."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

import otgan
from otgan.costs import Euclidean
from otgan.exact.sorted import solve_roughly
from tests.problems import cloud, simplex_weights


@pytest.mark.parametrize("p", [1, 1.5, 2, 3])
@pytest.mark.parametrize("shift", [0.0, 0.5])
def test_plan_and_potentials_are_feasible(p, shift):
    x, y = cloud(30, 3) / 4, cloud(20, 3, seed=1) / 4 + shift
    a, b = simplex_weights(30), simplex_weights(20, 1)
    arcs = solve_roughly(x, y, a, b, Euclidean(p))
    assert not arcs.optimal
    np.testing.assert_allclose(np.bincount(arcs.i, arcs.mass, 30), a, atol=1e-14)
    np.testing.assert_allclose(np.bincount(arcs.j, arcs.mass, 20), b, atol=1e-14)
    cost = cdist(x, y) ** p
    assert (arcs.f[:, None] + arcs.g <= cost).all()
    exact = otgan.transport(x, y, a, b, p=p).value
    dual, primal = a @ arcs.f + b @ arcs.g, arcs.mass @ cost[arcs.i, arcs.j]
    assert dual <= exact <= primal
    # The dual value is that of the means, which for a translation is everything.
    apart = np.linalg.norm(b @ y - a @ x)
    assert dual == pytest.approx(apart**p, rel=1e-9, abs=1e-12)


def test_an_exact_solve_that_runs_out_of_time_says_so_and_has_an_interval(rng):
    x, y = rng.normal(size=(400, 3)), rng.normal(size=(390, 3)) + 1
    exact = otgan.transport(x, y, p=1).value
    with pytest.warns(otgan.ConvergenceWarning, match="time_limit"):
        t = otgan.transport(x, y, p=1, time_limit=1e-9)
    assert t.status is otgan.Status.TIME_LIMIT
    assert t.lower <= exact <= t.upper
    assert t.value == pytest.approx(t.upper, rel=1e-9)
    with pytest.raises(RuntimeError, match=r"its distance is between .* and .*: raise time_limit"):
        otgan.emd(x, y, time_limit=1e-9)
    generous = otgan.transport(x, y, p=1, time_limit=1000)
    assert generous.converged
    assert generous.value == pytest.approx(exact, rel=1e-12)
