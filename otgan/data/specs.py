"""From what the user writes to a data set: built-in names and paths, with classes, members and weights."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import DTypeLike, NDArray

from otgan.data.dataset import Dataset, Modes
from otgan.data.errors import DataError, SpecError, as_text, is_whole, shown
from otgan.data.missing import without_missing
from otgan.data.naming import NAMES, Spec, is_column, reading, resolve, toy_of
from otgan.data.sources import Source
from otgan.data.toy import generate
from otgan.spelling import answer_misspelt

__all__ = ["NAMES", "check", "load", "load_weights", "modes", "open_spec", "open_splits"]


def open_spec(
    spec: Spec,
    n: int | None = None,
    seed: int = 0,
    *,
    data_dir: Spec | None = None,
    split: str = "train",
    weights: Spec | None = None,
    dtype: DTypeLike = np.float64,
    drop_na: bool = False,
) -> Dataset:
    """Return the data set that a spec names, with everything known about it.

    Parameters
    ----------
    spec : str or path
        One of

        - a built-in name: ``digits``, ``mnist``, ``cifar10``, ``8gaussians``, ``25gaussians``, ``swissroll``,
          ``lines@0.5`` (the line at θ = 0.5); with a class, by its number or name, where there are classes:
          ``mnist:3``, ``cifar10:cat``, ``8gaussians:2`` (one mode);
        - a file, by its ending: .npy, .npz, .csv, .tsv, .parquet, .pt, .pth, .safetensors, an IDX file
          (gzipped or not), a binary batch of CIFAR-10 (.bin); with the name of an array, or of columns, where it
          has several: ``file.npz#x``, ``table.csv#height,mass``. Without one, the array called x, data, samples
          or points is taken, and all columns;
        - a folder of pictures of one size, or of subfolders of them, each a class (``folder:cat``), or one
          that holds MNIST's or CIFAR-10's files.

        A built-in name wins over a file of that name, which ``./mnist`` still means.
    n : int, optional
        How many rows. Synthetic data generate that many, 1000 by default. From stored data that many are drawn
        without replacement: the first n of one seeded shuffle, so that a smaller draw is the beginning of a
        larger one; all rows, in file order, by default. Time and memory grow with n alone where the rows are
        those of a .npy or plain IDX file, however many there are.
    seed : int
        Seeds the draw. Synthetic sets of different names or splits are independent at one seed.
    data_dir : path, optional
        Where to look for MNIST and CIFAR-10 first; then in the environment's ``OTGAN_DATA``, in ``./data`` and
        in the user's cache.
    split : {"train", "test"}
        MNIST and CIFAR-10 have a test split; synthetic data have a second stream; see :func:`open_splits` for
        the rest.
    weights : str or path, optional
        A column of the same table, which is then no coordinate, or a file of one weight per row of the whole
        data set. They are carried along with the drawn rows.
    dtype
        Floating-point type of the points.
    drop_na : bool
        Whether to leave out rows with a missing value, NaN, before any are drawn; they are an error otherwise.

    Returns
    -------
    Dataset
        Images are rows too, flattened channel by channel. Bytes of images are scaled to [0, 1], sixteen bits
        too; any other number is what the file says.

    Raises
    ------
    SpecError
        If the spec or an option means nothing here.
    DataError
        If the contents cannot be used: damaged, not numbers, not finite, too few rows. Nothing is ever
        unpickled.

    See Also
    --------
    otgan.data.load : The samples alone.
    otgan.data.open_splits : Training and test samples.

    Examples
    --------
    >>> import otgan
    >>> otgan.data.open_spec("digits:3")
    Dataset('digits:3', n=183, d=64, images (1, 8, 8), 10 classes)
    """
    _check_options(n, seed, split, dtype)
    source, label = resolve(spec, data_dir, split)
    if weights is not None:
        as_text(weights, "the weights", "'weights.npy' or the name of a column")
    if not isinstance(source, Source):
        data = generate(source, n, seed, split, dtype)
        return data if weights is None else replace(data, weights=load_weights(weights, len(data)))
    in_column = weights is not None and is_column(weights, source)
    carried = None
    if weights is not None and in_column and source.read_with is not None:
        stored = reading(source.name, partial(source.read_with, os.fspath(weights), missing=drop_na))
        column = stored.column(os.fspath(weights))
        carried = np.array(column.values[:, 0], float) if drop_na else column.draw(None, 0).points[:, 0]
        carried = _nonnegative(f"{source.name}#{os.fspath(weights)}", carried)
        stored = stored.without_column(os.fspath(weights))
    else:
        table = source.read_with if drop_na else None
        stored = reading(source.name, source.read if table is None else partial(table, missing=True))
        if weights is not None:
            carried = load_weights(weights, stored.values.shape[0])
    if drop_na:
        stored, carried = reading(source.name, lambda: without_missing(stored, carried))
    return reading(source.name, lambda: stored.draw(n, seed, label=label, weights=carried, dtype=dtype))


@answer_misspelt
def load(
    spec: Spec,
    n: int | None = None,
    seed: int = 0,
    *,
    data_dir: Spec | None = None,
    split: str = "train",
    weights: Spec | None = None,
) -> NDArray[np.float64]:
    """Return the points of :func:`open_spec`, float64, shape (rows, d): what ``otgan measure`` reads.

    Examples
    --------
    >>> import otgan.data
    >>> otgan.data.load("lines@0.5", n=3).shape
    (3, 2)
    >>> otgan.data.load("digits:3").shape
    (183, 64)
    """
    return open_spec(spec, n, seed, data_dir=data_dir, split=split, weights=weights).points


def open_splits(
    spec: Spec,
    n: int | None = None,
    n_test: int | None = None,
    seed: int = 0,
    *,
    data_dir: Spec | None = None,
    dtype: DTypeLike = np.float64,
) -> tuple[Dataset, Dataset]:
    """Return samples to train on and others to judge by.

    MNIST and CIFAR-10 have a test split and synthetic data a second stream; of anything else a fifth of the
    rows, or ``n_test`` of them, is held out by a seeded shuffle.

    Parameters
    ----------
    spec
        As for :func:`open_spec`.
    n, n_test : int, optional
        How many rows of each; all there are by default, 1000 of synthetic data.
    seed, data_dir, dtype
        As for :func:`open_spec`.

    Returns
    -------
    train, test : Dataset
        Without a row in common.

    Raises
    ------
    SpecError, DataError
        As :func:`open_spec` does, and if there are not enough rows for both.

    See Also
    --------
    otgan.data.open_spec : One set of samples.

    Examples
    --------
    >>> import otgan
    >>> training, test = otgan.data.open_splits("digits")
    >>> training, test
    (Dataset('digits', n=1438, d=64, ...), Dataset('digits', n=359, d=64, ...))
    """
    _check_options(n_test, seed, "test", dtype)
    source, _ = resolve(spec, data_dir, "train")
    if not isinstance(source, Source) or "test" in source.splits:
        train = open_spec(spec, n, seed, data_dir=data_dir, dtype=dtype)
        return train, open_spec(spec, n_test, seed, data_dir=data_dir, split="test", dtype=dtype)
    _check_options(n, seed, "train", dtype)
    whole = open_spec(spec, data_dir=data_dir, dtype=dtype)
    kept, held_out = whole.hold_out(max(1, len(whole) // 5) if n_test is None else n_test, seed)
    if n is not None and n > len(kept):
        raise DataError(
            f"{whole.name} has {len(kept)} rows beside the {len(held_out)} held out: cannot take {n}"
        )
    return kept.take(slice(n)), held_out


def load_weights(spec: Spec, n_rows: int) -> NDArray[np.float64]:
    """Return the weights of ``n_rows`` samples from a file of one column, or a named one: ``table.csv#w``.

    Raises
    ------
    SpecError
        If there is no such file.
    DataError
        If it does not hold one weight per row, finite, not negative, not all zero.
    """
    if not is_whole(n_rows, 1):
        raise SpecError(f"expected a number of rows of at least 1, got {shown(n_rows)}")
    data = open_spec(spec)
    if data.dim != 1:
        raise DataError(f"{data.name}: expected one column of weights, found {data.dim}")
    if len(data) != n_rows:
        raise DataError(f"{data.name}: {len(data)} weights for {n_rows} rows: expected one per row")
    return _nonnegative(data.name, data.points[:, 0])


def check(
    spec: Spec,
    *,
    data_dir: Spec | None = None,
    split: str = "train",
    weights: Spec | None = None,
) -> None:
    """Raise what can be known to be wrong with a spec without reading its data.

    The file is there and is what its name says, its header agrees with its size, the class, array or column
    exists. This takes milliseconds and imports neither torch nor scikit-learn.

    Raises
    ------
    SpecError, DataError
        As :func:`open_spec` would.
    """
    _check_options(None, 0, split, np.float64)
    source, _ = resolve(spec, data_dir, split)
    if weights is not None:
        is_column(weights, source)


def modes(spec: Spec) -> Modes:
    """Return the centers and the standard deviation of the modes of a synthetic mixture.

    Raises
    ------
    SpecError
        If the spec names anything else.

    Examples
    --------
    >>> import otgan.data
    >>> len(otgan.data.modes("8gaussians"))
    8
    """
    toy = toy_of(as_text(spec, "the name of a mixture", "'8gaussians'"))
    if toy is None or toy.modes is None:
        raise SpecError(
            f"{os.fspath(spec)} is no mixture with known modes: those are 8gaussians, 25gaussians"
        )
    return toy.modes


def _nonnegative(name: str, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    if weights.min() < 0:
        row = int(weights.argmin())
        raise DataError(
            f"{name}: the weight of row {row} (counted from 0) is {weights[row]}: expected none below 0"
        )
    if weights.max() == 0:
        raise DataError(f"{name}: all weights are 0")
    return weights


def _check_options(n: int | None, seed: int, split: str, dtype: DTypeLike) -> None:
    if n is not None and not is_whole(n, 1):
        raise SpecError(
            f"expected a number of rows n of at least 1, got {shown(n)}: give one, or None for all rows"
        )
    if not is_whole(seed, 0):
        raise SpecError(
            f"expected a seed that is a whole number, 0 or more, got {shown(seed)}: give one, like 0"
        )
    if not isinstance(split, str) or split not in {"train", "test"}:
        raise SpecError(f"expected the split 'train' or 'test', got {shown(split)}: give one of these")
    try:
        kind = np.dtype(dtype)
    except Exception as error:  # whatever it is, it is no type
        raise SpecError(
            f"expected a floating-point type, got {shown(dtype)}: give one, like 'float64'"
        ) from error
    if kind.kind != "f":
        raise SpecError(f"expected a floating-point type, got {kind}: give one, like 'float64'")
