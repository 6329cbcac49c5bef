"""Interactive pages: one HTML file each, which needs nothing else, no server and no network."""

from __future__ import annotations

import json
import os
from importlib import resources
from pathlib import Path

from otgan.options import WrongKindError, shown
from otgan.teach import parallel_lines

__all__ = ["page"]


SCRIPTS = (
    "measure",
    "critic",
    "state",
    "draw",
    "scene",
    "estimators",
    "race",
    "duality",
    "blur",
    "beyond",
    "path",
    "main",
)
"""The parts of the script, in the order in which each needs those before it."""


_MOST = 256
"""How many points of each line a page shows at most: each frame solves an assignment, whose time is cubic."""


def page(path: str | os.PathLike[str], *, n: int = 64, seed: int = 0, bin_width: float = 0.1) -> Path:
    """Write the parallel lines as a page to play with, which computes every distance as the lines are moved.

    Five chapters ask for a prediction before they show the answer: how far apart the lines are, what samples and
    bins make of it, who descends to θ = 0, the critic as the dual of the earth mover's distance, and entropic plans.
    What lies beyond the lines follows. The page is one file that needs no network; its first draws are those of
    :func:`otgan.teach.parallel_lines.draw`.

    Parameters
    ----------
    path : path-like
        The HTML file to write, for example "parallel_lines.html".
    n : int
        The most points that can be shown of each line, 256 at most, which a browser still solves as they move; the page
        begins with 24, or n if that is less.
    seed : int
        What the first draws follow from.
    bin_width : float
        The side of the bins that the page begins with.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    TypeError, ValueError
        If the path or a number is not what is expected.
    OSError
        If the file cannot be written.

    Examples
    --------
    >>> import otgan, tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     otgan.teach.page(pathlib.Path(folder) / "lines.html", n=8).name
    'lines.html'
    """
    if not isinstance(path, (str, os.PathLike)):
        raise WrongKindError(f"path must be the name of the file to write, got {shown(path)}")
    table = parallel_lines.table((), n=n, seed=seed, bin_width=bin_width)
    shown_points = min(table.n, _MOST)
    heights = [parallel_lines.draw(0.0, shown_points, table.seed, stream)[:, 1].tolist() for stream in (0, 1)]
    data = {"seed": table.seed, "bin_width": table.bin_width, "heights": heights}
    filled = _part("page.html")
    for name, text in {
        "style": _part("page.css"),
        "data": json.dumps(data, allow_nan=False),
        "script": '(() => {\n"use strict";\n' + "\n".join(_part(f"{name}.js") for name in SCRIPTS) + "})();",
    }.items():
        filled = filled.replace(f"{{{{ {name} }}}}", text)
    target = Path(path)
    target.write_text(filled, encoding="utf-8")
    return target


def _part(name: str) -> str:
    return resources.files("otgan.teach").joinpath("lines", name).read_text(encoding="utf-8")
