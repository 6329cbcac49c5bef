"""The stored data sets that go by a name: where they are looked for, and how they may be laid out there."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from otgan.data.errors import DataError, SpecError, as_text
from otgan.data.image_files import CIFAR10_CLASSES, MNIST_CLASSES, open_cifar10, open_mnist
from otgan.data.sources import Source, Stored
from otgan.folders import cache_dir

__all__ = ["KNOWN", "open_known", "open_laid_out", "places"]


def places(data_dir: str | os.PathLike[str] | None = None) -> list[Path]:
    """Return the folders where data sets are looked for, the first first.

    They are ``data_dir``, the environment's ``OTGAN_DATA``, ``./data`` and the user's cache.

    Raises
    ------
    SpecError
        If ``data_dir`` is given and is no folder.
    """
    found = []
    if data_dir is not None:
        folder = Path(as_text(data_dir, "the folder to look for data in", "'data'"))
        if not folder.is_dir():
            raise SpecError(f"no such folder to look for data in: {folder}")
        found.append(folder)
    if os.environ.get("OTGAN_DATA"):
        found.append(Path(os.environ["OTGAN_DATA"]))
    return [*found, Path.cwd() / "data", cache_dir()]


def open_known(name: str, data_dir: str | os.PathLike[str] | None, split: str) -> Source:
    """Open a split of the data set of that name, one of :data:`KNOWN`.

    Raises
    ------
    SpecError
        If the data set has no such split, or ``data_dir`` is no folder.
    DataError
        If it is nowhere to be found, or what is found is damaged.
    """
    if name == "digits":
        return _digits(split)
    opener, layouts = _LAYOUTS[name]
    searched = places(data_dir)
    folders = [place / layout for place in searched for layout in layouts]
    for folder in folders:
        source = opener(folder, split, name)
        if source is not None:
            return source
    raise DataError(
        f"{name} ({split} split) is not in {', '.join(map(str, searched))}{_aside(name, searched)}: "
        f"get it by `otgan data fetch {name}`, or say where it is by --data-dir or OTGAN_DATA"
    )


def open_laid_out(folder: Path, split: str) -> Source | None:
    """Open a folder that holds MNIST or CIFAR-10 in a layout of theirs; None for any other folder.

    Raises
    ------
    DataError
        If it holds an incomplete copy, or the pickled version of CIFAR-10.
    """
    if (folder / "data_batch_1").is_file() and (folder / "batches.meta").is_file():
        raise DataError(
            f"{folder}: the pickled version of CIFAR-10, which is never read because unpickling may run code: "
            "get the binary version by `otgan data fetch cifar10`"
        )
    return _mnist(folder, split, str(folder)) or _cifar10(folder, split, str(folder))


def _digits(split: str) -> Source:
    """Open scikit-learn's embedded 8 × 8 digits, 1797 of them, scaled from 0..16 to [0, 1]."""
    if split != "train":
        raise SpecError(f"digits has no {split} split: hold rows of it out, as open_splits does")

    def read() -> Stored:
        from sklearn.datasets import load_digits

        digits = load_digits()
        return Stored(
            "digits",
            digits.data,
            divisor=16.0,
            shape=(1, 8, 8),
            labels=digits.target.astype(np.int64),
            classes=MNIST_CLASSES,
        )

    return Source("digits", read, classes=MNIST_CLASSES)


def _mnist(folder: Path, split: str, name: str) -> Source | None:
    prefix = "train" if split == "train" else "t10k"
    images = _variant(folder, f"{prefix}-images", "idx3-ubyte")
    if images is None:
        return None
    labels = _variant(folder, f"{prefix}-labels", "idx1-ubyte")
    if labels is None:
        raise DataError(f"{images}: {prefix}-labels-idx1-ubyte is missing beside it")
    return open_mnist(images, labels, name)


def _variant(folder: Path, stem: str, kind: str) -> Path | None:
    """Return the file of that name: as published or with a dot, plain (which is quicker to read) or gzipped."""
    names = [f"{stem}{mark}{kind}{end}" for end in ("", ".gz") for mark in "-."]
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _cifar10(folder: Path, split: str, name: str) -> Source | None:
    if any((folder / file).is_file() for file in ("data_batch_1.bin", "test_batch.bin")):
        return open_cifar10(folder, split, name)
    return None


def _aside(name: str, searched: list[Path]) -> str:
    """Point out the version of CIFAR-10 that other libraries fetch, where that is all there is."""
    if name == "cifar10":
        for place in searched:
            for folder in (place / "cifar-10-batches-py", place / "cifar10" / "cifar-10-batches-py"):
                if folder.is_dir():
                    return f"; {folder} is the pickled version, which is never read"
    return ""


_Opener = Callable[[Path, str, str], Source | None]

# How to open each data set that is looked for, and the folders below a place where it may lie.
_LAYOUTS: dict[str, tuple[_Opener, tuple[str, ...]]] = {
    "mnist": (_mnist, ("mnist", ".", "MNIST/raw")),
    "cifar10": (
        _cifar10,
        ("cifar10/cifar-10-batches-bin", "cifar-10-batches-bin", "cifar10", "."),
    ),
}

#: The stored data sets by name, with their classes.
KNOWN = {"digits": MNIST_CLASSES, "mnist": MNIST_CLASSES, "cifar10": CIFAR10_CLASSES}
