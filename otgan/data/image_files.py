"""Images in files of bytes: the IDX files of MNIST and the binary batches of CIFAR-10."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray

from otgan.data.arrays import MAX_DEFLATE
from otgan.data.errors import DataError, first_line
from otgan.data.sources import Source, Stored, check_fits, check_shape, stack

__all__ = [
    "CIFAR10_CLASSES",
    "MNIST_CLASSES",
    "is_idx",
    "open_cifar10",
    "open_cifar10_batch",
    "open_idx",
    "open_mnist",
]

MNIST_CLASSES = tuple("0123456789")
CIFAR10_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

# One record of a CIFAR-10 batch: the label, then 32 × 32 pixels of red, of green and of blue.
_RECORD = 1 + 3 * 32 * 32

_STACK = 3
"""Dimensions of a stack of gray images."""

_MAGIC = 4
"""Bytes by which an IDX file begins: two zeros, the type, the number of dimensions."""

# The third byte of an IDX file.
_IDX_TYPES: dict[int, np.dtype[Any]] = {
    0x08: np.dtype(np.uint8),
    0x09: np.dtype(np.int8),
    0x0B: np.dtype(">i2"),
    0x0C: np.dtype(">i4"),
    0x0D: np.dtype(">f4"),
    0x0E: np.dtype(">f8"),
}


def is_idx(start: bytes) -> bool:
    """Whether a file that starts with these bytes may be an IDX file."""
    return len(start) >= _MAGIC and start[:2] == b"\0\0" and start[2] in _IDX_TYPES and start[3] > 0


def open_idx(path: Path) -> Source:
    """Open an IDX file, gzipped or not: two zero bytes, type, number of dimensions, lengths, values.

    Three dimensions or more are images, those of bytes scaled to [0, 1].
    """
    shape, dtype = _idx_header(path)
    return Source(str(path), lambda: stack(str(path), _idx_values(path, shape, dtype)))


def open_mnist(images: Path, labels: Path, name: str) -> Source:
    """Open a split of MNIST from its two IDX files."""
    (image_shape, image_type), (label_shape, label_type) = _idx_header(images), _idx_header(labels)
    if len(image_shape) != _STACK or image_type != np.uint8:
        raise DataError(f"{images}: expected images of bytes, found an array of shape {image_shape}")
    if label_shape != image_shape[:1] or label_type != np.uint8:
        raise DataError(f"{labels}: expected {image_shape[0]} labels, found an array of shape {label_shape}")

    def read() -> Stored:
        values = _idx_values(labels, label_shape, label_type)
        _check_labels(values, len(MNIST_CLASSES), labels)
        pixels = stack(name, _idx_values(images, image_shape, image_type))
        return replace(pixels, labels=values.astype(np.int64), classes=MNIST_CLASSES)

    return Source(name, read, classes=MNIST_CLASSES, splits=("train", "test"))


def open_cifar10_batch(path: Path) -> Source:
    """Open one binary batch of CIFAR-10."""
    return _open_records([path], str(path))


def open_cifar10(folder: Path, split: str, name: str) -> Source:
    """Open a split of CIFAR-10 from its folder ``cifar-10-batches-bin``."""
    files = [f"data_batch_{k}.bin" for k in range(1, 6)] if split == "train" else ["test_batch.bin"]
    missing = [file for file in files if not (folder / file).is_file()]
    if missing:
        raise DataError(f"{folder}: {', '.join(missing)} missing: an incomplete copy of CIFAR-10")
    return replace(_open_records([folder / file for file in files], name), splits=("train", "test"))


def _idx_header(path: Path) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Return shape and type of an IDX file whose size bears out its header."""
    start = _start(path)
    if not is_idx(start):
        raise DataError(f"{path}: not an IDX file: it starts with {start.hex(' ') or 'nothing'}")
    dtype, ndim = _IDX_TYPES[start[2]], start[3]
    header = _read(path, 4 + 4 * ndim)
    if len(header) < 4 + 4 * ndim:
        raise DataError(f"{path}: ends within its header")
    shape = struct.unpack(f">{ndim}I", header[4:])
    check_shape(str(path), shape)
    promised = math.prod(shape) * dtype.itemsize
    size = path.stat().st_size
    there = MAX_DEFLATE * size if _gzipped(path) else size - len(header)
    if promised > there:
        raise DataError(
            f"{path}: its header promises {promised} bytes, more than the file's {size} can hold: truncated?"
        )
    if promised < there and not _gzipped(path):
        raise DataError(f"{path}: {there - promised} bytes follow the {promised} that its header promises")
    check_fits(promised, str(path))
    return shape, dtype


def _idx_values(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return the values after the header: mapped from the disk, or decompressed and checked."""
    offset = 4 + 4 * len(shape)
    if not _gzipped(path):
        return np.memmap(path, dtype, "r", offset, shape)
    total = offset + math.prod(shape) * dtype.itemsize
    content = _read(path, total + 1)  # one more, to meet the end and the checksum there
    if len(content) != total:
        more = "more" if len(content) > total else f"{len(content) - offset}"
        raise DataError(f"{path}: its header promises {total - offset} bytes, but it holds {more}")
    return np.frombuffer(content, dtype, offset=offset).reshape(shape)


def _gzipped(path: Path) -> bool:
    return path.suffix.lower() == ".gz"


def _start(path: Path) -> bytes:
    """Return the first four bytes of an IDX file, refusing one that is compressed against its name."""
    with path.open("rb") as file:
        compressed = file.read(2) == b"\x1f\x8b"
    if compressed != _gzipped(path):
        raise DataError(
            f"{path}: compressed by gzip, though not called .gz"
            if compressed
            else f"{path}: called .gz, but not compressed by gzip"
        )
    return _read(path, 4)


def _read(path: Path, count: int) -> bytes:
    """Return the first bytes of a file, decompressed where it is gzipped."""
    try:
        with _binary(path) as file:
            return file.read(count)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{path}: damaged or truncated: {first_line(error)}") from error


def _binary(path: Path) -> IO[bytes]:
    return cast(IO[bytes], gzip.open(path)) if _gzipped(path) else path.open("rb")


def _open_records(files: list[Path], name: str) -> Source:
    """Open batches of CIFAR-10 records one after the other."""
    sizes = [file.stat().st_size for file in files]
    for file, size in zip(files, sizes, strict=True):
        if size % _RECORD or not any(sizes):
            raise DataError(
                f"{file}: {size} bytes are no whole number of CIFAR-10 records of {_RECORD} bytes"
            )

    def read() -> Stored:
        check_fits(2 * sum(sizes) if len(files) > 1 else 0, f"{name}: {len(files)} batches")
        # What is mapped is read where rows are drawn; nothing cannot be mapped.
        full = [file for file, size in zip(files, sizes, strict=True) if size]
        batches = [np.memmap(file, np.uint8, "r").reshape(-1, _RECORD) for file in full]
        for file, batch in zip(full, batches, strict=True):
            _check_labels(batch[:, 0], len(CIFAR10_CLASSES), file)
        records = np.concatenate(batches) if len(batches) > 1 else batches[0]
        return Stored(
            name,
            records[:, 1:].reshape(-1, 3, 32, 32),
            divisor=255.0,
            shape=(3, 32, 32),
            labels=records[:, 0].astype(np.int64),
            classes=CIFAR10_CLASSES,
        )

    return Source(name, read, classes=CIFAR10_CLASSES)


def _check_labels(labels: NDArray[Any], classes: int, path: Path) -> None:
    wrong = labels >= classes
    if wrong.any():
        at = int(np.argmax(wrong))
        raise DataError(f"{path}: item {at} has the label {labels[at]}: expected 0 to {classes - 1}")
