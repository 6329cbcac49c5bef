"""Samples as the commands are given them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from otgan.data import Dataset
    from otgan.measure import Measure

__all__ = ["Input", "measures"]


@dataclass(frozen=True)
class Input:
    """A set of samples, as the user wrote it."""

    spec: str
    n: int | None
    seed: int
    weights: str | None
    data_dir: Path | None

    def check(self) -> None:
        """Raise what can be known to be wrong without reading the data."""
        from otgan.data import check

        check(self.spec, data_dir=self.data_dir, weights=self.weights)

    def read(self) -> Dataset:
        """Return the samples, those of ``otgan.data.load``."""
        from otgan.data import open_spec

        return open_spec(self.spec, self.n, self.seed, data_dir=self.data_dir, weights=self.weights)

    def to_dict(self) -> dict[str, Any]:
        """Return it as it goes into JSON."""
        return {"spec": self.spec, "n": self.n, "seed": self.seed, "weights": self.weights}


def measures(first: Dataset, second: Dataset) -> tuple[Measure, Measure]:
    """Return what is compared: by the names of columns, but where both sides name them, in the order of these."""
    from otgan.measure import Measure

    x, y = (Measure.of(each.points, each.weights, columns=each.columns or None) for each in (first, second))
    if first.selected and second.selected and first.dim == second.dim:
        y = y.named(first.columns)
    return x, y
