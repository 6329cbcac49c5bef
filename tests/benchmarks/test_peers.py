import math
from types import SimpleNamespace

import pytest
import torch

import otgan
from benchmarks import costs, peers
from benchmarks.batch import Case, against_equal, against_peers
from benchmarks.divergence import debiasing, gradients, training
from benchmarks.peers import Attempt, GeomLoss, Mdot, Pot, PotBatch, PotLoop, Regot
from benchmarks.peers.contender import Deadline, Trial, scaled, tighten
from benchmarks.peers.regot import grown
from benchmarks.problems import gaussians, marginal_error, plan_of
from benchmarks.streamed import mean_cost, streamed_error


@pytest.fixture
def small():
    return gaussians(30, 2, 0.1)


def test_the_error_is_that_of_both_marginals():
    problem = gaussians(2, 1, 0.1)
    plan = torch.tensor([[0.5, 0.1], [0.0, 0.5]], dtype=torch.float64)
    assert marginal_error(problem, plan) == pytest.approx(0.1 + 0.1)
    assert marginal_error(problem, torch.full((2, 2), 0.25)) == 0


def test_the_error_of_a_batch_is_that_of_its_worst_problem():
    problem = gaussians(2, 1, 0.1, batch=2)
    plan = torch.full((2, 2, 2), 0.25, dtype=torch.float64)
    plan[1, 0, 0] += 0.01
    assert marginal_error(problem, plan) == pytest.approx(0.02)


def test_potentials_become_the_plan_of_the_result_and_its_error_the_reported_one(small):
    result = otgan.transport(small.x, small.y, epsilon=small.epsilon, tol=1e-3)
    plan = plan_of(small, result.f, result.g)
    torch.testing.assert_close(plan, result.plan)
    assert marginal_error(small, plan) == pytest.approx(float(result.marginal_error), rel=1e-6)


@pytest.mark.parametrize("batch", [None, 3])
def test_epsilon_is_a_share_of_the_mean_cost_and_points_keep_their_costs(batch):
    problem = gaussians(20, 3, 0.1, batch=batch)
    cost = torch.cdist(problem.x, problem.y).square()
    torch.testing.assert_close(problem.cost, cost)
    torch.testing.assert_close(problem.epsilon, 0.1 * cost.mean((-2, -1)))
    other = problem.at(0.01)
    assert other.cost is problem.cost
    torch.testing.assert_close(other.epsilon, 0.1 * problem.epsilon)


def test_streamed_figures_agree_with_the_stored_plan():
    problem = gaussians(250, 3, 0.1)
    f, g = torch.linspace(0, 1, 250, dtype=torch.float64), torch.zeros(250, dtype=torch.float64)
    assert mean_cost(problem.x, problem.y) == pytest.approx(float(problem.cost.mean()))
    error = streamed_error(problem, float(problem.epsilon), f, g)
    assert error == pytest.approx(marginal_error(problem, plan_of(problem, f, g)))


def test_pot_answers_the_same_problem(small):
    attempt = Pot("sinkhorn").attempt(small, 1e-6, 5.0)
    assert attempt.error <= 1e-6
    plan = torch.as_tensor(attempt.again())
    assert marginal_error(small, plan) == attempt.error
    ours = otgan.transport(small.x, small.y, epsilon=small.epsilon, tol=1e-9).plan
    torch.testing.assert_close(plan, ours, atol=1e-6, rtol=0)


@pytest.mark.parametrize("peer", [PotBatch("sinkhorn"), PotBatch("log_sinkhorn"), PotLoop("sinkhorn")])
def test_what_pot_has_for_batches_answers_the_same_problems(peer):
    problem = gaussians(20, 2, 0.1, batch=3)
    attempt = peer.attempt(problem, 1e-4, 5.0)
    assert attempt.error <= 1e-4
    answer = attempt.again()
    plans = torch.stack([torch.as_tensor(plan) for plan in answer])
    ours = otgan.transport(problem.x, problem.y, epsilon=problem.epsilon, tol=1e-9).plan
    torch.testing.assert_close(plans, ours, atol=1e-4, rtol=0)


@pytest.mark.parametrize("batch", [None, 3])
@pytest.mark.parametrize("way", costs.WAYS)
def test_every_way_to_the_costs_leads_to_the_same(way, batch):
    problem = gaussians(20, 5, 0.1, batch=batch)
    torch.testing.assert_close(way(problem), problem.cost)
    assert costs.quickest(problem) in costs.WAYS
    assert costs.quickest(problem)(problem) is not problem.cost


@pytest.mark.parametrize("batch", [None, 3])
def test_the_halved_cost_of_geomloss_is_undone(batch):
    # Only slow decay of ε brings the error down, and only if the potentials are read in the right units.
    attempt = GeomLoss().attempt(gaussians(20, 2, 0.3, batch=batch), 5e-3, 10.0)
    assert attempt.error <= 5e-3


@pytest.mark.parametrize("batch", [None, 3])
def test_ott_answers_the_same_problem(batch):
    pytest.importorskip("ott")
    problem, peer = gaussians(30, 2, 0.1, batch=batch), peers.Ott("plain")
    attempt = peer.attempt(problem, 1e-6, 5.0)
    assert attempt.error <= 1e-6
    assert len(peer.compilations) >= 2  # to find its pace, and to run
    assert peer.uncounted == pytest.approx(sum(peer.compilations))


@pytest.mark.parametrize("solver", ["newton", "ssns", "lbfgs_dual"])
def test_regot_answers_the_same_problem(small, solver):
    pytest.importorskip("regot")
    attempt = Regot(solver).attempt(small, 1e-6, 10.0)
    assert attempt.error <= 1e-6
    ours = otgan.transport(small.x, small.y, epsilon=small.epsilon, tol=1e-9).plan
    torch.testing.assert_close(torch.tensor(attempt.again().plan), ours, atol=1e-6, rtol=0)


@pytest.mark.parametrize("batch", [None, 3])
def test_mdot_answers_the_same_problem_to_an_error_of_its_own(batch):
    pytest.importorskip("mdot_tnt")
    problem = gaussians(30, 2, 0.01, batch=batch)
    attempt = Mdot().attempt(problem, 1e-2, 20.0)
    assert attempt.error <= 1e-2
    ours = otgan.transport(problem.x, problem.y, epsilon=problem.epsilon, tol=1e-9).plan
    torch.testing.assert_close(attempt.again(), ours, atol=1e-3, rtol=0)


def test_only_peers_that_are_installed_take_part(monkeypatch):
    monkeypatch.setattr(peers, "_has", lambda module: False)
    monkeypatch.setattr(peers, "has_jax", lambda device: False)
    field = peers.field_of_peers("cpu")
    assert {peer.package for peer in field} == {"pot", "geomloss"}
    assert peers.distributions(field) == []
    assert field[0].name == "POT sinkhorn"
    monkeypatch.setattr(peers, "_has", lambda module: True)
    monkeypatch.setattr(peers, "has_jax", lambda device: True)
    field = peers.field_of_peers("cpu")
    assert len({peer.name for peer in field}) == len(field) == 5 + 1 + 4 + 7 + 1
    assert peers.distributions(field) == ["jax", "mdot-tnt", "ott-jax", "regot"]


class Knob:
    """A solver whose error is its threshold times a factor."""

    def __init__(self, factor, seconds=1e-3, cut=False):
        self.factor, self.seconds, self.cut, self.tried = factor, seconds, cut, []

    def __call__(self, threshold, left):
        self.tried.append(threshold)
        # A looser threshold is reached sooner.
        return Trial(self.seconds / len(self.tried), self.factor * threshold, lambda: None, self.cut)


@pytest.mark.parametrize("factor", [0.01, 0.5, 1.0, 7.0])
def test_a_knob_is_turned_until_the_error_is_just_below_the_one_asked_for(factor):
    knob = Knob(factor)
    attempt = tighten(knob, float, "knob", 1e-3, 1e-3, Deadline(5.0))
    assert 0.4e-3 < attempt.error <= 1e-3
    assert len(knob.tried) <= 3


def test_a_tighter_threshold_is_not_tried_where_iterations_ran_out():
    knob = Knob(7.0, cut=True)
    assert tighten(knob, float, "knob", 1e-3, 1e-3, Deadline(5.0)).error == pytest.approx(7e-3)
    assert len(knob.tried) == 1


def test_what_cannot_start_in_its_time_makes_no_attempt():
    assert tighten(lambda threshold, left: None, float, "knob", 1e-3, 1e-3, Deadline(5.0)) is None
    assert tighten(Knob(1.0), float, "knob", 1e-3, 1e-3, Deadline(-1.0)) is None


def test_what_outlasts_its_time_is_stopped():
    def forever(threshold, left):
        while True:
            pass

    attempt = tighten(forever, float, "knob", 1e-3, 1e-3, Deadline(0.05))
    assert (attempt.error, attempt.words) == (math.inf, "(stopped)")


def test_runs_of_compiled_code_grow_until_it_stops_by_itself():
    asked = []

    def solve(threshold, most):
        asked.append(most)
        return SimpleNamespace(niter=min(most, 100))

    trial = grown(solve, 1e-3, Deadline(60.0))
    assert asked == [8, 32, 128]
    assert not trial.cut
    assert grown(solve, 1e-3, Deadline(0.0)).cut
    asked.clear()
    assert not grown(solve, 1e-3, Deadline(60.0), first=101).cut
    assert asked == [101]


def test_iterations_on_fewer_points_tell_that_on_more():
    peer = Regot("newton")
    problem = gaussians(400, 2, 0.1)
    assert peer.predicted(problem) is None
    peer._pace[2, 0.1] = {200: 0.5}
    assert peer.predicted(problem) == pytest.approx(4.0)
    peer._needed[2, 0.1] = 40
    assert peer.first(problem, 1000.0) == 50
    assert peer.first(problem, 57.2) == 10
    assert peer.first(gaussians(400, 3, 0.1), 1000.0) == 8
    pytest.importorskip("regot")
    attempt = peer.attempt(problem, 1e-3, 1.0)
    assert (attempt.error, attempt.words) == (math.inf, "for 10 iterations")


def test_a_peer_without_time_is_not_started_and_never_counts_as_having_arrived(small):
    attempt = Pot("sinkhorn").attempt(small, 1e-6, 1e-9)
    assert attempt.error == math.inf
    with pytest.raises(RuntimeError, match="did not arrive"):
        attempt.again()


def test_debiasing_gradients_training_and_ragged_batches_are_measured_on_tiny_problems():
    problem = gaussians(20, 2, 0.1)
    assert debiasing(problem, 1)[:2] == (2, 20)
    assert gradients(problem, 1)[:2] == (2, 20)
    assert training(2, 1)[:2] == (2, 256)
    *case, equal, ragged, work, ratio = against_equal(Case(3, 64, 2), "cpu")
    assert case == [3, 64, 2]
    assert work == pytest.approx((32**2 + 64**2 + 96**2) / (3 * 64**2))
    assert ratio == pytest.approx(ragged / equal / work)


def test_a_batch_is_compared_with_everyone_and_only_who_reached_the_error_has_a_ratio(monkeypatch):
    class Stuck(PotBatch):
        def attempt(self, problem, tol, limit):
            return Attempt(limit, 0.5, "", lambda: None)

    monkeypatch.setattr(
        "benchmarks.batch.field_of_batches", lambda device: [PotBatch("sinkhorn"), Stuck("stuck")]
    )
    ours, pot, stuck = against_peers(Case(3, 16, 2), 5.0, "cpu")
    assert [row[:4] for row in (ours, pot, stuck)] == [
        (3, 16, 2, "otgan"),
        (3, 16, 2, "POT solve_batch, sinkhorn"),
        (3, 16, 2, "POT solve_batch, stuck"),
    ]
    assert (ours[6], ours[7], pot[6], stuck[6], stuck[7]) == (True, 1.0, True, False, None)
    assert pot[7] == pytest.approx(pot[4] / ours[4])


def test_a_pace_on_fewer_points_tells_that_on_more():
    assert scaled({(50, 50): 9.0}, (1000, 1000)) is None  # what is the same at every size hides the rest
    assert scaled({(2000, 2000): 9.0}, (1000, 1000)) is None
    assert scaled({(200, 200): 9.0, (500, 500): 0.1}, (1000, 1000)) == pytest.approx(0.4)


@pytest.mark.parametrize("peer", [Pot("sinkhorn"), GeomLoss()])
def test_what_is_expected_to_be_too_long_is_not_started(peer):
    known = peer._pace if isinstance(peer, Pot) else peer._least
    known[200, 200] = 1.0
    attempt = peer.attempt(gaussians(400, 2, 0.1), 1e-3, 3.0)
    assert (attempt.error, attempt.words) == (math.inf, "for 10 iterations")
    assert list(known) == [(200, 200)]
