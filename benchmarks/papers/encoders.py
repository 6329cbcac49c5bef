"""Encoders between finitely many points, where optimal transport over them is a linear or a convex program."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog
from scipy.sparse import coo_array, csr_array, eye_array, hstack, kron, vstack

import otgan

Array = NDArray[np.float64]
Weights = tuple[Array, Array]

_MOST_CUTS = 60
_LEAST = 1e-12
"""The least q_j / b_j at which a tangent touches: at 0 that of the GAN's discrepancy is vertical."""


@dataclass(frozen=True)
class Discrete:
    """Data points x of weights a, and a decoder G that takes the codes j, of prior weights b, to points.

    Attributes
    ----------
    x : ndarray, shape (n, d)
    a : ndarray, shape (n,)
    decoded : ndarray, shape (k, d)
        G(z_j); several codes may have the same one.
    b : ndarray, shape (k,)
    """

    x: Array
    a: Array
    decoded: Array
    b: Array

    @classmethod
    def draw(cls, seed: int, n: int = 50, k: int = 60, images: int = 40) -> Discrete:
        """Draw a problem in the plane whose k codes share their `images` decoded points."""
        rng = np.random.default_rng(seed)
        points = 0.8 * rng.normal(size=(images, 2)) + 0.3
        shared = np.concatenate([np.arange(images), rng.integers(images, size=k - images)])
        weights = [rng.dirichlet(np.ones(size)) for size in (n, k)]
        return cls(rng.normal(size=(n, 2)), weights[0], points[shared], weights[1])

    def costs(self, p: float) -> Array:
        """c(x_i, G(z_j)) = ‖x_i − G(z_j)‖₂^p, shape (n, k)."""
        distances: Array = np.linalg.norm(self.x[:, None] - self.decoded[None], axis=-1)
        return distances**p

    def transport(self, p: float) -> float:
        """W_c(P_X, P_G), between the points themselves: nothing of the codes enters."""
        points, place = np.unique(self.decoded, axis=0, return_inverse=True)
        weights = np.bincount(place.ravel(), self.b)
        return float(otgan.transport(self.x, points, self.a, weights, p=p).value)

    def constrained(self, p: float) -> float:
        """The least E c(x, G(z)) over encoders Q(z|x) with Q_Z = P_Z: a linear program in a_i Q(j|i)."""
        costs = self.costs(p)
        n, k = costs.shape
        right = np.concatenate([self.a, self.b])
        return _linear_program(costs.ravel(), A_eq=_marginals(n, k), b_eq=right)[0]

    def between_models(self, q: Array) -> float:
        """W₁(G#Q_Z, P_G), Q_Z having the weights q."""
        return float(otgan.emd(self.decoded, self.decoded, q, self.b))


@dataclass(frozen=True)
class Relaxed:
    """The least E c + λ D(Q_Z, P_Z) over encoders.

    Attributes
    ----------
    lower, upper : float
        What the least value certainly lies between.
    cost : float
        E c of the encoder that attains `upper`.
    codes : ndarray, shape (k,)
        Its Q_Z.
    """

    lower: float
    upper: float
    cost: float
    codes: Array


def gan_discrepancy(q: Array, b: Array) -> Weights:
    """2 JS, which is D_GAN + log 4, and its derivative, by coordinates: q log 2q/(q+b) + b log 2b/(q+b)."""
    q = q.clip(_LEAST * b)
    slope = np.log(2 * q / (q + b))
    return q * slope + b * np.log(2 * b / (q + b)), slope


def total_variation(q: Array, b: Array) -> Weights:
    """½ |q − b| and a subgradient, by coordinates."""
    return np.abs(q - b) / 2, np.sign(q - b) / 2


def relaxed(
    problem: Discrete,
    penalty: float,
    discrepancy: Callable[[Array, Array], Weights] = gan_discrepancy,
    p: float = 1,
    tol: float = 1e-7,
) -> Relaxed:
    """Solve the penalized problem by cutting planes, to a relative gap of `tol` that is certified.

    D is a sum of convex functions of one weight of Q_Z each. Tangents below them give a linear program whose value is
    a lower bound; its solution's value is an upper one, and new tangents touch there.
    """
    costs = problem.costs(p)
    (n, k), b = costs.shape, problem.b
    # The variables are a_i Q(j|i), the weights q_j of Q_Z, and for each a number t_j above all tangents.
    objective = np.concatenate([costs.ravel(), np.zeros(k), np.full(k, penalty)])
    rows_and_columns = _marginals(n, k)
    minus_q = vstack([csr_array((n, k)), -eye_array(k)])
    equal = hstack([rows_and_columns, minus_q, csr_array((n + k, k))])
    right = np.concatenate([problem.a, np.zeros(k)])
    bounds = [(0, None)] * (n * k + k) + [(None, None)] * k

    touching = [ratio * b for ratio in (0, 1e-3, 0.1, 0.3, 0.6, 0.8, 1, 1.3, 1.7, 2.5, 5, 20)]
    lower, upper, best = -np.inf, np.inf, (np.inf, b)
    for _ in range(_MOST_CUTS):
        tangents, offsets = zip(*(_tangents(discrepancy, q, b, n * k) for q in touching), strict=True)
        lower, solution = _linear_program(
            objective,
            A_ub=vstack(tangents),
            b_ub=np.concatenate(offsets),
            A_eq=equal,
            b_eq=right,
            bounds=bounds,
        )
        q = solution[n * k : n * k + k]
        cost = float(costs.ravel() @ solution[: n * k])
        value = cost + penalty * float(discrepancy(q, b)[0].sum())
        if value < upper:
            upper, best = value, (cost, q)
        if upper - lower <= tol * upper:
            return Relaxed(lower, upper, *best)
        touching.append(q)
    raise RuntimeError(f"after {_MOST_CUTS} cuts the value is only known to lie in [{lower}, {upper}]")


def _linear_program(objective: Array, **constraints: Any) -> tuple[float, Array]:
    """Return the least value and where it is attained."""
    tight: Any = {"dual_feasibility_tolerance": 1e-10, "primal_feasibility_tolerance": 1e-10}
    solved: Any = linprog(objective, **constraints, options=tight)
    if not solved.success:
        raise RuntimeError(f"the linear program over encoders failed: {solved.message}")
    return float(solved.fun), np.asarray(solved.x)


def _marginals(n: int, k: int) -> Any:
    """The sums over codes, then those over points, of a matrix of shape (n, k) laid out by rows."""
    return vstack([kron(eye_array(n), np.ones((1, k))), kron(np.ones((1, n)), eye_array(k))]).tocsr()


def _tangents(
    discrepancy: Callable[[Array, Array], Weights], q: Array, b: Array, before: int
) -> tuple[Any, Array]:
    """Rows and right sides of f_j(q_j) + f_j′(q_j) (· − q_j) ≤ t_j, `before` variables standing before those of Q_Z."""
    q = q.clip(_LEAST * b)
    value, slope = discrepancy(q, b)
    k = len(b)
    each = np.arange(k)
    entries = (np.concatenate([slope, -np.ones(k)]), (np.tile(each, 2), before + np.arange(2 * k)))
    return coo_array(entries, shape=(k, before + 2 * k)).tocsr(), slope * q - value
