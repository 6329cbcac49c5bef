"""``otgan evaluate``: compare a trained model with data."""

from __future__ import annotations

from pathlib import Path

import click

from otgan.cli import common
from otgan.cli.runs import on_stderr, run_mistakes, sampler, show

__all__ = ["command"]


@click.command("evaluate", short_help="Compare a trained model with data.")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--against", metavar="DATA", help="Other data than the run's own: a name or path.")
@click.option("--labels", metavar="COLUMN", help="The column of --against that holds the class of each row.")
@click.option(
    "-n", "count", type=click.IntRange(min=2), default=2000, show_default=True, help="Samples, at most."
)
@common.seed
@sampler
@common.data_dir
@common.json_flag
def command(
    folder: Path,
    against: str | None,
    labels: str | None,
    count: int,
    seed: int,
    sampler: str,
    data_dir: Path | None,
    as_json: bool,
) -> None:
    """Compare samples of the run in DIR with held-out data, every distance beside its real-real floor."""
    with run_mistakes(), on_stderr():
        from otgan.gan.run import Run

        run = Run.load(folder)
        result = run.evaluate(against, labels=labels, n=count, seed=seed, data_dir=data_dir, sampler=sampler)
    show(result, as_json)
