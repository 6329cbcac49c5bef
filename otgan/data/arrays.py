"""NumPy's own files: .npy and .npz, never unpickled."""

from __future__ import annotations

import math
import tokenize
import zipfile
import zlib
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
from numpy.lib import format as npy

from otgan.data.errors import DataError, SpecError, first_line, listed
from otgan.data.shard import Shard
from otgan.data.sources import Source, Stored, check_fits, check_numeric, check_shape, stack

__all__ = ["DEFAULT_KEYS", "choose_key", "open_npy", "open_npz", "shard_of_npy"]

#: The keys taken, the first that is there, from a file of several arrays when none is named.
DEFAULT_KEYS = ("x", "data", "samples", "points")

# Deflate writes at least one bit for every 258 bytes it reads, hence never shrinks by more than this.
MAX_DEFLATE = 1032

# What the zip machinery raises over a damaged archive; encryption and unknown methods come as RuntimeError.
BROKEN_ZIP = (zipfile.BadZipFile, zlib.error, EOFError, UnicodeDecodeError, RuntimeError)

# NumPy reads no longer ones either, but only says so after allocating what the header claims.
_MAX_HEADER = 10_000

_Header = tuple[tuple[int, ...], np.dtype[Any], Literal["C", "F"]]


def open_npy(path: Path) -> Source:
    """Open a .npy file; its rows stay on disk, memory-mapped, until they are drawn."""
    (shape, dtype, order), start = _mapped(path)

    def read() -> Stored:
        return stack(str(path), np.memmap(path, dtype, "r", start, shape, order))

    return Source(str(path), read)


def shard_of_npy(path: Path) -> Shard:
    """Open a .npy file as a shard, which may have no rows; those that are read are taken from a memory map."""
    (shape, dtype, order), at = _mapped(path, empty=True)

    def read(start: int, stop: int) -> tuple[Stored, int]:
        values = np.memmap(path, dtype, "r", at, shape, order)[start:stop]
        return replace(stack(str(path), values), first=start), values.nbytes

    return Shard(path, shape[0], shape[1:], str(dtype), (), read)


def _mapped(path: Path, *, empty: bool = False) -> tuple[_Header, int]:
    """Return the header of a .npy file that is as long as it says, and where its first value is."""
    with path.open("rb") as file:
        header = _header(file, str(path), empty=empty)
        start = file.tell()
    shape, dtype, _ = header
    promised, there = math.prod(shape) * dtype.itemsize, path.stat().st_size - start
    if promised != there:
        raise DataError(
            f"{path}: its header promises {promised} bytes ({shape} of {dtype}), but {there} follow: "
            + ("truncated?" if promised > there else "expected one array in a .npy file")
        )
    return header, start


def open_npz(path: Path, key: str | None) -> Source:
    """Open one array of a .npz file: the one called ``key``, the only one, or one of :data:`DEFAULT_KEYS`."""
    try:
        with zipfile.ZipFile(path) as archive:
            arrays = [info for info in archive.infolist() if info.filename.endswith(".npy")]
            members = {info.filename.removesuffix(".npy"): info for info in arrays}
            if not members:
                raise DataError(f"{path}: a zip archive without a NumPy array in it: expected a .npz file")
            if len(members) < len(arrays):
                raise DataError(f"{path}: two of its arrays have one name: damaged?")
            key = choose_key(path, key, list(members))
            info, name = members[key], f"{path}#{key}"
            _check_member(info, name)
            with archive.open(info) as file:
                shape, dtype, _ = _header(file, name)
                promised, there = math.prod(shape) * dtype.itemsize, info.file_size - file.tell()
    except BROKEN_ZIP as error:
        raise DataError(f"{path}: not a readable .npz file: {first_line(error)}") from error
    if promised != there:
        raise DataError(
            f"{name}: its header promises {promised} bytes ({shape} of {dtype}), but the archive holds {there}"
        )
    check_fits(promised, name)

    def read() -> Stored:
        try:
            with zipfile.ZipFile(path) as archive, archive.open(info) as file:
                values = npy.read_array(file, allow_pickle=False)
                file.read(1)  # the checksum is compared at the end of the member
        except (*BROKEN_ZIP, ValueError) as error:
            raise DataError(f"{name}: damaged: {first_line(error)}") from error
        return stack(name, values)

    return Source(name, read)


# What parsing a header written by nobody's np.save ends in, besides the ValueError it is meant to.
_BAD_HEADER = (ValueError, TypeError, SyntaxError, tokenize.TokenError, RecursionError, MemoryError)


def choose_key(path: Path, key: str | None, keys: list[str]) -> str:
    """Return the key to read from a file that holds several arrays.

    Raises
    ------
    SpecError
        If the named key is missing, or none is named and the choice is not plain.
    """
    if key is not None:
        if key not in keys:
            raise SpecError(f"{path} has no array {key!r}: it has {listed(keys)}")
        return key
    if len(keys) == 1:
        return keys[0]
    for default in DEFAULT_KEYS:
        if default in keys:
            return default
    raise SpecError(f"{path} holds several arrays ({listed(keys)}): name one, like {path}#{keys[0]}")


def _check_member(info: zipfile.ZipInfo, name: str) -> None:
    """Refuse a member whose declared size cannot come out of the bytes it has."""
    if info.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        raise DataError(f"{name}: compressed by a method that NumPy does not write")
    if info.file_size > MAX_DEFLATE * info.compress_size + 64:
        raise DataError(
            f"{name}: promises {info.file_size} bytes, more than its {info.compress_size} can hold"
        )


def _header(file: IO[bytes], name: str, *, empty: bool = False) -> _Header:
    """Read the header of an array, which may have no rows where that is `empty`, leaving the file at its first value."""
    magic, version, length = file.read(6), file.read(2), file.read(4)
    wide = version != b"\x01\x00"
    damaged = f"{name}: not a NumPy array, or its header is damaged"
    if magic != b"\x93NUMPY" or version not in {b"\x01\x00", b"\x02\x00", b"\x03\x00"}:
        raise DataError(f"{damaged}: it starts with {magic + version!r}")
    if int.from_bytes(length[: 4 if wide else 2], "little") > _MAX_HEADER:
        raise DataError(f"{damaged}: it claims to be longer than NumPy reads")
    file.seek(8)
    try:
        # Version 3 differs from 2 in the header's encoding alone, which matters for names of fields only.
        shape, fortran, dtype = (npy.read_array_header_2_0 if wide else npy.read_array_header_1_0)(file)
    except _BAD_HEADER as error:
        raise DataError(f"{damaged}: {first_line(error)}") from error
    check_numeric(name, dtype)
    check_shape(name, (1, *shape[1:]) if empty and shape[:1] == (0,) else shape)
    if any(type(length) is not int or length < 0 for length in shape):
        raise DataError(f"{name}: its header claims the shape {shape}: expected whole numbers, none below 0")
    return shape, dtype, "F" if fortran else "C"
