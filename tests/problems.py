"""Transport problems whose answer is known: what every solver is held to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import sqrtm

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Problem:
    """Weighted points x and y with the exact minimum ``value`` of <P, C> for C = ‖x − y‖₂^p."""

    name: str
    x: Floats
    y: Floats
    a: Floats | None
    b: Floats | None
    p: float
    value: float

    @property
    def scale(self) -> float:
        """The largest cost, which rounding errors are relative to."""
        return float(np.linalg.norm(self.x[:, None] - self.y, axis=2).max() ** self.p)


def cloud(n: int, d: int, seed: int = 0) -> Floats:
    """Standard normal points of shape (n, d)."""
    return np.random.default_rng(seed).standard_normal((n, d))


def simplex_weights(n: int, seed: int = 0) -> Floats:
    """Positive weights of total 1."""
    weights = np.random.default_rng(seed).uniform(0.1, 1.0, n)
    return weights / weights.sum()


def diracs(p: float) -> Problem:
    """Two points at distance 5."""
    return Problem("diracs", np.array([[1.0, 2.0]]), np.array([[4.0, 6.0]]), None, None, p, 5.0**p)


def dirac_to_cloud(p: float) -> Problem:
    """One point sends to all the others: there is only one plan."""
    y, b = cloud(9, 3), simplex_weights(9)
    x = np.array([[0.5, -1.0, 2.0]])
    return Problem("dirac-to-cloud", x, y, None, b, p, float(b @ np.linalg.norm(y - x, axis=1) ** p))


def translation(p: float, d: int = 2) -> Problem:
    """A weighted cloud and its translate: W_p is the length of the shift, by Jensen's inequality."""
    x, a = cloud(25, d), simplex_weights(25)
    shift = np.linspace(0.3, 1.2, d)
    return Problem(f"translation-{d}d", x, x + shift, a, a, p, float(np.linalg.norm(shift) ** p))


def permutation(p: float) -> Problem:
    """The same points in another order."""
    x = cloud(30, 2)
    order = np.random.default_rng(1).permutation(30)
    return Problem("permutation", x, x[order], None, None, p, 0.0)


def jittered_grid(p: float) -> Problem:
    """A shuffled grid whose points moved by less than half the spacing: every point's nearest is its partner."""
    x = np.stack(np.meshgrid(np.arange(5.0), np.arange(4.0)), -1).reshape(-1, 2)
    rng = np.random.default_rng(2)
    moved = x + rng.uniform(-0.15, 0.15, x.shape)
    value = float(np.mean(np.linalg.norm(moved - x, axis=1) ** p))
    return Problem("jittered-grid", x, moved[rng.permutation(20)], None, None, p, value)


def scaled_copy() -> Problem:
    """y = 3x, the gradient of a convex function."""
    x, a = cloud(20, 3), simplex_weights(20)
    return Problem("scaled-copy", x, 3 * x, a, a, 2, float(a @ (4 * (x**2).sum(1))))


def convex_gradient() -> Problem:
    """y = ∇φ(x) for φ(x) = ½ ‖x‖² + log Σ exp(wₖ·x), optimal for p = 2 by Brenier's theorem."""
    x, a = cloud(30, 2), simplex_weights(30)
    w = 2 * cloud(4, 2, seed=3)
    soft = np.exp(x @ w.T)
    move = soft / soft.sum(1, keepdims=True) @ w
    order = np.random.default_rng(4).permutation(30)
    return Problem("convex-gradient", x, (x + move)[order], a, a[order], 2, float(a @ (move**2).sum(1)))


def gaussians() -> Problem:
    """Samples with exact means and covariances, mapped onto each other linearly: W₂² is the Bures formula."""
    x = cloud(40, 3)
    x -= x.mean(0)
    x = x @ np.linalg.inv(np.linalg.cholesky(x.T @ x / 40)).T  # covariance: the identity
    root_x, root_y = np.diag([1.0, 2.0, 0.5]), np.array([[2.0, 0.5, 0], [0.5, 1.0, 0.2], [0, 0.2, 0.7]])
    cov_x, cov_y = root_x @ root_x, root_y @ root_y
    inner = np.real(sqrtm(root_x @ cov_y @ root_x))
    inverse = np.linalg.inv(root_x)
    forward = inverse @ inner @ inverse  # the optimal map between the two, symmetric positive definite
    x, shift = x @ root_x, np.array([1.0, -2.0, 0.5])
    value = float(shift @ shift + np.trace(cov_x + cov_y - 2 * inner))
    return Problem("gaussians", x, x @ forward + shift, None, None, 2, value)


def duplicates(p: float) -> Problem:
    """Every point several times against every point once: the weights are the same."""
    x = cloud(8, 2)
    return Problem("duplicates", np.repeat(x, 3, axis=0), x, None, None, p, 0.0)


def identical(p: float) -> Problem:
    """One point, over and over: all distances are 0."""
    x = np.full((6, 2), 0.7)
    return Problem("identical", x, x[:4], None, simplex_weights(4), p, 0.0)


def far_apart(p: float) -> Problem:
    """Two pairs of clusters 1e6 apart, each moved by 1: nothing crosses."""
    x = np.concatenate([cloud(6, 2), cloud(6, 2, seed=1) + 1e6])
    return Problem("far-apart", x, x + np.array([0.6, 0.8]), None, None, p, 1.0)


def zero_weights(p: float) -> Problem:
    """A translation among points of weight 0 that must not matter."""
    base = translation(p)
    assert base.a is not None
    x = np.insert(base.x, [0, 7, 25], cloud(3, 2, seed=5) * 50, axis=0)
    y = np.insert(base.y, [3, 25], cloud(2, 2, seed=6) * 50, axis=0)
    a, b = np.insert(base.a, [0, 7, 25], 0.0), np.insert(base.a, [3, 25], 0.0)
    return Problem("zero-weights", x, y, a, b, p, base.value)


def wide_weights(p: float) -> Problem:
    """A translation of points whose weights span eight orders of magnitude."""
    x = cloud(25, 2)
    a = np.geomspace(1e-8, 1.0, 25)
    return Problem("wide-weights", x, x + np.array([0.6, 0.8]), a, a, p, 1.0)


_ANY_POWER: tuple[Callable[[float], Problem], ...] = (
    diracs,
    dirac_to_cloud,
    translation,
    lambda p: translation(p, 1),
    lambda p: translation(p, 784),
    permutation,
    jittered_grid,
    duplicates,
    identical,
    far_apart,
    zero_weights,
    wide_weights,
)


def known_problems() -> list[Problem]:
    """Return every problem of this module, at several powers where the answer is known for all."""
    problems = [make(p) for make in _ANY_POWER for p in (1, 1.5, 2, 3)]
    return [*problems, scaled_copy(), convex_gradient(), gaussians()]


def problem_id(problem: Problem) -> str:
    """Name a problem in pytest's output."""
    return f"{problem.name}-p{problem.p:g}"
