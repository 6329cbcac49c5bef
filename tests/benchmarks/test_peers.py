import math

import ot
import pytest
import torch

import otgan
from benchmarks.batch import against_equal
from benchmarks.divergence import debiasing, gradients
from benchmarks.entropic import Key, Table, grid, measure
from benchmarks.peers import Attempt, GeomLoss, Otgan, Pot, PotBatch
from benchmarks.problems import Problem, gaussians, marginal_error, plan_of
from benchmarks.record import Result
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


def test_the_batch_of_pot_answers_the_same_problems():
    problem = gaussians(20, 2, 0.1, batch=3)
    attempt = PotBatch("sinkhorn").attempt(problem, 1e-4, 5.0)
    assert attempt.error <= 1e-4
    ours = otgan.transport(problem.x, problem.y, epsilon=problem.epsilon, tol=1e-9).plan
    torch.testing.assert_close(torch.as_tensor(attempt.again()), ours, atol=1e-4, rtol=0)


@pytest.mark.parametrize("batch", [None, 3])
def test_the_halved_cost_of_geomloss_is_undone(batch):
    # Only slow decay of ε brings the error down, and only if the potentials are read in the right units.
    attempt = GeomLoss().attempt(gaussians(20, 2, 0.3, batch=batch), 5e-3, 10.0)
    assert attempt.error <= 5e-3


def test_ott_answers_the_same_problem(small):
    pytest.importorskip("ott")
    from benchmarks.peers import Ott

    peer = Ott("plain", 1.0)
    attempt = peer.attempt(small, 1e-6, 1.0)
    assert attempt.error <= 1e-6
    assert len(peer.compilations) == 2  # to find its pace, and to run


def test_a_peer_without_time_is_not_started_and_never_counts_as_having_arrived(small):
    attempt = Pot("sinkhorn").attempt(small, 1e-6, 1e-9)
    assert attempt.error == math.inf
    with pytest.raises(RuntimeError, match="ten iterations"):
        attempt.again()


def test_a_row_holds_recomputed_errors_and_a_slow_peer_is_not_run_on_harder_cells(tmp_path, small):
    class Stuck(Pot):
        def attempt(self, problem: Problem, tol: float, limit: float) -> Attempt:
            return Attempt(limit, 0.5, "", lambda: None)

    peers = [Pot("sinkhorn"), Stuck("greenkhorn")]
    table = Table([peer.name for peer in peers], tmp_path)
    key = Key(2, 30, 0.1, 1e-3)
    # Before another peer has arrived, the whole cell is its time.
    table.rows[key], table.others[key] = measure(
        key, small, peers[::-1], Table(["POT greenkhorn", "POT sinkhorn"], tmp_path), 2.0
    )
    row = table.rows[key]
    plan = ot.sinkhorn(
        small.a.numpy(), small.b.numpy(), small.cost.numpy(), float(small.epsilon), stopThr=1e-12
    )
    assert marginal_error(small, torch.as_tensor(plan)) < 1e-9
    assert row[5] == Otgan().attempt(small, 1e-3, 1.0).error
    assert row[5] <= 1e-3
    assert row[7] == "POT sinkhorn"
    assert row[9] <= 1e-3
    assert row[10] == pytest.approx(row[8] / row[4])
    assert row[12] == pytest.approx((row[8] + row[11]) / row[4])
    assert table.others[key][4] == "> 2 s (error 5.0e-01)"

    table = Table(["POT greenkhorn", "POT sinkhorn"], tmp_path)
    table.rows[key], table.others[key] = row, (*row[:4], "> 2 s (error 5.0e-01)", 0.1)
    harder = Key(2, 40, 0.1, 1e-6)
    _, others = measure(harder, gaussians(40, 2, 0.1), peers[::-1], table, 2.0)
    assert others[4] == "> 2 s (error 5.0e-01)"  # an earlier run may have given it less time
    table.fresh.add(key)
    _, others = measure(harder, gaussians(40, 2, 0.1), peers[::-1], table, 2.0)
    assert others[4] == "not run: failed at n = 30, ε = 0.1, error 0.001"
    assert isinstance(others[5], float)


def test_cells_that_no_peer_reached_can_be_measured_again(tmp_path):
    table = Table(["POT sinkhorn"], tmp_path)
    reached, unreached = Key(2, 30, 0.1, 1e-3), Key(2, 30, 1e-3, 1e-6)
    table.rows = {reached: (*[0.0] * 10, 3.0, 0.0, 3.0), unreached: (*[0.0] * 7, "none", *[None] * 5)}
    table.others = {reached: (0.1,), unreached: ("> 2 s (stopped)",)}
    table.drop_unreached()
    assert list(table.rows) == list(table.others) == [reached]


def test_a_peer_that_underflows_is_said_to_break_down(tmp_path):
    problem = gaussians(30, 2, 1e-4)
    peers = [Pot("sinkhorn")]
    table = Table([peers[0].name], tmp_path)
    key = Key(2, 30, 1e-4, 1e-3)
    table.rows[key], table.others[key] = measure(key, problem, peers, table, 5.0)
    assert str(table.others[key][4]).startswith("breaks down:")
    assert table.failed("POT sinkhorn") == [key]
    assert table.rows[key][7] == "none"
    assert table.ratios() == []


def test_cells_are_taken_up_where_a_run_stopped(tmp_path):
    table = Table(["POT sinkhorn"], tmp_path)
    done = Key(2, 500, 0.1, 1e-3)
    table.rows[done] = (2, 500, 0.1, 1e-3, 0.5, 1e-4, 10, "POT sinkhorn", 2.0, 9e-4, 4.0, 0.5, 5.0)
    table.others[done] = (2, 500, 0.1, 1e-3, 2.0)
    table.write(["a note"], [], "python")
    again = Table(["POT sinkhorn"], tmp_path)
    again.resume()
    assert again.rows == table.rows
    assert again.others == table.others
    assert again.ratios() == [4.0]
    assert again.ratios(with_costs=True) == [5.0]
    with pytest.raises(SystemExit, match="other peers"):
        Table(["POT greenkhorn"], tmp_path).resume()


def test_the_summary_counts_and_averages_the_cells(tmp_path):
    table = Table(["POT sinkhorn"], tmp_path)
    for d, ratio, with_costs in ((2, 4.0, 5.0), (64, 1.0, 1.25), (784, None, None)):
        key = Key(d, 500, 0.01, 1e-3)
        error = 1e-4 if d < 784 else 1e-2
        table.rows[key] = (
            d,
            500,
            0.01,
            1e-3,
            0.5,
            error,
            9,
            "POT sinkhorn",
            2.0,
            9e-4,
            ratio,
            0.5,
            with_costs,
        )
        table.others[key] = (d, 500, 0.01, 1e-3, 2.0)
    table.write(["a note"], [], "python")
    found = Result.read(tmp_path / "entropic-summary.json")
    assert found.rows == ((0.01, 1e-3, 3, 2, 2, 1.0, pytest.approx(2.0), pytest.approx(2.5)),)
    assert found.command == "python"


def test_the_grid_has_every_cell_once():
    cells = grid(quick=False)
    assert len(cells) == len(set(cells)) == 4 * 3 * 3 * 2
    assert set(grid(quick=True)) < set(cells)


def test_debiasing_gradients_and_ragged_batches_are_measured_on_tiny_problems():
    problem = gaussians(20, 2, 0.1)
    assert debiasing(problem, 1)[:2] == (2, 20)
    assert gradients(problem, 1)[:2] == (2, 20)
    d, equal, ragged, work, ratio = against_equal(2, 3, "cpu")
    assert d == 2
    assert work == pytest.approx((32**2 + 64**2 + 96**2) / (3 * 64**2))
    assert ratio == pytest.approx(ragged / equal / work)
