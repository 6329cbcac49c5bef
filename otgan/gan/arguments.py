"""The border of training: what each argument may be, and the sentence for whatever else arrives."""

from __future__ import annotations

import os
from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.parameter import is_lazy

from otgan.gan.errors import OptionError

__all__ = ["device", "flag", "mapping", "modules", "path", "real", "seed", "shown", "whole"]

_READABLE = 60
"""Characters of a value that a message shows."""

_LARGEST = 1e30
"""Largest number of a size that can be counted with."""


def shown(value: Any) -> str:
    """Return a value as a message names it: in one line, of a length that can be read."""
    if isinstance(value, (torch.Tensor, np.ndarray)):
        return f"{type(value).__name__} of shape {tuple(value.shape)}"
    try:
        words = " ".join(ascii(value).split())
    except Exception:  # a __repr__ of somebody else's, or an integer too long to print
        words = ""
    return words if 0 < len(words) <= _READABLE else f"an object of type {type(value).__name__}"


def whole(name: str, value: Any, least: int = 1, bits: int = 63) -> int:
    """Return a whole number of at least ``least`` and fewer than ``bits`` bits, of whatever type."""
    wanted = f"{name} must be a whole number of at least {least}, got {shown(value)}"
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, Real):
        raise OptionError(wanted)
    if not isinstance(value, Integral):
        number = float(value)
        if not number.is_integer():
            raise OptionError(wanted)
        value = number
    if value < least:
        raise OptionError(wanted)
    if value >= 2**bits:
        raise OptionError(f"{name} must be less than 2**{bits}, got {shown(value)}")
    return int(value)


def seed(value: Any, name: str = "seed") -> int:
    """Return a whole number from which draws follow."""
    return whole(name, value, 0, bits=128)


def real(name: str, value: Any) -> float:
    """Return a number of a size that can be counted with."""
    known = isinstance(value, Real) and not isinstance(value, (bool, np.bool_))
    if not known or not -_LARGEST <= value <= _LARGEST:
        raise OptionError(f"{name} must be a number between -1e30 and 1e30, got {shown(value)}")
    return float(value)


def flag(name: str, value: Any) -> bool:
    """Return a truth value; what only counts as one in Python is refused."""
    if not isinstance(value, (bool, np.bool_)):
        raise OptionError(f"{name} must be True or False, got {shown(value)}")
    return bool(value)


def path(name: str, value: Any) -> str:
    """Return a path as text."""
    if isinstance(value, (str, os.PathLike)):
        text = os.fspath(value)
        if isinstance(text, str) and text and "\0" not in text:
            return text
    raise OptionError(f"{name} must be a path, such as 'runs/first', got {shown(value)}")


def mapping(name: str, value: Any, example: str) -> dict[str, Any]:
    """Return a dict whose keys are names."""
    if value is None:
        return {}
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise OptionError(f"{name} must be a dict such as {example}, got {shown(value)}")
    return dict(value)


def modules(value: Any) -> dict[str, nn.Module]:
    """Return networks of the user's own by name."""
    found = mapping("modules", value, "{'generator': torch.nn.Linear(2, 2)}")
    for name, module in found.items():
        if not isinstance(module, nn.Module):
            raise OptionError(f"modules: {name} must be a torch.nn.Module, got {shown(module)}")
        lazy = (key for key, value in module.named_parameters() if is_lazy(value))
        if (first := next(lazy, None)) is not None:
            raise OptionError(
                f"modules: {name} has {first} of no size yet: call it once before, with rows as it will get them"
            )
    return found


def device(value: Any) -> torch.device:
    """Return where to compute: CUDA where there is one, if nothing is asked for."""
    if value is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if not isinstance(value, (str, torch.device)):
        raise OptionError(f"device: expected one such as 'cpu' or 'cuda', got {shown(value)}")
    try:
        found = torch.device(value)
    except (RuntimeError, ValueError) as error:
        raise OptionError(f"device: expected one such as cpu or cuda, got {shown(value)}") from error
    if found.type == "cuda":
        if not torch.cuda.is_available():
            raise OptionError("device: torch finds no CUDA here: use cpu")
        if (found.index or 0) >= torch.cuda.device_count():
            raise OptionError(f"device: torch finds {torch.cuda.device_count()} CUDA devices, got {found}")
    elif found.type == "mps":
        if not torch.backends.mps.is_available():
            raise OptionError("device: torch finds no MPS here: use cpu")
    elif found.type != "cpu":
        raise OptionError(f"device: expected one such as cpu or cuda, got {shown(value)}")
    return found
