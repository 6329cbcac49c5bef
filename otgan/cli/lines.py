"""``otgan lines``: the parallel lines of the Wasserstein GAN paper as a table, a figure or a page."""

from __future__ import annotations

import functools
import math
from pathlib import Path
from typing import Any

import click

from otgan.cli import common

__all__ = ["command"]


class _Thetas(click.ParamType):
    """Finite numbers, separated by commas."""

    name = "thetas"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, tuple):
            return value
        try:
            thetas = tuple(float(part) for part in value.split(","))
        except ValueError:
            thetas = (math.nan,)
        if not all(map(math.isfinite, thetas)):
            raise click.BadParameter(
                f"{value!r}: expected finite numbers, separated by commas, like 0,0.5,1", ctx, param
            )
        return thetas


@click.command()
@click.option(
    "--thetas",
    type=_Thetas(),
    default="0,0.05,0.1,0.5,1",
    show_default=True,
    metavar="NUMBERS",
    help="Where the second line stands.",
)
@click.option(
    "--n",
    type=click.IntRange(1),
    metavar="N",
    default=256,
    show_default=True,
    help="How many points to draw from each line.",
)
@common.seed
@click.option(
    "--bin-width",
    type=click.FloatRange(0, min_open=True),
    metavar="W",
    default=0.1,
    show_default=True,
    help="The side of the bins.",
)
@common.json_flag
@common.figure_file
@click.option(
    "--page",
    type=click.Path(dir_okay=False, path_type=Path),
    callback=common.writable(".html"),
    metavar="FILE",
    help="Write an interactive page into FILE (.html).",
)
def command(
    thetas: tuple[float, ...],
    n: int,
    seed: int,
    bin_width: float,
    as_json: bool,
    plot: Path | None,
    page: Path | None,
) -> None:
    """Measure the distances between two parallel lines: in closed form, on draws, and in bins.

    The first line stands at 0 and the second at θ: Example 1 of the Wasserstein GAN paper, where every distance but
    EM is blind to how far apart the lines are.
    """
    with common.quiet_stdout(), common.mistakes():
        from otgan import teach
        from otgan.teach import parallel_lines

        with common.usage():
            table = parallel_lines.table(thetas, n=n, seed=seed, bin_width=bin_width)
        figure = None
        if plot is not None:
            from otgan import plot as drawing

            figure = drawing.parallel_lines(table)
    if as_json:
        common.say_json(table.to_dict())
    else:
        common.say(table)
    if figure is not None and plot is not None:
        common.write(plot, functools.partial(figure.savefig, dpi=common.DPI))
    if page is not None:
        common.write(page, lambda path: teach.page(path, n=n, seed=seed, bin_width=bin_width))
