"""Geometries: ways to visit a cost matrix, and the choice among them."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from otgan.costs import Cost
from otgan.geometry.base import Geometry
from otgan.memory import available
from otgan.mistakes import NotInstalledError, TooLargeError, WrongValueError
from otgan.namespace import Array, is_tensor
from otgan.sizes import describe

__all__ = ["BACKENDS", "Geometry", "make_geometry", "takes_arrays"]

BACKENDS = {
    "compiled": "otgan.geometry.compiled:CompiledGeometry",
    "dense": "otgan.geometry.dense:DenseGeometry",
    "streamed": "otgan.geometry.streamed:StreamedGeometry",
    "triton": "otgan.geometry.triton:TritonGeometry",
    "geomloss": "otgan.geometry.geomloss:GeomlossGeometry",
    "flash": "otgan.geometry.flash:FlashGeometry",
}
"""Backends by the name that `backend=` takes, imported when used. A new one is a file in this folder and a line here."""

_ARRAYS = {
    "compiled": BACKENDS["compiled"],
    "streamed": "otgan.geometry.compiled:BlockStream",
}
"""Those that visit arrays of NumPy, to which samples on the CPU are brought; the others visit tensors."""

_NEEDS = {"triton": "triton", "flash": "flash_sinkhorn"}
"""Packages that a backend needs beyond those that otgan always has; the extra that installs them bears its name."""

_ANY = ("compiled", "dense", "streamed")
"""Backends that take every cost, and form it from differences where they must."""

_STORED = ("compiled", "dense")
"""Backends that store the costs."""

_COPIES = 3.0
"""Matrices of float64 that a stored solve holds at once: the costs, a kernel, and what is formed in passing."""


def takes_arrays(backend: str, where: Any) -> bool:
    """Whether a backend, or what "auto" stands for, visits arrays of NumPy for samples on a device.

    Raises
    ------
    ValueError
        If it cannot visit samples there.
    """
    on_cpu = getattr(where, "type", where) == "cpu"
    if backend == "compiled" and not on_cpu:
        raise WrongValueError(
            f"backend 'compiled' takes samples on the CPU, got samples on {where}: use backend='auto', or move them"
        )
    return on_cpu and backend in {"auto", *_ARRAYS}


def make_geometry(backend: str, x: Array, y: Array, rule: Cost, direct: bool = False) -> Geometry:
    """Return the geometry named, or for "auto" the one that suits.

    Where costs fit in memory that is one that stores them, else the streamed one; for tensors on CUDA "triton", where it
    is installed.

    Parameters
    ----------
    backend : str
    x, y : Array, shapes (B, n, d) and (B, m, d)
        Arrays of NumPy, or tensors, as :func:`takes_arrays` tells.
    rule : Cost
        What moving costs. A geometry that forms it stands in for those that do not know it, and says so by its name.
    direct : bool
        Whether costs must come from differences of coordinates, which the kernels of other libraries and of GPUs do not
        give: a geometry of tensors stands in for those as well.

    Raises
    ------
    ImportError
        If the package of an optional backend is missing.
    MemoryError
        If a backend that stores the costs is asked for and cannot fit.
    ValueError
        If the backend cannot take these samples.
    """
    tensors = is_tensor(x)
    need = _COPIES * 8 * x.shape[0] * x.shape[1] * y.shape[1]
    free = available(need, x.device if tensors else None)
    fitting = "streamed" if need >= 0.5 * free else "dense" if tensors else "compiled"
    if backend == "auto":
        backend = "triton" if tensors and x.is_cuda and _installed("triton") else fitting
    if backend not in _ANY:
        if direct:
            backend = fitting
        else:
            kind = _imported(backend, BACKENDS)
            backend = backend if kind.takes(rule) else fitting
    if backend in _STORED and need > free:
        raise TooLargeError(
            f"backend {backend!r} needs about {describe(need)} for {x.shape[0]} problem(s) of {x.shape[1]} x {y.shape[1]} "
            f"points, and {describe(int(free))} are free: use backend='streamed' (or 'auto'), which needs O(n + m)"
        )
    return _imported(backend, BACKENDS if tensors else _ARRAYS).suited(x, rule)(x, y, rule, direct)


def _imported(backend: str, places: Mapping[str, str]) -> type[Geometry]:
    if not _installed(backend):
        raise NotInstalledError(
            f"backend {backend!r} needs the package {_NEEDS[backend].replace('_', '-')}, which is not installed: "
            f"pip install 'otgan[{backend}]' (Linux), or use backend='auto'"
        )
    module, name = places[backend].split(":")
    found: type[Geometry] = getattr(import_module(module), name)
    return found


def _installed(backend: str) -> bool:
    return backend not in _NEEDS or find_spec(_NEEDS[backend]) is not None
