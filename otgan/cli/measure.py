"""``otgan measure``: how far apart two sets of samples are."""

from __future__ import annotations

import contextlib
import functools
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from otgan.cli import common
from otgan.cli.folders import Folders
from otgan.cli.inputs import TwoSets, of_two_sets
from otgan.cli.kinds import COSTS_OF_POINTS, RULES, Bins, Metric, Metrics, Own
from otgan.distances import DEFAULT, METRICS, metric_of

if TYPE_CHECKING:
    from otgan.report import Report

__all__ = ["command"]

_NOT_CONVERGED = 3


def _read(own: tuple[tuple[str, str, str], ...]) -> dict[str, dict[str, Any]]:
    """Return the options of single metrics, by the metric."""
    given: dict[str, dict[str, str]] = {}
    for metric, name, text in own:
        given.setdefault(metric, {})[name] = text
    return {metric: metric_of(metric).read(texts) for metric, texts in given.items()}


@click.command(
    epilog="A and B are built-in names (digits, mnist, cifar10, 8gaussians, 25gaussians, swissroll, lines@0.5), with "
    "a class after a colon (mnist:3), or files: .npy .npz .csv .tsv .parquet .pt .safetensors, IDX, CIFAR-10 batches, "
    "folders of images, - or stdin#columns for standard input; `file.npz#name` takes an array, `file.csv#height,mass` columns. Example: otgan measure mnist:3 mnist:8 --n 1000"
)
@click.argument("a")
@click.argument("b")
@click.option(
    "--metrics",
    type=Metrics(),
    metavar="NAMES",
    help=f"Some of {', '.join(METRICS)}, separated by commas. A divergence may name its estimator, NAME:knn. By default "
    f"{', '.join(DEFAULT)}, and the divergences that suit the samples.",
)
@click.option(
    "--option",
    type=Own(),
    multiple=True,
    metavar="METRIC.NAME=VALUE",
    help="An option that one metric has for itself, a keyword of its function; may be given several times.",
)
@of_two_sets
@click.option(
    "--cost",
    type=click.Choice(COSTS_OF_POINTS),
    default="euclidean",
    show_default=True,
    help="The distance between two samples; haversine: latitude, longitude in radians; circle: angles in radians.",
)
@click.option(
    "--p",
    type=click.FloatRange(1),
    metavar="P",
    default=1,
    show_default=True,
    help="The cost is the distance^P.",
)
@click.option(
    "--epsilon",
    type=click.FloatRange(0, min_open=True),
    metavar="E",
    help="Regularization, in units of the cost.",
)
@click.option(
    "--blur",
    type=click.FloatRange(0, min_open=True),
    metavar="L",
    help="Regularization as a length, epsilon = p blur^p.",
)
@click.option(
    "--tol", type=click.FloatRange(0, min_open=True), metavar="T", help="L1 error of the marginals to reach."
)
@click.option(
    "--max-iter", type=click.IntRange(1), metavar="N", help="Passes over the kernel after which to stop."
)
@click.option(
    "--time-limit",
    type=click.FloatRange(0, min_open=True),
    metavar="SECONDS",
    help="Seconds that each transport distance may take.",
)
@click.option(
    "--estimator",
    type=click.Choice(["atoms", "histogram", "knn"]),
    help="Of divergences that name none, atoms by default. histogram needs --bins or --bin-width.",
)
@click.option("--bins", type=Bins(), metavar="N|RULE", help=f"Bins in each dimension, or {', '.join(RULES)}.")
@click.option(
    "--bin-width", type=click.FloatRange(0, min_open=True), metavar="W", help="The side of the bins."
)
@click.option("--k", type=click.IntRange(1), metavar="K", help="Which neighbor knn uses; 3 by default.")
@click.option(
    "--test",
    type=Metric(),
    default="energy",
    show_default=True,
    metavar="NAME",
    help="The distance of the permutation test that the verdict is by; none for no verdict.",
)
@click.option(
    "--permutations",
    type=click.IntRange(0),
    metavar="N",
    default=0,
    show_default=True,
    help="Random splits of the pooled samples to measure too, for p-values.",
)
@click.option(
    "--shards",
    is_flag=True,
    help="A and B are folders of shards, .npy or .parquet, rows of one set in the order of their names. Under torchrun each "
    "process reads rows of its own, and all measure together.",
)
@click.option(
    "--device",
    type=click.Choice(["cpu", "cuda"]),
    default="cpu",
    show_default=True,
    help="Where the samples of --shards are measured; under torchrun each process takes the GPU of its number.",
)
@common.memory_limit
@common.json_flag
@common.figure_file
@click.option(
    "--strict", is_flag=True, help=f"Exit with status {_NOT_CONVERGED} if a distance did not converge."
)
@click.pass_context
def command(
    ctx: click.Context,
    a: str,
    b: str,
    memory: int | None,
    as_json: bool,
    plot: Path | None,
    strict: bool,
    option: tuple[tuple[str, str, str], ...],
    shards: bool,
    device: str,
    **options: Any,
) -> None:
    """Measure how far apart the samples A and B are, by several distances.

    Each comes with a certificate, and with words for where it misleads. The table goes to stdout.
    """
    inputs = (Folders if shards else TwoSets).of(ctx, a, b, options)
    # What is wrong with a file is found in milliseconds, before the seconds that importing torch takes.
    with common.mistakes():
        inputs.check()
    with common.quiet_stdout():
        from otgan.memory import limit
        from otgan.report import MeasurementSpec, compare
        from otgan.report.shared import shared_spec

        if memory is not None:  # from here on: what torch itself has just taken is not the user's
            ctx.with_resource(limit(memory))
        with common.mistakes():
            group = inputs.join(ctx, device)
        with common.usage():
            options["options"] = _read(option)
            of_spec = {name: value for name, value in options.items() if name not in {"test", "seed"}}
            spec = (MeasurementSpec.of if group is None else shared_spec)(**of_spec)
            spec.check_weights(inputs.weighted)
            if group is not None and plot is not None:
                raise click.UsageError(
                    "--plot draws samples of one process: leave it out under torchrun", ctx
                )
        with common.mistakes():
            x, y, images = inputs.read()
            if group is None:
                common.hint_of_size(x.points.shape[1], *y.points.shape[1:])
            bar = inputs.speaks and sys.stderr.isatty()
            with common.heartbeat() if inputs.speaks else contextlib.nullcontext():
                report = compare(x, y, **options, names=inputs.names, progress=bar, group=group)
        figure = None if plot is None else report.plot(images=images)
    if inputs.speaks:
        _show(report, inputs, as_json)
    if figure is not None and plot is not None:
        common.write(plot, functools.partial(figure.savefig, dpi=common.DPI))
    if strict and not report.converged:
        failed = ", ".join(name for name, each in report.distances.items() if not each.converged)
        if inputs.speaks:
            common.note(f"error: not converged: {failed}")
        ctx.exit(_NOT_CONVERGED)


def _show(report: Report, inputs: TwoSets | Folders, as_json: bool) -> None:
    """Write a report on stdout, and on stderr what misleads in it."""
    if as_json:
        common.say_json({**report.to_dict(), "inputs": inputs.to_list()})
    else:
        common.say(report.table())
        for sentence in report.warnings:
            common.note(f"warning: {sentence}")
    if inputs.a == inputs.b and isinstance(inputs, TwoSets):
        common.note(
            "warning: A and B are one draw; --seed-b draws B anew (with --n, where the data are stored)"
        )
