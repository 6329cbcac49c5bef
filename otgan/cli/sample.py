"""``otgan sample``: draw samples from a trained model into a file."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import click

from otgan.cli import common
from otgan.cli.runs import on_stderr, run_mistakes, sampler

__all__ = ["command"]


@click.command("sample", short_help="Draw samples from a trained model.")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("-n", "count", type=click.IntRange(min=1), default=64, show_default=True, help="How many.")
@click.option("--seed", type=click.IntRange(min=0), help="Makes the draw repeatable.")
@click.option(
    "--label",
    metavar="CLASS[,CLASS,...]",
    help="Of a conditional run the classes to draw, equally many of each in turn.  [default: by their shares of the data]",
)
@sampler
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    callback=common.writable(".npy", ".csv", ".png"),
    required=True,
    metavar="FILE",
    help="The file to write: .npy, .csv (a row each), or .png (a picture).",
)
def command(folder: Path, count: int, seed: int | None, label: str | None, sampler: str, out: Path) -> None:
    """Draw samples from the run in DIR."""
    with run_mistakes(), on_stderr():
        from otgan.gan.run import Run

        run, several = Run.load(folder), None
        if label is not None:
            named = _named(label, () if run.model.classes is None else run.model.classes.names)
            several = [named[k % len(named)] for k in range(count)]
        run.write_samples(out, count, seed, sampler, label=several)
    common.note(f"wrote {out}")


def _named(text: str, classes: Sequence[str]) -> list[str]:
    """Return the classes that are named, those with a comma in quotes, or alone."""
    if text in classes:
        return [text]
    found = next(csv.reader([" ".join(text.splitlines())], skipinitialspace=True), [])
    return [name.strip() for name in found] or [text]
