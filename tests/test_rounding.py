"""Bounds of rounding errors against exact arithmetic."""

import math
from fractions import Fraction

import numpy as np
import pytest
import torch

from otgan.costs import Euclidean
from otgan.rounding import UNIT, outward, sum_error, weight_error


@pytest.mark.parametrize("n", [1, 10, 1000, 100_000])
def test_sums_are_within_their_bound(n, rng):
    values = rng.standard_normal(n) * 10.0 ** rng.uniform(-8, 8, n)
    exact = math.fsum(values)
    size = math.fsum(np.abs(values))
    for found in (torch.from_numpy(values).sum().item(), values.sum()):
        assert abs(found - exact) <= sum_error(n) * size


def test_normalized_weights_are_within_their_bound(rng):
    given = rng.uniform(0, 1, 500)
    total = sum(map(Fraction, given.tolist()), Fraction(0))
    scaled = torch.from_numpy(given / given.max())
    found = (scaled / scaled.sum()).tolist()
    for w, a in zip(given.tolist(), found, strict=True):
        assert abs(Fraction(a) * total - Fraction(w)) <= Fraction(weight_error(500)) * Fraction(w)


@pytest.mark.parametrize("down", [True, False])
def test_numbers_are_rounded_outward(down, rng):
    values = torch.from_numpy(rng.standard_normal(1000) * 10.0 ** rng.uniform(-30, 30, 1000))
    rounded = outward(values, torch.float32, down).double()
    assert bool((rounded <= values).all() if down else (rounded >= values).all())
    # By one unit in the last place at most.
    assert bool(((rounded - values).abs() <= 2.0**-22 * values.abs()).all())
    assert torch.equal(outward(values, torch.float64, down), values)


def test_differences_have_no_part_that_does_not_shrink():
    x, y = torch.zeros(1, 3, 2, dtype=torch.float64), torch.ones(1, 4, 2, dtype=torch.float64)
    error = Euclidean(2).error(x, y, direct=True)
    assert error.largest().item() < 1e-290
    assert 8 * UNIT < error.relative < 100 * UNIT
