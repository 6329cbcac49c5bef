"""Sets of samples end to end in one array: what a worker is sent of a collection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from otgan.measure import Measure
from otgan.namespace import as_numpy, as_tensor, is_tensor

__all__ = ["Packed"]


@dataclass(frozen=True, eq=False)
class Packed:
    """Some sets of a collection, each once, however many pairs it is in.

    A hundred small arrays take many times longer to send to a process than one that holds them.

    Attributes
    ----------
    slots : dict of int to slice
        By the place of a set in its collection, its rows.
    points : ndarray, shape (N, d)
    weights : ndarray, shape (N,), or None
        Those of all sets, where one of them is weighted.
    weighted : frozenset of int
        The places of sets that are.
    device : Any
        Of the tensors that the sets are given as; None where they are NumPy's.
    """

    slots: dict[int, slice]
    points: NDArray[Any]
    weights: NDArray[np.float64] | None
    weighted: frozenset[int]
    device: Any

    @classmethod
    def of(cls, measures: Sequence[Measure], places: Sequence[int]) -> Packed:
        """Pack the sets at some places, of measures of one problem each."""
        chosen = {place: measures[place] for place in sorted(set(places))}
        ends = np.cumsum([each.points.shape[1] for each in chosen.values()]).tolist()
        slots = {
            place: slice(start, end) for place, start, end in zip(chosen, [0, *ends[:-1]], ends, strict=True)
        }
        weighted = frozenset(place for place, each in chosen.items() if each.weighted)
        (first, *_) = (each.points for each in chosen.values())
        return cls(
            slots,
            np.concatenate([as_numpy(each.points[0]) for each in chosen.values()]),
            np.concatenate([as_numpy(each.weights[0]) for each in chosen.values()]) if weighted else None,
            weighted,
            first.device if is_tensor(first) else None,
        )

    def batch(self, places: Sequence[int]) -> Measure:
        """Return the sets at some places as a batch of problems."""
        points = [self._back(self.points[self.slots[place]]) for place in places]
        if self.weights is None or self.weighted.isdisjoint(places):
            return Measure.of(points)
        return Measure.of(points, [self._back(self.weights[self.slots[place]]) for place in places])

    def _back(self, part: NDArray[Any]) -> Any:
        return part if self.device is None else as_tensor(part, self.device)
