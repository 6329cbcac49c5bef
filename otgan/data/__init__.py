"""Samples from names and files: ``otgan.data.load("mnist:3", n=1000)``.

:func:`load` gives the rows, :func:`open_spec` the rows and what is known about them (labels, weights, the shape
of images, the modes of a mixture), :func:`open_splits` a pair of them to train on and to judge by.
:func:`check` says quickly whether a spec can be opened. Nothing is downloaded but by :func:`fetch`.
"""

from __future__ import annotations

from otgan.data.dataset import Dataset, Modes
from otgan.data.download import fetch
from otgan.data.errors import DataError, MissingPackageError, SpecError
from otgan.data.specs import NAMES, check, load, load_weights, modes, open_spec, open_splits

__all__ = [
    "NAMES",
    "DataError",
    "Dataset",
    "MissingPackageError",
    "Modes",
    "SpecError",
    "check",
    "fetch",
    "load",
    "load_weights",
    "modes",
    "open_spec",
    "open_splits",
]
