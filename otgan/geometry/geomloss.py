"""GeomLoss underneath: our loop over GeomLoss's soft minimum, on tensors or, where PyKeOps is installed, online.

GeomLoss's cost is C/p. With the points scaled by ε^(-1/p) the ratio C/ε that ours has becomes that of GeomLoss at a
temperature of 1/p: one for the whole batch, whatever ε each problem has.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

import torch
from torch import Tensor

from otgan.costs import Cost, Euclidean
from otgan.costs.squares import cost_matrix
from otgan.geometry.base import Geometry
from otgan.geometry.kernel import Kernel
from otgan.geometry.streamed import StreamedGeometry
from otgan.mistakes import WrongValueError

__all__ = ["GeomlossGeometry"]

_POWERS = {1, 2}
"""The powers of the distance for which it has a soft minimum."""

_TENSORS = 5000**2
"""Entries of a cost matrix up to which GeomLoss itself prefers tensors to KeOps."""


class GeomlossGeometry(StreamedGeometry):
    """Soft minima by GeomLoss, in float64; certificates and gradients in our own tiles.

    Parameters
    ----------
    x, y : Tensor, shapes (B, n, d) and (B, m, d)
        The supports, detached.
    rule : Euclidean
        Of the power 1 or 2.

    Raises
    ------
    ValueError
        If p is a power for which GeomLoss has no soft minimum.
    """

    name = "geomloss"

    def __init__(self, x: Tensor, y: Tensor, rule: Cost, direct: bool = False) -> None:
        if rule.p not in _POWERS:
            raise WrongValueError(
                f"backend 'geomloss' computes costs for p = 1 and p = 2, got p={rule.p:g}: use 'auto'"
            )
        super().__init__(x, y, rule, direct)
        self._softmin = _softmin(int(rule.p), x.shape[1] * y.shape[1])

    @classmethod
    def takes(cls, rule: Cost) -> bool:
        """GeomLoss knows the Euclidean distance."""
        return isinstance(rule, Euclidean)

    def kernel(self, epsilon: Tensor, f: Tensor, g: Tensor, tol: float) -> Kernel:
        """Remember the potentials; every product is made of soft minima."""
        del tol
        return SoftminKernel(self, epsilon, f, g)

    def kernels(self, epsilon: Tensor, f: Tensor, g: Tensor, tol: float) -> tuple[Kernel, Kernel]:
        """Return the one kernel that there is, twice."""
        kernel = self.kernel(epsilon, f, g, tol)
        return kernel, kernel

    def softmin(self, epsilon: Tensor, h: Tensor, axis: int) -> Tensor:
        """Soft minimum −ε log Σ exp((h − C)/ε) over one side, by GeomLoss."""
        p = self.rule.p
        length = (epsilon ** (1 / p))[:, None, None]
        x, y = self.x.double() / length, self.y.double() / length
        # −∞ stands for a point left out; GeomLoss has -100000 for it, which its KeOps formulas need finite.
        potential = (h / epsilon[:, None]).clamp_min(-1e5)
        sides = (x, y) if axis == 1 else (y, x)
        return p * epsilon[:, None] * self._softmin(1 / p, sides, potential)


class SoftminKernel(Kernel):
    """exp((f + g − C)/ε) by soft minima: Σ K v = exp((f − softmin(g + ε log v))/ε) for v ≥ 0.

    A vector of both signs is the difference of two that have one.
    """

    dtype = torch.float64

    def __init__(self, geometry: Geometry, epsilon: Tensor, f: Tensor, g: Tensor) -> None:
        self.geometry, self.epsilon, self.f, self.g = geometry, epsilon, f, g

    def __call__(self, v: Tensor, axis: int) -> Tensor:
        """K v or Kᵀ v."""
        if bool((v >= 0).all()):
            return self._positive(v, axis)
        return self._positive(v.clamp_min(0), axis) - self._positive((-v).clamp_min(0), axis)

    def _positive(self, v: Tensor, axis: int) -> Tensor:
        scale = self.epsilon[:, None]
        here, there = (self.f, self.g) if axis == 1 else (self.g, self.f)
        return ((here - self.geometry.softmin(self.epsilon, there + scale * v.log(), axis)) / scale).exp()

    def take(self, keep: Tensor) -> SoftminKernel:
        """Return the kernel of the problems `keep`."""
        return SoftminKernel(self.geometry.take(keep), self.epsilon[keep], self.f[keep], self.g[keep])


Softmin = Callable[[float, tuple[Tensor, Tensor], Tensor], Tensor]


def _softmin(p: int, entries: int) -> Softmin:
    """GeomLoss's soft minimum, at a temperature, of potentials over the second of two clouds."""
    samples = _module()
    if entries > _TENSORS and find_spec("pykeops") is not None:

        def online(temperature: float, clouds: tuple[Tensor, Tensor], h: Tensor) -> Tensor:
            values: Tensor = samples.softmin_online_lazytensor(temperature, clouds, h, p=p)
            return values

        return online

    def tensorized(temperature: float, clouds: tuple[Tensor, Tensor], h: Tensor) -> Tensor:
        # GeomLoss's own matrix loses coincident points: it keeps their distances above 1e-4.
        values: Tensor = samples.softmin_tensorized(temperature, cost_matrix(*clouds, p) / p, h)
        return values

    return tensorized


def _module() -> ModuleType:
    """GeomLoss's module of soft minima, which release 0.3 moved."""
    try:
        return import_module("geomloss._legacy.sinkhorn_samples")
    except ModuleNotFoundError:
        return import_module("geomloss.sinkhorn_samples")
