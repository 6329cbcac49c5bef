"""What the papers' checks share: trained runs, rows of a table, a correlation."""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from scipy.stats import spearmanr

import otgan.gan
from benchmarks.record import Cell, record
from otgan.gan import Run

SEEDS = (0, 1, 2)


@dataclass
class Checks:
    """The rows of one paper's table.

    Parameters
    ----------
    name : str
        Of the result's file.
    quick : bool
        Whether this is only a glance: one seed, few steps, nothing recorded.
    out : Path, optional
        Where runs are kept, and read from the next time.
    """

    name: str
    quick: bool
    out: Path | None = None
    rows: list[tuple[Cell, ...]] = field(default_factory=list)

    def add(
        self,
        check: str,
        required: str | None,
        reached: Sequence[float],
        holds: bool | None,
        floor: float | None = None,
    ) -> None:
        """Add a check with a value for each seed, of which the median is judged; None where nothing is required."""
        shown = ", ".join(f"{value:.4g}" for value in reached)
        self.rows.append((check, required, shown, floor, None if holds is None else bool(holds)))
        word = {True: "holds", False: "FAILS", None: ""}[holds]
        wanted = "" if required is None else f"required {required}, "
        beside = "" if floor is None else f" (floor {floor:.3g})"
        print(f"{word:6} {check}: {wanted}reached {shown}{beside}", flush=True)

    def show(self, quantity: str, reached: Sequence[float], floor: float | None = None) -> None:
        """Add a quantity of which nothing is required, to set others beside."""
        self.add(quantity, None, reached, None, floor)

    def at_most(self, check: str, limit: float, reached: Sequence[float], floor: float | None = None) -> None:
        """Add a check that the median is no more than a limit."""
        self.add(check, f"<= {limit:g}", reached, statistics.median(reached) <= limit, floor)

    def at_least(
        self, check: str, limit: float, reached: Sequence[float], floor: float | None = None
    ) -> None:
        """Add a check that the median is no less than a limit."""
        self.add(check, f">= {limit:g}", reached, statistics.median(reached) >= limit, floor)

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds of whatever takes long."""
        return SEEDS[:1] if self.quick else SEEDS

    def train(
        self,
        system: str,
        data: str,
        *,
        steps: int | None = None,
        evaluate_every: int | None = None,
        **options: Any,
    ) -> list[Run]:
        """Train a system on one seed after the other, by default with about 25 evaluations each."""
        steps = 40 if self.quick else steps
        chosen = [f"{name}={value}" for name, value in options.items()]
        return [
            otgan.gan.train(
                system,
                data,
                steps,
                seed,
                options=options,
                evaluate_every=evaluate_every,
                **kept(self.out, system, data, steps, *chosen, seed),
            )
            for seed in self.seeds
        ]

    def record(self, *notes: str) -> None:
        """Write the table."""
        if not self.quick:
            record(
                f"papers-{self.name}",
                ["check", "required", "reached, a seed each", "real-real floor", "holds"],
                self.rows,
                notes=["The median of the seeds is judged.", *notes],
                command=command(self.name),
            )


def last(runs: Sequence[Run], name: str) -> list[float]:
    """Return a number of the last evaluation of each run."""
    return [float(evaluations(run)[-1][1][name]) for run in runs]


def evaluations(run: Run) -> list[tuple[int, Mapping[str, Any]]]:
    """Return the step and the numbers of each evaluation of a run."""
    return [(row["step"], row["evaluation"]) for row in run.history if "evaluation" in row]


def loss_and_quality(run: Run, term: str) -> float:
    """Spearman's correlation between a logged estimate and the exact W₁ over the evaluations of a run."""
    logged = {row["step"]: row[term] for row in run.history if term in row}
    pairs = [(logged[step], found["em"]) for step, found in evaluations(run) if step in logged]
    return float(spearmanr([pair[0] for pair in pairs], [pair[1] for pair in pairs]).statistic)


def kept(out: Path | None, *words: object) -> dict[str, Any]:
    """Return the arguments by which a training goes on in a folder of its own, or keeps nothing."""
    return {} if out is None else {"out": out / "-".join(map(str, words)), "resume": True}


def options(name: str, argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line that all papers' programs share, and set the threads that it asks for."""
    parser = argparse.ArgumentParser(prog=command(name))
    parser.add_argument("--quick", action="store_true", help="a glance: few steps, nothing recorded or drawn")
    parser.add_argument("--threads", type=int, help="of torch; by default its own choice")
    parser.add_argument(
        "--out", type=Path, help="keep the runs here; what is finished there is read, and not run again"
    )
    found = parser.parse_args(argv)
    if found.threads is not None:
        torch.set_num_threads(found.threads)
    return found


def command(name: str) -> str:
    """Return what to type to measure a paper's result again."""
    return f"python -m benchmarks.papers.{name.replace('-', '_')}"


def verdict(claim: str, holds: bool) -> str:
    """Return a note that says of a claim, in words, whether it holds here."""
    return f"{'Holds' if holds else '**Does not hold here**'}: {claim}"


def run_checks(name: str, measure: Callable[[Checks], Sequence[str]], argv: Sequence[str] | None) -> None:
    """Parse the command line, measure, and record."""
    given = options(name, argv)
    checks = Checks(name, given.quick, given.out)
    checks.record(*measure(checks))
