"""``otgan pairwise``: the distances between all pairs of several sets of samples."""

from __future__ import annotations

import csv
import functools
import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from otgan.cli import common
from otgan.cli.inputs import Input, taken
from otgan.cli.kinds import COSTS_OF_POINTS, Key
from otgan.plain import strict

__all__ = ["command"]

_DIGITS, _PAIR = 6, 2
"""Digits of a distance, and the fewest sets."""


@click.command(
    epilog="Each SET is what `otgan measure` takes, or a folder whose files are sets. Example: "
    "otgan pairwise mnist:0 mnist:1 mnist:7 --n 500 --plot digits.png"
)
@click.argument("sets", nargs=-1, required=True, metavar="SET|DIR...")
@click.option(
    "--distance",
    type=Key(),
    default="emd",
    show_default=True,
    metavar="NAME",
    help="The distance, as of `otgan measure --metrics`.",
)
@click.option("--n", type=click.IntRange(1), metavar="N", help="How many rows of each to draw.")
@common.seed
@click.option("--cost", type=click.Choice(COSTS_OF_POINTS), default="euclidean", show_default=True)
@click.option(
    "--p", type=click.FloatRange(1), metavar="P", default=1, show_default=True, help="Power of the cost."
)
@click.option(
    "--test",
    "permutations",
    type=click.IntRange(1),
    metavar="N",
    help="Test every pair by so many random splits, too, and adjust for the number of pairs (Holm).",
)
@click.option("--jobs", type=int, metavar="N", help="Processes; -1 for one a core.")
@click.option(
    "--store",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Keep finished distances and tests in FILE, and take from it those that are there.",
)
@common.data_dir
@common.memory_limit
@common.json_flag
@common.figure_file
@click.pass_context
def command(
    ctx: click.Context,
    sets: tuple[str, ...],
    distance: str,
    n: int | None,
    seed: int,
    permutations: int | None,
    jobs: int | None,
    store: Path | None,
    data_dir: Path | None,
    memory: int | None,
    as_json: bool,
    plot: Path | None,
    **options: Any,
) -> None:
    """Measure the distances between all pairs of sets, and write them as comma-separated values on stdout."""
    with common.mistakes():
        inputs = [Input(spec, n, seed, None, data_dir, path=taken(ctx, spec)) for spec in _expanded(sets)]
        for each in inputs:
            each.check()
    names = _names([each.spec for each in inputs])
    with common.quiet_stdout():
        from otgan.inference import pairwise, pairwise_tests
        from otgan.measure import Measure
        from otgan.memory import limit
        from otgan.plot import pairwise as drawn

        if memory is not None:
            ctx.with_resource(limit(memory))
        with common.mistakes():
            with common.silenced():
                read = [each.read() for each in inputs]
            # Whoever names the columns of every set has said which goes with which.
            chosen = all(each.selected and each.dim == read[0].dim for each in read)
            held = [
                Measure.of(each.points, columns=(read[0] if chosen else each).columns or None)
                for each in read
            ]
            options |= {"distance": distance, "progress": sys.stderr.isatty()}
            with common.heartbeat():
                matrix = pairwise(held, n_jobs=jobs, store=store, **options)
                tests = None
                if permutations is not None:
                    tests = pairwise_tests(
                        held, permutations=permutations, seed=seed, n_jobs=jobs, store=store, **options
                    )
    found = {"distance": matrix} | (
        {} if tests is None else {"p_value": tests.p_values, "adjusted": tests.adjusted}
    )
    if as_json:
        lists = {what: values.tolist() for what, values in found.items()}
        common.say_json(strict({"names": names, "metric": distance, **lists}))
    else:
        common.say("\n".join(_table(what, names, values) for what, values in found.items()).rstrip("\n"))
    if plot is not None:
        with common.quiet_stdout(), common.mistakes():
            figure = drawn(matrix, names)
        common.write(plot, functools.partial(figure.savefig, dpi=common.DPI))


def _expanded(sets: Sequence[str]) -> list[str]:
    """Return the sets, a folder of files that are no pictures as its files in the order of their names."""
    from otgan.data import SpecError
    from otgan.data.files import FORMATS

    endings = tuple(ending for kind in FORMATS for ending in kind.suffixes)
    found: list[str] = []
    for spec in sets:
        inside = sorted(Path(spec).iterdir()) if Path(spec).is_dir() else []
        files = [str(path) for path in inside if path.is_file() and path.name.lower().endswith(endings)]
        found.extend(files or [spec])
    if len(found) < _PAIR:
        raise SpecError(
            f"expected two sets or more, or a folder of their files, got {len(found)}: {', '.join(found)}"
        )
    return found


def _names(specs: Sequence[str]) -> list[str]:
    """Return what sets are called: files by the ends of their names, where these differ."""
    short = [Path(spec).stem if Path(spec).is_file() else spec for spec in specs]
    return short if len(set(short)) == len(short) else list(specs)


def _table(what: str, names: Sequence[str], values: Any) -> str:
    """Return a matrix as comma-separated values, its name in the corner."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([what, *names])
    writer.writerows(
        [name, *(f"{value:.{_DIGITS}g}" for value in row)] for name, row in zip(names, values, strict=True)
    )
    return text.getvalue()
