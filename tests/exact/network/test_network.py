"""The network simplex: against POT and HiGHS on hundreds of problems, cold and warm, dense and sparse, and interrupted."""

from __future__ import annotations

import os
import signal
import threading
import time

import numpy as np
import ot
import pytest
from scipy.optimize import linprog
from scipy.sparse import coo_matrix
from scipy.spatial.distance import cdist

from otgan.deadline import Deadline
from otgan.exact.endings import OutOfTimeError, SimplexError
from otgan.exact.network import network as module
from otgan.exact.network.masses import whole_masses
from otgan.exact.network.network import Network
from tests.exact.network.trees import check_tree

SEEDS = range(25)


def _random(rng, n, m):
    return rng.random((n, m))


def _ties(rng, n, m):
    return rng.integers(0, 4, (n, m)).astype(float)


def _lattice(rng, n, m):
    return cdist(rng.integers(0, 5, (n, 2)), rng.integers(0, 5, (m, 2)))


def _line(rng, n, m):
    return np.abs(rng.standard_normal((n, 1)) - rng.standard_normal(m)) ** rng.choice([1, 2, 3])


def _duplicates(rng, n, m):
    x = np.repeat(rng.standard_normal((max(n, m), 3)), 2, axis=0)
    return cdist(x[:n], x[-m:], "sqeuclidean")


def _zero(rng, n, m):
    return np.zeros((n, m))


def _magnitudes(rng, n, m):
    return 10.0 ** rng.uniform(-9, 0, (n, m))


def _clusters(rng, n, m):
    x, y = rng.standard_normal((n, 2)), rng.standard_normal((m, 2))
    x[n // 2 :] += 30
    y[m // 3 :] += 30
    return cdist(x, y)


COSTS = [_random, _ties, _lattice, _line, _duplicates, _zero, _magnitudes, _clusters]


def _equal(rng, n):
    return np.ones(n)


def _uneven(rng, n):
    return rng.random(n) + 1e-3


def _whole(rng, n):
    return rng.integers(1, 5, n).astype(float)


def _twelve_orders(rng, n):
    return 10.0 ** rng.uniform(-12, 0, n)


WEIGHTS = [_equal, _uneven, _whole, _twelve_orders]


def _problem(costs, weights, seed):
    rng = np.random.default_rng(seed)
    n, m = (1, seed + 1) if seed in {0, 5} else rng.integers(1, 30, 2)
    a, b = weights(rng, n), weights(rng, m)
    return costs(rng, n, m), a / a.sum(), b / b.sum()


def _check(network, cost, a, b, slack=1e-13):
    """Assert marginals, feasible potentials and complementary slackness; return the cost."""
    flow = network.flow
    np.testing.assert_allclose(np.bincount(flow.i, flow.mass, len(a)), a, rtol=1e-13, atol=1e-17)
    np.testing.assert_allclose(np.bincount(flow.j, flow.mass, len(b)), b, rtol=1e-13, atol=1e-17)
    assert (flow.mass > 0).all()
    assert len(set(zip(flow.i.tolist(), flow.j.tolist(), strict=True))) == len(flow.i) < len(a) + len(b)
    f, g = network.potentials
    reduced = cost - f[:, None] - g
    assert reduced.min() >= -slack * max(cost.max(), np.abs(f).max(), np.abs(g).max())
    np.testing.assert_allclose(reduced[flow.i, flow.j], 0, atol=slack * (cost.max() or 1))
    return float(flow.mass @ cost[flow.i, flow.j])


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("costs", COSTS)
def test_the_cost_is_pots(costs, weights, seed):
    cost, a, b = _problem(costs, weights, seed)
    network = Network(*whole_masses(a, b))
    network.solve_dense(cost)
    check_tree(network._tree, network.supply, network.demand)
    value = _check(network, cost, a, b)
    expected = float((ot.lp.emd(a, b, cost, numItermax=10**8, check_marginals=False) * cost).sum())
    assert value == pytest.approx(expected, rel=1e-9, abs=1e-14 * cost.max())


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("weights", WEIGHTS[:3])
@pytest.mark.parametrize(
    "costs", [costs for costs in COSTS if costs is not _magnitudes]
)  # within HiGHS's tolerance
def test_the_cost_is_that_of_the_linear_program(costs, weights, seed):
    cost, a, b = _problem(costs, weights, seed + 10)
    n, m = cost.shape
    k = np.arange(n * m)
    rows = coo_matrix((np.ones(2 * n * m), (np.append(k // m, n + k % m), np.append(k, k))))
    solved = linprog(cost.ravel(), A_eq=rows.tocsr()[:-1], b_eq=np.append(a, b)[:-1], method="highs")
    network = Network(*whole_masses(a, b))
    network.solve_dense(cost)
    assert _check(network, cost, a, b) == pytest.approx(solved.fun, rel=1e-9, abs=1e-9 * cost.mean())


@pytest.mark.parametrize("scale", [1e-150, 1e-20, 1e20, 1e150])
def test_units_do_not_matter(scale):
    cost, a, b = _problem(_clusters, _uneven, 3)
    near, far = Network(*whole_masses(a, b)), Network(*whole_masses(a, b))
    near.solve_dense(cost)
    far.solve_dense(scale * cost)
    assert _check(far, scale * cost, a, b) == pytest.approx(scale * _check(near, cost, a, b), rel=1e-13)


def test_light_masses_keep_their_digits():
    # In flows of float64 beside 1 they would keep four.
    a = np.array([1.0, 1e-12, 3e-12])
    a /= a.sum()
    network = Network(*whole_masses(a, a))
    network.solve_dense(1 - np.eye(3))
    np.testing.assert_allclose(network.flow.mass, a, rtol=1e-6)


# ---- lists of arcs ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("costs", COSTS)
def test_all_arcs_of_a_list_are_the_matrix(costs, seed):
    cost, a, b = _problem(costs, WEIGHTS[seed % 4], seed)
    i, j = (side.ravel() for side in np.indices(cost.shape))
    network, dense = Network(*whole_masses(a, b)), Network(*whole_masses(a, b))
    network.solve_sparse(i, j, cost.ravel(), float(cost.max()) or 1.0)
    dense.solve_dense(cost)
    check_tree(network._tree, network.supply, network.demand)
    assert network.missing == 0
    assert _check(network, cost, a, b) == pytest.approx(_check(dense, cost, a, b), rel=1e-9, abs=1e-13)


@pytest.mark.parametrize("seed", SEEDS)
def test_mass_that_no_arc_carries_is_told_and_arcs_are_added_to_the_tree_of_before(seed):
    rng = np.random.default_rng(seed)
    cost, a, b = _problem(_clusters, WEIGHTS[seed % 4], seed + 30)
    some = rng.random(cost.shape) < 0.3
    i, j = some.nonzero()
    network, best = Network(*whole_masses(a, b)), Network(*whole_masses(a, b))
    best.solve_dense(cost)
    penalty = 100 * cost.max()
    if len(i):
        network.solve_sparse(i, j, cost[i, j], penalty)
        check_tree(network._tree, network.supply, network.demand)
        flow = network.flow
        assert some[flow.i, flow.j].all()
        assert network.missing == pytest.approx(1 - flow.mass.sum(), abs=1e-12)
        f, g = network.potentials
        assert (cost - f[:, None] - g)[i, j].min() >= -1e-12 * penalty
    i, j = (side.ravel() for side in np.indices(cost.shape))
    network.solve_sparse(i, j, cost.ravel(), penalty)
    assert network.missing == 0
    assert _check(network, cost, a, b) == pytest.approx(_check(best, cost, a, b), rel=1e-9)


def test_a_warm_start_takes_few_pivots(monkeypatch):
    pivots = []
    improve = module.improve_dense

    def counted(tree, cost, state, *rest):
        done = improve(tree, cost, state, *rest)
        pivots.append(int(state[module.PIVOTS]))
        return done

    monkeypatch.setattr(module, "improve_dense", counted)
    rng = np.random.default_rng(0)
    cost, a = cdist(rng.random((200, 2)), rng.random((180, 2))), rng.random(200)
    network = Network(*whole_masses(a / a.sum(), np.full(180, 1 / 180)))
    network.solve_dense(cost)
    network.solve_dense(cost)
    assert pivots[-1] == 0
    network.solve_dense(cost + 1e-3 * rng.random(cost.shape))
    assert 0 < pivots[-1] < pivots[0] / 3
    # From potentials near the optimal ones: their reduced costs tell which arcs come first.
    f, g = network.potentials
    again = Network(network.supply, network.demand)
    again.solve_dense(cost - f[:, None] - g)
    assert (
        again.flow.mass @ cost[again.flow.i, again.flow.j]
        <= network.flow.mass @ cost[network.flow.i, network.flow.j]
    )
    assert pivots[-1] < pivots[0] * 2 / 3


# ---- ends ------------------------------------------------------------------------------------------------------------


def _large(n=900):
    rng = np.random.default_rng(0)
    a, b = rng.random(n), rng.random(n)
    return cdist(rng.random((n, 2)), rng.random((n, 2))) ** 2, *whole_masses(a / a.sum(), b / b.sum())


def test_the_limit_of_pivots_is_kept_and_the_search_goes_on_where_it_was():
    cost, a, b = _problem(_random, _uneven, 7)
    network = Network(*whole_masses(a, b))
    with pytest.raises(SimplexError, match=r"without an optimum on \d+ x \d+ points: 2 pivots.*max_iter"):
        network.solve_dense(cost, 2)
    network.solve_dense(cost)
    _check(network, cost, a, b)


@pytest.mark.parametrize("sparse", [False, True])
def test_a_deadline_is_kept(sparse, monkeypatch):
    cost, supply, demand = _large()
    i, j = (side.ravel() for side in np.indices(cost.shape))
    network = Network(supply, demand)
    monkeypatch.setattr(module, "_EFFORT", 10**5)
    deadline = Deadline.after(0.01)
    solve = {
        False: lambda: network.solve_dense(cost, deadline=deadline),
        True: lambda: network.solve_sparse(i, j, cost.ravel(), 1.0, deadline),
    }
    start = time.monotonic()
    with pytest.raises(OutOfTimeError):
        solve[sparse]()
    assert time.monotonic() - start < 5
    check_tree(network._tree, supply, demand)


def _for_ever(function):
    while True:
        function()


def test_an_interrupt_arrives_between_pivots():
    cost, supply, demand = _large(2000)
    Network(supply[:1], demand[:1]).solve_dense(cost[:1, :1])  # compiled, before the clock runs
    timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        _for_ever(lambda: Network(supply, demand).solve_dense(cost))
    assert time.monotonic() - start < 5
