"""Bins for samples in any dimension. Only occupied bins are ever held: the grid itself is never built."""

from __future__ import annotations

import math
from collections.abc import Callable
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from otgan.arrays import array_of
from otgan.divergences.cells import Cells, gather
from otgan.measure import Measure
from otgan.mistakes import WrongValueError
from otgan.namespace import as_numpy, double, is_tensor
from otgan.options import WrongKindError, number, one_of, shown, whole_number
from otgan.pair import Pair

__all__ = ["check_binning", "histogram"]

Array = NDArray[np.float64]

_MOST = 2.0**52
"""More bins than this in one dimension could not be numbered exactly."""

_MANY = 10
"""Numbers that are too many to be shown in a message."""


def histogram(pair: Pair, *, bins: Any = None, bin_width: Any = None, outside: str | None = None) -> Cells:
    """Collect the samples of two measures in common bins.

    Parameters
    ----------
    pair : Pair
    bins : int, {"scott", "fd", "sturges"}, (E,) edges, or d sequences of edges, optional
        A number of equal bins over the joint range in each dimension; a rule that finds that number from the
        samples of x and y taken together, dimension by dimension, as :func:`numpy.histogram_bin_edges` does;
        increasing edges that serve every dimension; or edges for each. Bins are closed on the left, the last
        on both sides, as in NumPy. Where half of the samples share one value, "fd" follows "sturges".
    bin_width : float or d floats, optional
        Bins [k w, (k + 1) w) in each dimension. They do not depend on the samples.
    outside : {"error", "overflow"}, optional
        What becomes of samples outside given edges: an error (the default), or one open bin more on either
        side of every dimension.

    Raises
    ------
    TypeError, ValueError
        If not exactly one of `bins` and `bin_width` is given, or it is not of these forms; if a rule is to be
        used with weights; if samples are outside the edges.
    """
    bins, bin_width = check_binning(bins, bin_width, outside)
    x, y = (double(as_numpy(m.points)) for m in (pair.x, pair.y))
    if bin_width is not None:
        widths = _widths(bin_width, x.shape[2])
        return gather(pair, _multiples(x, widths), _multiples(y, widths))
    assert bins is not None
    x_held, y_held = _support(pair.x), _support(pair.y)
    if isinstance(bins, list):
        edges = _edges(bins, x.shape[2])
        if outside != "overflow":
            _check_inside(x, x_held, edges, "x")
            _check_inside(y, y_held, edges, "y")
        return gather(pair, _between(x, edges), _between(y, edges))
    count = _counter(bins, weighted=pair.x.weighted or pair.y.weighted)
    x_keys, y_keys = np.empty_like(x), np.empty_like(y)
    for b in range(x.shape[0]):
        pooled = np.concatenate([x[b, x_held[b]], y[b, y_held[b]]])
        low, high = pooled.min(0), pooled.max(0)
        with np.errstate(over="ignore"):
            span = high - low
        if not np.isfinite(span).all():
            raise WrongValueError(
                "the range of the samples is infinite in float64: rescale them, or give bin edges"
            )
        counts = count((pooled - low) / np.where(span > 0, span, 1.0))
        x_keys[b] = _equal(x[b], low, high, counts)
        y_keys[b] = _equal(y[b], low, high, counts)
    return gather(pair, x_keys, y_keys)


Edges = list[Array]
"""Increasing edges, one array that serves every dimension or one for each."""


def check_binning(bins: Any, bin_width: Any, outside: Any) -> tuple[str | int | Edges | None, Array | None]:
    """Check what can be checked of the options of :func:`histogram` without samples, and bring them to one form.

    Returns
    -------
    bins : str, int, list of arrays, or None
        The rule, the number of bins, or the edges.
    bin_width : ndarray, shape (1,) or (d,), or None

    Raises
    ------
    TypeError, ValueError
        As :func:`histogram`.
    """
    if (bins is None) == (bin_width is None):
        raise WrongValueError(
            "estimator='histogram' needs exactly one of bins= (a number, edges, 'scott', 'fd' or 'sturges') "
            f"and bin_width= (a length), got {'neither' if bins is None else 'both'}"
        )
    if outside is not None:
        one_of(outside, "outside", ("error", "overflow"))
    checked = None if bins is None else _bins(bins)
    if outside is not None and not isinstance(checked, list):
        raise WrongValueError("outside= goes with bin edges only: all other bins hold every sample")
    return checked, None if bin_width is None else _lengths(bin_width)


def _bins(bins: Any) -> str | int | Edges:
    expected = "a whole number of bins, increasing edges, edges for each dimension, " + (
        f"or one of {', '.join(map(repr, _RULES))}"
    )
    if isinstance(bins, str):
        return one_of(bins, "bins", _RULES, expected)
    if (
        np.ndim(bins) == 0
        if isinstance(bins, (np.ndarray, np.generic)) or is_tensor(bins)
        else isinstance(bins, Real)
    ):
        found = whole_number(bins, "bins", expected)
        if found > _MOST:
            raise WrongValueError(
                f"bins must be at most 2**52, for more cannot be told apart, got {shown(bins)}"
            )
        return found
    if not (
        isinstance(bins, (list, tuple, range, np.ndarray)) or is_tensor(bins) or hasattr(bins, "to_numpy")
    ):
        raise WrongKindError(f"bins must be {expected}, got {shown(bins)}")
    nested = len(bins) > 0 and all(
        isinstance(each, (list, tuple, np.ndarray)) or is_tensor(each) for each in bins
    )
    nested = nested and any(getattr(each, "ndim", 1) > 0 for each in bins)
    return [_increasing(each) for each in (bins if nested else [bins])]


def _increasing(edges: Any) -> Array:
    found: Array = double(as_numpy(array_of(edges, "bins")))
    if found.ndim != 1 or len(found) <= 1 or not np.isfinite(found).all() or not (np.diff(found) > 0).all():
        raise WrongValueError(
            "bins must be increasing, finite edges, at least two in a dimension, and one sequence or one a "
            f"dimension, got {found.tolist() if found.size < _MANY else f'{found.size} values'}"
        )
    return found


def _lengths(bin_width: Any) -> Array:
    expected = "a positive finite length, or one a dimension"
    if isinstance(bin_width, (list, tuple)):
        found = np.array([number(width, "bin_width", expected, above=0) for width in bin_width])
    elif (isinstance(bin_width, np.ndarray) or is_tensor(bin_width)) and bin_width.ndim == 1:
        found = double(as_numpy(array_of(bin_width, "bin_width")))
    else:
        found = np.array([number(bin_width, "bin_width", expected, above=0)])
    if found.size == 0 or not (np.isfinite(found).all() and (found > 0).all()):
        raise WrongValueError(f"bin_width must be {expected}, got {shown(found.tolist())}")
    return found


def _support(m: Measure) -> NDArray[np.bool_]:
    """Which samples have mass, shape (B, n): neither padding nor of weight 0."""
    found: NDArray[np.bool_] = as_numpy(m.weights) > 0
    return found


def _widths(widths: Array, dims: int) -> Array:
    if len(widths) not in {1, dims}:
        raise WrongValueError(
            f"bin_width must be one length or {dims} of them, one a dimension, got {len(widths)}"
        )
    return widths


def _multiples(points: Array, widths: Array) -> Array:
    with np.errstate(over="ignore"):
        keys = np.floor(points / widths)
    if np.abs(keys).max() > _MOST:
        raise WrongValueError(
            f"bin_width is too small for samples as large as {np.abs(points).max():g}: their bins cannot be "
            "told apart in float64; center the samples or widen the bins"
        )
    return keys


def _edges(edges: Edges, dims: int) -> Edges:
    if len(edges) not in {1, dims}:
        raise WrongValueError(
            f"bins must give edges for each of the {dims} dimensions, got {len(edges)} sequences"
        )
    return edges * dims if len(edges) == 1 else edges


def _check_inside(points: Array, held: NDArray[np.bool_], edges: list[Array], name: str) -> None:
    low, high = np.array([e[0] for e in edges]), np.array([e[-1] for e in edges])
    out = (((points < low) | (points > high)).any(-1) & held).sum()
    if out:
        raise WrongValueError(
            f"{out} sample{'s' if out > 1 else ''} of {name} {'are' if out > 1 else 'is'} outside the bin edges: "
            "widen them, or pass outside='overflow' for open bins on either side"
        )


def _between(points: Array, edges: list[Array]) -> Array:
    """Bin numbers between given edges: −1 below them, E − 1 above them."""
    keys = np.empty_like(points)
    for j, each in enumerate(edges):
        column = points[..., j]
        keys[..., j] = np.searchsorted(each, column, side="right") - 1
        keys[..., j][column == each[-1]] = len(each) - 2
    return keys


def _equal(points: Array, low: Array, high: Array, counts: Array) -> Array:
    """Bin numbers among `counts` equal bins from `low` to `high`, by the edges that NumPy would make."""
    points = points.clip(low, high)  # what lies outside has no mass
    step = (high - low) / counts
    flat = step == 0
    keys = np.floor((points - low) / np.where(flat, 1.0, high - low) * counts).clip(0, counts - 1)
    # The quotient and the edge low + k·step round differently: what counts is the side of the edge.
    keys -= points < low + keys * step
    keys += (points >= low + (keys + 1) * step) & (keys < counts - 1)
    return np.where(flat, 0.0, keys)


Rule = Callable[[Array], Array]


def _counter(bins: Any, *, weighted: bool) -> Rule:
    """Return the function that finds the number of bins in each dimension from samples scaled to [0, 1]."""
    if not isinstance(bins, str):
        return lambda unit: np.full(unit.shape[1], float(bins))
    if weighted:
        raise WrongValueError(
            f"bins={bins!r} finds bins for samples without weights only: give a number of bins, edges or bin_width="
        )
    width = _RULES[bins]

    def counts(unit: Array) -> Array:
        with np.errstate(divide="ignore"):
            return np.where(unit.any(0), np.ceil(1 / width(unit)), 1.0).clip(1, _MOST)

    return counts


def _sturges(unit: Array) -> Array:
    return np.full(unit.shape[1], 1 / (math.log2(len(unit)) + 1))


def _scott(unit: Array) -> Array:
    return (24 * math.sqrt(math.pi) / len(unit)) ** (1 / 3) * unit.std(0)


def _freedman_diaconis(unit: Array) -> Array:
    lower, upper = np.percentile(unit, [25, 75], axis=0)
    width = 2 * (upper - lower) * len(unit) ** (-1 / 3)
    return np.where(width > 0, width, _sturges(unit))


_RULES: dict[str, Rule] = {"scott": _scott, "fd": _freedman_diaconis, "sturges": _sturges}
"""Widths of bins in each dimension, for samples scaled to [0, 1] (Scott 1979; Freedman & Diaconis 1981)."""
