"""Example 1 of the Wasserstein GAN paper: the distances between two parallel lines, their gradients, and descending them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

import otgan
from benchmarks.papers import figures
from benchmarks.papers.checks import SEEDS, command, options, verdict
from benchmarks.record import Cell, record
from otgan.teach import parallel_lines
from otgan.teach.parallel_lines import DISTANCES, THETAS, Table

NAME = "parallel-lines"
N = 256
BIN_WIDTH = 0.1
SHIFT = 0.01
START, RATE, STEPS = 1.0, 0.05, 100
NEAR = 0.05

DIVERGENCES = {"js": otgan.js, "kl": otgan.kl, "tv": otgan.tv}


@dataclass(frozen=True)
class Estimate:
    """One distance between P₀ and P_θ, found in one of the ways of :mod:`otgan.teach.parallel_lines`."""

    distance: str
    way: str

    def value(self, theta: float, seed: int) -> float:
        """The distance itself."""
        if self.way == "closed form":
            return float(getattr(parallel_lines.closed_form(theta), self.distance))
        fixed = parallel_lines.draw(0.0, N, seed, 0)
        moved = parallel_lines.draw(theta, N, seed, 0 if self.way == "shared draws" else 1)
        if self.distance == "emd":
            return float(otgan.emd(fixed, moved))
        divergence = DIVERGENCES[self.distance]
        if self.way == "bins":
            return float(divergence(fixed, moved, estimator="histogram", bin_width=BIN_WIDTH))
        return float(divergence(fixed, moved))

    def gradient(self, theta: float, seed: int) -> float:
        """Its derivative in θ, NaN where there is none.

        EM on draws is differentiated by autograd through the solver; divergences on draws have steps in place of
        slopes, so that all there is are central differences, over θ ± 0.01.
        """
        if self.way == "closed form":
            found = getattr(parallel_lines.gradient(theta), self.distance)
            return math.nan if found is None else float(found)
        if self.distance == "emd":
            return self._through_the_solver(theta, seed)
        above, below = self.value(theta + SHIFT, seed), self.value(theta - SHIFT, seed)
        return math.nan if math.inf in {above, below} else (above - below) / (2 * SHIFT)

    def _through_the_solver(self, theta: float, seed: int) -> float:
        place = torch.tensor(theta, dtype=torch.float64, requires_grad=True)
        fixed = torch.from_numpy(parallel_lines.draw(0.0, N, seed, 0))
        heights = parallel_lines.draw(0.0, N, seed, 0 if self.way == "shared draws" else 1)[:, 1]
        moved = torch.stack([place.expand(N), torch.from_numpy(heights)], dim=1)
        (found,) = torch.autograd.grad(otgan.emd(fixed, moved), place)
        return float(found)

    def descend(self, seed: int, steps: int = STEPS) -> list[float]:
        """Return θ over steps of θ ← θ − r ∂/∂θ, on fresh draws each, r falling to 0; it ends where there is no gradient."""
        path = [START]
        for step in range(steps):
            slope = self.gradient(path[-1], 10_000 * (seed + 1) + step)
            if math.isnan(slope):
                break
            path.append(path[-1] - RATE * (1 - step / steps) * slope)
        return path


ESTIMATES = (
    *(Estimate("emd", way) for way in ("closed form", "draws", "shared draws")),
    *(Estimate(name, way) for name in DIVERGENCES for way in ("closed form", "draws", "bins")),
)


def row(estimate: Estimate, table: Table, paths: Sequence[Sequence[float]]) -> tuple[Cell, ...]:
    """Values over θ, the derivative at two places, and where descents ended."""
    slopes = [estimate.gradient(theta, 0) for theta in (0.1, 0.5)]
    return (
        DISTANCES[estimate.distance],
        table.label(estimate.way),
        *(number(value) for value in table.column(estimate.way, estimate.distance)),
        *(number(slope) for slope in slopes),
        "no gradient" if len(paths[0]) == 1 else ", ".join(number(path[-1]) for path in paths),
    )


def number(value: float) -> str:
    """A number as text beside an infinite one, with a dash where there is none."""
    if math.isnan(value):
        return "–"
    return "∞" if value == math.inf else f"{round(value, 3) + 0.0:.3f}"  # no minus before zero


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, draw and record."""
    quick = options(NAME, argv).quick
    table = parallel_lines.table(THETAS, n=N, bin_width=BIN_WIDTH)
    steps = 5 if quick else STEPS
    paths = {estimate: [estimate.descend(seed, steps) for seed in SEEDS] for estimate in ESTIMATES}
    rows = [row(estimate, table, paths[estimate]) for estimate in ESTIMATES]
    drawn = Estimate("emd", "draws")
    ends = [abs(path[-1]) for path in paths[drawn]]
    flat = [e for e in ESTIMATES if e.distance in {"js", "tv"}]
    verdicts = [
        verdict(
            f"descending EM between fresh draws arrives: |θ| ≤ {NEAR:g} from {START:g} in the median of three seeds.",
            float(np.median(ends)) <= NEAR,
        ),
        verdict(
            "descending JS or TV moves nothing, whichever way they are found: θ stays where it was, to the last bit.",
            all(path[-1] == START for e in flat for path in paths[e]),
        ),
        verdict(
            "KL gives no gradient to descend: it is ∞.",
            all(len(path) == 1 for e in ESTIMATES if e.distance == "kl" for path in paths[e]),
        ),
    ]
    for cells in rows:
        print(*cells, sep="  ")
    print(*verdicts, sep="\n")
    if quick:
        return
    thetas = np.linspace(-0.5, 1, 151).tolist()
    figures.save(figures.parallel_lines(table, thetas, slopes_over(thetas), paths), NAME)
    record(
        f"papers-{NAME}",
        [
            "distance",
            "found",
            *(f"θ = {theta:g}" for theta in THETAS),
            "derivative at 0.1",
            "derivative at 0.5",
            "θ after descent from 1, a seed each",
        ],
        rows,
        notes=[
            *verdicts,
            f"The floor of EM is its value on draws at θ = 0, {table.column('draws', 'emd')[0]:.3f}: the noise of {N} "
            "independent draws of each line.",
            "Derivatives: closed forms; of EM on draws by autograd through the solver; of divergences on draws and in "
            f"bins by differences over θ ± {SHIFT:g}, for they have steps and no slopes. In bins all of a divergence's "
            "descent lies in the edge of a bin.",
            f"Descent: {STEPS} steps, at a rate that falls from {RATE:g} to 0, on fresh draws in every step.",
            *table.notes,
        ],
        command=command(NAME),
    )


def slopes_over(thetas: Sequence[float]) -> dict[tuple[str, str], list[float]]:
    """The derivatives over θ that the figure shows."""
    shown = (Estimate("emd", "draws"), Estimate("js", "closed form"), Estimate("js", "bins"))
    return {(e.distance, e.way): [e.gradient(theta, 0) for theta in thetas] for e in shown}


if __name__ == "__main__":
    main()
