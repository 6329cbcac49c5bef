"""Trainings by the command, each kept in a folder and read from there the next time."""

from __future__ import annotations

import argparse
import re
import resource
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

from benchmarks import timing
from otgan.gan import SYSTEMS, Run

QUICK_STEPS = 20
STEPS, ENDLESS = 1000, 10**7
"""Steps of a system that names no number, and more than there is time for."""
OURS = ("minutes", "evaluate_every")
"""Options that are said of a system, and are the command's."""
KINDS = {"mnist": "images", "cifar10": "images", "digits": "small"}


@dataclass(frozen=True)
class Row:
    """One run: the system as the table names it, the run, and what it took."""

    label: str
    run: Run
    seconds: float

    @property
    def evaluation(self) -> dict[str, Any]:
        """What the last evaluation says."""
        found: dict[str, Any] = next(
            row["evaluation"] for row in reversed(self.run.history) if "evaluation" in row
        )
        return found

    def course(self, key: str) -> list[tuple[float, float]]:
        """Return a number of the evaluations on the way, which are of equally many samples, against the seconds of training until then."""
        judging, found, size = 0.0, [], self.run.history[0]["evaluation"]["n"]
        for row in self.run.history:
            judging += row.get("took", 0.0)
            evaluation = row.get("evaluation", {})
            if evaluation.get("n") == size:
                found.append((row["seconds"] - judging, evaluation[key]))
        return found

    @property
    def judging(self) -> float:
        """The seconds of the run that its evaluations took."""
        return sum(row.get("took", 0.0) for row in self.run.history)

    @property
    def training(self) -> float:
        """The seconds of the run, by the clock, without them."""
        return float(self.run.history[-1]["seconds"]) - self.judging


def train(system: str, choices: dict[str, str], data: str, seed: int, options: argparse.Namespace) -> Row:
    """Run the command as a user would, go on with the run that it left unfinished in the folder, or read the one that it finished there."""
    length = "quick" if options.quick else "" if options.minutes is None else f"{options.minutes:g}-minutes"
    settings = {key: value for key, value in choices.items() if key != "evaluate_every"}
    words = [system, *settings.values(), re.sub(r"\W+", "-", data), length, str(seed)]
    name = "-".join(filter(None, words))
    folder, clock, spent = (options.out / f"{name}{end}" for end in ("", ".seconds", ".spent"))
    if not clock.exists():
        command = [*_command(system, choices, data, seed, options), "--out", str(folder)]
        command += ["--resume"] if any(folder.glob("checkpoint-*.pt")) else []
        with timing.adding_up(spent, _processor_seconds):
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        clock.write_text(f"{timing.total(spent):.1f}\n", encoding="utf-8")
    label = " ".join([system, *(f"{key}={value}" for key, value in settings.items())])
    return Row(label, Run.load(folder), float(clock.read_text(encoding="utf-8")))


def _command(
    system: str, choices: dict[str, str], data: str, seed: int, options: argparse.Namespace
) -> list[str]:
    """Return the command without its folder."""
    command = [sys.executable, "-m", "otgan", "train", system, "--data", data, "--seed", str(seed)]
    command += ["--threads", str(options.threads)]
    command += [f"--set={name}={value}" for name, value in choices.items() if name not in OURS]
    if options.quick:
        return [*command, "--steps", str(QUICK_STEPS)]
    minutes = choices.get("minutes", options.minutes)
    every = int(choices.get("evaluate_every", options.evaluate_every or 0))
    if minutes is not None:
        command += ["--minutes", str(minutes), "--steps", str(ENDLESS)]
        every = every or max(1, SYSTEMS[system].steps.get(KINDS.get(data, "points"), STEPS) // 25)
    return [*command, "--evaluate-every", str(every)] if every else command


def _processor_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def parse(argument: str) -> tuple[str, dict[str, str]]:
    """Read a system and its options: ``smoothed-ot`` or ``smoothed-ot:duals=nets``."""
    system, _, rest = argument.partition(":")
    options = dict(pair.split("=", 1) for pair in rest.split(",") if pair)
    if system not in SYSTEMS:
        raise argparse.ArgumentTypeError(f"no system {system!r}; there are {', '.join(SYSTEMS)}")
    return system, options
