"""Samples into files, by the ending of their names."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from otgan.gan.errors import OptionError
from otgan.gan.files import write_whole

__all__ = ["writer"]

_IMAGES = 4
"""Dimensions of a set of images, (n, C, H, W); points have fewer."""

Rows = NDArray[np.float32]
Write = Callable[[Rows, Callable[[], Rows], Sequence[str]], None]


def writer(path: Path) -> Write:
    """Return what writes samples into a file, given what returns data to show beside them, and the names of coordinates.

    Raises
    ------
    OptionError
        If the name has none of the endings.
    """
    write = _BY_ENDING.get(path.suffix.lower())
    if write is None:
        raise OptionError(f"samples are written as .npy, .csv or .png, not as {path.name!r}")
    return lambda samples, real, columns: write(path, samples, real, columns)


def _write_array(path: Path, samples: Rows, real: Callable[[], Rows], columns: Sequence[str]) -> None:
    write_whole(path, lambda file: np.save(file, samples))


def _write_text(path: Path, samples: Rows, real: Callable[[], Rows], columns: Sequence[str]) -> None:
    rows, header = samples.reshape(len(samples), -1), io.StringIO()
    if columns:
        csv.writer(header, lineterminator="\n").writerow(columns)

    def write(file: IO[bytes]) -> None:
        file.write(header.getvalue().encode())
        np.savetxt(file, rows, "%.9g", delimiter=",")

    write_whole(path, write)


def _write_picture(path: Path, samples: Rows, real: Callable[[], Rows], columns: Sequence[str]) -> None:
    from otgan.gan.evaluation import figures  # matplotlib takes long to import

    figures.sample_picture(path, samples, None if samples.ndim == _IMAGES else real())


_BY_ENDING: dict[str, Callable[[Path, Rows, Callable[[], Rows], Sequence[str]], None]] = {
    ".npy": _write_array,
    ".csv": _write_text,
    ".png": _write_picture,
}
