"""A run on one page: what it is, how it went, what it makes, and how good that is. HTML that needs nothing beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from otgan.fragments import embedded, picture, text
from otgan.gan.evaluation.figures import curves_figure
from otgan.gan.evaluation.measures import MEASURES
from otgan.gan.files import write_whole

__all__ = ["verdict", "write_page"]

_DPI = 100
"""Pixels an inch of the curves."""

_SHOWN = 6
"""Pictures of samples over time."""

_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; }
table { border-collapse: collapse; } th, td { padding: .2rem .8rem .2rem 0; text-align: left; vertical-align: top; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
img { max-width: 100%; height: auto; background: white; } figure { margin: 1rem 0; }
"""


def write_page(
    path: Path,
    title: str,
    settings: Mapping[str, Any],
    history: Sequence[dict[str, Any]],
    pictures: Sequence[Path],
    estimate: str | None,
) -> None:
    """Write the page.

    Parameters
    ----------
    path : Path
    title : str
    settings : mapping
        All of them, by name.
    history : list of dict
        The rows of the run.
    pictures : sequence of Path
        PNGs of samples, in the order of their steps; some of them, evenly chosen, are shown.
    estimate : str or None
        The term whose median the rows have.
    """
    judged = [row for row in history if "evaluation" in row]
    curves = "evaluations and terms over the generator's updates"
    chosen = [pictures[round(k)] for k in _evenly(len(pictures))]
    parts = [
        f"<h1>{text(title)}</h1>",
        f"<p><strong>{text(verdict(history))}</strong></p>",
        "<h2>Samples over time</h2>",
        *(_samples(path) for path in reversed(chosen)),
        "<h2>Beside real data</h2>",
        _measures(judged[-1]["evaluation"]) if judged else "<p>Nothing was evaluated yet.</p>",
        "<h2>Course</h2>",
        _figure(picture(curves_figure(list(history), estimate), curves, dpi=_DPI), curves),
        "<h2>Settings</h2>",
        _settings(settings),
    ]
    page = (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{text(title)}</title>\n'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>\n<body>\n'
        + "\n".join(parts)
        + "\n</body></html>\n"
    )
    write_whole(path, lambda file: file.write(page.encode()))


def verdict(history: Sequence[Mapping[str, Any]]) -> str:
    """How far a run came, in a sentence or two."""
    judged = [row for row in history if "evaluation" in row]
    if not judged:
        return "Nothing was evaluated yet."
    last = judged[-1]
    found, minutes = last["evaluation"], last.get("seconds", 0.0) / 60
    words = f"After {last['step']} updates and {minutes:.1f} minutes, "
    if found["em_floor"] > 0:
        words += (
            f"samples are {found['em'] / found['em_floor']:.2f} times as far from held-out data as other real samples are "
            f"(EM {found['em']:.4g}, floor {found['em_floor']:.4g})."
        )
    else:  # every sample of the data is one
        words += f"the EM distance of samples to held-out data is {found['em']:.4g}, where that of real samples is 0."
    if "classifier_frechet" in found:
        words += (
            f" To a classifier their Fréchet distance is {found['classifier_frechet']:.1f}, where that of real samples is "
            f"{found['classifier_frechet_floor']:.1f} and that of noise with the moments of the pixels "
            f"{found['classifier_frechet_gaussian']:.0f}."
        )
    if "modes" in found:
        words += f" They cover {found['modes']} of {found['modes_total']} modes."
    return words


def _evenly(count: int) -> list[float]:
    """Indices of the last of so many things, and of some before it, evenly apart."""
    if count <= _SHOWN:
        return [float(k) for k in range(count)]
    return [k * (count - 1) / (_SHOWN - 1) for k in range(_SHOWN)]


def _measures(found: Mapping[str, Any]) -> str:
    rows = [
        (each.words, found[each.name], found.get(f"{each.name}_total", found.get(f"{each.name}_floor")))
        for each in MEASURES
        if each.name in found
    ]
    lines = [
        f'<tr><td>{text(words)}</td><td class="number">{_number(value)}</td><td class="number">{_number(beside)}</td></tr>'
        for words, value, beside in rows
    ]
    head = "<tr><th></th><th>samples</th><th>real data</th></tr>"
    return f"<table>{head}{''.join(lines)}</table>"


def _settings(settings: Mapping[str, Any]) -> str:
    lines = [f"<tr><td>{text(name)}</td><td>{text(str(value))}</td></tr>" for name, value in settings.items()]
    return f"<table>{''.join(lines)}</table>"


def _samples(path: Path) -> str:
    words = f"samples, {path.stem}"
    return _figure(embedded(path.read_bytes(), words), words)


def _figure(image: str, words: str) -> str:
    return f"<figure>{image}<figcaption>{text(words)}</figcaption></figure>"


def _number(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
