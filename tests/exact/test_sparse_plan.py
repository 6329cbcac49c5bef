"""Which arcs of a plan carry mass, and which only rounding."""

from __future__ import annotations

import numpy as np

from otgan.exact.sparse_plan import lasting


def test_what_rounding_leaves_over_does_not_last():
    a, b = np.array([0.5, 0.5]), np.array([0.5, 0.5])
    i, j = np.array([0, 1, 1]), np.array([0, 1, 0])
    assert lasting(i, j, np.array([0.5, 0.5, 1e-16]), a, b).tolist() == [True, True, False]
    assert lasting(i, j, np.array([0.5, 0.5, 1e-13]), a, b).tolist() == [True, True, True]


def test_points_of_next_to_no_weight_keep_their_arcs():
    a, b = np.array([1.0, 1e-20]), np.array([0.5, 0.5])
    i, j = np.array([0, 0, 1]), np.array([0, 1, 1])
    assert lasting(i, j, np.array([0.5, 0.5, 1e-20]), a, b).all()
