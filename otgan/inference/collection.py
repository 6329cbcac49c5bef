"""Several sets of samples with names: what distances between all pairs of them are computed from."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from otgan.measure import Measure
from otgan.mistakes import WrongValueError
from otgan.namespace import as_numpy
from otgan.options import WrongKindError, shown
from otgan.pair import pair

__all__ = ["Collection"]

_BATCH = 3
"""Dimensions of sets of one size in one array."""


@dataclass(frozen=True, eq=False)
class Collection:
    """Several sets of samples.

    Attributes
    ----------
    measures : tuple of Measure
        Each of one problem, without a graph.
    names : tuple of str or None
        What the sets are called, where they have names.
    """

    measures: tuple[Measure, ...]
    names: tuple[str, ...] | None

    @classmethod
    def of(cls, sets: Any, weights: Any, name: str) -> Collection:
        """Check several sets, and their weights.

        Raises
        ------
        TypeError, ValueError
            If they are not a mapping or a list of sets, each of which samples are taken from.
        """
        names: tuple[str, ...] | None = None
        theirs = "weights" if name == "sets" else f"{name}_weights"
        expected = "a list of sets of samples, or a mapping of names to such sets"
        if isinstance(sets, Mapping):
            names = tuple(map(str, sets))
            if len(set(names)) < len(names):
                raise WrongValueError(
                    f"{name} must have names that differ, got some twice: {', '.join(names)[:60]}"
                )
            if isinstance(weights, Mapping):
                unknown = [key for key in weights if key not in sets]
                if unknown:
                    raise WrongValueError(f"{theirs} name no set of {name}: {shown(unknown[0])}")
                weights = [weights.get(key) for key in sets]
            sets = list(sets.values())
        if not isinstance(sets, (list, tuple)) and getattr(sets, "ndim", 0) != _BATCH:
            raise WrongKindError(f"{name} must be {expected}, got {shown(sets)}")
        if len(sets) == 0:
            raise WrongValueError(f"{name} must be {expected}, got none")
        if weights is not None and (not isinstance(weights, (list, tuple)) or len(weights) != len(sets)):
            raise WrongKindError(
                f"{theirs} must be a list with those of each of the {len(sets)} sets, None for sets without, got {shown(weights)}"
            )
        measures = []
        for k in range(len(sets)):
            one = Measure.of(sets[k], None if weights is None else weights[k], name=f"{name}[{k}]")
            if one.batched:
                raise WrongValueError(f"{name}[{k}] must be one set of samples, got a batch of {one.count}")
            measures.append(one.detached())
        return cls(tuple(measures), names)

    def matched(self, other: Collection) -> Collection:
        """Return the same with columns in the order of the other's first set, all sets in agreement with it.

        Raises
        ------
        TypeError, ValueError
            If dimensions, libraries or names of columns differ.
        """
        first = other.measures[0]
        return replace(self, measures=tuple(pair(first, each).y for each in self.measures))

    def fingerprints(self) -> tuple[str, ...]:
        """Return what tells sets apart by what they hold, whatever they are called."""
        return tuple(map(_fingerprint, self.measures))

    def __len__(self) -> int:
        return len(self.measures)


def _fingerprint(measure: Measure) -> str:
    found = hashlib.sha256()
    for array in (measure.points[0], *((measure.weights[0],) if measure.weighted else ())):
        held = np.ascontiguousarray(as_numpy(array))
        found.update(f"{held.shape}{held.dtype}".encode())
        found.update(held.tobytes())
    return found.hexdigest()
