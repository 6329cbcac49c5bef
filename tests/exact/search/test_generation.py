"""Column generation on trees and on tiles: the optimum, whatever it starts from, and what ends it without one."""

from __future__ import annotations

import numpy as np
import ot
import pytest
from scipy.spatial.distance import cdist

from otgan.costs import resolve
from otgan.exact.endings import OutOfTimeError, SimplexError
from otgan.exact.network.masses import whole_masses
from otgan.exact.search import coarse, generation
from otgan.exact.search.coarse import descend_levels
from otgan.exact.search.generation import generate
from otgan.exact.search.law import law_of
from otgan.exact.search.restricted import Restricted
from otgan.exact.search.tiles import Tiles
from otgan.exact.search.tree import plant
from otgan.exact.search.trees import Trees

N, M = 260, 210


def _problem(kind, p, n=N, m=M, seed=0):
    """A search, masses, weights and all costs, in the order of the search."""
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((n, 2)), 1.3 * rng.standard_normal((m, 2)) + 0.5
    a, b = rng.uniform(0.1, 1, n), rng.uniform(0.1, 1, m)
    cost = resolve("euclidean", p, 2)
    if kind == "tiles":
        search = Tiles(x, y, cost)
    else:
        (here, of_x), (there, of_y) = plant(x), plant(y)
        search = Trees(here, there, law_of(cost.places(x, y)))
        x, y = x[of_x], y[of_y]
    a, b = a / a.sum(), b / b.sum()
    return search, whole_masses(a, b), (a, b), cdist(x, y) ** p


@pytest.fixture(params=["trees", "tiles"])
def kind(request):
    return request.param


STARTS = {
    "zero": lambda costs, rng: (np.zeros(len(costs)), np.zeros(costs.shape[1])),
    "feasible": lambda costs, rng: (costs.min(1), np.zeros(costs.shape[1])),
    "noise": lambda costs, rng: (rng.standard_normal(len(costs)), rng.standard_normal(costs.shape[1])),
}


@pytest.mark.parametrize("p", [1, 2])
@pytest.mark.parametrize("start", STARTS)
def test_the_optimum_is_found_from_any_potentials(kind, p, start):
    search, masses, (a, b), costs = _problem(kind, p)
    potentials = STARTS[start](costs, np.random.default_rng(1))
    found = generate(search, masses, potentials, costs.mean())
    value = float(found.mass @ costs.ravel()[found.codes])
    assert found.optimal
    assert value == pytest.approx(ot.emd2(a, b, costs), rel=1e-10)
    assert (costs - found.f[:, None] - found.g).min() >= -1e-13
    assert value == pytest.approx(a @ found.f + b @ found.g, rel=1e-12)


def test_points_whose_potentials_have_not_risen_need_no_second_look(kind):
    # Whatever is missing is found from those that have: the lists bound all other arcs.
    search, masses, _, costs = _problem(kind, 2)
    problem = Restricted(search, masses, costs.min(1), np.zeros(M), 3, costs.mean())
    for _ in range(30):
        problem.solve()
        violated = (costs - problem.f[:, None] - problem.g < -1e-12).any()
        new, f, g = problem.expand()
        assert (new > 0) == violated
        assert (costs - f[:, None] - g).min() >= -1e-12
        if problem.missing == 0 and not new:
            return
    pytest.fail("thirty rounds were not enough")


def test_what_the_simplex_takes_for_rounding_is_taken_off(kind, monkeypatch):
    search, masses, _, costs = _problem(kind, 2)
    problem = Restricted(search, masses, costs.min(1), np.zeros(M), 12, costs.mean())
    problem.solve()
    # As the simplex may leave them: a little above the costs of arcs that it knows.
    problem.f = problem.f + 2.0**-45 * np.abs(problem.f).max()
    _, f, g = problem.expand()
    assert (costs - f[:, None] - g).min() >= -1e-15 * costs.max()


def test_mass_that_arcs_cannot_carry_stays_missing_until_there_are_more():
    # Two clusters on either side, of unequal mass: near arcs alone carry a part.
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.standard_normal((90, 2)), rng.standard_normal((10, 2)) + 40])
    y = np.concatenate([rng.standard_normal((10, 2)), rng.standard_normal((90, 2)) + 40])
    (here, of_x), (there, of_y) = plant(x), plant(y)
    cost = resolve("euclidean", 1, 2)
    costs, uniform = cdist(x[of_x], y[of_y]), np.full(100, 0.01)
    search, masses = Trees(here, there, law_of(cost.places(x, y))), whole_masses(uniform, uniform)
    problem = Restricted(search, masses, np.zeros(100), costs.min(0), 2, costs.mean())
    problem.solve()
    assert 0 < problem.missing < 1
    found = generate(search, masses, (np.zeros(100), costs.min(0)), costs.mean())
    assert found.mass @ costs.ravel()[found.codes] == pytest.approx(ot.emd2([], [], costs), rel=1e-10)


@pytest.mark.parametrize("p", [1, 2])
@pytest.mark.parametrize(("n", "m"), [(3, 2000), (900, 900), (2500, 300)])
def test_potentials_from_coarse_to_fine_are_feasible_and_near_the_best(p, n, m):
    search, masses, (a, b), costs = _problem("trees", p, n, m)
    f, g = descend_levels(search.x, search.y, masses, search.law, costs.mean())
    assert (costs - f[:, None] - g).min() >= -1e-12
    best = ot.emd2(a, b, costs, numItermax=10**7)
    assert best - 0.05 * costs.mean() <= a @ f + b @ g <= best + 1e-12


def test_a_level_that_is_not_solved_costs_time_and_not_correctness(monkeypatch):
    search, masses, (a, b), costs = _problem("trees", 2, 1500, 1200)
    monkeypatch.setattr(coarse, "_ROUNDS", 1)
    monkeypatch.setattr(coarse, "_NEAREST", 1)
    start = descend_levels(search.x, search.y, masses, search.law, costs.mean())
    found = generate(search, masses, start, costs.mean())
    value = float(found.mass @ costs.ravel()[found.codes])
    assert value == pytest.approx(a @ found.f + b @ found.g, rel=1e-12)


def test_a_search_that_hides_arcs_proves_nothing(kind, monkeypatch):
    search, masses, _, costs = _problem(kind, 2)
    monkeypatch.setattr(generation, "_NEAREST", 2)
    nothing = np.empty(0, np.int64)

    def blind(f, g, rows, columns, count, slack):
        return nothing, f[rows], g[columns]

    monkeypatch.setattr(search, "violated", blind)
    monkeypatch.setattr(Restricted, "_add", lambda self, codes: 0)
    with pytest.raises(SimplexError, match="of the mean cost only"):
        _until_the_end(search, masses, costs, monkeypatch)


def _until_the_end(search, masses, costs, monkeypatch):
    """Solve with what the first arcs carry taken for all."""
    solve = Restricted.solve

    def partial(self, deadline=None):
        solve(self)
        self.missing = 0.0

    monkeypatch.setattr(Restricted, "solve", partial)
    generate(search, masses, (costs.min(1), np.zeros(costs.shape[1])), costs.mean())


def test_rounds_and_arcs_are_limited(kind, monkeypatch):
    search, masses, _, costs = _problem(kind, 2)
    start = costs.min(1), np.zeros(M)
    monkeypatch.setattr(generation, "_NEAREST", 1)
    monkeypatch.setattr(generation, "_ROUNDS", 1)
    with pytest.raises(SimplexError, match="1 restricted problems"):
        generate(search, masses, start, costs.mean())
    monkeypatch.setattr(generation, "_ROUNDS", 40)
    monkeypatch.setattr(generation, "_CROWD", 1)
    with pytest.raises(SimplexError, match="arcs a point"):
        generate(search, masses, start, costs.mean())


def test_what_is_known_when_time_ends_is_handed_back(kind, monkeypatch):
    search, masses, (a, b), costs = _problem(kind, 2)
    solve, rounds = Restricted.solve, []

    def late(self, deadline=None):
        rounds.append(1)
        if len(rounds) > 3:
            raise OutOfTimeError
        solve(self)

    monkeypatch.setattr(Restricted, "solve", late)
    monkeypatch.setattr(generation, "_NEAREST", 2)
    start = costs.min(1), np.zeros(M)
    found = generate(search, masses, start, costs.mean())
    assert not found.optimal
    assert (costs - found.f[:, None] - found.g).min() >= -1e-12
    assert a @ found.f + b @ found.g >= a @ start[0]
    assert (np.bincount(found.codes // M, found.mass, N) <= a + 1e-15).all()
