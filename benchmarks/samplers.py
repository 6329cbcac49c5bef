"""What autoencoders reach by each law of their codes: ``python -m benchmarks.samplers [--data digits mnist] [--quick]``."""

from __future__ import annotations

import argparse
import re
import shlex
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.papers import figures
from benchmarks.record import Cell, record
from benchmarks.runs import Row, train
from benchmarks.systems import CODES, IMAGES
from otgan.gan import SYSTEMS
from otgan.gan.evaluation.figures import image_grid
from otgan.gan.samplers import PRIOR, SAMPLERS

LAWS = (PRIOR, *SAMPLERS)
TILES, ACROSS, GAP = 24, 6, 2
SHOWN = (
    "classifier-Fréchet",
    "its floor",
    "of a Gaussian",
    "class TV",
    "precision",
    "recall",
    "W₁ of pixels",
)
OF_CODES = ("MMD² of codes", "its 95 % band")
COLUMNS = {head: (IMAGES | CODES)[head] for head in (*SHOWN, *OF_CODES)}


def encoding() -> list[str]:
    """Return the systems with an encoder, whose codes have a law."""
    return [name for name, system in SYSTEMS.items() if system().encoding is not None]


def rows_of(row: Row) -> list[tuple[Cell, ...]]:
    """Return the rows of a run, one for each law of its codes."""
    found: list[tuple[Cell, ...]] = []
    for sampler in LAWS:
        judged = row.run.evaluate(sampler=sampler)
        numbers = [judged[key] for key in COLUMNS.values()]
        found.append((row.label, sampler, *numbers, row.run.step, row.training, row.seconds))
        print(*found[-1], sep="  ", flush=True)
    return found


def picture(name: str, rows: Sequence[Row]) -> Path:
    """Draw data, and samples of each run by each law, a line for each law, into ``docs/pictures/NAME.png``."""
    tall = (TILES / ACROSS) / ACROSS
    each = 12 / (len(rows) + 1)
    figure, axes = figures.row(
        len(rows) + 1, rows=len(LAWS), width=12, height=(each * tall + 0.3) * len(LAWS)
    )
    for ax in axes:
        ax.set_axis_off()
    for at, sampler in enumerate(LAWS):
        shown = [(f"{row.label}, {sampler}", row.run.sample(TILES, seed=0, sampler=sampler)) for row in rows]
        if not at:
            shown.append(("held-out data", rows[0].run.real_samples()[:TILES]))
        for ax, (title, images) in zip(axes[at * (len(rows) + 1) :], shown, strict=False):
            ax.imshow(image_grid(images, ACROSS, GAP), interpolation="nearest")
            ax.set_title(title)
    return figures.save(figure, name)


def measure(data: str, options: argparse.Namespace, command: str) -> None:
    """Train the systems on a data set, or read the runs that are kept, and record what each law reaches."""
    rows = [train(system, {}, data, options.seed, options) for system in encoding()]
    table = [cells for row in rows for cells in rows_of(row)]
    if options.quick:
        return
    name = "samplers-" + re.sub(r"\W+", "-", data)
    picture(name, rows)
    n = rows[0].evaluation["n"]
    record(
        name,
        ["system", "sampler", *COLUMNS, "steps", "training (s)", "processor time (s)"],
        table,
        notes=[
            f"`otgan train SYSTEM --data {data} --seed {options.seed}`, with no other option; then `otgan evaluate --sampler`. "
            "Samples are those of the generator's moving average.",
            f"Every number is one between {n} samples and as many held-out ones; its floor is what as many training samples reach. "
            "The Gaussian has the moments of the pixels. MMD² is between codes of held-out data and the prior, and exceeds its band one time in twenty where these agree.",
            f"Training is by the clock, on {options.threads} of the processor's threads, without evaluations. The processor time is that of the whole command.",
        ],
        command=command,
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Measure one data set after the other."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.samplers", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--data", nargs="+", default=["digits"], help="digits, or mnist (default: digits)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1, help="of the processor (default: 1)")
    parser.add_argument("--out", type=Path, help="keep the runs here; what is finished there is read")
    parser.add_argument("--quick", action="store_true", help="few steps, nothing recorded")
    parser.set_defaults(minutes=None, evaluate_every=None)
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as temporary:
        options.out = options.out or Path(temporary)
        options.out.mkdir(parents=True, exist_ok=True)
        for data in options.data:
            words = ["--data", data, "--seed", str(options.seed), "--threads", str(options.threads)]
            measure(data, options, shlex.join(["python", "-m", "benchmarks.samplers", *words]))


if __name__ == "__main__":
    main()
