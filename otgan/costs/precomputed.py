"""Costs that are given as a matrix: points are the numbers of its rows and columns, and nothing else is known of them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from typing import Any

from otgan.arrays import array_of, is_list_of_matrices
from otgan.costs.base import Cost, Normal, Planned
from otgan.costs.tiles import power_of_two
from otgan.home import Home, come_in
from otgan.measure import Measure
from otgan.mistakes import WrongValueError
from otgan.namespace import (
    DOUBLE,
    Array,
    arange,
    as_tensor,
    beside,
    detached,
    device,
    double,
    is_tensor,
    namespace,
    of_type,
    stacked,
    zeros,
)
from otgan.options import WrongKindError, shown
from otgan.pair import Pair
from otgan.rounding import CostError

__all__ = ["Precomputed"]

_ONE = 2.0**20
"""Costs whose largest is between 1 / this and this are taken as they are."""

_TERMS = ("Cxy", "Cxx", "Cyy")
"""What a divergence needs."""

_MATRIX, _BATCH = 2, 3
"""Dimensions of a matrix, and of a batch of matrices."""


@dataclass(frozen=True, eq=False)
class _Numbers(Measure):
    """Weighted numbers of rows or columns, whose results are of the type that the costs have."""

    kind: Any = DOUBLE

    @property
    def dtype(self) -> Any:
        """Floating-point type of the costs."""
        return self.kind


@dataclass(frozen=True, eq=False)
class _Matrices:
    """Matrices as they were given: costs (B, n, m) with their graph, filled up by zeros, and the size of each."""

    costs: Array
    sizes: list[tuple[int, int]]
    batched: bool
    home: Home | None

    @classmethod
    def read(cls, value: Any, name: str) -> _Matrices:
        """Check a matrix, a batch of them, or a list of matrices of several sizes."""
        value, home = come_in(value, name)
        if is_list_of_matrices(value):
            parts = [array_of(each, f"{name}[{k}]") for k, each in enumerate(value)]
            first = next(filter(is_tensor, parts), parts[0])
            costs = stacked([part if is_tensor(part) else beside(part, first) for part in parts])
            sizes, batched = [(part.shape[0], part.shape[1]) for part in parts], True
        else:
            costs = array_of(value, name)
            batched = costs.ndim == _BATCH
            if costs.ndim not in {_MATRIX, _BATCH}:
                raise WrongValueError(
                    f"{name} must be a matrix of costs, shape (n, m) or (B, n, m), or a list of matrices, for "
                    f"cost='precomputed', got shape {tuple(costs.shape)}"
                )
            costs = costs if batched else costs[None]
            sizes = [(costs.shape[1], costs.shape[2])] * len(costs)
        if not sizes or min(min(size) for size in sizes) == 0:
            raise WrongValueError(
                f"{name} must hold at least one cost for each problem, got shape {tuple(costs.shape)}"
            )
        check_costs(costs, name)
        return cls(costs, sizes, batched, home)


def check_costs(costs: Array, what: str) -> None:
    """Raise where costs are not finite or below 0."""
    xp, held = namespace(costs), detached(costs)
    least, largest = float(xp.min(held)), float(xp.max(held))
    if not (math.isfinite(least) and math.isfinite(largest)):
        raise WrongValueError(
            f"{what} must hold finite costs, got {'NaN' if math.isnan(least) else 'an infinite one'}: to forbid a "
            "move, give it a cost far above all others"
        )
    if least < 0:
        raise WrongValueError(
            f"{what} must hold costs >= 0, got {least:.6g}: subtract the least cost, which moves the value of a "
            "balanced problem by as much"
        )


@dataclass(frozen=True, eq=False)
class Precomputed(Cost):
    """C as it is given.

    Points are numbered across all problems, so that parts of a batch need no other matrix.

    Attributes
    ----------
    matrix : Array, shape (B, n, m), float64, detached
    given : Array, shape (B, n, m)
        The costs with their graph.
    selves : tuple of Precomputed
        Costs between x and itself, and y and itself, for divergences.
    """

    p: float = 1.0
    matrix: Array | None = field(default=None, repr=False)
    given: Array | None = field(default=None, repr=False)
    selves: tuple[Precomputed, ...] = field(default=(), repr=False)
    _copies: dict[str, Array] = field(default_factory=dict, repr=False)
    name = "precomputed"
    metric = "C"
    power = 1.0
    embedded = False

    def __post_init__(self) -> None:
        if self.p != 1:
            raise WrongValueError(
                f"p must be 1 for cost='precomputed', whose numbers are the costs themselves, got p={self.p:g}: raise "
                "the matrix to that power and leave out p"
            )

    @classmethod
    def _of(cls, matrices: _Matrices, selves: tuple[Precomputed, ...] = ()) -> Precomputed:
        return cls(1.0, double(detached(matrices.costs)), matrices.costs, selves)

    def pose(self, x: Any, y: Any, a: Any, b: Any, *, selves: bool = False) -> tuple[Pair, Cost]:
        """Read the matrix from x, or three of them where `selves` are needed too."""
        if y is not None:
            raise WrongValueError(
                f"y must be left out for cost='precomputed', as x holds the costs, got {shown(y)}: pass "
                "transport(C, cost='precomputed') or sinkhorn_divergence((Cxy, Cxx, Cyy), cost='precomputed')"
            )
        if not selves:
            matrices = _Matrices.read(x, "x")
            return _numbered(matrices, a, b), self._of(matrices)
        expected = (
            "three matrices (Cxy, Cxx, Cyy), shapes (n, m), (n, n) and (m, m), for cost='precomputed' here"
        )
        if not isinstance(x, (tuple, list)):
            raise WrongKindError(f"x must be {expected}, got {shown(x)}")
        if len(x) != len(_TERMS):
            raise WrongValueError(f"x must be {expected}, got {len(x)}")
        cross, *own = (_Matrices.read(part, name) for part, name in zip(x, _TERMS, strict=True))
        wanted = [[(size[axis], size[axis]) for size in cross.sizes] for axis in (0, 1)]
        if [each.sizes for each in own] != wanted or any(
            (is_tensor(each.costs), each.batched) != (is_tensor(cross.costs), cross.batched) for each in own
        ):
            shapes = [tuple(each.costs.shape[0 if each.batched else 1 :]) for each in (cross, *own)]
            raise WrongValueError(f"x must be {expected}, all of one library, got shapes {shapes!s:.80}")
        return _numbered(cross, a, b), self._of(cross, (self._of(own[0]), self._of(own[1])))

    @property
    def symmetric(self) -> bool:
        """Whether the matrix is symmetric, with zeros on its diagonal."""
        matrix = self._held()
        if matrix.shape[1] != matrix.shape[2]:
            return False
        own = arange(matrix.shape[1], matrix)
        return not bool(matrix[:, own, own].any()) and bool((matrix == matrix.mT).all())

    def of_selves(self) -> tuple[Cost, Cost]:
        """Return those that were given."""
        return self.selves[0], self.selves[1]

    def normal(self, x: Array, y: Array, *, rooted: bool) -> Normal:
        """Divide each problem's costs by a power of two, where they are far from 1."""
        plain = super().normal(x, y, rooted=rooted)
        # The costs of a divergence share one unit, and so one ε.
        sides = ((x, y), (x, x), (y, y))[: 1 + len(self.selves)]
        # Points without weight are not among these: their costs have no say.
        blocks = [each.block(*both) for each, both in zip((self, *self.selves), sides, strict=True)]
        xp = namespace(blocks[0])
        largest = xp.max(xp.stack([xp.max(block, axis=(1, 2)) for block in blocks]), axis=0)
        if bool(((largest == 0) | ((largest > 1 / _ONE) & (largest < _ONE))).all()):
            return Normal(self, plain.origin, plain.unit, plain.length)
        unit = power_of_two(largest)
        return Normal(self._divided(unit), plain.origin, plain.unit, unit)

    def _divided(self, unit: Array) -> Precomputed:
        selves = tuple(each._divided(unit) for each in self.selves)
        matrix = self._held()
        return Precomputed(1.0, matrix / beside(unit, matrix)[:, None, None], self.given, selves)

    def block(
        self, x: Array, y: Array, *, exact: bool = False, direct: bool = False, origin: Array | None = None
    ) -> Array:
        """Look the costs up."""
        del exact, direct, origin
        matrix = self._beside(x)
        rows, columns = (_whole(side[..., 0]) for side in (x, y))
        if int(rows.max()) >= matrix.shape[0] * matrix.shape[1]:
            raise WrongValueError(
                "a solution to start from must be of as many points where costs are precomputed: leave out init"
            )
        held, columns = matrix.reshape(-1, matrix.shape[2]), columns % matrix.shape[2]
        if not is_tensor(held):
            return held[rows[..., None], columns[:, None]]
        # Three times as fast as one index of both.
        return held[rows].gather(2, columns[:, None].expand(*rows.shape, -1))

    def entries(self, x: Array, y: Array) -> Array:
        """Look single costs up."""
        matrix = self._beside(x)
        rows, columns = (_whole(side[:, 0]) for side in (x, y))
        return matrix.reshape(-1, matrix.shape[2])[rows, columns % matrix.shape[2]]

    def error(
        self, x: Array, y: Array, *, exact: bool = False, direct: bool = False, origin: Array | None = None
    ) -> CostError:
        """None: the costs are those that are meant."""
        del exact, direct, origin
        return CostError(0.0, zeros(x.shape[:2], x), zeros(y.shape[:2], y))

    def differentiable(self, x: Array, y: Array) -> Array:
        """The costs, which depend on no points."""
        return self.block(x.detach(), y.detach())

    def own(self, pair: Pair) -> tuple[Any, ...]:
        """The matrix, where it was given with a graph."""
        del pair
        given = self.given
        return (given,) if given is not None and is_tensor(given) and given.requires_grad else ()

    def own_slope(self, coupling: Planned, pair: Pair, unit: Array) -> Array | None:
        """Let gradients reach the matrix: that of ⟨P, C⟩ in C is P."""
        own = self.own(pair)
        if not own:
            return None
        from otgan.autograd import once

        (given,) = own
        wide = given.double()
        plan = once(as_tensor(coupling.plan(), given.device), wide, pair.x.weights, pair.y.weights)
        return (plan * (wide - wide.detach())).sum((1, 2)) / unit

    def _beside(self, points: Array) -> Array:
        """The matrix in the library and on the device of points; brought there once."""
        where = str(device(points)) if is_tensor(points) else "numpy"
        if where not in self._copies:
            self._copies[where] = beside(self._held(), points)
        return self._copies[where]

    def _held(self) -> Array:
        assert self.matrix is not None, "a matrix comes with pose()"
        return self.matrix


def _whole(numbers: Array) -> Array:
    """The numbers of points as whole numbers."""
    return of_type(numbers, namespace(numbers).int64)


def _numbered(matrices: _Matrices, a: Any, b: Any) -> Pair:
    """Two measures on the numbers of rows and columns."""
    batch, n, m = matrices.costs.shape
    problem = double(arange(batch, matrices.costs))[:, None]
    sides = []
    for axis, (size, weights, name) in enumerate(((n, a, "x"), (m, b, "y"))):
        numbers = (size * problem + double(arange(size, matrices.costs)))[..., None]
        points: Any = numbers if matrices.batched else numbers[0]
        lengths = [own[axis] for own in matrices.sizes]
        if len(set(lengths)) > 1:
            points = [part[:length] for part, length in zip(numbers, lengths, strict=True)]
        side = Measure.of(points, weights, name=name)
        kept = {each.name: getattr(side, each.name) for each in fields(side)} | {"home": matrices.home}
        sides.append(_Numbers(**kept, kind=matrices.costs.dtype))
    return Pair(sides[0], sides[1])
