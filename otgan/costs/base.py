"""The seam between the solvers and what moving mass costs.

One file because it is one interface: all that a cost may know, with the general rule for what it does not.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, Self

from otgan.costs.exponents import BlockExponents, Exponents
from otgan.costs.places import Places
from otgan.costs.tiles import tiles_of
from otgan.namespace import Array, as_numpy, as_tensor, double, full, is_tensor, namespace, ones, zeros
from otgan.pair import Pair, pair
from otgan.rounding import UNIT, CostError

__all__ = ["Cost", "Normal", "Planned"]

_TILE = 2**20
"""Entries of a block of costs that is formed in passing."""

_PULLED = 2**22
"""Numbers, entries of a block times coordinates, that a derivative is formed of at once."""

_DIAGONAL = 64
"""Pairs whose costs are read off the diagonal of one block."""


class Planned(Protocol):
    """Whatever has a plan."""

    def plan(self) -> Array:
        """P of shape (B, n, m)."""


@dataclass(frozen=True, eq=False)
class Normal:
    """What brings a problem to order one: x is (x − origin) / unit, d is d / length, and the cost is that of those.

    Attributes
    ----------
    cost : Cost
        The cost between the points in normal form.
    origin : Array, shape (B, 1, d)
    unit, length : Array, shape (B,), float64
        Powers of two.
    """

    cost: Cost
    origin: Array
    unit: Array
    length: Array


@dataclass(frozen=True)
class Cost(ABC):
    """What it costs to move a unit of mass, C(x, y) = d(x, y)^p >= 0.

    A cost is written in one file: :meth:`block`, :meth:`error`, and what it knows better than the general rules below.
    Points are batches of shape (B, n, d) and (B, m, d) unless it is said otherwise, arrays of NumPy or tensors; derivatives
    are of tensors.

    Attributes
    ----------
    p : float
        The power of the distance.
    """

    p: float

    name: ClassVar[str]
    """What ``cost=`` takes."""

    power: ClassVar[float | None] = None
    """The power where none is given; None for that of the function that is called."""

    metric: ClassVar[str]
    """The distance d, as formulas show it."""

    unit_of_distance: ClassVar[str] = "units of the cost"
    """What d is measured in, in words."""

    sorts: ClassVar[bool] = False
    """Whether between numbers C is a convex function of x − y, or of the way around, so that sorting solves it."""

    concurrent: ClassVar[bool] = True
    """Whether several threads may form blocks at once."""

    expands: ClassVar[bool] = False
    """Whether blocks are faster, and less accurate, where they do not come from differences."""

    order: ClassVar[float | None] = None
    """Order of the norm that it is a power of, 1, 2 or infinity: then compiled loops form it from coordinates."""

    embedded: ClassVar[bool] = True
    """Whether there are points, which have means and gradients."""

    @property
    def turn(self) -> float:
        """The number after which the line that numbers are on begins anew: infinite but on a circle."""
        return math.inf

    @property
    def definite(self) -> bool:
        """Whether exp(−C/ε) is known to be positive semidefinite for every ε, so that divergences are >= 0."""
        return False

    @property
    def symmetric(self) -> bool:
        """Whether C(x, y) = C(y, x) and C(x, x) = 0 are known to hold."""
        return True

    @property
    def resolution(self) -> float:
        """Machine epsilon of the numbers that costs are computed in."""
        return 2 * UNIT

    @property
    def has_moments(self) -> bool:
        """Whether the mean cost follows from moments of either side, without a look at every pair."""
        return False

    def pose(self, x: Any, y: Any, a: Any, b: Any, *, selves: bool = False) -> tuple[Pair, Cost]:
        """Take what a caller gave over the border: the two measures, and the cost as it is between them.

        Parameters
        ----------
        x, y, a, b : array-like
            As the public functions have them.
        selves : bool
            Whether the costs between x and itself, and y and itself, are needed too.
        """
        del selves
        both = pair(x, y, a, b)
        return both, self.fit(both)

    def fit(self, both: Pair) -> Self:
        """Return the cost as it is between these measures.

        Raises
        ------
        ValueError
            If there is none between such points.
        """
        del both
        return self

    def of_selves(self) -> tuple[Cost, Cost]:
        """Return the costs between x and itself, and y and itself."""
        return self, self

    def normal(self, x: Array, y: Array, *, rooted: bool) -> Normal:
        """Return what brings the problem to order one; by default the points stay as they are.

        Parameters
        ----------
        rooted : bool
            Whether results leave as distances, so that costs in the caller's units may be beyond float64.

        Raises
        ------
        OverflowError
            If costs in the caller's units are beyond float64, or all vanish though they are not 0.
        """
        del y, rooted
        one = ones(len(x), x)
        return Normal(self, zeros((len(x), 1, x.shape[2]), x, x.dtype), one, one)

    def origin(self, x: Array, y: Array) -> Array | None:
        """A point about which :meth:`block` loses least, (B, 1, d), for costs that depend on differences only."""
        del x, y
        return None

    @abstractmethod
    def block(
        self, x: Array, y: Array, *, exact: bool = False, direct: bool = False, origin: Array | None = None
    ) -> Array:
        """Compute the costs between all x and all y, shape (B, n, m), an array that may be written to.

        Parameters
        ----------
        exact : bool
            Whether near points must keep their relative accuracy; else the error may be relative to the largest cost.
        direct : bool
            Whether all must.
        origin : Array, optional
            That of :meth:`origin`, where only a part of the points is given.
        """

    @abstractmethod
    def error(
        self, x: Array, y: Array, *, exact: bool = False, direct: bool = False, origin: Array | None = None
    ) -> CostError:
        """How far a block, formed in float64, may be from the true costs."""

    def entries(self, x: Array, y: Array) -> Array:
        """Costs of the pairs (xᵢ, yᵢ), shape (k,), for points of shape (k, d), as accurate as they can be had."""
        parts = [
            self.block(x[None, i : i + _DIAGONAL], y[None, i : i + _DIAGONAL], direct=True)[0].diagonal()
            for i in range(0, len(x), _DIAGONAL)
        ]
        return namespace(x).concat(parts) if parts else zeros(0, x, x.dtype)

    def exponents(
        self,
        x: Array,
        y: Array,
        row: Array,
        column: Array,
        scale: Array,
        dtype: Any,
        direct: bool,
    ) -> Exponents:
        """Return (row + column − C) / scale between points, to be formed in blocks of rows again and again.

        Parameters
        ----------
        row, column : Array, shapes (B, n) and (B, m)
        scale : Array, shape (B,)
        dtype : dtype of the points' library
            The type to form them in.
        direct : bool
            As for :meth:`block`.
        """
        del dtype  # that of the memory they are filled into
        x, y = double(x), double(y)
        origin = self.origin(x, y)
        return BlockExponents(
            lambda rows: self.block(x[:, rows], y, direct=direct, origin=origin), row, column, scale
        )

    def mean(self, x: Array, y: Array, a: Array, b: Array) -> Array:
        """Mean cost Σ aᵢ bⱼ Cᵢⱼ of independent draws, shape (B,), float64; the weights need no total."""
        a, b = a / a.sum(-1)[:, None], b / b.sum(-1)[:, None]
        x, y = double(x), double(y)
        parts = [
            (self.block(x[:, rows], y) @ b[..., None] * a[:, rows, None]).sum((-2, -1))
            for rows in tiles_of(x.shape[1], x.shape[0] * y.shape[1], _TILE)
        ]
        return namespace(x).stack(parts).sum(0)

    def majorant(self, x: Array, y: Array) -> tuple[Array, Array]:
        """Numbers sᵢ and tⱼ, shapes (B, n) and (B, m), float64, with Cᵢⱼ <= sᵢ + tⱼ: here the largest cost of each x, and 0."""
        x, y, xp = double(x), double(y), namespace(x)
        rows = [
            xp.max(self.block(x[:, rows], y, exact=True), axis=2)
            for rows in tiles_of(x.shape[1], x.shape[0] * y.shape[1], _TILE)
        ]
        return xp.concat(rows, axis=1), zeros(y.shape[:2], y)

    def largest(self, x: Array, y: Array) -> Array:
        """A bound of the largest cost of each problem, shape (B,), float64."""
        of_x, of_y = self.majorant(x, y)
        xp = namespace(of_x)
        return xp.max(of_x, axis=1) + xp.max(of_y, axis=1)

    def places(self, x: Array, y: Array) -> Places | None:
        """Places in whose norm the costs grow, of points of shape (n, d) and (m, d); None where none are known.

        With them an exact solver finds arcs by a search through boxes, where dimensions are few, and not by a look at all.
        """
        del x, y
        return None

    def share(self, d: int) -> float:
        """The largest s known with d(x, y) >= s ‖x − y‖₂ in d dimensions."""
        del d
        return 0.0

    def underflow(self, d: int) -> float:
        """The largest cost, in normal form, that is lost because numbers on the way leave the range of float64."""
        del d
        return 0.0

    def vanishes(self, x: Array, y: Array) -> Array:
        """Tell of which pairs, points of shape (k, d), the cost is lost to underflow."""
        del y
        return full(len(x), False, x, namespace(x).bool)

    @abstractmethod
    def differentiable(self, x: Array, y: Array) -> Array:
        """Costs (B, n, m) that can be differentiated twice, with slope 0 where two points coincide."""

    def gradients(self, x: Array, y: Array, mass: Array, cost: Array) -> tuple[Array, Array]:
        """Gradients of Σ massᵢⱼ C(xᵢ, yⱼ) in x and y at fixed mass, shapes of x and y.

        Parameters
        ----------
        mass, cost : Array, shape (B, n, m)
            The mass may be written to.
        """
        import torch

        if not is_tensor(x):  # torch differentiates
            pulls = self.gradients(*map(as_tensor, (x, y, mass, cost)))
            return as_numpy(pulls[0]), as_numpy(pulls[1])
        in_x, in_y = torch.zeros_like(x), torch.zeros_like(y)
        for rows in tiles_of(x.shape[1], x.shape[0] * y.shape[1] * x.shape[2], _PULLED):
            with torch.enable_grad():
                here, there = x[:, rows].detach().requires_grad_(), y.detach().requires_grad_()
                costs = self.differentiable(here, there)
            if not costs.requires_grad:  # it depends on no points
                return in_x, in_y
            found = torch.autograd.grad(
                costs, (here, there), mass[:, rows].to(costs.dtype), allow_unused=True
            )
            in_x[:, rows] = 0 if found[0] is None else found[0].to(x.dtype)
            in_y += 0 if found[1] is None else found[1].to(y.dtype)
        return in_x, in_y

    def differentiable_gradients(self, x: Array, y: Array, mass: Array) -> tuple[Array, Array]:
        """Return :meth:`gradients` as functions of points and mass that can be differentiated; points may have a graph."""
        import torch

        with torch.enable_grad():
            here, there = (side if side.requires_grad else side.detach().requires_grad_() for side in (x, y))
            costs = self.differentiable(here, there)
            if not costs.requires_grad:
                return torch.zeros_like(x), torch.zeros_like(y)
            found = torch.autograd.grad(costs, (here, there), mass, create_graph=True, materialize_grads=True)
        return found[0], found[1]

    def entry_gradients(self, x: Array, y: Array, mass: Array) -> tuple[Array, Array]:
        """Gradients of Σ massᵢ C(xᵢ, yᵢ) in the points, shapes (k, d)."""
        import torch

        in_x, in_y = torch.zeros_like(x), torch.zeros_like(y)
        for start in range(0, len(x), _DIAGONAL):
            part = slice(start, start + _DIAGONAL)
            here, there = x[None, part], y[None, part]
            pulls = self.gradients(here, there, torch.diag_embed(mass[None, part]), self.block(here, there))
            in_x[part], in_y[part] = pulls[0][0], pulls[1][0]
        return in_x, in_y

    def own(self, pair: Pair) -> tuple[Any, ...]:
        """Tensors with a graph to what the cost itself is made of, a matrix or parameters; none where that needs no gradient."""
        del pair
        return ()

    def own_slope(self, coupling: Planned, pair: Pair, unit: Array) -> Array | None:
        """A term of value 0 whose gradient is that of ⟨P, C⟩ / unit, at fixed P, in what the cost itself is made of.

        None where that needs no gradient. Shape (B,); `pair` and P are in the caller's units.
        """
        del coupling, pair, unit
        return None
