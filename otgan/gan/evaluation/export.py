"""Samples into files, by the ending of their names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from otgan.gan.errors import OptionError
from otgan.gan.files import write_whole

__all__ = ["writer"]

_IMAGES = 4
"""Dimensions of a set of images, (n, C, H, W); points have fewer."""

Rows = NDArray[np.float32]
Write = Callable[[Rows, Callable[[], Rows]], None]


def writer(path: Path) -> Write:
    """Return what writes samples into a file, given what returns data to show beside them.

    Raises
    ------
    OptionError
        If the name has none of the endings.
    """
    write = _BY_ENDING.get(path.suffix.lower())
    if write is None:
        raise OptionError(f"samples are written as .npy, .csv or .png, not as {path.name!r}")
    return lambda samples, real: write(path, samples, real)


def _write_array(path: Path, samples: Rows, real: Callable[[], Rows]) -> None:
    write_whole(path, lambda file: np.save(file, samples))


def _write_text(path: Path, samples: Rows, real: Callable[[], Rows]) -> None:
    rows = samples.reshape(len(samples), -1)
    write_whole(path, lambda file: np.savetxt(file, rows, "%.9g", delimiter=","))


def _write_picture(path: Path, samples: Rows, real: Callable[[], Rows]) -> None:
    from otgan.gan.evaluation import figures  # matplotlib takes long to import

    figures.sample_picture(path, samples, None if samples.ndim == _IMAGES else real())


_BY_ENDING: dict[str, Callable[[Path, Rows, Callable[[], Rows]], None]] = {
    ".npy": _write_array,
    ".csv": _write_text,
    ".png": _write_picture,
}
