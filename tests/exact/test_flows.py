"""Masses along a forest, in whole numbers."""

from fractions import Fraction

import numpy as np
import pytest

from otgan.exact.flows import whole_flows, whole_weights


def test_a_tree_that_would_need_a_negative_mass_has_no_flow():
    # x0 - y0 - x1 - y1: x0 has 1/3, and y0 takes 2/7 alone.
    given = (np.array([1.0, 2.0]), np.array([2.0, 5.0]))
    assert whole_flows(np.array([0, 1, 1]), np.array([0, 0, 1]), given, (2, 2)) is None


def test_masses_are_correctly_rounded():
    i, j = np.array([0, 1, 1]), np.array([0, 0, 1])
    given = (np.array([1.0, 2.0]), np.array([3.0, 4.0]))
    flow, homeless = whole_flows(i, j, given, (2, 2))
    assert homeless == 0
    assert flow.tolist() == [1 / 3, float(Fraction(3, 7) - Fraction(1, 3)), 4 / 7]


def test_equal_weights_are_whole():
    flow, homeless = whole_flows(np.array([0, 0, 1, 2]), np.array([0, 1, 1, 2]), (None, None), (3, 3))
    assert homeless == 0
    assert flow.tolist() == [1 / 3, 0.0, 1 / 3, 1 / 3]


def test_what_finds_no_arc_is_told():
    flow, homeless = whole_flows(np.array([0, 1]), np.array([0, 1]), (np.array([1.0, 3.0]), None), (2, 2))
    assert flow.tolist() == [0.25, 0.75] or flow.tolist() == [0.5, 0.5]
    assert homeless == 0.5


def test_light_weights_keep_their_digits():
    tiny = 2.0**-60
    flow, _ = whole_flows(np.array([0, 0]), np.array([0, 1]), (None, np.array([1.0, tiny])), (1, 2))
    assert flow[1] == pytest.approx(tiny, rel=1e-15)
    assert flow[0] == 1.0


@pytest.mark.parametrize(
    ("i", "j"), [([0, 0, 1, 1], [0, 1, 0, 1]), ([0, 0], [0, 0])], ids=["a cycle", "an arc twice"]
)
def test_what_is_no_forest_has_no_flow(i, j):
    assert whole_flows(np.array(i), np.array(j), (None, None), (2, 2)) is None


def test_weights_are_whole_numbers_times_a_power_of_two():
    whole = whole_weights(np.array([0.5, 1e-300, 3.0]), 3)
    assert Fraction(whole[2], whole[0]) == 6
    assert Fraction(whole[1], whole[0]) == Fraction(1e-300) * 2
    assert whole_weights(None, 3).tolist() == [1, 1, 1]
