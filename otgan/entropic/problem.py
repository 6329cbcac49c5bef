"""An entropic problem in normal form, the limits within which it is solved, and its solution: what every solver shares."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace

from otgan.deadline import NEVER, Deadline
from otgan.geometry.base import Geometry
from otgan.namespace import Array, namespace

__all__ = ["Limits", "Problem", "Solution"]


@dataclass(frozen=True, eq=False)
class Problem:
    """A batch of problems min ⟨P, C⟩ + ε KL(P | a⊗b), with marginals a and b or penalties for them.

    Attributes
    ----------
    geometry : Geometry
        B problems of n times m points.
    a, b : Array, shapes (B, n) and (B, m), float64
        Weights, each row of total 1 where marginals are constraints; 0 where a ragged problem is filled up.
    epsilon : Array, shape (B,), float64
    rho : Array, shape (B,), or None
        ρ of the penalties ρ KL(P1 | a) + ρ KL(Pᵀ1 | b); None where the marginals are constraints.
    symmetric : bool
        Whether x and y are the same measure and C is symmetric: then f = g.
    """

    geometry: Geometry
    a: Array
    b: Array
    epsilon: Array
    rho: Array | None = None
    symmetric: bool = False

    @property
    def balanced(self) -> bool:
        """Whether the marginals are constraints."""
        return self.rho is None

    def take(self, keep: Array) -> Problem:
        """Return the problems whose indices are in `keep`; the whole where that is all."""
        return self if keep.shape[0] == self.a.shape[0] else self.part(keep)

    def part(self, keep: Array | slice) -> Problem:
        """Return the problems whose indices are in `keep`, or those of a slice, which share the memory of the whole."""
        rho = None if self.rho is None else self.rho[keep]
        return replace(
            self,
            geometry=self.geometry.take(keep),
            a=self.a[keep],
            b=self.b[keep],
            epsilon=self.epsilon[keep],
            rho=rho,
        )

    def at(self, epsilon: Array) -> Problem:
        """Return the same problems at another ε."""
        return replace(self, epsilon=epsilon)

    def marginals(self, f: Array, g: Array) -> tuple[Array, Array]:
        """Row and column sums of the plan of these potentials, float64."""
        return self.geometry.marginals(self.epsilon, f, g, self.a, self.b)

    def measured(self, f: Array, g: Array) -> tuple[Array, Array]:
        """Return the mass beyond that of the product of the weights, and the L1 error of both marginals, shape (B,)."""
        row_sums, column_sums = self.marginals(f, g)
        error = abs(row_sums - self.a).sum(1) + abs(column_sums - self.b).sum(1)
        if self.balanced:  # of the same total, and summed without it
            return (column_sums - self.b).sum(1), error
        return row_sums.sum(1) - self.a.sum(1) * self.b.sum(1), error

    def soft_f(self, g: Array) -> Array:
        """The potential of x that is best beside g, by one soft minimum over y."""
        return self.geometry.softmin(self.epsilon, g + self.epsilon[:, None] * namespace(g).log(self.b), 1)

    def soft_g(self, f: Array) -> Array:
        """The potential of y that is best beside f, by one soft minimum over x."""
        return self.geometry.softmin(self.epsilon, f + self.epsilon[:, None] * namespace(f).log(self.a), 0)

    def hard_f(self, g: Array) -> Array:
        """The largest potential of x that is feasible beside g, by one hard minimum over the y that have weight."""
        return self.geometry.c_transform(namespace(g).where(self.b == 0, -math.inf, g), 1)


@dataclass(frozen=True)
class Limits:
    """Where a solver may stop.

    Attributes
    ----------
    tol : float
        L1 error of the marginals to reach; where they are penalties, change of the potentials in units of ε.
    max_iter : int
        Passes over the kernel, one pass being a product with K and one with Kᵀ.
    deadline : Deadline
    """

    tol: float
    max_iter: int
    deadline: Deadline = NEVER


@dataclass(frozen=True, eq=False)
class Solution:
    """Potentials of a batch of problems, with what is known of them.

    Attributes
    ----------
    f, g : Array, shapes (B, n) and (B, m), float64
    excess : Array, shape (B,)
        Mass of the plan beyond the product of the totals of a and b: 0, to the accuracy of a balanced solution.
    error : Array, shape (B,)
        ‖P1 − a‖₁ + ‖Pᵀ1 − b‖₁ recomputed in float64 from f and g (the change of the potentials, relative to ε,
        where marginals are penalties). Above the tolerance where the solver stopped first.
    iterations : Array, shape (B,)
        Passes over the kernel.
    """

    f: Array
    g: Array
    excess: Array
    error: Array
    iterations: Array

    def part(self, keep: slice) -> Solution:
        """Return the solution of some of the problems."""
        return Solution(*(getattr(self, each.name)[keep] for each in fields(self)))
