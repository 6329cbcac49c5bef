"""``otgan sample``: draw samples from a trained model into a file."""

from __future__ import annotations

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

        named = None if label is None else [name.strip() for name in label.split(",")]
        several = named and [named[k % len(named)] for k in range(count)]
        Run.load(folder).write_samples(out, count, seed, sampler, label=several)
    common.note(f"wrote {out}")
