"""``otgan test``: whether two sets of samples are draws of one population."""

from __future__ import annotations

import functools
import sys
from pathlib import Path
from typing import Any

import click

from otgan.cli import common
from otgan.cli.inputs import TwoSets, of_two_sets
from otgan.cli.kinds import COSTS_OF_POINTS, Key

__all__ = ["command"]


@click.command(
    epilog="A and B are what `otgan measure` takes. Example: otgan test before.csv after.csv --distance emd --plot null.png"
)
@click.argument("a")
@click.argument("b")
@click.option(
    "--distance",
    type=Key(),
    default="sinkhorn_divergence",
    show_default=True,
    metavar="NAME",
    help="The distance, as of `otgan measure --metrics`.",
)
@click.option(
    "--permutations",
    type=click.IntRange(1),
    metavar="N",
    default=999,
    show_default=True,
    help="Random splits of the pooled samples.",
)
@click.option("--paired", is_flag=True, help="Row i of A and row i of B belong together.")
@of_two_sets
@click.option("--cost", type=click.Choice(COSTS_OF_POINTS), default="euclidean", show_default=True)
@click.option(
    "--p", type=click.FloatRange(1), metavar="P", default=1, show_default=True, help="Power of the cost."
)
@click.option("--jobs", type=int, metavar="N", help="Processes that measure splits; -1 for one a core.")
@common.memory_limit
@common.json_flag
@common.figure_file
@click.pass_context
def command(
    ctx: click.Context,
    a: str,
    b: str,
    jobs: int | None,
    memory: int | None,
    as_json: bool,
    plot: Path | None,
    **options: Any,
) -> None:
    """Test whether the samples A and B are draws of one population, by random splits of all of them."""
    inputs = TwoSets.of(ctx, a, b, options)
    with common.mistakes():
        inputs.check()
    with common.quiet_stdout():
        from otgan.inference import two_sample_test
        from otgan.memory import limit

        if memory is not None:
            ctx.with_resource(limit(memory))
        with common.mistakes(), common.heartbeat():
            x, y, _ = inputs.read()
            options |= {"names": inputs.names, "n_jobs": jobs, "progress": sys.stderr.isatty()}
            test = two_sample_test(x, y, **options)
        figure = None if plot is None else test.plot()
    if as_json:
        common.say_json({**test.to_dict(), "inputs": inputs.to_list()})
    else:
        common.say(test)
    if figure is not None and plot is not None:
        common.write(plot, functools.partial(figure.savefig, dpi=common.DPI))
