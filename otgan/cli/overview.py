"""``otgan runs``: runs side by side, a line each."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import click

from otgan.cli import common
from otgan.cli.runs import run_mistakes
from otgan.gan.evaluation.measures import MEASURES
from otgan.plain import plain

__all__ = ["command", "rows_of", "show_table"]

_HEADINGS = {
    name: heading
    for each in MEASURES
    if each.listed
    for name, heading in ((each.name, each.short), (f"{each.name}_floor", "floor"))
    if each.drawn or name == each.name
}
"""What of an evaluation is shown, where a run has it, and its heading."""

_PLAIN = ("run", "system", "data", "seed", "step", "minutes")


@click.command("runs", short_help="Compare trained models.")
@click.argument("folders", metavar="DIR...", type=click.Path(path_type=Path), nargs=-1, required=True)
@common.json_flag
def command(folders: tuple[Path, ...], as_json: bool) -> None:
    """Show the runs in DIR..., or in the folders of each, as a table of their last evaluations.

    Minutes are those of training, without evaluations.
    """
    with run_mistakes():
        rows = rows_of(_found(folders))
    if as_json:
        common.say_json(rows)
    else:
        show_table(rows)


def _found(folders: Iterable[Path]) -> list[Path]:
    """The folders of runs among these, and in those that are none."""
    from otgan.gan.errors import RunError

    found: list[Path] = []
    for folder in folders:
        inner = sorted(config.parent for config in folder.glob("*/config.json"))
        if (folder / "config.json").is_file():
            found.append(folder)
        elif inner:
            found += inner
        else:
            raise RunError(f"{folder} holds no run, and none of its folders does")
    return found


def rows_of(folders: Iterable[Path]) -> list[dict[str, Any]]:
    """What is known of each run: what it is, how far it came, and its last evaluation."""
    from otgan.gan.training.folder import Folder
    from otgan.gan.training.history import read_metrics

    rows = []
    for path in folders:
        folder = Folder(path)
        settings, history = folder.settings(), read_metrics(folder.metrics_file)
        judged = [row for row in history if "evaluation" in row]
        seconds = max((row["seconds"] for row in history if "seconds" in row), default=0.0)
        spent = seconds - sum(row.get("took", 0.0) for row in judged)
        evaluation = judged[-1]["evaluation"] if judged else {}
        rows.append(
            {
                "run": str(path),
                "system": settings.system,
                "data": settings.data.spec or "an array",
                "seed": settings.seed,
                "step": history[-1]["step"] if history else 0,
                "minutes": max(spent, 0.0) / 60,
                **{name: evaluation[name] for name in _HEADINGS if name in evaluation},
            }
        )
    return rows


def show_table(rows: Sequence[dict[str, Any]], *, median: bool = False) -> None:
    """Print runs as a table, and below them the medians of their numbers."""
    names = [*_PLAIN, *(name for name in _HEADINGS if any(name in row for row in rows))]
    shown = [dict(row) for row in rows]
    if median:
        several = {
            name: [row[name] for row in rows if name in row] for name in names if name not in _PLAIN[:5]
        }
        shown.append({"run": "median", **{name: statistics.median(found) for name, found in several.items()}})
    cells = [[_HEADINGS.get(name, name) for name in names]]
    cells += [[_cell(row.get(name)) for name in names] for row in shown]
    widths = [max(len(line[k]) for line in cells) for k in range(len(names))]
    for line in cells:
        texts = [
            text.ljust(width) if name in _PLAIN[:3] else text.rjust(width)
            for name, text, width in zip(names, line, widths, strict=True)
        ]
        common.say("  ".join(texts).rstrip())


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else plain(value)
