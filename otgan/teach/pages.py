"""Interactive pages: one HTML file each, which needs nothing else, no server and no network."""

from __future__ import annotations

import json
import os
from importlib import resources
from pathlib import Path

import numpy as np

from otgan.options import WrongKindError, shown
from otgan.teach import parallel_lines

__all__ = ["page"]


def page(path: str | os.PathLike[str], *, n: int = 64, seed: int = 0, bin_width: float = 0.1) -> Path:
    """Write the parallel lines as a page with a slider for θ: the lines, and all distances between them.

    Parameters
    ----------
    path : path-like
        The HTML file to write, for example "parallel_lines.html".
    n, seed, bin_width
        As for :func:`otgan.teach.parallel_lines.table`, which is computed for 81 values of θ in [−1, 1].

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
    """
    if not isinstance(path, (str, os.PathLike)):
        raise WrongKindError(f"path must be the name of the file to write, got {shown(path)}")
    thetas = np.arange(-40, 41) / 40
    table = parallel_lines.table(thetas, n=n, seed=seed, bin_width=bin_width)
    at_zero, drawn = (parallel_lines.draw(0.0, n, seed, stream)[:, 1] for stream in (0, 1))
    data = table.to_dict() | {
        "ways": {way: table.label(way) for way in parallel_lines.WAYS},
        "distances": parallel_lines.DISTANCES,
        "heights": [np.round(heights, 4).tolist() for heights in (at_zero, drawn)],
    }
    template = resources.files("otgan.teach").joinpath("parallel_lines.html").read_text(encoding="utf-8")
    filled = template.replace("{{ data }}", json.dumps(data, allow_nan=False, ensure_ascii=False))
    target = Path(path)
    target.write_text(filled, encoding="utf-8")
    return target
