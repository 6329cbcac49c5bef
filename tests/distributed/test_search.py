"""Exact problems of several processes against one, and against a linear program: values, plans, potentials, and the same ends."""

import numpy as np
import pytest
from scipy.optimize import linprog
from scipy.sparse import eye_array, kron
from scipy.spatial.distance import cdist

from tests.distributed import exact_cases
from tests.distributed.exact_cases import BY_FIRST, CASES, M, N
from tests.distributed.world import TIMEOUT

SIZE = 3

CLOSE = 1e-12
"""Relative difference of certified values."""


@pytest.fixture
def ranks(scenarios):
    """What the ranks of the group found."""
    return scenarios["exact_cases.all_cases"]


@pytest.fixture
def alone(ranks):
    """What one process found."""
    return ranks[-1]["alone"]


def costs_of(name):
    """Costs of a case by SciPy."""
    d, options = CASES[name]
    x, y, _, _ = exact_cases.clouds(d)
    if options.get("cost", "euclidean") == "euclidean":
        return cdist(x, y, "minkowski", p=2) ** options.get("p", 2)
    return cdist(x, y, options["cost"])


def least(costs, a, b):
    """The least cost of a plan, by a linear program."""
    n, m = costs.shape
    marginals = [kron(eye_array(n), np.ones((1, m))), kron(np.ones((1, n)), eye_array(m))]
    rows = np.concatenate([part.tocsr().toarray() for part in marginals])
    return linprog(costs.ravel(), A_eq=rows, b_eq=np.concatenate([a / a.sum(), b / b.sum()])).fun


def put_together(ranks, name, number):
    """The rows of x of all ranks."""
    return np.concatenate([each["shared"][name][number] for each in ranks])


@pytest.mark.parametrize("name", [*CASES, *BY_FIRST])
def test_values_bounds_and_status_are_those_of_one_process_and_the_same_on_all_ranks(ranks, alone, name):
    expected = alone[name]
    for number in ("value", "lower", "upper", "distance"):
        found = {each["shared"][name][number].item() for each in ranks}
        assert len(found) == 1  # to the last bit
        assert found.pop() == pytest.approx(expected[number].item(), rel=CLOSE)
    together = name in CASES
    assert {each["shared"][name]["status"] for each in ranks} == {"CONVERGED"}
    assert {each["shared"][name]["backend"] for each in ranks} == {
        f"{expected['backend']}{f' on {SIZE} ranks' if together else ''}"
    }


@pytest.mark.parametrize("name", ["squares", "lengths", "many dimensions", "cosine"])
def test_values_are_those_of_a_linear_program(ranks, name):
    _, _, a, b = exact_cases.clouds(CASES[name][0])
    for each in ranks:
        assert each["shared"][name]["value"] == pytest.approx(least(costs_of(name), a, b), rel=1e-8)


@pytest.mark.parametrize("name", ["squares", "lengths", "many dimensions", "cosine", "kept"])
def test_potentials_are_feasible_and_optimal(ranks, name):
    costs = costs_of(name)
    _, _, a, b = exact_cases.clouds(CASES[name][0])
    f, g = put_together(ranks, name, "f"), put_together(ranks, name, "g")
    assert (f[:, None] + g <= costs + 1e-10 * costs.max()).all()
    dual = a / a.sum() @ f + b / b.sum() @ g
    assert dual == pytest.approx(ranks[0]["shared"][name]["value"].item(), rel=1e-10)


@pytest.mark.parametrize("name", [*CASES, *BY_FIRST])
def test_each_rank_has_the_rows_of_one_plan(ranks, name):
    x, y, a, b = exact_cases.clouds((CASES | BY_FIRST)[name][0])
    plan = put_together(ranks, name, "plan")
    np.testing.assert_allclose(plan.sum(1), a / a.sum(), atol=1e-14)
    np.testing.assert_allclose(plan.sum(0), b / b.sum(), atol=1e-14)
    for number in ("sparse", "arcs"):
        np.testing.assert_array_equal(put_together(ranks, name, number), plan)
    np.testing.assert_allclose(put_together(ranks, name, "product"), plan @ y, atol=1e-14)
    np.testing.assert_allclose(put_together(ranks, name, "product of x"), plan.T @ x[:, 0], atol=1e-14)


@pytest.mark.parametrize("name", ["squares", "lengths", "many dimensions", "line", "simplex", "default"])
def test_gradients_are_those_of_one_process(ranks, alone, name):
    expected = alone[name]
    for number in ("x", "y"):
        found = put_together(ranks, name, number)
        np.testing.assert_allclose(found, expected[number], atol=1e-12, err_msg=number)
    # Those in weights are potentials, of which there may be several.
    assert put_together(ranks, name, "a").shape == (N,)


def test_squared_distances_have_the_gradient_of_their_plan(ranks):
    x, y, a, _ = exact_cases.clouds(3)
    plan = put_together(ranks, "squares", "plan")
    expected = 4.0 * (x * (a / a.sum())[:, None] - plan @ y)
    np.testing.assert_allclose(put_together(ranks, "squares", "x"), expected, atol=1e-13)


def test_distances_are_shared_with_their_gradients(ranks, alone):
    assert len({each["shared"]["distance"]["value"] for each in ranks}) == 1
    assert ranks[0]["shared"]["distance"]["value"] == pytest.approx(alone["distance"]["value"], rel=CLOSE)
    np.testing.assert_allclose(put_together(ranks, "distance", "x"), alone["distance"]["x"], atol=1e-13)


def test_costs_that_are_given_are_shared_by_rows(ranks, alone):
    assert len({each["shared"]["precomputed"]["value"] for each in ranks}) == 1
    assert ranks[0]["shared"]["precomputed"]["value"] == pytest.approx(
        alone["precomputed"]["value"], rel=CLOSE
    )
    plan = put_together(ranks, "precomputed", "plan")
    np.testing.assert_array_equal(put_together(ranks, "precomputed", "gradient"), plan)
    assert plan.shape == (N, M)


def test_batches_are_shared_problem_by_problem(ranks, alone):
    for rank, each in enumerate(ranks):
        own = exact_cases.rows_of(rank, SIZE)[0]
        np.testing.assert_allclose(each["shared"]["batch"]["value"], alone["batch"]["value"], rtol=CLOSE)
        assert each["shared"]["batch"]["f"].shape == (2, len(own))
    several = [sum(each["shared"]["batch"]["arcs"][k] for each in ranks) for k in range(2)]
    assert all(max(N, M) <= count < N + M for count in several)


def test_small_problems_are_solved_by_the_first_rank(ranks, alone):
    for rank, each in enumerate(ranks):
        own = exact_cases.rows_of(rank, SIZE)[0]
        assert each["small"]["backend"] == alone["default"]["backend"]
        np.testing.assert_array_equal(each["small"]["plan"], alone["default"]["plan"][own])


def test_time_is_over_for_all(ranks):
    assert len({each["shared"]["time"] for each in ranks}) == 1
    status, value, lower, upper = ranks[0]["shared"]["time"]
    assert status == "TIME_LIMIT"
    assert lower <= upper
    assert 0 < value <= upper


def test_metrics_of_torchmetrics_are_computed_together(ranks, alone):
    if alone["metrics"] is None:
        pytest.skip("needs torchmetrics")
    for name, close in (("emd", CLOSE), ("divergence", 1e-5)):
        found = {each["shared"]["metrics"][name] for each in ranks}
        assert len(found) == 1
        assert found.pop() == pytest.approx(alone["metrics"][name], rel=close)


REASONS = {
    "nan": "on rank 1: x must be finite",
    "p": "p must be the same on all ranks, got 1 on rank 0 and 2 on rank 1",
    "function": "rooted must be the same on all ranks, got False on rank 0 and True on rank 1",
    "epsilon": "epsilon must be the same on all ranks, got None on rank 0 and 0.1 on rank 1",
    "cost": "this cost is broken",
    "backend": "backend must be",
    "assignment": "backend 'assignment' needs n = m and no weights",
    "progress": "enough",
    "time": "was not solved within time_limit",
}


@pytest.mark.parametrize("name", REASONS)
def test_a_mistake_of_one_rank_is_raised_on_all(ranks, name):
    for rank, each in enumerate(ranks):
        kind, text = each["mistakes"][name]
        assert (REASONS[name].removeprefix("on rank 1: ") if rank == 1 else REASONS[name]) in text
        assert "Error" in kind


def test_a_group_is_as_it_was_after_a_mistake(ranks, alone):
    assert len({each["mistakes"]["after"] for each in ranks}) == 1
    assert ranks[0]["mistakes"]["after"] == pytest.approx(alone["distance"]["value"], rel=CLOSE)


def test_a_rank_that_is_lost_ends_the_others(scenarios):
    kind, text = scenarios["exact_cases.one_dies"][0]
    assert kind == "RankError"
    assert "rank 0 of 2" in text


def test_a_first_rank_that_works_for_longer_than_a_group_waits_is_waited_for(scenarios):
    (found, seconds, _), (other, waited, steps) = scenarios["exact_cases.first_is_busy"]
    assert (found, other) == ("found", None)
    assert min(seconds, waited) > TIMEOUT
    assert steps > 1
