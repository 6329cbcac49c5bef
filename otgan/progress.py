"""A bar on stderr for what takes its time."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

__all__ = ["bar"]


@contextlib.contextmanager
def bar(total: int, progress: bool) -> Iterator[Any]:
    """Yield a bar of tqdm, which is drawn where progress is asked for and gone afterwards."""
    from tqdm import tqdm

    with tqdm(total=total, disable=not progress, leave=False) as drawn:
        yield drawn
