"""A solution as the ranks have it: that of all rows, which is the same on all, and each rank's part of it."""

from __future__ import annotations

from functools import cached_property

from otgan.coupling import Coupling
from otgan.distributed.exchange import Exchange
from otgan.mistakes import WrongValueError
from otgan.namespace import Array

__all__ = ["Common", "Share"]


class Common(Coupling):
    """The solution of all rows, on every rank.

    Gradients are computed at once where a rank needs them, so that a backward pass exchanges nothing: it comes when it comes,
    beside the exchanges of whatever else there is. They can be differentiated once only.

    Parameters
    ----------
    whole : Coupling
    ranks : Exchange
    gradients : bool
        Whether a rank will ask for them.
    """

    def __init__(self, whole: Coupling, ranks: Exchange, *, gradients: bool) -> None:
        self.whole, self.ranks = whole, ranks
        self.a, self.b, self.epsilon, self.p = whole.a, whole.b, whole.epsilon, whole.p
        self.backend, self.balanced, self.iterations = whole.backend, whole.balanced, whole.iterations
        self.value, self.error = ranks.of_first(whole.value), ranks.of_first(whole.error)
        self.rounding = whole.rounding
        self._gradients = (*whole.point_gradients(), *whole.weight_gradients()) if gradients else None

    @cached_property
    def f(self) -> Array:
        """Potential of x."""
        return self.whole.f

    @cached_property
    def g(self) -> Array:
        """Potential of y."""
        return self.whole.g

    def linear_cost(self) -> Array:
        """⟨P, C⟩, shape (B,)."""
        return self.whole.linear_cost()

    @property
    def per_cost(self) -> Array:
        """Derivative of the value by the cost ⟨P, C⟩."""
        return self.whole.per_cost

    def plan(self) -> Array:
        """P of shape (B, n, m), whole on every rank."""
        return self.whole.plan()

    def apply(self, v: Array, axis: int) -> Array:
        """P v for axis 1, Pᵀ v for axis 0, without P."""
        return self.whole.apply(v, axis)

    def barycenters(self) -> Array:
        """Mean of the points y that each point x is sent to."""
        return self.whole.barycenters()

    def bounds(self) -> tuple[Array, Array]:
        """Certified bounds of the exact cost."""
        return self.ranks.together("bounds", lambda *own: own, *self.whole.bounds())[0]

    def point_gradients(self) -> tuple[Array, Array]:
        """Gradients of the value in x and y."""
        return self.whole.point_gradients() if self._gradients is None else self._gradients[:2]

    def weight_gradients(self) -> tuple[Array, Array]:
        """Gradients of the value in a and b."""
        return self.whole.weight_gradients() if self._gradients is None else self._gradients[2:]


class Share(Coupling):
    """The part of a solution that belongs to the rows of one rank: of x and of y, those that it gave.

    Its value, bounds and error are those of the whole. What is asked for is computed by all ranks together: all must ask.

    Parameters
    ----------
    common : Common
    counts_x, counts_y : list of int
        Rows of each rank; None where every rank has all of them.
    """

    def __init__(self, common: Common, counts_x: list[int] | None, counts_y: list[int] | None) -> None:
        self.common, self.ranks = common, common.ranks
        self.counts = {1: counts_y, 0: counts_x}
        self.rows, self.columns = (self._own(counts) for counts in (counts_x, counts_y))
        self.a, self.b = common.a[:, self.rows], common.b[:, self.columns]
        self.value, self.error, self.rounding = common.value, common.error, common.rounding
        self.epsilon, self.p, self.iterations = common.epsilon, common.p, common.iterations
        self.backend, self.balanced = common.backend, common.balanced

    def _own(self, counts: list[int] | None) -> slice:
        """The rows of this rank among those of all."""
        rank = self.ranks.rank
        return slice(None) if counts is None else slice(sum(counts[:rank]), sum(counts[: rank + 1]))

    @property
    def entire(self) -> Coupling:
        """The solution of all points."""
        return self.common.whole

    @cached_property
    def f(self) -> Array:
        """Potential of the rows of x that are here."""
        return self.common.f[:, self.rows]

    @cached_property
    def g(self) -> Array:
        """Potential of the rows of y that are here."""
        return self.common.g[:, self.columns]

    def linear_cost(self) -> Array:
        """⟨P, C⟩ of the whole plan, shape (B,)."""
        return self.common.linear_cost()

    @property
    def columns_of_plan(self) -> int:
        """Columns of the rows of P that are here: all there are."""
        return self.common.b.shape[1]

    def plan(self) -> Array:
        """The rows of P that are here, with all columns."""
        return self.common.whole.plan_rows(self.rows)

    def sparse(self) -> list[tuple[Array, Array, Array]] | None:
        """The arcs from the points x that are here, which are numbered from 0, to all y."""
        arcs = self.common.whole.sparse()
        if arcs is None:
            return None
        first = self.rows.start or 0
        found = []
        for i, j, mass in arcs:
            own = (i >= first) & (i < first + self.a.shape[1])
            found.append((i[own] - first, j[own], mass[own]))
        return found

    def apply(self, v: Array, axis: int) -> Array:
        """P v for axis 1, Pᵀ v for axis 0, where each rank gives its part of v and gets its part of the product."""
        _, widths = self.ranks.together(f"product along {axis}", lambda: v.shape[2], note=int)
        if len(set(widths)) > 1:
            raise WrongValueError(f"v must have as many columns on every rank, got {widths!s:.80}")
        counts = self.counts[axis]
        product = self.common.apply(v if counts is None else self.ranks.rows(v, counts), axis)
        return product[:, self.rows if axis == 1 else self.columns]

    def barycenters(self) -> Array:
        """Mean of the points y that each point x here is sent to."""
        return self.common.barycenters()[:, self.rows]

    def bounds(self) -> tuple[Array, Array]:
        """Certified bounds of the exact cost of the whole problem."""
        return self.common.bounds()

    def point_gradients(self) -> tuple[Array, Array]:
        """Gradients of the value in the points that are here."""
        in_x, in_y = self.common.point_gradients()
        return in_x[:, self.rows], in_y[:, self.columns]
