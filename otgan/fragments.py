"""Pieces of HTML for notebooks and pages: text as it is, tables, and pictures within the page."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING

from otgan.plain import plain

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["embedded", "picture", "table", "text"]

_DPI = 80
"""Pixels an inch of a picture."""


def text(words: str) -> str:
    """Return words that a page shows as they are."""
    return escape(plain(words))


def table(rows: Iterable[Sequence[str]], heads: Sequence[str] = ()) -> str:
    """Return a table of text, numbers to the right, in the font of the page."""
    head = f"<thead><tr>{''.join(f'<th>{text(cell)}</th>' for cell in heads)}</tr></thead>" if heads else ""
    lines = [
        "<tr>" + "".join(f'<td style="text-align: {_side(cell)}">{text(cell)}</td>' for cell in row) + "</tr>"
        for row in rows
    ]
    return f"<table>{head}<tbody>{''.join(lines)}</tbody></table>"


def picture(figure: Figure, words: str, dpi: int = _DPI) -> str:
    """Return a figure as a picture within the page."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    file = io.BytesIO()
    FigureCanvasAgg(figure).print_figure(file, format="png", dpi=dpi)
    return embedded(file.getvalue(), words)


def embedded(png: bytes, words: str) -> str:
    """Return the bytes of a picture as one within the page."""
    return f'<img alt="{text(words)}" src="data:image/png;base64,{base64.b64encode(png).decode()}">'


def _side(cell: str) -> str:
    return "right" if cell[:1].isdigit() or cell[:1] in {"-", "±", "∞"} else "left"
