"""The hyperparameters of a system in words: what its docstrings say of each, and its defaults."""

from __future__ import annotations

import dataclasses
import inspect
import re
from dataclasses import dataclass
from typing import Any

from otgan.gan.networks import Kind
from otgan.gan.systems.base import System

__all__ = ["Hyperparameter", "hyperparameters"]

_ENTRY = re.compile(r"^(?P<names>[a-z_0-9]+(?:, [a-z_0-9]+)*)(?: : (?P<type>.+))?$")
"""The first line of a parameter in a docstring."""


@dataclass(frozen=True)
class Hyperparameter:
    """One option of a system.

    Attributes
    ----------
    name : str
    type : str
        What it may be.
    defaults : dict of str to Any
        By the kind of data: "points", "small" images, "images" and "color images".
    meaning : str
    """

    name: str
    type: str
    defaults: dict[str, Any]
    meaning: str

    @property
    def default(self) -> str:
        """The defaults in words: one where it is the same for all kinds of data."""
        shown = {kind: str(value) for kind, value in self.defaults.items()}
        if len(set(shown.values())) == 1:
            return next(iter(shown.values()))
        if shown[Kind.COLOR] == shown[Kind.IMAGES]:
            del shown[Kind.COLOR]
        return ", ".join(f"{value} for {kind}" for kind, value in shown.items())


def hyperparameters(kind: type[System]) -> list[Hyperparameter]:
    """Return the hyperparameters of a system, its own first."""
    words: dict[str, tuple[str, str]] = {}
    order: list[str] = []
    for each in kind.__mro__:
        for name, said in _parameters(vars(each).get("__doc__") or "").items():
            words.setdefault(name, said)
        order += [name for name in vars(each).get("__annotations__", {}) if name not in order]
    made = {str(data): kind.for_data(data) for data in Kind}
    found = []
    for field in sorted(dataclasses.fields(kind), key=lambda field: order.index(field.name)):
        type_, meaning = words.get(field.name, ("", ""))
        defaults = {data: getattr(system, field.name) for data, system in made.items()}
        found.append(Hyperparameter(field.name, type_, defaults, meaning))
    return found


def _parameters(text: str) -> dict[str, tuple[str, str]]:
    """Return the type and the meaning of each parameter in the section of a docstring in NumPy's style."""
    lines = inspect.cleandoc(text).splitlines()
    try:
        start = lines.index("Parameters") + 2
    except ValueError:
        return {}
    found: dict[str, tuple[str, str]] = {}
    names: list[str] = []
    for line in lines[start:]:
        entry = _ENTRY.match(line)
        if entry is not None:
            names = entry["names"].split(", ")
            found |= dict.fromkeys(names, (entry["type"] or "", ""))
        elif line and not line.startswith(" "):
            break  # the next section
        elif line.strip():
            found |= {name: (found[name][0], f"{found[name][1]} {line.strip()}".strip()) for name in names}
    return found
