"""Sizes of memory in words, read and written."""

from __future__ import annotations

import re

import numpy as np

from otgan.mistakes import WrongKindError, WrongValueError

__all__ = ["describe", "parse"]

_KIB = 1024

_SIZE = re.compile(r"(\d+\.?\d*|\.\d+)\s*(?:([KMGT])(I?B)?|B)?", re.IGNORECASE | re.ASCII)


def parse(size: int | str) -> int:
    """Return a size in bytes: a number, or text with a unit, ``"800M"``, ``"1.5 GiB"``, ``"2GB"``.

    K, M, G, T and KiB to TiB are powers of 1024, KB to TB powers of 1000.

    Raises
    ------
    TypeError, ValueError
        If it is no size, or none above zero.

    Examples
    --------
    >>> from otgan import sizes
    >>> sizes.parse("1.5 GiB")
    1610612736
    """
    if isinstance(size, bool) or not isinstance(size, (int, np.integer, str)):
        raise WrongKindError(
            f"expected a size of memory in bytes, or text like '2GiB', got {type(size).__name__}: "
            "give a whole number or a text"
        )
    if isinstance(size, str):
        found = _SIZE.fullmatch(size.strip())
        nbytes = 0.0
        if found is not None:
            base = 1000 if (found[3] or "").upper() == "B" else _KIB
            nbytes = float(found[1]) * base ** (" KMGT".index(found[2].upper()) if found[2] else 0)
        whole = int(nbytes) if nbytes < 2**63 else 2**63
    else:
        whole = int(size)
    if whole < 1:
        raise WrongValueError(
            f"expected a size of memory above zero, like 800M or 2GiB, got {size!r}: give bytes or a unit"
        )
    return whole


def describe(size: float) -> str:
    """Bytes in words: '1.5 GiB'."""
    for unit in ("B", "KiB", "MiB"):
        if size < _KIB:
            return f"{size:.3g} {unit}"
        size /= _KIB
    return f"{size:.3g} GiB"
