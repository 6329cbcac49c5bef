"""Geometries: ways to visit a cost matrix, and the choice among them."""

from __future__ import annotations

import math
from importlib import import_module
from importlib.util import find_spec

import torch

from otgan.geometry.base import Geometry
from otgan.memory import describe, free_memory
from otgan.mistakes import NotInstalledError, TooLargeError

__all__ = ["BACKENDS", "Geometry", "make_geometry"]

BACKENDS = {
    "dense": "otgan.geometry.dense:DenseGeometry",
    "streamed": "otgan.geometry.streamed:StreamedGeometry",
    "triton": "otgan.geometry.triton:TritonGeometry",
    "geomloss": "otgan.geometry.geomloss:GeomlossGeometry",
    "flash": "otgan.geometry.flash:FlashGeometry",
}
"""Backends by the name that `backend=` takes, imported when used. A new one is a file in this folder and a line here."""

_NEEDS = {"triton": "triton", "flash": "flash_sinkhorn"}
"""Packages that a backend needs beyond those that otgan always has; the extra that installs them bears its name."""

_EXPANDING = ("triton", "geomloss", "flash")
"""Backends whose own kernels form ‖x‖² + ‖y‖² − 2⟨x, y⟩."""

_LITTLE = 2**24
"""Bytes that are not worth a question to the system how much is free."""

_COPIES = 3.0
"""Matrices of float64 that a dense solve holds at once: the costs, a kernel, and what is formed in passing."""


def make_geometry(backend: str, x: torch.Tensor, y: torch.Tensor, p: float, direct: bool = False) -> Geometry:
    """Return the geometry named, or for "auto" the one that suits.

    On CUDA that is "triton" where it is installed. Elsewhere it is the dense one where it fits in memory, else the
    streamed one.

    Parameters
    ----------
    direct : bool
        Whether costs must come from differences of coordinates. The kernels of other libraries and of GPUs expand
        squares: a geometry of tensors stands in for them, and says so by its name.

    Raises
    ------
    ImportError
        If the package of an optional backend is missing.
    MemoryError
        If "dense" is asked for and cannot fit.
    ValueError
        If the backend cannot take these samples.
    """
    need = _COPIES * 8 * x.shape[0] * x.shape[1] * y.shape[1]
    free = free_memory(x.device) if need > _LITTLE else math.inf
    if backend == "auto":
        if x.device.type == "cuda" and _installed("triton"):
            backend = "triton"
        else:
            backend = "dense" if need < 0.5 * free else "streamed"
    if direct and backend in _EXPANDING:
        backend = "dense" if need < 0.5 * free else "streamed"
    if backend == "dense" and need > free:
        raise TooLargeError(
            f"backend 'dense' needs about {describe(need)} for {x.shape[0]} problem(s) of {x.shape[1]} x {y.shape[1]} "
            f"points, and {describe(free)} are free: use backend='streamed' (or 'auto'), which needs O(n + m)"
        )
    if not _installed(backend):
        raise NotInstalledError(
            f"backend {backend!r} needs the package {_NEEDS[backend].replace('_', '-')}, which is not installed: "
            f"pip install 'otgan[{backend}]' (Linux), or use backend='auto'"
        )
    module, name = BACKENDS[backend].split(":")
    geometry: Geometry = getattr(import_module(module), name)(x, y, p, direct)
    return geometry


def _installed(backend: str) -> bool:
    return backend not in _NEEDS or find_spec(_NEEDS[backend]) is not None
