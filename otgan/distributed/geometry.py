"""The geometry of a group: each rank visits the costs of some rows, and what all have found is put together."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from itertools import pairwise
from typing import Any, Self

from otgan.costs import Cost
from otgan.distributed.collectives import Combine, combined_log_sum_exp, combined_min, combined_sum
from otgan.distributed.exchange import Exchange
from otgan.geometry.base import Geometry
from otgan.geometry.kernel import Kernel, Turn
from otgan.namespace import DOUBLE, Array, double, is_double, is_tensor, namespace

__all__ = ["ShardedGeometry", "ShardedKernel"]

_EXACT, _DOUBLE, _GRAM = 1, 2, 4
"""What ranks tell of their kernels, as bits of a number."""


class ShardedGeometry(Geometry):
    """Costs of which each rank visits its part of the rows; vectors are whole on every rank.

    Whatever is not overridden here every rank does for itself, for all rows.

    Parameters
    ----------
    x, y, rule, direct
        As every geometry has them, whole.
    ranks : Exchange
    own : Geometry
        That of the rows of this rank and all y.
    """

    def __init__(
        self, x: Array, y: Array, rule: Cost, direct: bool = False, *, ranks: Exchange, own: Geometry
    ) -> None:
        super().__init__(x, y, rule, direct)
        self.ranks, self.own = ranks, own
        self.name = f"{own.name} on {ranks.size} ranks"
        n = x.shape[1]
        ends = [n * k // ranks.size for k in range(ranks.size + 1)]
        self.counts = [stop - start for start, stop in pairwise(ends)]
        self.rows = slice(ends[ranks.rank], ends[ranks.rank + 1])

    @classmethod
    def over(
        cls, ranks: Exchange, x: Array, y: Array, rule: Cost, direct: bool, make: Callable[..., Geometry]
    ) -> ShardedGeometry:
        """Make one, with `make(x, y, rule, direct)` for the rows of this rank."""
        n = x.shape[1]
        rows = slice(n * ranks.rank // ranks.size, n * (ranks.rank + 1) // ranks.size)
        return cls(x, y, rule, direct, ranks=ranks, own=make(x[:, rows], y, rule, direct))

    @cached_property
    def majorant(self) -> tuple[Array, Array]:
        """Each rank looks for the largest costs of its rows, where a cost has no better rule than to look."""
        if type(self.rule).majorant is not Cost.majorant:
            return super().majorant
        most = self._rows("largest costs", lambda: self.own.majorant[0])
        return most, double(namespace(most).zeros_like(self.y[..., 0]))

    @cached_property
    def largest(self) -> Array:
        """A bound of the largest cost."""
        if type(self.rule).largest is not Cost.largest:
            return super().largest
        of_x, of_y = self.majorant
        return namespace(of_x).max(of_x, axis=1) + namespace(of_y).max(of_y, axis=1)

    def kernel(self, epsilon: Array, f: Array, g: Array, tol: float) -> Kernel:
        """Absorb the potentials on every rank, for its rows."""
        return self.kernels(epsilon, f, g, tol)[0]

    def kernels(self, epsilon: Array, f: Array, g: Array, tol: float) -> tuple[Kernel, Kernel]:
        """Return the accurate kernel and the rough one."""

        def made(epsilon: Array, f: Array, g: Array) -> tuple[Kernel, Kernel]:
            return self.own.kernels(epsilon, f[:, self.rows], g, tol)

        def note(found: tuple[Kernel, Kernel]) -> int:
            return sum(_facts(each) << (3 * k) for k, each in enumerate(found))

        (fine, rough), notes = self.ranks.together("kernels", made, epsilon, f, g, note=note)
        kernels = [
            ShardedKernel(self, each, [(one >> (3 * k)) & 7 for one in notes])
            for k, each in enumerate((fine, rough))
        ]
        return kernels[0], kernels[0] if rough is fine else kernels[1]

    def take(self, keep: Array | slice) -> Self:
        """Return the geometry of the problems `keep`."""
        own = self.own.take(keep)
        return type(self)(self.x[keep], self.y[keep], self.rule, self.direct, ranks=self.ranks, own=own)

    def softmin(self, epsilon: Array, h: Array, axis: int) -> Array:
        """Soft minimum over one side: over y row by row, over x by the logarithms of the ranks' sums."""
        if axis == 1:
            return self._rows("soft minima of rows", lambda e, h: self.own.softmin(e, h, 1), epsilon, h)
        scale = epsilon[:, None]
        parts = self._columns(
            "soft minima of columns",
            lambda e, h: -self.own.softmin(e, h[:, self.rows], 0) / e[:, None],
            combined_log_sum_exp,
            epsilon,
            h,
        )
        return -scale * parts

    def c_transform(self, h: Array, axis: int) -> Array:
        """Minimum of C − h over one side."""
        if axis == 1:
            return self._rows("minima of rows", lambda h: self.own.c_transform(h, 1), h)
        return self._columns(
            "minima of columns", lambda h: self.own.c_transform(h[:, self.rows], 0), combined_min, h
        )

    def marginals(self, epsilon: Array, f: Array, g: Array, a: Array, b: Array) -> tuple[Array, Array]:
        """Row and column sums of the plan."""
        return self._both("marginals", self.own.marginals, epsilon, f, g, a, b)

    def certain_marginals(
        self, epsilon: Array, f: Array, g: Array, a: Array, b: Array
    ) -> tuple[Array, Array]:
        """Row and column sums of the plan, by the sums that its bounds are of."""
        return self._both("certain marginals", self.own.certain_marginals, epsilon, f, g, a, b)

    def diffuse_means(self, epsilon: Array, f: Array, g: Array, a: Array, b: Array) -> tuple[Array, Array]:
        """Means of expm1((f + g − C)/ε) over y and over x."""
        return self._both("means", self.own.diffuse_means, epsilon, f, g, a, b)

    def point_gradients(self, epsilon: Array, f: Array, g: Array, a: Array, b: Array) -> tuple[Array, Array]:
        """Gradients of ⟨P, C⟩ in the points at the fixed plan."""
        return self._both("gradients", self.own.point_gradients, epsilon, f, g, a, b)

    def apply(self, epsilon: Array, f: Array, g: Array, a: Array, b: Array, v: Array, axis: int) -> Array:
        """Product of the plan with the rows v."""
        rows = self.rows
        if axis == 1:
            return self._rows(
                "products of rows",
                lambda e, f, g, a, b, v: self.own.apply(e, f[:, rows], g, a[:, rows], b, v, 1),
                *(epsilon, f, g, a, b, v),
            )
        return self._columns(
            "products of columns",
            lambda e, f, g, a, b, v: self.own.apply(e, f[:, rows], g, a[:, rows], b, v[:, rows], 0),
            combined_sum,
            *(epsilon, f, g, a, b, v),
        )

    def linear_cost(
        self,
        epsilon: Array,
        f: Array,
        g: Array,
        a: Array,
        b: Array,
        factors: tuple[Array, Array] | None = None,
    ) -> Array:
        """Cost ⟨P, C⟩ of the plan, whose rows and columns may be multiplied by factors."""
        rows = self.rows

        def cost(e: Array, f: Array, g: Array, a: Array, b: Array, *both: Array) -> Array:
            some = (both[0][:, rows], both[1]) if both else None
            return self.own.linear_cost(e, f[:, rows], g, a[:, rows], b, some)

        return self._sum("costs of a plan", cost, epsilon, f, g, a, b, *(factors or ()))

    def mean_cost(self, a: Array, b: Array) -> Array:
        """Mean cost of independent draws with the weights a and b."""
        if self.rule.has_moments:
            return super().mean_cost(a, b)

        def share(a: Array, b: Array) -> Array:
            mine = a[:, self.rows]
            mass = mine.sum(1) / a.sum(1)
            # A rank whose points have no weight has no mean.
            filled = namespace(mine).where((mass > 0)[:, None], mine, 1.0)
            return mass * self.own.mean_cost(filled, b)

        return self._sum("mean costs", share, a, b)

    def outer_cost(self, u: Array, v: Array) -> Array:
        """Cost Σ uᵢ vⱼ Cᵢⱼ of a product plan."""
        return self._sum("costs of a product", lambda u, v: self.own.outer_cost(u[:, self.rows], v), u, v)

    def _rows(self, name: str, compute: Callable[..., Array], *vectors: Array) -> Array:
        """Put together what every rank has found for its rows."""
        return self.ranks.rows(self.ranks.together(name, compute, *vectors)[0], self.counts)

    def _columns(self, name: str, compute: Callable[..., Array], combine: Combine, *vectors: Array) -> Array:
        """Combine what every rank has found for all columns."""
        return self.ranks.reduced(self.ranks.together(name, compute, *vectors)[0], combine)

    def _sum(self, name: str, compute: Callable[..., Array], *vectors: Array) -> Array:
        return self.ranks.summed(self.ranks.together(name, compute, *vectors)[0])

    def _both(
        self,
        name: str,
        compute: Callable[..., tuple[Array, Array]],
        epsilon: Array,
        f: Array,
        g: Array,
        a: Array,
        b: Array,
    ) -> tuple[Array, Array]:
        """Put together what is found for rows and, summed, for columns."""
        rows = self.rows
        (of_rows, of_columns), _ = self.ranks.together(
            name, lambda e, f, g, a, b: compute(e, f[:, rows], g, a[:, rows], b), epsilon, f, g, a, b
        )
        return self.ranks.rows(of_rows, self.counts), self.ranks.reduced(of_columns, combined_sum)


class ShardedKernel(Kernel):
    """A kernel of which every rank has its rows.

    Parameters
    ----------
    geometry : ShardedGeometry
    own : Kernel
    facts : list of int
        What the ranks tell of theirs.
    """

    def __init__(self, geometry: ShardedGeometry, own: Kernel, facts: list[int]) -> None:
        self.ranks, self.counts, self.rows = geometry.ranks, geometry.counts, geometry.rows
        self.geometry, self.own, self.facts = geometry, own, facts
        self.exact = all(fact & _EXACT for fact in facts)
        # Shards of nearly one size may be stored in different types; vectors lose nothing in the widest.
        wide = any(fact & _DOUBLE for fact in facts)
        self.dtype = _wide(geometry.x) if wide else own.dtype

    def __call__(self, v: Array, axis: int) -> Array:
        """K v over y, or Kᵀ v over x."""
        if axis == 1:
            return self._product("product over y", lambda v: (self.own(v, 1), None), v, over=(True, False))[0]
        return self._product(
            "product over x", lambda v: (None, self.own(v[:, self.rows], 0)), v, over=(False, True)
        )[1]

    def through(self, v: Array, turn: Turn) -> tuple[Array, Array]:
        """K v, turned, and back: a rank has the whole sums of its rows, so that it visits them once."""

        def visit(v: Array, weights: Array) -> tuple[Array, Array]:
            return self.own.through(v, Turn(weights[:, self.rows], turn.divides))

        return self._product("pass", visit, v, turn.weights, over=(True, True))

    def _product(
        self, name: str, compute: Callable[..., Any], *vectors: Array, over: tuple[bool, bool]
    ) -> tuple[Any, Any]:
        """Put together what the ranks find for rows, and add what they find for columns."""
        counts, columns = self.counts if over[0] else None, self.geometry.shape[2] if over[1] else None
        return self.ranks.product(name, compute, *vectors, counts=counts, columns=columns)

    def take(self, keep: Array) -> ShardedKernel:
        """Return the kernel of the problems `keep`."""
        return ShardedKernel(self.geometry, self.own.take(keep), self.facts)

    def gram(self, w: Array) -> Array | None:
        """Kᵀ diag(w) K, summed over the ranks."""
        if not all(fact & _GRAM for fact in self.facts):
            return None
        found, there = self.ranks.together(
            "Gram matrix", lambda w: self.own.gram(w[:, self.rows]), w, note=lambda _: 1
        )
        if not all(there):  # memory was too little for one of them
            return None
        return self.ranks.reduced(double(found) if is_double(self.dtype) else found, combined_sum)


def _facts(kernel: Kernel) -> int:
    stores = type(kernel).gram is not Kernel.gram
    return _EXACT * kernel.exact + _DOUBLE * is_double(kernel.dtype) + _GRAM * stores


def _wide(like: Array) -> Any:
    return namespace(like).float64 if is_tensor(like) else DOUBLE
