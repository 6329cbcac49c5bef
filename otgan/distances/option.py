"""An option that one metric has for itself: what it may be, given as a value or as a text."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any, Literal

from otgan.options import check_seed, flag, number, one_of, whole_number

__all__ = ["Option"]


@dataclass(frozen=True)
class Option:
    """An option of one metric alone, which its function takes as a keyword.

    Attributes
    ----------
    name : str
    kind : {"word", "positive", "count", "seed", "flag"}
        A word among `choices`, a number above 0, a whole number >= 1 or >= 0, True or False.
    default : Any
        None may be given again where it is the default.
    choices : tuple of str
    meaning : str
        What the errors say that it is, beside its kind.
    """

    name: str
    kind: Literal["word", "positive", "count", "seed", "flag"]
    default: Any
    choices: tuple[str, ...] = ()
    meaning: str = ""

    def check(self, value: Any, name: str | None = None) -> Any:
        """Return the value as it is computed with.

        Raises
        ------
        TypeError, ValueError
            If it is none of this kind.
        """
        name = self.name if name is None else name
        if value is None and self.default is None:
            return None
        what = f" ({self.meaning})" if self.meaning else ""
        what += ", or None" if self.default is None else ""
        match self.kind:
            case "word":
                return one_of(value, name, self.choices)
            case "positive":
                return number(value, name, f"a positive number{what}", above=0)
            case "count":
                return whole_number(value, name, f"a whole number >= 1{what}")
            case "seed":
                return check_seed(value, name)
            case "flag":
                return flag(value, name)

    def read(self, text: str, name: str | None = None) -> Any:
        """Return the value that a text stands for, as the command is given it.

        Raises
        ------
        TypeError, ValueError
            If it stands for none of this kind.
        """
        value: Any = text
        if self.default is None and text.lower() == "none":
            value = None
        elif self.kind == "flag":
            value = {"true": True, "false": False}.get(text.lower(), text)
        elif self.kind != "word":
            with contextlib.suppress(ValueError):  # it is refused for what it is
                value = float(text) if self.kind == "positive" else int(text)
        return self.check(value, name)
