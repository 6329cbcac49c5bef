"""Which reader a path belongs to: by its name, its first bytes agreeing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from otgan.data.arrays import open_npy, open_npz, shard_of_npy
from otgan.data.catalog import open_laid_out
from otgan.data.errors import DataError, SpecError
from otgan.data.image_files import is_idx, open_cifar10_batch, open_idx
from otgan.data.image_folders import open_pictures
from otgan.data.shard import Shard
from otgan.data.sources import Source
from otgan.data.tables import open_parquet, open_text, shard_of_parquet
from otgan.data.tensors import open_pt, open_safetensors

__all__ = ["FORMATS", "Format", "open_path", "open_shard", "shard_suffixes"]


@dataclass(frozen=True)
class Format:
    """A kind of file.

    Attributes
    ----------
    what : str
        What the error messages call it.
    suffixes : tuple of str
        The endings of its file names.
    open : callable
        Opens a path, with the name of the member to read, or None.
    magic : bytes
        What its files start with; empty where that varies.
    members : bool
        Whether its files have members to choose from.
    text : bool
        Whether its files are text, so that the beginning of anything else is wrong.
    shard : callable or None
        Opens a path as one of the shards of a set, where some rows can be read without the others.
    """

    what: str
    suffixes: tuple[str, ...]
    open: Callable[[Path, str | None], Source]
    magic: bytes = b""
    members: bool = True
    text: bool = False
    shard: Callable[[Path], Shard] | None = None


_IDX = Format(
    "an IDX file",
    (".idx", "-ubyte", ".idx.gz", "-ubyte.gz"),
    lambda path, _: open_idx(path),
    members=False,
)

#: The kinds of files that are read; a new one is one more entry.
FORMATS = (
    Format(
        "a NumPy array",
        (".npy",),
        lambda path, _: open_npy(path),
        b"\x93NUMPY",
        members=False,
        shard=shard_of_npy,
    ),
    Format("a NumPy archive", (".npz",), open_npz, b"PK"),
    Format("comma-separated text", (".csv",), lambda path, key: open_text(path, key, ","), text=True),
    Format("tab-separated text", (".tsv",), lambda path, key: open_text(path, key, "\t"), text=True),
    Format("a Parquet table", (".parquet",), open_parquet, b"PAR1", shard=shard_of_parquet),
    Format("an archive of torch.save", (".pt", ".pth"), open_pt, b"PK"),
    Format("a safetensors file", (".safetensors",), open_safetensors),
    Format("a CIFAR-10 batch", (".bin",), lambda path, _: open_cifar10_batch(path), members=False),
    _IDX,
)

# Beginnings that tell what a file is that is not what its name says.
_BEGINNINGS = (
    (b"\x93NUMPY", "a NumPy array (.npy)"),
    (b"PK\x03\x04", "a zip archive (.npz, .pt)"),
    (b"PAR1", "a Parquet table (.parquet)"),
    (b"\x1f\x8b\x08", "compressed by gzip (.gz)"),
    (b"\x89HDF", "an HDF5 file"),
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"%PDF", "a PDF document"),
    (b"<!", "a web page"),
    (b"<htm", "a web page"),
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself"),
    (b"\xff\xfe", "text in UTF-16: save it as UTF-8"),
    *((bytes([0x80, protocol]), "a pickle, which is never read") for protocol in range(2, 6)),
)


def open_path(path: Path, key: str | None, split: str) -> Source:
    """Open a file or a folder; check what can be checked without reading it.

    Raises
    ------
    SpecError
        If the file has no member of that name, or no such split.
    DataError
        If it is not what its name says, or damaged.
    """
    if path.is_dir():
        if key is not None:
            raise SpecError(f"{path} is a folder: it has no member {key!r}")
        laid_out = open_laid_out(path, split)
        if laid_out is not None:
            return laid_out
    if split != "train":
        raise SpecError(f"{path} has no {split} split: hold rows of it out, as open_splits does")
    if path.is_dir():
        shards = any(each.name.endswith(shard_suffixes()) for each in path.iterdir())
        return open_pictures(path, "; its shards are one set by otgan measure --shards" if shards else "")
    kind = _kind(path)
    if key is not None and not kind.members:
        raise SpecError(f"{path} is {kind.what}: it has no member {key!r}")
    return kind.open(path, key)


def shard_suffixes() -> tuple[str, ...]:
    """Return the endings of files of which some rows can be read without the others."""
    return tuple(suffix for kind in FORMATS if kind.shard is not None for suffix in kind.suffixes)


def open_shard(path: Path) -> Shard:
    """Open a file as one of the shards of a set.

    Raises
    ------
    DataError
        If it cannot be one, or is damaged.
    """
    try:
        kind = _kind(path)
        if kind.shard is None:
            raise DataError(f"{path}: {kind.what}: expected a shard, one of {' '.join(shard_suffixes())}")
        return kind.shard(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error


def _kind(path: Path) -> Format:
    """Return the kind of a file that is what its name says."""
    if not path.is_file():
        raise DataError(f"{path}: neither a file nor a folder")
    with path.open("rb") as file:
        start = file.read(32)
    if not start:
        raise DataError(f"{path}: an empty file")
    kind = _format(path, start)
    found = next((words for beginning, words in _BEGINNINGS if start.startswith(beginning)), None)
    if not start.startswith(kind.magic) or (kind.text and found):
        raise DataError(f"{path}: expected {kind.what}, found {found or f'bytes that start {start[:4]!r}'}")
    return kind


def _format(path: Path, start: bytes) -> Format:
    """Return the kind that the file's name says; for IDX files, whose names vary, what they start with."""
    name = path.name.lower()
    for kind in FORMATS:
        if name.endswith(kind.suffixes):
            return kind
    if name.endswith(".gz") or is_idx(start):
        return _IDX
    known = " ".join(suffix for kind in FORMATS for suffix in kind.suffixes if suffix.startswith("."))
    raise DataError(f"{path}: cannot tell what kind of file this is by its name: expected one of {known}")
