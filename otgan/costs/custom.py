"""Costs by a function of the user's, which is asked for blocks of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np

from otgan.costs.base import Cost, Normal, Planned
from otgan.costs.tiles import DECADES, power_of_two, tiles_of
from otgan.mistakes import OutOfRangeError, WrongKindError, WrongValueError
from otgan.namespace import (
    DOUBLE,
    Array,
    as_numpy,
    as_tensor,
    beside,
    detached,
    epsilon_of,
    is_tensor,
    namespace,
)
from otgan.options import shown
from otgan.pair import Pair
from otgan.quiet import as_the_caller
from otgan.rounding import UNIT, CostError

__all__ = ["Custom"]

_ROOM = 1e60
"""Costs between 1 / this and this leave room for their sums and products, and are taken as they are."""

_PROBED = 64
"""Rows whose costs tell of what size all are."""

_ACCURATE = 16
"""Units in the last place of its largest value that a function is taken to be accurate to."""

_ROUNDED = 64
"""Units in the last place of its largest value below 0 up to which a value is taken for a rounded 0."""

_TILE = 2**20
"""Entries of a block whose graph is kept together."""


@dataclass(frozen=True, eq=False)
class Custom(Cost):
    """C = function(x, y)^p for a function of blocks of points, (k, d) and (l, d), that returns (k, l) distances >= 0.

    It is given what the caller gave, NumPy arrays or tensors, of the same type and on the same device; copies, which
    have a graph where a gradient is asked for. Its values are taken to be right to 16 units in the last place of the
    largest. Nothing else is known of it: no bounds between boxes, no symmetry, no definiteness.

    Attributes
    ----------
    function : callable
    numpy : bool
    dtype : dtype of the caller's library
    device : str or torch.device
    unit : float
        What values are divided by, in normal form.
    fitted : bool
        Whether it is known what the caller gave.
    """

    function: Callable[[Any, Any], Any] = field(kw_only=True)
    numpy: bool = True
    dtype: Any = DOUBLE
    device: Any = "cpu"
    unit: float = 1.0
    fitted: bool = False
    name = "custom"
    concurrent = False  # it is the caller's, and may not expect other threads
    metric = "cost(x, y)"
    power = 1.0

    @property
    def symmetric(self) -> bool:
        """Not known of a function."""
        return False

    @property
    def resolution(self) -> float:
        """That of what the caller gave."""
        return epsilon_of(self.dtype)

    def fit(self, both: Pair) -> Self:
        """Take down what the function is to be given; what is known already stays."""
        if self.fitted:
            return self
        return replace(self, numpy=both.numpy, dtype=both.x.points.dtype, device=both.x.device, fitted=True)

    def normal(self, x: Array, y: Array, *, rooted: bool) -> Normal:
        """Leave values of common sizes as they are; divide others by one power of two for all problems."""
        plain = super().normal(x, y, rooted=rooted)
        sizes = self._largest(x, y)
        sizes = sizes[sizes > 0]
        room = _ROOM ** (1 / self.p)
        if not len(sizes) or (float(sizes.min()) > 1 / room and float(sizes.max()) < room):
            return plain
        if float(sizes.max() / sizes.min()) > room:
            raise OutOfRangeError(
                f"the problems of a batch must have costs within {room:.0e} of each other where cost is a function, got "
                f"{float(sizes.min()):.0e} to {float(sizes.max()):.0e}: solve those problems one by one"
            )
        exponents = [self.p * math.log10(float(size)) for size in (sizes.min(), sizes.max())]
        if not rooted and (exponents[0] < -DECADES or exponents[1] > DECADES):
            raise OutOfRangeError(
                f"values of about 1e{math.log10(float(sizes.max())):.0f} have costs cost(x, y)^{self.p:g} beyond the range "
                "of float64: divide what the function returns by a length of its own order (otgan.emd, whose result is a "
                "length, does so by itself)"
            )
        unit = float(power_of_two(sizes.max()))
        # Where all costs are 0 they are so in every unit, and an ε stays what it is.
        lengths = [1.0 if self._vanishes(*both) else unit for both in zip(x, y, strict=True)]
        return Normal(replace(self, unit=unit), plain.origin, plain.unit, beside(np.array(lengths), x))

    def _vanishes(self, x: Array, y: Array) -> bool:
        """Whether the function is 0 for all pairs of one problem; it stops at the first block where it is not."""
        return not any(bool(self._values(x[rows], y).any()) for rows in tiles_of(len(x), len(y), _TILE))

    def _largest(self, x: Array, y: Array) -> Array:
        """The largest value of each problem among those of some rows, shape (B,), float64."""
        step = -(-x.shape[1] // _PROBED)
        found = [float(self._values(here[::step], there).max()) for here, there in zip(x, y, strict=True)]
        return beside(np.array(found), x)

    def block(
        self, x: Array, y: Array, *, exact: bool = False, direct: bool = False, origin: Array | None = None
    ) -> Array:
        """Ask the function, one problem at a time."""
        del exact, direct, origin
        sides = (x, y) if self.numpy else (as_tensor(x), as_tensor(y))
        found = [(self._values(*both) / self.unit) ** self.p for both in zip(*sides, strict=True)]
        return beside(namespace(found[0]).stack(found), x)

    def _values(self, x: Array, y: Array) -> Array:
        """What the function returns for points (k, d) and (l, d), checked, float64, in the caller's library."""
        values = self._arrays(x, y) if self.numpy else self._tensors(x, y)
        if tuple(values.shape) != (len(x), len(y)):
            raise WrongValueError(_expected(len(x), len(y), f"shape {tuple(values.shape)}"))
        # A streamed batch asks once a problem and pass: the checks must cost less than the function.
        least, largest = float(values.min()), float(values.max())
        if not (math.isfinite(least) and math.isfinite(largest)) or (
            least < 0 and least < -_ROUNDED * self.resolution * largest
        ):
            raise WrongValueError(_expected(len(x), len(y), f"{least:.6g} to {largest:.6g} among them"))
        return values if least >= 0 else namespace(values).clip(values, 0.0, None)

    def _arrays(self, x: Array, y: Array) -> Array:
        """Ask the function about copies, as arrays of NumPy."""
        with as_the_caller():
            found = self.function(*(as_numpy(side).astype(np.float64) for side in (x, y)))
        try:
            values = np.array(found, dtype=np.float64)
        except (TypeError, ValueError):
            raise WrongKindError(_expected(len(x), len(y), shown(found))) from None
        if values.ndim == 0:
            raise WrongKindError(_expected(len(x), len(y), shown(found)))
        return values

    def _tensors(self, x: Array, y: Array) -> Array:
        """Ask the function about copies, as tensors."""
        import torch

        with torch.no_grad():
            found = self.function(
                *(detached(as_tensor(side)).to(self.device, self.dtype, copy=True) for side in (x, y))
            )
        if not is_tensor(found) or found.ndim == 0:
            raise WrongKindError(_expected(len(x), len(y), shown(found)))
        return found.detach().double()

    def error(
        self, x: Array, y: Array, *, exact: bool = False, direct: bool = False, origin: Array | None = None
    ) -> CostError:
        """So many units in the last place of a problem's largest value, to the power p."""
        del exact, direct, origin
        share = 0.5 * self.p * 2**self.p * _ACCURATE * self.resolution
        size = share * (self._largest(x, y) / self.unit)[:, None] ** self.p
        broadcast = namespace(size).broadcast_to
        of_x, of_y = (broadcast(size, tuple(side.shape[:2])) for side in (x, y))
        return CostError((4 * self.p + 4) * UNIT, of_x, of_y)

    def differentiable(self, x: Array, y: Array) -> Array:
        """Ask the function with a graph; NumPy has none."""
        if self.numpy:
            return self.block(x, y)
        found = [
            (
                self.function(*(side.to(self.device, self.dtype, copy=True) for side in both)).double()
                / self.unit
            )
            ** self.p
            for both in zip(x, y, strict=True)
        ]
        return namespace(found[0]).stack(found).to(x.device)

    def gradients(self, x: Array, y: Array, mass: Array, cost: Array) -> tuple[Array, Array]:
        """Gradients by automatic differentiation, which must be numbers.

        What goes back through the function is of order one: in its own precision there may be no room for more.
        """
        if not is_tensor(x):
            return super().gradients(x, y, mass, cost)
        force = mass.mul_(self.p / self.unit)
        if self.p != 1:
            force = force.mul_(cost.pow((self.p - 1) / self.p))
        most = force.abs().amax((1, 2))
        most = most.where(most > 0, 1.0)[:, None, None]
        values = replace(self, p=1.0, unit=1.0)
        pulls = [most * pull for pull in super(Custom, values).gradients(x, y, force / most, cost)]
        if not all(bool(each.isfinite().all()) for each in pulls):
            raise WrongValueError(
                "the derivative of the cost must be finite, got NaN or infinity: where points coincide, make it so, "
                "as torch.cdist does, or add a little under roots"
            )
        return pulls[0], pulls[1]

    def own(self, pair: Pair) -> tuple[Any, ...]:
        """Some values of the function, where they have a graph to its parameters."""
        if self.numpy:
            return ()
        values = self.differentiable(pair.x.points.detach()[:, :1], pair.y.points.detach()[:, :1])
        return (values,) if values.requires_grad else ()

    def own_slope(self, coupling: Planned, pair: Pair, unit: Array) -> Array | None:
        """Let gradients reach the parameters of the function, block by block, computed anew on the way back."""
        if not self.own(pair):
            return None
        import torch
        from torch.utils.checkpoint import checkpoint

        from otgan.autograd import once

        x, y = pair.x.points.detach(), pair.y.points.detach()
        plan = as_tensor(coupling.plan(), x.device)
        parts = (pair.x.points, pair.y.points, pair.x.weights, pair.y.weights)  # on which the plan depends

        def part(rows: slice) -> Any:
            costs = self.differentiable(x[:, rows], y)
            return (once(plan[:, rows], costs, *parts) * (costs - costs.detach())).sum((1, 2))

        tiles = list(tiles_of(x.shape[1], y.shape[1], _TILE))
        terms = (
            [checkpoint(part, rows, use_reentrant=False) for rows in tiles]
            if len(tiles) > 1
            else [part(tiles[0])]
        )
        return torch.stack(terms).sum(0) / unit


def _expected(rows: int, columns: int, found: str) -> str:
    return (
        f"cost must return finite distances >= 0 of shape ({rows}, {columns}) for points of as many rows, in the "
        f"caller's kind of array, got {found}"
    )
