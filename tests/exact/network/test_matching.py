"""Assignments by shortest augmenting paths, held to SciPy's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from otgan.deadline import Deadline
from otgan.exact.endings import OutOfTimeError
from otgan.exact.network import matching
from otgan.exact.network.matching import match


def check(cost):
    """The assignment is one, and no other costs less."""
    found = match(cost)
    n = len(cost)
    assert sorted(found) == list(range(n))
    i, j = linear_sum_assignment(cost)
    best = float(cost[i, j].sum())
    assert float(cost[np.arange(n), found].sum()) == pytest.approx(
        best, rel=1e-12, abs=1e-13 * np.abs(cost).max()
    )


@pytest.mark.parametrize("n", [1, 2, 3, 17, 130])
@pytest.mark.parametrize("scale", [1e-150, 1.0, 1e150])
def test_random_costs(n, scale):
    check(scale * np.random.default_rng(n).random((n, n)))


@pytest.mark.parametrize("n", [2, 9, 60])
@pytest.mark.parametrize("most", [1, 2, 30])
def test_whole_costs_with_ties(n, most):
    for seed in range(5):
        check(np.random.default_rng(seed).integers(0, most, (n, n)).astype(float))


@given(st.lists(st.floats(-1e6, 1e6), min_size=25, max_size=25))
def test_costs_of_either_sign(entries):
    check(np.array(entries).reshape(5, 5))


def test_costs_that_are_not_contiguous():
    cost = np.random.default_rng(0).random((40, 40))
    assert match(cost.T).tolist() == match(np.ascontiguousarray(cost.T)).tolist()


def test_rows_are_matched_in_pieces_until_the_deadline(monkeypatch):
    cost = np.random.default_rng(0).random((30, 30))
    whole = match(cost)
    monkeypatch.setattr(matching, "_EFFORT", 1)
    assert match(cost).tolist() == whole.tolist()
    with pytest.raises(OutOfTimeError):
        match(cost, Deadline.after(0))
