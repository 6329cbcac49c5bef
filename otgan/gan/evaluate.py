"""How good samples are: the exact distance to held-out data beside its floor, and the modes that are covered."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from otgan.data import Dataset, Modes
from otgan.distances import emd

__all__ = ["Judge", "mode_coverage"]

Rows = NDArray[np.float32]

MODE_RADIUS = 0.1
MODE_MASS = 0.01


class Judge:
    """Evaluates samples against held-out data.

    Every distance stands beside its real–real floor, the same distance between as many held-out samples and training
    samples: two independent draws of the data. A floor is measured once for each size.

    Parameters
    ----------
    train, held_out : Dataset
    """

    def __init__(self, train: Dataset, held_out: Dataset) -> None:
        self.train, self.held_out = train, held_out
        self._floors: dict[int, float] = {}

    def size(self, n: int) -> int:
        """Return how many samples are compared when n are wanted: no more than there are real ones."""
        return min(n, len(self.held_out), len(self.train))

    def floor(self, n: int) -> float:
        """Exact W₁ between n held-out and n training samples."""
        if n not in self._floors:
            rows = np.random.default_rng(0).choice(len(self.train), n, replace=False)
            self._floors[n] = _emd(self.train.points[rows], self.held_out.points[:n])
        return self._floors[n]

    def __call__(self, samples: Rows) -> dict[str, Any]:
        """Compare as many samples, shape (n, d), as there are held-out ones at most.

        Returns
        -------
        dict
            ``n``; ``em``, the exact W₁ to n held-out samples, and ``em_floor``; for mixtures ``modes`` covered of
            ``modes_total``, and ``in_modes``, the share of samples within .1 of a mode.
        """
        n = self.size(len(samples))
        rows = samples[:n].reshape(n, -1)
        found: dict[str, Any] = {
            "n": n,
            "em": _emd(rows, self.held_out.points[:n]),
            "em_floor": self.floor(n),
        }
        if self.held_out.modes is not None:
            covered, inside = mode_coverage(rows, self.held_out.modes)
            found |= {"modes": covered, "modes_total": len(self.held_out.modes), "in_modes": inside}
        return found


def mode_coverage(points: NDArray[Any], modes: Modes) -> tuple[int, float]:
    """Count the modes that have at least 1 % of the points within .1 of their centers; and the share of all such points.

    Parameters
    ----------
    points : ndarray, shape (n, d)
    modes : Modes

    Returns
    -------
    covered : int
    inside : float
    """
    distance = np.linalg.norm(points[:, None] - modes.centers[None], axis=-1)
    nearest = distance.argmin(1)
    inside = distance[np.arange(len(points)), nearest] <= MODE_RADIUS
    counts = np.bincount(nearest[inside], minlength=len(modes))
    return int((counts >= MODE_MASS * len(points)).sum()), float(inside.mean())


def _emd(x: NDArray[Any], y: NDArray[Any]) -> float:
    return float(emd(x.astype(np.float64), y.astype(np.float64)))
