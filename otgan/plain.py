r"""Text for humans, made safe: what files, names and other libraries say must not steer the reader's terminal.

A name may hold an escape sequence that clears the screen, a line break that forges a second message, or an override
that shows letters in another order. Each character that does not print is written as Python would write it in a
string, ``\x1b``, and every other one, of whatever script, is kept.
"""

from __future__ import annotations

import json
import math
from typing import Any

__all__ = ["plain", "plain_json", "plain_lines", "strict"]


def plain(text: object) -> str:
    r"""Return a text as one line whose characters all print.

    Examples
    --------
    >>> from otgan.plain import plain
    >>> print(plain("δata\x1b[2J\n.csv"))
    δata\x1b[2J\n.csv
    """
    words = str(text)
    if words.isprintable():
        return words
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in words)


def plain_lines(text: object) -> str:
    """Return a text of several lines, each of which is plain."""
    return "\n".join(map(plain, str(text).split("\n")))


def plain_json(value: Any, indent: int | None = 2) -> str:
    """Return a value as JSON, valid and with the true names, in characters that print.

    Raises
    ------
    ValueError
        If it holds NaN or an infinity, which JSON has not.
    """
    text = json.dumps(value, indent=indent, allow_nan=False, ensure_ascii=False)
    if text.isprintable():
        return text
    return "".join(
        letter if letter == "\n" or letter.isprintable() else json.dumps(letter)[1:-1] for letter in text
    )


def strict(value: Any) -> Any:
    """Replace the numbers that JSON does not have by strings, in dicts and lists as well."""
    if isinstance(value, dict):
        return {key: strict(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [strict(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
