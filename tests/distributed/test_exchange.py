"""What goes wrong on one rank is known to all, with its reason and within a time."""

import numpy as np
import pytest

from tests.distributed.world import TIMEOUT

PATIENCE = TIMEOUT + 40.0
"""Seconds within which a rank must have been told; the machine may be slow, and nothing waits for ever."""

REASONS = {
    "nan": "on rank 3: x must be finite",
    "word": "on rank 3: x must be numbers",
    "epsilon": "epsilon must be the same on all ranks, got 0.1 on rank 0 and 0.2 on rank 3",
    "function": "all ranks must call the same function, got one with selves on rank 3 and another one on rank 0",
    "cost": "this cost is broken",
    "dimension": "x must be alike on all ranks but for its rows",
    "weights": "a must be alike on all ranks but for its rows",
    "misaligned": "on rank 3: a must have one weight a row that is here, 53, got shape (52,)",
    "library": "x must be alike on all ranks but for its rows",
    "negative": "a must be nonnegative",
    "backend": "backend must be",
    "list": "x must be one array of rows",
    "product": "v must have as many columns on every rank",
}


@pytest.mark.parametrize("name", REASONS)
def test_a_mistake_of_one_rank_is_raised_on_all(ranks, name):
    raised = [each["mistakes"][name] for each in ranks]
    assert None not in raised
    for rank, (kind, text) in enumerate(raised):
        expected = REASONS[name].removeprefix("on rank 3: ") if rank == 3 else REASONS[name]
        assert expected in text
        assert "Error" in kind
    kinds = {kind for kind, _ in raised[:3]}
    assert len(kinds) == 1


def test_a_group_is_as_it_was_after_a_mistake(ranks):
    assert len({each["mistakes"]["after"] for each in ranks}) == 1


def test_numbers_that_differ_become_those_of_the_first_rank(ranks):
    for each in ranks:
        np.testing.assert_array_equal(each["settled"], 1.0)


def test_a_rank_outside_of_a_group_is_told_so(ranks):
    assert [each["outsider"] is None for each in ranks] == [True, True, False, False]
    for each in ranks[2:]:
        assert each["outsider"][0] == "WrongValueError"
        assert "this process is not in" in each["outsider"][1]


def test_what_a_result_of_a_group_does_not_have_is_said(ranks):
    for each in ranks[:2]:
        assert "differentiable once" in each["refused"]["second derivative"][1]
        assert "a plot is of the points of one process" in each["refused"]["plot"][1]
        assert "on 2 ranks" in each["refused"]["shown"]


@pytest.mark.parametrize("scenario", ["one_dies", "one_hangs", "one_stays_away"])
def test_a_rank_that_is_lost_ends_the_others(scenarios, scenario):
    kind, text, seconds = scenarios[f"cases.{scenario}"][0]
    assert kind == "RankError"
    assert "rank 0 of 2" in text
    assert seconds < PATIENCE
    if scenario == "one_stays_away":
        assert "rank 1 ended, or did not answer" in text
