"""What the hyperparameters of systems may be: the types of their fields, each with its range and its sentence."""

from __future__ import annotations

import math
import typing
from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import StrEnum
from numbers import Integral, Real
from typing import Annotated, Any

import numpy as np

from otgan.gan.arguments import shown
from otgan.gan.errors import OptionError

__all__ = ["Choice", "Count", "Limit", "OtherWidth", "Positive", "Rate", "Share", "Updates", "checked"]

_LARGEST = 1e30
"""Far beyond what an option can mean, and still a number in single precision."""
_MOST = 2**31


@dataclass(frozen=True)
class Limit:
    """A range of numbers.

    Attributes
    ----------
    holds : callable
        Whether a number is in it.
    words : str
        What a number must be: the rest of a sentence.
    """

    holds: Callable[[Any], bool]
    words: str

    def check(self, name: str, value: Any) -> None:
        """Refuse a number out of the range."""
        if not self.holds(value):
            raise OptionError(f"{name} must {self.words}, got {value}")


@dataclass(frozen=True)
class Choice:
    """One of some names."""

    names: Collection[str]

    def check(self, name: str, value: Any) -> None:
        """Refuse another name."""
        if value not in self.names:
            raise OptionError(f"{name} must be one of {', '.join(self.names)}, got {value!r}")


_COUNTABLE = Limit(lambda value: value < _MOST, f"be less than {_MOST}")

Count = Annotated[int, Limit(lambda value: value >= 1, "be at least 1"), _COUNTABLE]
"""How many of something that there must be."""
Updates = Annotated[int, Limit(lambda value: value >= 0, "be a number of updates, or 0 for none"), _COUNTABLE]
"""How many updates, 0 being none."""
OtherWidth = Annotated[
    int, Limit(lambda value: value >= 0, "be a width, or 0 for that of the generator"), _COUNTABLE
]
"""The width of a network, 0 being that of another."""
Rate = Annotated[float, Limit(lambda value: value >= 0, "not be negative")]
"""A rate, of which 0 keeps a network as it is; or a weight."""
Share = Annotated[float, Limit(lambda value: 0 <= value < 1, "be in [0, 1)")]
"""A share of what was before."""
Positive = Annotated[float, Limit(lambda value: value > 0, "be a positive number")]
"""A length, a strength, a tolerance."""


def checked(name: str, value: Any, hint: Any) -> Any:
    """Return an option's value in the type of its field; text is what the command line gives.

    Parameters
    ----------
    name : str
    value
    hint
        The field's type with its annotations.

    Raises
    ------
    OptionError
        If it is of another type, or out of range.
    """
    base, limits, optional = _parts(hint)
    if value is None or (isinstance(value, str) and value == "none"):
        if optional:
            return None
        if value is None or not issubclass(base, str):
            raise OptionError(f"option {name} needs a value")
    found = _converted(name, value, base)
    if isinstance(found, float) and abs(found) > _LARGEST:
        raise OptionError(f"{name} must be between -{_LARGEST:g} and {_LARGEST:g}, got {found}")
    for limit in limits:
        limit.check(name, found)
    return found


def _parts(hint: Any) -> tuple[type, list[Limit | Choice], bool]:
    """Return the type of a field, what its values must hold to, and whether it may be None."""
    optional, limits = False, []
    choices = [choice for choice in typing.get_args(hint) if choice is not type(None)]
    if type(None) in typing.get_args(hint):
        optional, hint = True, choices[0]
    if typing.get_origin(hint) is Annotated:
        hint, *marks = typing.get_args(hint)
        limits = [mark for mark in marks if isinstance(mark, (Limit, Choice))]
    return (hint if isinstance(hint, type) else object), limits, optional


def _converted(name: str, value: Any, base: type) -> Any:
    if issubclass(base, StrEnum):
        try:
            return base(_text(value))
        except (TypeError, ValueError) as error:
            raise OptionError(f"{name} must be one of {', '.join(base)}, got {shown(value)}") from error
    read = getattr(base, "read", None)
    if read is not None:  # a type that knows how it is written
        return read(name, value)
    convert = _BY_TYPE.get(base)
    if convert is None:  # of a system of the user's own, which checks it itself
        return value
    try:
        return convert(value)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise OptionError(f"option {name} takes {base.__name__}, got {shown(value)}") from error


def _number(value: Any) -> float:
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (Real, str)):
        raise TypeError
    number = float(value)
    if not math.isfinite(number):
        raise ValueError
    return number


def _integer(value: Any) -> int:
    number = _number(value)
    if not number.is_integer():
        raise ValueError
    return int(value) if isinstance(value, Integral) else int(number)


def _truth(value: Any) -> bool:
    if isinstance(value, str):
        return {"true": True, "false": False, "1": True, "0": False}[value.lower()]
    if isinstance(value, (bool, np.bool_)) or (isinstance(value, Integral) and value in {0, 1}):
        return bool(value)
    raise TypeError


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


_BY_TYPE: dict[Any, Callable[[Any], Any]] = {int: _integer, float: _number, bool: _truth, str: _text}
