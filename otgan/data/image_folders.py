"""Folders of pictures, through Pillow."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from otgan.data.errors import DataError, first_line, require
from otgan.data.sources import Source, Stored, check_fits

__all__ = ["PICTURES", "open_pictures"]

#: The endings of the file names that count as pictures in a folder.
PICTURES = (".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")

# Pillow's modes: gray ones, those of them with 16 bits, and colored ones that convert to RGB.
_GRAY = frozenset({"1", "L", "LA", "I", "I;16", "I;16B", "I;16L"})
_DEEP = frozenset({"I", "I;16", "I;16B", "I;16L"})
_COLORED = frozenset({"P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr"})

_OPAQUE, _DEEPEST = 2**8 - 1, 2**16 - 1
"""The largest values of eight bits, which as transparency is none, and of sixteen."""


def open_pictures(folder: Path, instead: str = "") -> Source:
    """Open a folder of pictures of one size, in the order of their names.

    The pictures lie in the folder itself, or in subfolders, each of which is then a class. Eight and sixteen
    bits are scaled to [0, 1]. One colored picture gives all of them three channels. Where there are none, `instead` is what
    is said of the folder besides.
    """
    groups = {folder.name: _listed(folder)}
    if not groups[folder.name]:
        subfolders = sorted(path for path in folder.iterdir() if path.is_dir())
        groups = {path.name: found for path in subfolders if (found := _listed(path))}
    if not groups:
        endings = " ".join(PICTURES)
        raise DataError(f"{folder}: no pictures in this folder (files ending in {endings}){instead}")
    paths = [path for found in groups.values() for path in found]
    labels = np.repeat(np.arange(len(groups)), [len(found) for found in groups.values()])
    classes = tuple(groups) if paths[0].parent != folder else ()
    image = require("PIL.Image", f"{folder}: reading pictures")

    def read() -> Stored:
        pictures = _Pictures(image, paths)
        return Stored(
            str(folder),
            pictures,
            divisor=float(_DEEPEST if pictures.kind.deep else _OPAQUE),
            shape=pictures.shape[1:],
            labels=labels if classes else None,
            classes=classes,
        )

    return Source(str(folder), read, classes=classes)


def _listed(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in PICTURES and not path.name.startswith(".") and path.is_file()
    )


class _Kind(NamedTuple):
    """What all pictures of a folder must have in common."""

    width: int
    height: int
    deep: bool

    def __str__(self) -> str:
        return f"{self.width} × {self.height} pixels of {16 if self.deep else 8} bits"


class _Pictures:
    """Pictures as rows, decoded when they are picked.

    All headers are read first: the shape of a picture must not depend on which ones are drawn.
    """

    def __init__(self, image: Any, paths: list[Path]) -> None:
        self.image, self.paths, self.colored = image, paths, False
        kinds = []
        for path in paths:
            with self._opened(path) as picture:
                if picture.mode not in _GRAY | _COLORED:
                    raise DataError(f"{path}: pixels of mode {picture.mode}: expected 8 or 16 bits a channel")
                kinds.append(_Kind(picture.width, picture.height, picture.mode in _DEEP))
                self.colored |= picture.mode in _COLORED
        self.kind = Counter(kinds).most_common(1)[0][0]
        # A small file may hold an enormous picture: decoded, then converted with four channels of a byte or two.
        check_fits(16 * self.kind.width * self.kind.height, f"{paths[0]}: {self.kind}")
        for path, kind in zip(paths, kinds, strict=True):
            if kind != self.kind:
                raise DataError(f"{path}: {kind}, unlike the others in its folder: expected {self.kind}")

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Their number, and the channels, the height and the width of each."""
        return len(self.paths), 3 if self.colored else 1, self.kind.height, self.kind.width

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the pixels."""
        return np.dtype(np.uint16 if self.kind.deep else np.uint8)

    def __getitem__(self, rows: Any, /) -> NDArray[Any]:
        """Return the pictures as an array of shape (k, C, H, W)."""
        chosen = np.arange(len(self.paths))[rows]
        pixels = np.empty((len(chosen), *self.shape[1:]), self.dtype)
        for k, row in enumerate(chosen):
            pixels[k] = self._decode(self.paths[row])
        return pixels

    @contextlib.contextmanager
    def _opened(self, path: Path) -> Iterator[Any]:
        """Open a picture; whatever stops its decoder while it is held says that the file is damaged."""
        trouble = "not a readable picture"
        try:
            with self.image.open(path) as picture:
                trouble = "damaged or truncated"
                yield picture
        except (DataError, MemoryError):
            raise
        except Exception as error:  # a damaged picture can stop its decoder anywhere
            raise DataError(f"{path}: {trouble}: {first_line(error)}") from error

    def _decode(self, path: Path) -> NDArray[Any]:
        """Return the pixels, shape (C, H, W)."""
        with self._opened(path) as picture:
            picture.load()
            may_be_transparent = picture.mode in {"LA", "PA", "RGBA"} or "transparency" in picture.info
            if may_be_transparent and picture.convert("RGBA").getextrema()[3][0] < _OPAQUE:
                raise DataError(f"{path}: transparent pixels have no one value: flatten the picture first")
            if self.kind.deep:
                values = np.asarray(picture)
                if values.min() < 0 or values.max() > _DEEPEST:
                    raise DataError(f"{path}: pixels beyond 16 bits: save such images as .npy")
                return values[None]
            values = np.asarray(picture.convert("RGB" if self.colored else "L"))
        return np.moveaxis(values, -1, 0) if self.colored else values[None]
