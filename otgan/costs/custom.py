"""Costs by a function of the user's, which is asked for blocks of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from otgan.costs.base import Cost, Normal
from otgan.costs.tiles import power_of_two, tiles_of
from otgan.coupling import Coupling, once
from otgan.mistakes import OutOfRangeError, WrongKindError, WrongValueError
from otgan.options import shown
from otgan.pair import Pair
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

    It is given what the caller gave, NumPy arrays or tensors, of the same type and on the same device; copies, without
    a graph, but where a gradient is asked for. Its values are taken to be right to 16 units in the last place of the
    largest. Nothing else is known of it: no bounds between boxes, no symmetry, no definiteness.

    Attributes
    ----------
    function : callable
    numpy : bool
    dtype : torch.dtype
    device : torch.device
    unit : float
        What values are divided by, in normal form.
    fitted : bool
        Whether it is known what the caller gave.
    """

    function: Callable[[Any, Any], Any] = field(kw_only=True)
    numpy: bool = True
    dtype: torch.dtype = torch.float64
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    unit: float = 1.0
    fitted: bool = False
    name = "custom"
    metric = "cost(x, y)"
    power = 1.0

    @property
    def symmetric(self) -> bool:
        """Not known of a function."""
        return False

    def fit(self, both: Pair) -> Self:
        """Take down what the function is to be given; what is known already stays."""
        if self.fitted:
            return self
        return replace(self, numpy=both.numpy, dtype=both.x.points.dtype, device=both.x.device, fitted=True)

    def normal(self, x: Tensor, y: Tensor, *, rooted: bool) -> Normal:
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
        unit = float(power_of_two(sizes.max()))
        return Normal(replace(self, unit=unit), plain.origin, plain.unit, unit * plain.length)

    def _largest(self, x: Tensor, y: Tensor) -> Tensor:
        """The largest value of each problem among those of some rows, shape (B,), float64."""
        step = -(-x.shape[1] // _PROBED)
        found = [float(self._values(here[::step], there).amax()) for here, there in zip(x, y, strict=True)]
        return torch.tensor(found, dtype=torch.float64, device=x.device)

    def block(
        self, x: Tensor, y: Tensor, *, exact: bool = False, direct: bool = False, origin: Tensor | None = None
    ) -> Tensor:
        """Ask the function, one problem at a time."""
        del exact, direct, origin
        found = [(self._values(*both) / self.unit) ** self.p for both in zip(x, y, strict=True)]
        return torch.stack(found).to(x.device)

    def _values(self, x: Tensor, y: Tensor) -> Tensor:
        """What the function returns for points (k, d) and (l, d), checked, float64."""
        sides = [side.detach().to(self.device, self.dtype, copy=True) for side in (x, y)]
        if self.numpy:
            found = self.function(sides[0].numpy(), sides[1].numpy())
            try:
                values = torch.from_numpy(np.array(found, dtype=np.float64))
            except (TypeError, ValueError):
                raise WrongKindError(_expected(len(x), len(y), shown(found))) from None
        else:
            with torch.no_grad():
                found = self.function(*sides)
            if not isinstance(found, Tensor):
                raise WrongKindError(_expected(len(x), len(y), shown(found)))
            values = found.detach().double()
        if values.shape != (len(x), len(y)):
            arrived = f"shape {tuple(values.shape)}" if values.ndim else shown(found)
            raise WrongValueError(_expected(len(x), len(y), arrived))
        least, largest = (float(end) for end in torch.aminmax(values))
        rounding = _ROUNDED * torch.finfo(self.dtype).eps * largest
        if not (np.isfinite(least) and np.isfinite(largest)) or least < -rounding:
            raise WrongValueError(_expected(len(x), len(y), f"{least:.6g} to {largest:.6g} among them"))
        return values.clamp_min_(0.0)

    def error(
        self, x: Tensor, y: Tensor, *, exact: bool = False, direct: bool = False, origin: Tensor | None = None
    ) -> CostError:
        """So many units in the last place of a problem's largest value, to the power p."""
        del exact, direct, origin
        share = 0.5 * self.p * 2**self.p * _ACCURATE * torch.finfo(self.dtype).eps
        size = share * (self._largest(x, y) / self.unit)[:, None] ** self.p
        of_x, of_y = (size.expand(side.shape[:2]).clone() for side in (x, y))
        return CostError((4 * self.p + 4) * UNIT, of_x, of_y)

    def differentiable(self, x: Tensor, y: Tensor) -> Tensor:
        """Ask the function with a graph; NumPy has none."""
        if self.numpy:
            return self.block(x, y)
        found = [
            (self.function(*(side.to(self.device, self.dtype) for side in both)).double() / self.unit)
            ** self.p
            for both in zip(x, y, strict=True)
        ]
        return torch.stack(found).to(x.device)

    def gradients(self, x: Tensor, y: Tensor, mass: Tensor, cost: Tensor) -> tuple[Tensor, Tensor]:
        """Gradients by automatic differentiation, which must be numbers."""
        pulls = super().gradients(x, y, mass, cost)
        if not all(bool(torch.isfinite(each).all()) for each in pulls):
            raise WrongValueError(
                "the derivative of the cost must be finite, got NaN or infinity: where points coincide, make it so, "
                "as torch.cdist does, or add a little under roots"
            )
        return pulls

    def own_slope(self, coupling: Coupling, pair: Pair, unit: Tensor) -> Tensor | None:
        """Let gradients reach the parameters of the function, block by block, computed anew on the way back."""
        if self.numpy:
            return None
        x, y = pair.x.points.detach(), pair.y.points.detach()
        if not self.differentiable(x[:, :1], y[:, :1]).requires_grad:
            return None
        plan = coupling.plan()

        def part(rows: slice) -> Tensor:
            costs = self.differentiable(x[:, rows], y)
            return (once(plan[:, rows], costs) * (costs - costs.detach())).sum((1, 2))

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
