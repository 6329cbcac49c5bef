"""The weights of samples: checked at the border, summed without rounding, brought to total 1."""

from __future__ import annotations

from numbers import Real
from typing import Any

from otgan.arrays import check_held, check_kind, float_array, holds_tensors, is_plain
from otgan.mistakes import WrongValueError
from otgan.namespace import Array, beside, detached, double, is_tensor, namespace, stacked
from otgan.options import WrongKindError

__all__ = ["total_of", "weights_of"]

_CUTS = (1.5 * 2.0**26, 1.5, 1.5 * 2.0**-26)
"""Numbers beside which float64 has no room for what is below 2⁻²⁶, 2⁻⁵² and 2⁻⁷⁸."""

_IN_CACHE = 2**14
"""Weights that are summed at a time."""


def weights_of(
    weights: Any,
    points: Array,
    sizes: tuple[int, ...],
    inside: Array | None,
    numpy: bool,
    name: str,
) -> Array:
    """Check the weights of one measure and return them as float64 of shape (B, n), zero past each size.

    Parameters
    ----------
    weights : array-like, or a list of them for ragged problems
    points : Array, shape (B, n, d)
    sizes : tuple of int
        The number of samples of each problem.
    inside : Array, shape (B, n), bool, or None
        Which rows are samples; None where all are.
    numpy : bool
        Whether the samples are NumPy-like.
    name : str
        What the error messages call the weights.
    """
    if not is_tensor(weights):
        check_kind(weights, name)
    if not is_plain(weights) and holds_tensors(weights) == numpy:
        kinds = ("NumPy", "a torch tensor") if numpy else ("a torch tensor", "NumPy")
        raise WrongKindError(f"{name} is {kinds[1]} and the samples are {kinds[0]}: use one library for both")
    raw = _in_double(weights, name) if inside is None else _ragged(weights, points, sizes, name)
    raw = _beside(raw, points, is_plain(weights), name)
    if inside is not None:
        raw = raw * inside
    _check_values(detached(raw), name)
    return raw


def _ragged(weights: Any, points: Array, sizes: tuple[int, ...], name: str) -> Array:
    """Return the weights of problems that differ in size, padded with zeros."""
    listed = isinstance(weights, (list, tuple)) and not any(isinstance(row, Real) for row in weights)
    rows = list(weights) if listed else []
    arrays = [_in_double(row, f"{name}[{k}]") for k, row in enumerate(rows)]
    shapes = [tuple(row.shape) for row in arrays]
    if shapes != [(size,) for size in sizes]:
        raise WrongValueError(
            f"{name} must be a list of {len(sizes)} 1-D arrays of lengths {sizes!s:.60}, one for each problem, got "
            f"{f'shapes {shapes!s:.60}' if rows else type(weights).__name__}"
        )
    # Plain lists, and arrays among tensors, go where the samples are.
    return stacked([row if is_tensor(row) else beside(row, points) for row in arrays])


def _beside(raw: Array, points: Array, plain: bool, name: str) -> Array:
    """Return weights on the device of the samples, one for each of every problem; plain lists are moved there."""
    batch, n = points.shape[:2]
    if tuple(raw.shape) not in {(n,), (1, n), (batch, n)}:
        raise WrongValueError(
            f"{name} must have one weight a sample, shape ({n},){f' or ({batch}, {n})' if batch > 1 else ''}, "
            f"got {tuple(raw.shape)}"
        )
    if plain:
        raw = beside(raw, points)
    elif is_tensor(raw) and raw.device != points.device:
        raise WrongValueError(
            f"{name} is on {raw.device} and the samples on {points.device}: use .to(device)"
        )
    check_held(raw, name)
    return namespace(raw).broadcast_to(raw, (batch, n))


def _check_values(values: Array, name: str) -> None:
    """Raise where a weight is not finite or below 0, or where those of a problem have no total."""
    xp = namespace(values)
    if not bool(xp.isfinite(values).all()):
        raise WrongValueError(f"{name} must be finite, got NaN or infinite weights")
    if bool((values < 0).any()):
        raise WrongValueError(f"{name} must be nonnegative, got a smallest weight of {float(values.min()):g}")
    empty = xp.max(values, axis=1) <= 0
    if bool(empty.any()):
        which = f" in problem {empty.tolist().index(True)}" if len(values) > 1 else ""
        raise WrongValueError(f"{name} must have a positive total, got all zeros{which}")


def _in_double(values: Any, name: str) -> Array:
    """Return weights in float64, whose gradient comes back within the range of their own type."""
    if is_tensor(values) and values.requires_grad and values.is_floating_point():
        from otgan.autograd import in_double

        values = in_double(values)
    return double(float_array(values, name))


def total_of(weights: Array) -> Array:
    """Sum weights of at most 1, of shape (B, n), to the same bits wherever among them zeros stand.

    A solver branches on numbers, so that a total that differs in its last bit may cost it another pass, and give
    potentials that differ by as much as `tol` allows. Cut at fixed bits, weights sum without any rounding.
    """
    sums = [0.0] * len(_CUTS)
    for start in range(0, weights.shape[1], _IN_CACHE):
        rest = weights[:, start : start + _IN_CACHE]
        for k, cut in enumerate(_CUTS):
            high = rest + cut
            high -= cut
            sums[k] = sums[k] + high.sum(1)
            rest = rest - high
    return sums[2] + sums[1] + sums[0]
