"""The history of a run read back, from its checkpoint or from the lines of ``metrics.jsonl``."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from torch import Tensor

from otgan.gan.errors import RunError, reason
from otgan.gan.training.checkpoint import Checkpoint

__all__ = ["history_of", "read_metrics"]

_MATRIX = 2
"""Dimensions of terms that were not written yet: a row a step, a column a name."""

_LARGEST = 1.7e308
"""What a number may be at most: infinity, and whole numbers that no float holds, are more."""

_log = logging.getLogger("otgan")


def history_of(found: Checkpoint, path: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the rows that a run had written when it was saved, whatever became of ``metrics.jsonl`` since; and the rest.

    The rest are the terms that were in no row yet, in groups of steps that had the same.

    Where the file holds others, one line of the log says so. A checkpoint that was written before checkpoints kept the
    rows leaves them to :func:`read_metrics`.

    Raises
    ------
    RunError
        If what the checkpoint holds are no rows.
    """
    step = found.state["step"]
    if found.records is None:
        return read_metrics(path, upto=step), []
    lines = str(found.records.get("rows", "")).encode(errors="replace").splitlines()
    rows, trouble = _parse(lines, step)
    if trouble is not None:
        raise RunError(f"the checkpoint of step {step} holds no rows of a run: row {len(rows) + 1} {trouble}")
    pending = found.records.get("pending", [])
    pending = pending if isinstance(pending, list) else [pending]  # once all steps had the same terms
    if not all(map(_is_group, pending)):
        raise RunError(f"the checkpoint of step {step} holds no terms of a run: they have another shape")
    there = _lines(path)
    if there[: len(lines)] != lines:
        at = next(
            (k for k, (old, new) in enumerate(zip(there, lines, strict=False)) if old != new), len(there)
        )
        what = "is missing" if at >= len(there) else "is damaged or was changed"
        _log.warning(
            "%s: line %d %s: it and the %d after it are dropped, and their rows taken from the checkpoint",
            path,
            at + 1,
            what,
            max(0, len(there) - at - 1),
        )
    return rows, pending


def _is_group(group: Any) -> bool:
    if not isinstance(group, dict):
        return False
    names, terms = group.get("names"), group.get("terms")
    return (
        isinstance(names, list)
        and isinstance(terms, Tensor)
        and terms.ndim == _MATRIX
        and terms.shape[1] == len(names) > 0
        and all(isinstance(name, str) for name in names)
    )


def read_metrics(path: Path, upto: float = math.inf) -> list[dict[str, Any]]:
    """Read the rows of steps up to ``upto``, as far as they are what a run writes.

    What follows is left out; unless it is rows of later steps, or a last line torn by a crash, one line of the log says
    so.
    """
    there = _lines(path)
    rows, trouble = _parse(there, upto)
    if trouble is not None and len(rows) + 1 < len(there):
        _log.warning(
            "%s: line %d %s: it and the %d after it are dropped",
            path,
            len(rows) + 1,
            trouble,
            len(there) - len(rows) - 1,
        )
    return rows


def _lines(path: Path) -> list[bytes]:
    try:
        return path.read_bytes().splitlines()
    except FileNotFoundError:
        return []
    except OSError as error:
        _log.warning("%s cannot be read: %s: its rows are dropped", path, reason(error))
        return []


def _parse(lines: Iterable[bytes], upto: float) -> tuple[list[dict[str, Any]], str | None]:
    """Return the rows of steps up to ``upto``, and what the first line is that is no row."""
    rows: list[dict[str, Any]] = []
    seen: set[tuple[int, bool]] = set()
    last = 0
    for line in lines:
        try:
            row = json.loads(line, parse_constant=_refuse)
        except (ValueError, RecursionError):
            return rows, "is not JSON"
        if not isinstance(row, dict):
            return rows, "is no row"
        step = row.get("step")
        if not isinstance(step, int) or isinstance(step, bool) or step < 0:
            return rows, f"has {'no step' if step is None else 'a step that is no whole number'}"
        if step > upto:
            break
        key = (step, "evaluation" in row)
        if step < last or key in seen:
            return rows, "has the step of a row before it"
        found = row.get("evaluation", {})
        numbers = [value for name, value in row.items() if name != "evaluation"]
        if key[1]:
            numbers += [found.get(name) for name in ("em", "em_floor")] if isinstance(found, dict) else [None]
        if not all(_is_number(value) for value in numbers):
            return rows, "has what is no number"
        rows.append(row)
        seen.add(key)
        last = step
    return rows, None


def _is_number(value: Any) -> bool:
    """Whether a value is a number that a float can be."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return abs(value) <= _LARGEST


def _refuse(constant: str) -> float:
    raise ValueError(constant)
