"""Sparse factors of Newton systems: near the inverse, and refused where they would fill up."""

import numpy as np
import pytest

from otgan.geometry.compiled import factor
from otgan.geometry.compiled.core import Core


def band(n, width):
    """Return the system of a plan near the diagonal, as between points on a line."""
    apart = np.abs(np.arange(n)[:, None] - np.arange(n))
    plan = np.exp(-((apart / width) ** 2))
    plan[plan < 1e-9] = 0
    plan /= plan.sum()
    i, j = plan.nonzero()
    ends = np.concatenate([[0], np.bincount(i, minlength=n).cumsum()]).astype(np.int64)
    core = Core(ends, j.astype(np.int32), plan[i, j])
    return core.system(np.ones(n), np.ones(n), plan.sum(1), plan.sum(0))


def test_a_factor_saves_iterations():
    system = band(400, 2.0)
    rng = np.random.default_rng(0)
    gap = rng.standard_normal(400) / 400
    gap -= gap.mean()
    plain, many = system.solve(gap, 1e-6, 5000, 20.0)
    found, few = system.solve(gap, 1e-6, 5000, 20.0, factor.inverse_of(system))
    assert few < 0.3 * many
    difference = (found - found.mean()) - (plain - plain.mean())
    assert np.abs(difference).max() < 1e-3 * np.abs(plain - plain.mean()).max()


def test_the_inverse_is_symmetric_and_positive():
    inverse = factor.inverse_of(band(50, 2.0))
    matrix = np.stack([inverse(e) for e in np.eye(50)])
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-9 * np.abs(matrix).max())
    assert np.linalg.eigvalsh(0.5 * (matrix + matrix.T)).min() > 0


@pytest.mark.parametrize("name", ["_PRODUCTS", "_OPERATIONS"])
def test_a_factor_that_costs_too_much_is_refused(name, monkeypatch):
    system = band(50, 2.0)
    assert factor.inverse_of(system) is not None
    monkeypatch.setattr(factor, "_EACH", 0)
    monkeypatch.setattr(factor, "_FEW", 0)
    monkeypatch.setattr(factor, name, 10)
    assert factor.inverse_of(system) is None
