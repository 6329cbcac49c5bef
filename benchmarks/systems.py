"""What the generative systems reach by default: ``python -m benchmarks.systems [--data DATA] [--seeds 0 1 2] [--quick]``."""

from __future__ import annotations

import argparse
import itertools
import re
import shlex
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.papers import figures
from benchmarks.record import Cell, absent, record
from benchmarks.runs import Row, parse, train
from otgan.gan import Run
from otgan.gan.evaluation.figures import image_grid
from otgan.plot.palette import BLUE, GREEN, INK, ORANGE, SKY

SHOWN = ("gan", "wgan", "wgan-gp", "smoothed-ot", "smoothed-ot:duals=nets", "sinkhorn")
TILES, DOTS, ACROSS, ACROSS_IN_COLOR = 64, 1000, 6, 2
SMALL, SMALL_TILES, GAP = 16, 36, 8
"""Images of less than so many pixels a side are drawn apart, and fewer of them: joined they run into each other."""
MINUTES = (1, 2, 3, 5, 8, 12, 15, 20, 30, 60, 90, 120)
STYLES = tuple(itertools.product((("-", "o"), ("--", "s"), (":", "^")), (BLUE, ORANGE, GREEN, SKY, INK)))

# By the kind of data: the columns of the table, and the entries of an evaluation behind them.
POINTS = {"W₁": "em", "its floor": "em_floor", "modes": "modes", "in a mode": "in_modes"}
IMAGES = {
    "classifier-Fréchet": "classifier_frechet",
    "its floor": "classifier_frechet_floor",
    "of a Gaussian": "classifier_frechet_gaussian",
    "class TV": "class_tv",
    "TV floor": "class_tv_floor",
    "classes": "classes",
    "precision": "precision",
    "recall": "recall",
    "density": "density",
    "coverage": "coverage",
    "W₁ of pixels": "em",
    "W₁ floor": "em_floor",
}
CLASSES = {"of their class": "conditional_accuracy", "real ones": "conditional_accuracy_floor"}
"""What the table has besides where samples are made by class."""
CODES = {
    "reconstruction": "reconstruction",
    "PCA's": "reconstruction_pca",
    "MMD² of codes": "latent_mmd",
    "its 95 % band": "latent_mmd_band",
}
"""What the table has besides where a system has an encoder."""


def median_run(rows: Sequence[Row], key: str) -> Row:
    """Return the row whose number is the (lower) median of all."""
    middle = statistics.median_low(row.evaluation[key] for row in rows)
    return next(row for row in rows if row.evaluation[key] == middle)


def cells(rows: Sequence[Row], columns: dict[str, str]) -> list[tuple[Cell, ...]]:
    """Return the rows of the table for the seeds of one system; the first column judges."""
    middle = median_run(rows, next(iter(columns.values())))
    return [
        (
            row.label,
            row.run.seed,
            row is middle,
            *(row.evaluation.get(key) for key in columns.values()),
            row.run.step,
            row.training,
            row.seconds,
        )
        for row in rows
    ]


def picture(name: str, rows: Sequence[Row]) -> Path:
    """Draw samples of each run side by side, points over those of the data, into ``docs/pictures/NAME.png``."""
    in_color = rows[0].run.space.kind != "points" and rows[0].run.space.shape[0] > 1
    down = -(-len(rows) // (ACROSS_IN_COLOR if in_color else ACROSS))
    across = -(-len(rows) // down)
    grids = [None if row.run.space.kind == "points" else _tiles(row.run) for row in rows]
    tall = 1.0 if grids[0] is None else grids[0].shape[0] / grids[0].shape[1]
    titles = _titles(rows)
    head = 0.15 + 0.2 * max(title.count("\n") + 1 for title in titles)
    figure, axes = figures.row(across, height=(10 * tall / across + head) * down, rows=down)
    for ax in axes[len(rows) :]:
        ax.set_axis_off()
    for ax, row, title, grid in zip(axes, rows, titles, grids, strict=False):
        ax.set_title(title)
        ax.set_axis_off()
        if grid is not None:
            ax.imshow(grid, interpolation="nearest" if row.run.space.shape[-1] < SMALL else None)
            continue
        real, made = row.run.real_samples()[:DOTS], row.run.sample(DOTS, seed=0)
        # The data's stay to be seen around the others.
        for points, size, color in ((real, 12, "0.8"), (made, 2, BLUE)):
            ax.scatter(points[:, 0], points[:, 1], s=size, color=color, linewidths=0)
        ax.set_aspect("equal")
    return figures.save(figure, name)


def _titles(rows: Sequence[Row]) -> list[str]:
    """Return the name of each system, with its options, which are long, where they tell it apart from another."""
    systems = [row.label.partition(" ")[0] for row in rows]
    return [
        system if systems.count(system) == 1 else row.label.replace(" ", "\n")
        for row, system in zip(rows, systems, strict=True)
    ]


def _tiles(run: Run) -> NDArray[np.uint8]:
    """Draw images side by side, a row of each class where they are made by class."""
    classes, small = run.model.classes, run.space.shape[-1] < SMALL
    gap = GAP if small else 0
    if classes is None:
        return image_grid(run.sample(SMALL_TILES if small else TILES, seed=0), gap=gap)
    names = [classes.names[k] for k in classes.present]
    across = len(names) // 2 if small else len(names)
    return image_grid(run.sample(len(names) * across, seed=0, label=np.repeat(names, across)), across, gap)


def course_picture(name: str, rows: Sequence[Row], key: str, head: str) -> Path:
    """Draw a number of each run against the minutes of training, into ``docs/pictures/NAME.png``."""
    figure, (axes,) = figures.row(1, width=9)
    for row, title, ((line, marker), color) in zip(
        rows, _titles(rows), itertools.cycle(STYLES), strict=False
    ):
        seconds, values = zip(*row.course(key), strict=True)
        minutes = [each / 60 for each in seconds]
        axes.plot(minutes, values, marker, linestyle=line, markersize=3, color=color, label=title)
    floors = [row.run.history[0]["evaluation"][f"{key}_floor"] for row in rows]
    axes.axhline(statistics.median(floors), linestyle="--", color="0.5", label="real data (floor)")
    axes.set_yscale("log")
    axes.set_xlabel("minutes of training")
    axes.set_ylabel(head)
    axes.legend(loc="center left", bbox_to_anchor=(1.02, 0.5), frameon=False)  # where it covers no curve
    return figures.save(figure, name)


def at_equal_times(rows: Sequence[Row], key: str, asked: Sequence[int]) -> list[tuple[Cell, ...]]:
    """Return a number of the last evaluation of each run before each of the minutes, none where the run had ended."""
    return [
        (
            row.label,
            *(
                [value for seconds, value in row.course(key) if seconds <= 60 * minutes][-1]
                if 60 * minutes <= row.training
                else None
                for minutes in asked
            ),
        )
        for row in rows
    ]


def course(name: str, rows: Sequence[Row], key: str, head: str, command: str) -> None:
    """Draw and record a number of each run over the minutes, unless all had ended before there was much to compare."""
    if all(row.training < 60 * MINUTES[2] for row in rows):
        return
    course_picture(name, rows, key, head)
    longest = max(row.training for row in rows)
    asked = [minutes for minutes in MINUTES if 60 * minutes <= longest]
    record(
        name,
        ["system", *(f"{minutes} min" for minutes in asked)],
        at_equal_times(rows, key, asked),
        notes=[
            f"{head} of the median run's last evaluation before so many minutes of training, by the clock and without evaluations, "
            f"of {rows[0].run.history[0]['evaluation']['n']} samples. No number: the run had ended."
        ],
        command=command,
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Train every system with every seed, and record what the last evaluation says."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.systems", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--data", default="8gaussians", help="what to train on (default: 8gaussians)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], metavar="S")
    parser.add_argument(
        "--systems",
        type=parse,
        nargs="+",
        metavar="NAME[:OPTION=VALUE,...]",
        default=[parse(text) for text in SHOWN],
        help="with options where they are not the defaults, such as smoothed-ot:duals=nets; minutes=30 trains for so long, "
        "evaluate_every=500 evaluates so often",
    )
    parser.add_argument("--threads", type=int, default=1, help="of the processor (default: 1)")
    parser.add_argument(
        "--out", type=Path, help="keep the runs here; what is finished there is read, and not run again"
    )
    parser.add_argument(
        "--minutes",
        type=float,
        help="of training for each, evaluations not counted, in place of the systems' own steps",
    )
    parser.add_argument(
        "--evaluate-every",
        type=int,
        metavar="STEPS",
        help="between evaluations (default: about 25 of them in as many steps as the system has by default)",
    )
    parser.add_argument(
        "--replace", action="store_true", help="record also in place of a table of other systems or seeds"
    )
    parser.add_argument("--quick", action="store_true", help="few steps, one seed, nothing recorded")
    options = parser.parse_args(argv)
    command = _command(sys.argv[1:] if argv is None else argv)
    seeds = options.seeds[:1] if options.quick else options.seeds

    groups: list[list[Row]] = []
    columns = POINTS
    with tempfile.TemporaryDirectory() as temporary:
        options.out = options.out or Path(temporary)
        options.out.mkdir(parents=True, exist_ok=True)
        for system, choices in options.systems:
            rows = [train(system, choices, options.data, seed, options) for seed in seeds]
            groups.append(rows)
            columns = POINTS if rows[0].run.space.kind == "points" else IMAGES
            if all(group[0].run.model.classes is not None for group in groups):
                columns = {**columns, **CLASSES}
            if any("reconstruction" in group[0].evaluation for group in groups):
                columns = {**columns, **CODES}
            for row in rows:
                numbers = (
                    f"{head} {row.evaluation[key]:.3g}"
                    for head, key in columns.items()
                    if key in row.evaluation
                )
                print(row.label, row.run.seed, *numbers, f"{row.seconds:.0f} s", sep="  ", flush=True)
        if options.quick:
            return
        name = "systems-" + re.sub(r"\W+", "-", options.data)
        name += "-conditional" if "conditional_accuracy" in columns.values() else ""
        name += "" if options.minutes is None else f"-{options.minutes:g}-minutes"
        table = [row for rows in groups for row in cells(rows, columns)]
        if not options.replace and (lost := absent(name, table, keys=2)):
            print(f"not recorded: {name} has {', '.join(lost)}. Name them too, or --replace it.")
            return
        head, key = next(iter(columns.items()))
        middle = [median_run(rows, key) for rows in groups]
        picture(name, middle)
        course(f"{name}-course", middle, key, head, command)
    limit = "" if options.minutes is None else f" --minutes {options.minutes:g}"
    record(
        name,
        ["system", "seed", "median", *columns, "steps", "training (s)", "processor time (s)"],
        table,
        notes=[
            f"`otgan train SYSTEM --data {options.data} --seed SEED{limit}`, with no other option than the table names. "
            "Samples are those of the generator's moving average.",
            f"Every number is one between {rows[0].evaluation['n']} samples and as many held-out ones; its floor is "
            "what as many training samples reach.",
            f"All seeds are shown; the median one in {next(iter(columns))} is marked.",
            f"Training is by the clock, on {options.threads} of the processor's threads, without evaluations. The processor time is that of "
            "the whole command, imports and evaluations included.",
        ],
        command=command,
    )


def _command(argv: Sequence[str]) -> str:
    """Return what to type to measure this again: where the runs were kept does not matter."""
    words = [word for word in argv if word != "--replace"]
    if "--out" in words:
        at = words.index("--out")
        del words[at : at + 2]
    return shlex.join(["python", "-m", "benchmarks.systems", *words])


if __name__ == "__main__":
    main()
