"""``otgan data``: which data sets there are, what is in one, and how to get those that are not here."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from otgan.cli import common
from otgan.plain import plain

__all__ = ["command"]


@click.group()
def command() -> None:
    """List, describe and fetch data sets."""


@command.command("list", short_help="List the built-in names.")
@common.data_dir
def list_(data_dir: Path | None) -> None:
    """List the built-in names, and whether their data are here."""
    from otgan.data import NAMES, DataError, check
    from otgan.data.catalog import KNOWN

    with common.mistakes():
        wide = max(map(len, NAMES))
        for name in NAMES:
            try:
                check(name, data_dir=data_dir)
            except DataError as error:
                state = f"not here: {error}"
            else:
                state = "here" if name in KNOWN else "generated"
            common.say(plain(f"{name:<{wide}}  {state}"))


@command.command(short_help="Describe a data set.")
@click.argument("spec")
@common.data_dir
def info(spec: str, data_dir: Path | None) -> None:
    """Describe what SPEC holds: a built-in name, a file or a folder."""
    with common.mistakes():
        import numpy as np

        from otgan.data import check, open_spec

        check(spec, data_dir=data_dir)
        with common.silenced():
            data = open_spec(spec, data_dir=data_dir)
        repeated = len(data) - len({row.tobytes() for row in data.points})
        lines = {
            "samples": str(len(data)),
            "dimension": str(data.dim),
            "range": f"{data.points.min():g} to {data.points.max():g}",
            "repeated": str(repeated) if repeated else "none",
        }
        if data.shape is not None:
            lines["images"] = "{} × {} × {} (channels, height, width)".format(*data.shape)
        if data.labels is not None and data.classes:
            counts = np.bincount(data.labels, minlength=len(data.classes))
            lines["classes"] = ", ".join(
                f"{name} ({count})" for name, count in zip(data.classes, counts, strict=True) if count
            )
        if data.modes is not None:
            lines["modes"] = f"{len(data.modes)}, of standard deviation {data.modes.std:.4g}"
    common.say(plain(data.name))
    for what, value in lines.items():
        common.say(plain(f"  {what:<10} {value}"))


@command.command(short_help="Download a data set.")
@click.argument("name")
@click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Where to put it; the user's cache by default.",
)
@click.option("--mirror", metavar="URL", help="Get it from this address instead of its public servers.")
def fetch(name: str, data_dir: Path | None, mirror: str | None) -> None:
    """Download the data set NAME (mnist, cifar10), check it, and say where it is."""
    with common.mistakes(), common.quiet_stdout():
        from otgan.data import fetch as download

        folder = download(name, data_dir, mirror=mirror, progress=sys.stderr.isatty())
    common.say(plain(folder))
