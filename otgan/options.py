"""The border for how a problem is to be solved: power, regularization, tolerance, limits, backend, what failure does.

Each option is checked once, here, against every wrong kind of value; nothing behind this module checks them again.
"""

from __future__ import annotations

import math
import re
import reprlib
from collections.abc import Iterable, Sequence
from numbers import Real
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from otgan.mistakes import WrongKindError, WrongValueError
from otgan.namespace import as_numpy, is_double, is_tensor

__all__ = [
    "Floats",
    "WrongKindError",
    "check_backend",
    "check_max_iter",
    "check_on_failure",
    "check_power",
    "check_seed",
    "check_time_limit",
    "check_tol",
    "flag",
    "number",
    "one_of",
    "pair_of_names",
    "probability",
    "resolve_epsilon",
    "resolve_reach",
    "shown",
    "whole_number",
]

Floats: TypeAlias = NDArray[np.float64]

_SETS = 2
"""x and y."""

_LONGEST = 60
"""Characters of a value that an error message shows."""


_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 4 * _LONGEST
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


def shown(value: Any) -> str:
    """A value as an error message shows it: short, in one line, with its type where the value alone would mislead."""
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple) and shape and not isinstance(value, type):
        return f"{type(value).__name__} of shape {tuple(shape)}"
    try:
        text = " ".join(_ADDRESS.sub("", _SHORT.repr(value)).split())
    except Exception:  # whatever an object's own repr does, the error is about another thing
        return f"a value of type {type(value).__name__}"
    text = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
    return (
        text if value is None or isinstance(value, (bool, int, float)) else f"{text} ({type(value).__name__})"
    )


def number(
    value: Any, name: str, expected: str, *, above: float = -math.inf, least: float = -math.inf
) -> float:
    """Return a real, finite number as a float.

    Parameters
    ----------
    value : Any
        A number of Python or NumPy, or an array or tensor of no dimensions.
    name, expected : str
        What the error says: "{name} must be {expected}, got ...".
    above, least : float
        The number must be above the one and at least the other.

    Raises
    ------
    WrongKindError
        If it is no real number.
    ValueError
        If it is not finite or out of its range.
    """
    plain = value
    # Dates and spans of time are no numbers, though NumPy hands them out as such, and counts spans among integers.
    if (isinstance(value, (np.ndarray, np.generic)) and value.ndim == 0 and value.dtype.kind in "fiuc") or (
        is_tensor(value) and value.ndim == 0 and not value.is_meta
    ):
        plain = value.item()
    if isinstance(plain, (bool, np.timedelta64)) or not isinstance(plain, Real):
        raise WrongKindError(f"{name} must be {expected}, got {shown(value)}")
    try:
        found = float(plain)
    except OverflowError:
        found = math.inf
    if not (math.isfinite(found) and found > above and found >= least):
        raise WrongValueError(f"{name} must be {expected}, got {shown(plain)}")
    return found


def whole_number(value: Any, name: str, expected: str, *, least: int = 1) -> int:
    """Return a whole number as an int; a float that is whole is one.

    Raises
    ------
    WrongKindError
        If it is no real number.
    ValueError
        If it is not whole or below `least`.
    """
    found = number(value, name, expected)
    if found != int(found) or found < least:
        raise WrongValueError(f"{name} must be {expected}, got {shown(value)}")
    return int(value)


def one_of(value: Any, name: str, known: Iterable[str], expected: str = "") -> str:
    """Return a string that is among those known.

    Raises
    ------
    WrongKindError
        If it is no string.
    ValueError
        If it is another one.
    """
    names = list(known)
    expected = expected or " or ".join(filter(None, (", ".join(map(repr, names[:-1])), repr(names[-1]))))
    if not isinstance(value, str):
        raise WrongKindError(f"{name} must be {expected}, got {shown(value)}")
    if value not in names:
        raise WrongValueError(f"{name} must be {expected}, got {shown(value)}")
    return value


def flag(value: Any, name: str) -> bool:
    """Return True or False; nothing else is either.

    Raises
    ------
    WrongKindError
        If it is another value.
    """
    if not isinstance(value, (bool, np.bool_)):
        raise WrongKindError(f"{name} must be True or False, got {shown(value)}")
    return bool(value)


def check_seed(seed: Any, name: str = "seed") -> int:
    """Return a seed as an int, or raise where it is no whole number >= 0."""
    return whole_number(seed, name, "a whole number >= 0", least=0)


def probability(value: Any, name: str) -> float:
    """Return a number above 0 and below 1."""
    expected = "a probability above 0 and below 1"
    found = number(value, name, expected, above=0)
    if found >= 1:
        raise WrongValueError(f"{name} must be {expected}, got {found:g}")
    return found


def pair_of_names(names: Any) -> tuple[str, str]:
    """Return what two sets are called."""
    expected = "two strings, what to call x and y"
    if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
        raise WrongKindError(f"names must be {expected}, got {shown(names)}")
    if len(names) != _SETS:
        raise WrongValueError(f"names must be {expected}, got {len(names)}")
    return names[0], names[1]


def check_power(p: Any) -> float:
    """Return p as a float, or raise where it is no power p >= 1."""
    return number(p, "p", "a finite number >= 1 (the cost is the distance to the power p)", least=1)


def check_tol(tol: Any, dtype: Any) -> float:
    """Return the tolerance on the L1 marginal error, by default 1e-6 in float64 and 1e-4 in float32."""
    if tol is None:
        return 1e-6 if is_double(dtype) else 1e-4
    return number(tol, "tol", "a positive number (the L1 error of the marginals), or None", above=0)


def check_max_iter(max_iter: Any, default: int | None = None) -> int | None:
    """Return max_iter, or the default where it is None; raise where it is no positive whole number."""
    if max_iter is None:
        return default
    return whole_number(max_iter, "max_iter", "a whole number >= 1 (passes over the kernel), or None")


def check_time_limit(time_limit: Any) -> float | None:
    """Return the seconds that a call may take, or None; raise where they are no positive number."""
    if time_limit is None:
        return None
    return number(time_limit, "time_limit", "a positive number of seconds, or None", above=0)


def check_backend(backend: Any, known: Sequence[str]) -> str:
    """Return the backend, or raise unless it is "auto" or among those known."""
    return one_of(
        backend, "backend", ("auto", *known), f"'auto' or one of {', '.join(map(repr, known))} here"
    )


def check_on_failure(on_failure: Any) -> str:
    """Return what a failure does, or raise unless it is "warn", "raise" or "ignore"."""
    return one_of(on_failure, "on_failure", ("warn", "raise", "ignore"))


def resolve_epsilon(epsilon: Any, blur: Any, p: float) -> Floats | None:
    """Turn `epsilon` or `blur` into ε in units of the cost, shape () or (B,); None where neither is given.

    A blur is a length: ε = p · blur^p.
    """
    if epsilon is not None and blur is not None:
        raise WrongValueError(
            f"give epsilon or blur, not both (got epsilon={shown(epsilon)}, blur={shown(blur)}); "
            "epsilon = p * blur**p"
        )
    if epsilon is not None:
        return _positive(epsilon, "epsilon", "in units of the cost")
    if blur is not None:
        return _power_of_length(blur, "blur", p)
    return None


def resolve_reach(reach: Any, p: float) -> Floats | None:
    """Turn `reach`, a length, into the marginal penalty ρ = p · reach^p; None for balanced transport."""
    return None if reach is None else _power_of_length(reach, "reach", p)


def _power_of_length(length: Any, name: str, p: float) -> Floats:
    """p · length^p, which must not leave the range of float64."""
    with np.errstate(over="ignore", under="ignore"):
        power = p * _positive(length, name, "a length, in units of the samples") ** p
    if not bool((np.isfinite(power) & (power >= np.finfo(np.float64).tiny)).all()):
        raise WrongValueError(
            f"{name} must be a length whose power p * {name}**p is within the range of float64, got "
            f"{shown(length)} at p = {p:g}: divide the samples and {name} by a length of their own order"
        )
    return power


def _positive(value: Any, name: str, unit: str) -> Floats:
    """Positive finite numbers, one or one a problem, as a float64 array of shape () or (B,)."""
    expected = f"a positive finite number ({unit}), or one a problem of a batch"
    if isinstance(value, (list, tuple)):
        numbers = [number(item, name, expected, above=0) for item in value]
        if not numbers:
            raise WrongValueError(f"{name} must be {expected}, got {shown(value)}")
        return np.array(numbers, dtype=np.float64)
    if (isinstance(value, np.ndarray) or is_tensor(value)) and value.ndim == 1:
        found = _vector(value, name, expected)
    else:
        found = np.array(number(value, name, expected, above=0), dtype=np.float64)
    wrong = ~(np.isfinite(found) & (found > 0))
    if bool(wrong.any()) or found.size == 0:
        arrived = f"{found[wrong].flatten()[0].item()!r} among them" if found.size else "none"
        raise WrongValueError(f"{name} must be {expected}, got {arrived}")
    return found


def _vector(value: Any, name: str, expected: str) -> Floats:
    wrong = f"{name} must be {expected}, got {shown(value)} and dtype {value.dtype}"
    if isinstance(value, np.ndarray):
        if value.dtype.kind not in "fiu":
            raise WrongKindError(wrong)
        return value.astype(np.float64)
    if value.is_complex() or value.is_meta or value.is_sparse or str(value.dtype) == "torch.bool":
        raise WrongKindError(wrong)
    found: Floats = as_numpy(value.double()).copy()
    return found
