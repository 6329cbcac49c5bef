"""Several processes against one: the same values, potentials, products and gradients, and the same ends."""

import numpy as np
import pytest

from benchmarks.scale import model_bytes
from tests.distributed import cases
from tests.distributed.world import SIZE

CLOSE = 1e-6
"""Relative difference where solves take different steps to the same tolerance."""

SAME = 1e-10
"""The same where they take the same steps, and differ in the order of sums alone."""


@pytest.fixture
def alone(ranks):
    """What one process found."""
    return ranks[-1][1]


def parts(ranks, size, name):
    """What each rank of the group of a size found in a case."""
    return [each[size][name] for each in ranks[:size]]


def apart(found, expected):
    """The largest difference, relative to what is expected."""
    found, expected = np.asarray(found, dtype=np.float64), np.asarray(expected, dtype=np.float64)
    assert found.shape == expected.shape
    return float(np.abs(found - expected).max(initial=0) / max(1e-300, np.abs(expected).max(initial=0)))


@pytest.mark.parametrize(
    ("size", "name"), [*((2, name) for name in cases.VALUES), *((SIZE, name) for name in cases.BY_FOUR)]
)
def test_values_are_those_of_one_process(ranks, alone, size, name):
    found = parts(ranks, size, name)
    assert len(set(found)) == 1  # to the last bit
    assert found[0] == pytest.approx(alone[name], rel=CLOSE)


WHOLE = ("value", "linear", "lower", "upper")
OF_X = ("f", "plan", "map", "product", "x", "a")
OF_Y = ("g", "product of x", "y", "b")


@pytest.mark.parametrize(
    ("size", "name", "tolerance"),
    [
        (2, "same steps", SAME),
        (SIZE, "same steps", SAME),
        (2, "tight", CLOSE),
        (2, "unbalanced", CLOSE),
        (2, "single", 2e-3),
    ],
)
def test_each_rank_has_the_rows_of_one_solution(ranks, alone, size, name, tolerance):
    found, expected = parts(ranks, size, name), alone[name]
    for rank, each in enumerate(found):
        of_x, of_y = cases.rows_of(rank, size)
        for number in WHOLE:
            assert each[number] == found[0][number]
            assert apart(each[number], expected[number]) <= tolerance, number
        for rows, numbers in ((of_x, OF_X), (of_y, OF_Y)):
            for number in numbers:
                assert apart(each[number], expected[number][rows]) <= tolerance or not len(rows), number
        assert each["status"] == expected["status"] == "CONVERGED"
    assert sum(len(cases.rows_of(rank, size)[0]) for rank in range(size)) == cases.N


@pytest.mark.parametrize("size", [2, SIZE])
def test_what_takes_the_same_steps_takes_as_many(ranks, alone, size):
    assert {each["iterations"] for each in parts(ranks, size, "same steps")} == {
        alone["same steps"]["iterations"]
    }
    assert {each["backend"] for each in parts(ranks, size, "same steps")} == {f"streamed on {size} ranks"}


def test_small_problems_are_solved_by_the_first_rank(ranks, alone):
    expected = alone["first"]
    for rank, each in enumerate(ranks):
        of_x, _ = cases.rows_of(rank, SIZE)
        assert each["first"]["backend"] == expected["backend"]
        assert each["first"]["iterations"] == expected["iterations"]
        assert apart(each["first"]["f"], expected["f"][of_x]) <= SAME
        assert apart(each["first"]["x"], expected["x"][of_x]) <= SAME
        for name in ("value", "lower", "upper"):
            assert apart(each["first batch"][name], alone["batch"][name]) <= SAME
        assert apart(each["first batch"]["f"], alone["batch"]["f"][:, of_x]) <= SAME


def test_a_loss_under_data_parallel_training_has_the_gradient_of_the_whole_batch(ranks, alone):
    for each in parts(ranks, 2, "loss"):
        assert apart(each, alone["loss"]) <= CLOSE


def test_gradients_in_the_parameters_of_a_cost_sum_to_that_of_one_process(ranks, alone):
    assert sum(parts(ranks, 2, "parameter")) == pytest.approx(alone["parameter"], rel=CLOSE)


def test_precomputed_costs_are_shared_by_rows(ranks, alone):
    expected = alone["precomputed"]
    for rank, each in enumerate(parts(ranks, 2, "precomputed")):
        of_x, _ = cases.rows_of(rank, 2)
        for name in ("value", "divergence", "g"):
            assert apart(each[name], expected[name]) <= 1e-5, name
        for name in ("f", "gradient", "product"):
            assert apart(each[name], expected[name][of_x]) <= 1e-5, name


def test_batches_are_shared_problem_by_problem(ranks, alone):
    expected = alone["batch"]
    for rank, each in enumerate(parts(ranks, 2, "batch")):
        of_x, of_y = cases.rows_of(rank, 2)
        assert apart(each["value"], expected["value"]) <= CLOSE
        assert apart(each["f"], expected["f"][:, of_x]) <= 1e-5 or not len(of_x)
        assert apart(each["g"], expected["g"][:, of_y]) <= 1e-5 or not len(of_y)
        # Both intervals hold the exact costs.
        assert (each["lower"] <= expected["upper"]).all()
        assert (expected["lower"] <= each["upper"]).all()


def test_solves_continue_from_the_solution_of_a_group(ranks, alone):
    for each in parts(ranks, 2, "continued"):
        assert each["value"] == pytest.approx(alone["continued"]["value"], rel=CLOSE)
        assert each["fewer"]


def test_time_is_over_for_all_at_the_same_step(ranks):
    assert len({each["time"] for each in ranks}) == 1
    status, _, _, lower, upper = ranks[0]["time"]
    assert status == "TIME_LIMIT"
    assert lower <= upper


def test_a_pass_sends_what_the_model_says(ranks):
    assert {each["sent"] for each in ranks} == {model_bytes(cases.N, cases.M, SIZE)}


@pytest.mark.parametrize("name", ["mirrored", "others", "stored", "again"])
def test_pairs_are_shared_out_and_all_have_the_matrix(ranks, name):
    expected = ranks[-1]["pairs of one"][name]
    for each in ranks:
        np.testing.assert_allclose(each["pairs"][name], expected, rtol=1e-12, atol=1e-12)


def test_pairs_of_other_sets_are_refused_on_all_ranks(ranks):
    for each in ranks:
        assert "sets and options must be the same on all ranks" in each["pairs"]["raised"][1]


@pytest.mark.parametrize("name", cases.SPLIT)
def test_splits_are_shared_out_and_all_have_the_test_of_one_process(ranks, name):
    p_value, null, value = ranks[-1]["tests of one"]["splits"][name]
    for each in ranks:
        found = each["tests"]["splits"][name]
        assert found[0] == p_value
        np.testing.assert_array_equal(found[1], null)  # to the last bit
        assert found[2] == value


def test_tests_of_pairs_are_shared_out_and_kept(ranks):
    expected = ranks[-1]["tests of one"]["pairs"][0]
    for each in ranks:
        for found in each["tests"]["pairs"]:  # the second time from the store
            for matrix, of_one in zip(found, expected, strict=True):
                np.testing.assert_array_equal(matrix, of_one)


def test_tests_of_other_sets_are_refused_on_all_ranks(ranks):
    for each in ranks:
        for kind, text in each["tests"]["raised"]:
            assert kind == "WrongValueError"
            assert "sets and options must be the same on all ranks" in text
