"""NumPy's warnings of floating point, kept off within a call: what leaves the range of numbers shows in the result.

Tensors never warn, and what is written for both libraries must not for one of them. A user's own function, a cost say, is
called as the caller of otgan has set NumPy.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import AbstractContextManager
from contextvars import ContextVar
from typing import Any, ParamSpec, TypeVar

import numpy as np

__all__ = ["as_the_caller", "quiet"]

P = ParamSpec("P")
R = TypeVar("R")

_callers: ContextVar[Any] = ContextVar("otgan_callers_errstate", default=None)
"""What the outermost call found NumPy set to; None outside of calls."""


def quiet(function: Callable[P, R]) -> Callable[P, R]:
    """Have a function keep NumPy's floating-point warnings to itself."""

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        if _callers.get() is not None:  # within another call
            return function(*args, **kwargs)
        token = _callers.set(np.geterr())
        try:
            with np.errstate(all="ignore"):
                return function(*args, **kwargs)
        finally:
            _callers.reset(token)

    return call


def as_the_caller() -> AbstractContextManager[Any]:
    """Set NumPy, for a while, as it was set where otgan was called."""
    return np.errstate(**(_callers.get() or {}))
