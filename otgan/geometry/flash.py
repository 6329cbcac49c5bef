"""FlashSinkhorn underneath: our loop over FlashSinkhorn's kernels, for p = 2 on CUDA.

FlashSinkhorn works with shifted potentials f − ‖x‖² and g − ‖y‖² at one ε for a call and one cloud pair at a time.
With the points scaled by ε^(-1/2) that ε is 1 for every problem, and no number has to come back from the device.
"""

from __future__ import annotations

import torch
from flash_sinkhorn.kernels import sinkhorn_flashstyle_sqeuclid as flash
from flash_sinkhorn.kernels.apply_flash import apply_plan_vec_flashstyle
from torch import Tensor
from torch.nn.functional import pad

from otgan.costs import Cost, Euclidean
from otgan.geometry.kernel import Kernel
from otgan.geometry.streamed import StreamedGeometry
from otgan.geometry.triton.device import require_device
from otgan.mistakes import WrongValueError

__all__ = ["FlashGeometry"]

_COORDINATES = 32
"""FlashSinkhorn's inner products need more coordinates than they take at a time: fewer are filled up with zeros."""

_POWER = 2
"""The power of the distance that they compute."""

_BLOCK = 16
"""Coordinates that they take at a time."""

_ROUNDING = 1e-6
"""Error of its float32 exponents, relative to the largest C/ε."""

_NOTHING = -1e5
"""What FlashSinkhorn takes for the logarithm of 0."""


class FlashGeometry(StreamedGeometry):
    """Soft minima and kernel products by FlashSinkhorn in float32; the rest in our own tiles.

    Where a tolerance is below what float32 gives, the products are our own too.

    Parameters
    ----------
    x, y : Tensor, shapes (B, n, d) and (B, m, d)
        The supports, detached, on a CUDA device.
    rule : Euclidean
        Of the power 2.

    Raises
    ------
    ValueError
        If p is not 2 or the samples are not on a CUDA device.
    """

    name = "flash"

    def __init__(self, x: Tensor, y: Tensor, rule: Cost, direct: bool = False) -> None:
        if rule.p != _POWER:
            raise WrongValueError(
                f"backend 'flash' computes squared distances only, p = 2, got p={rule.p:g}: use 'auto'"
            )
        require_device(x.device, "flash")
        super().__init__(x, y, rule, direct)

    @classmethod
    def takes(cls, rule: Cost) -> bool:
        """FlashSinkhorn knows the Euclidean distance."""
        return isinstance(rule, Euclidean)

    def kernels(self, epsilon: Tensor, f: Tensor, g: Tensor, tol: float) -> tuple[Kernel, Kernel]:
        """Return the kernel at the accuracy that `tol` asks for, and FlashSinkhorn's for corrections."""
        rough = FlashKernel(self._scaled(epsilon), f / epsilon[:, None], g / epsilon[:, None])
        rounding = _ROUNDING * float((self.largest / epsilon).max())
        return (rough if rounding <= tol else self.kernel(epsilon, f, g, tol)), rough

    def softmin(self, epsilon: Tensor, h: Tensor, axis: int) -> Tensor:
        """Soft minimum −ε log Σ exp((h − C)/ε) over one side; by FlashSinkhorn for float32 samples."""
        if self.x.dtype != torch.float32:
            return super().softmin(epsilon, h, axis)
        clouds = self._scaled(epsilon)
        here, there = clouds if axis == 1 else clouds[::-1]
        bias = (h / epsilon[:, None] - _norms(there)).clamp_min(_NOTHING).float()
        values = [
            flash.flashsinkhorn_lse(here[k], there[k], bias[k], 1.0, allow_tf32=False)
            for k in range(len(bias))
        ]
        return epsilon[:, None] * (torch.stack(values).double() + _norms(here))

    def _scaled(self, epsilon: Tensor) -> tuple[Tensor, Tensor]:
        """Centered points in units of √ε, float32, of at least `_COORDINATES` coordinates."""
        x, y = self.x.double(), self.y.double()
        origin = 0.5 * (x.mean(1, keepdim=True) + y.mean(1, keepdim=True))
        length, fill = epsilon.sqrt()[:, None, None], (0, max(0, _COORDINATES - x.shape[2]))
        return pad((x - origin) / length, fill).float(), pad((y - origin) / length, fill).float()


class FlashKernel(Kernel):
    """exp(f + g − C) between scaled clouds, by FlashSinkhorn."""

    dtype = torch.float64

    def __init__(self, clouds: tuple[Tensor, Tensor], f: Tensor, g: Tensor) -> None:
        self.clouds, self.f, self.g = clouds, f, g

    def __call__(self, v: Tensor, axis: int) -> Tensor:
        """K v or Kᵀ v, problem by problem."""
        x, y = self.clouds
        f, g = (self.f - _norms(x)).float(), (self.g - _norms(y)).float()
        no_log = torch.zeros_like(f), torch.zeros_like(g)
        v_ = v.float()
        sums = [
            apply_plan_vec_flashstyle(
                x[k], y[k], f[k], g[k], no_log[0][k], no_log[1][k], v_[k], eps=1.0, axis=axis, block_k=_BLOCK
            )
            for k in range(len(v))
        ]
        return torch.stack(sums).to(v.dtype)

    def take(self, keep: Tensor) -> FlashKernel:
        """Return the kernel of the problems `keep`."""
        return FlashKernel((self.clouds[0][keep], self.clouds[1][keep]), self.f[keep], self.g[keep])


def _norms(points: Tensor) -> Tensor:
    return points.double().square().sum(2)
