"""Example 1 of the Wasserstein GAN paper: two parallel lines, and what each distance makes of them.

P₀ is uniform on {0} × [0, 1] and P_θ on {θ} × [0, 1]. As θ → 0 the lines coincide; only the earth mover's
distance tends to 0 with them. The other divergences are at their ceilings for every θ ≠ 0, so that no gradient
leads a model from one line to the other.

References
----------
M. Arjovsky, S. Chintala, L. Bottou, "Wasserstein generative adversarial networks", ICML 2017.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from otgan.data.toy import Lines
from otgan.distances.earth_mover import emd
from otgan.distances.jensen_shannon import js
from otgan.distances.kullback_leibler import kl
from otgan.distances.total_variation import tv
from otgan.options import WrongKindError, check_seed, number, one_of, shown, whole_number

__all__ = ["DISTANCES", "THETAS", "WAYS", "Row", "Table", "closed_form", "draw", "gradient", "table"]

THETAS = (0.0, 0.05, 0.1, 0.5, 1.0)

WAYS = ("closed form", "draws", "shared draws", "bins")
"""How the distances of a row were found.

- "closed form": between the lines themselves.
- "draws": exact between n draws of P₀ and n independent draws of P_θ, identical points merged.
- "shared draws": exact between n draws of P₀ and the same points moved to the other line.
- "bins": between the masses of the independent draws in square bins. There is no earth mover's distance here:
  it needs no bins.
"""

DISTANCES = {"emd": "EM", "js": "JS", "kl": "KL(P₀‖P_θ)", "kl_reverse": "KL(P_θ‖P₀)", "tv": "TV"}
"""The columns of a table, and their headings."""


@dataclass(frozen=True)
class Row:
    """The distances between the lines at 0 and at θ, or their derivatives in θ, found in one of `WAYS`.

    Divergences are in nats. None stands for what does not exist.
    """

    theta: float
    way: str
    emd: float | None
    js: float | None
    kl: float | None
    kl_reverse: float | None
    tv: float | None


def closed_form(theta: float) -> Row:
    """Return the distances between P₀ and P_θ: EM = ``|θ|``; for θ ≠ 0 JS = log 2, KL = ∞ both ways, TV = 1.

    Examples
    --------
    >>> from otgan.teach import parallel_lines
    >>> parallel_lines.closed_form(0.5)
    Row(theta=0.5, way='closed form', emd=0.5, js=0.693..., kl=inf, kl_reverse=inf, tv=1.0)
    """
    theta = _finite(theta)
    if theta == 0:
        return Row(theta, "closed form", 0.0, 0.0, 0.0, 0.0, 0.0)
    return Row(theta, "closed form", abs(theta), math.log(2), math.inf, math.inf, 1.0)


def gradient(theta: float) -> Row:
    """Return the derivatives of the distances in θ, None where there is none.

    EM has sign(θ). JS and TV are flat, with derivative 0, so that descending them moves nothing; KL is infinite
    and has none. At θ = 0 EM has a kink, and the others jump.

    Examples
    --------
    >>> from otgan.teach import parallel_lines
    >>> parallel_lines.gradient(-0.5)
    Row(theta=-0.5, way='closed form', emd=-1.0, js=0.0, kl=None, kl_reverse=None, tv=0.0)
    """
    theta = _finite(theta)
    if theta == 0:
        return Row(theta, "closed form", None, None, None, None, None)
    return Row(theta, "closed form", math.copysign(1.0, theta), 0.0, None, None, 0.0)


@dataclass(frozen=True)
class Table:
    """The distances between the lines over θ, found in every way. Made by :func:`table`.

    ``str(table)`` is the table as text, and `otgan.plot.parallel_lines` draws it.

    Attributes
    ----------
    thetas : tuple of float
    n : int
        How many points are drawn from each line.
    seed : int
    bin_width : float
    rows : tuple of Row
        For every θ one row for each of `WAYS`, in this order.

    Examples
    --------
    >>> from otgan.teach import parallel_lines
    >>> found = parallel_lines.table([0.0, 0.5], n=8)
    >>> found.thetas, found.label("closed form")
    ((0.0, 0.5), 'closed form')
    """

    thetas: tuple[float, ...]
    n: int
    seed: int
    bin_width: float
    rows: tuple[Row, ...]

    def column(self, way: str, distance: str) -> tuple[float, ...]:
        """One of `DISTANCES` over θ, found in one of `WAYS`; NaN where there is none."""
        way, distance = one_of(way, "way", WAYS), one_of(distance, "distance", DISTANCES)
        values = (getattr(row, distance) for row in self.rows if row.way == way)
        return tuple(math.nan if value is None else value for value in values)

    def label(self, way: str) -> str:
        """One of `WAYS` in words, with its numbers."""
        way = one_of(way, "way", WAYS)
        return {
            "closed form": "closed form",
            "draws": f"{self.n} draws of each, exact",
            "shared draws": f"{self.n} draws moved, exact",
            "bins": f"draws in bins of {self.bin_width:g}",
        }[way]

    @property
    def notes(self) -> tuple[str, ...]:
        """Where the numbers mislead, in words."""
        drawn = dict(zip(self.thetas, self.column("draws", "tv"), strict=True))
        binned = dict(zip(self.thetas, self.column("bins", "tv"), strict=True))
        notes = []
        if drawn.get(0.0) == 1:
            notes.append(
                f"{self.n} draws of each: no point is drawn twice, so JS, KL and TV are at their ceilings even at "
                "θ = 0. Only EM sees how far apart the lines are, up to the noise that it shows at θ = 0."
            )
        if binned.get(0.0, 0.0) > 0:
            notes.append(
                f"Bins of {self.bin_width:g} see a difference that is not there: TV is {binned[0.0]:.3f} at θ = 0, "
                f"where it is 0. This is the noise of {self.n} draws, which smaller bins make larger."
            )
        blind = min((theta for theta in self.thetas if theta != 0), key=binned.__getitem__, default=0.0)
        if blind != 0 and binned[blind] < 1:
            notes.append(
                f"Bins of {self.bin_width:g} do not see a difference that is there: TV is {binned[blind]:.3f} at "
                f"θ = {blind:g}, where it is 1. Until the line crosses the edge of a bin, θ changes nothing."
            )
        return tuple(notes)

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain lists and numbers for strict JSON: ∞ is "inf", and None what does not exist."""
        rows = [
            {name: "inf" if value == math.inf else value for name, value in asdict(row).items()}
            for row in self.rows
        ]
        return {
            "schema": 1,
            "thetas": list(self.thetas),
            "n": self.n,
            "seed": self.seed,
            "bin_width": self.bin_width,
            "rows": rows,
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        wide = max(len(self.label(way)) for way in WAYS)
        lines = [
            "P₀ uniform on {0} × [0, 1], P_θ on {θ} × [0, 1]; divergences in nats",
            "",
            f"{'θ':>6}  {'':<{wide}}" + "".join(f"{title:>12}" for title in DISTANCES.values()),
        ]
        for row in self.rows:
            first = row.way == WAYS[0]
            start = f"{row.theta:>6.4g}" if first else " " * 6
            if first:
                lines.append("")
            values = "".join(f"{_text(getattr(row, name)):>12}" for name in DISTANCES)
            lines.append(f"{start}  {self.label(row.way):<{wide}}{values}")
        notes = (textwrap.fill(note, len(lines[2])) for note in self.notes)
        return "\n\n".join(["\n".join(lines), *notes])


def table(thetas: Iterable[float] = THETAS, *, n: int = 256, seed: int = 0, bin_width: float = 0.1) -> Table:
    """Measure the distances between the lines at 0 and at each θ in closed form, on draws, and in bins.

    Parameters
    ----------
    thetas : iterable of float
    n : int
        How many points to draw from each line. The heights drawn are the same for every θ.
    seed : int
        What the draws follow from.
    bin_width : float
        The side of the square bins [i w, (i + 1) w) × [j w, (j + 1) w).

    Returns
    -------
    Table

    Raises
    ------
    TypeError, ValueError
        If a θ is no finite number, n or the bin width is not positive, or the seed is no whole number >= 0.

    Examples
    --------
    >>> from otgan.teach import parallel_lines
    >>> found = parallel_lines.table([0.0, 0.5], n=8)
    >>> found.column("closed form", "emd")
    (0.0, 0.5)
    """
    if isinstance(thetas, (str, bytes, Mapping)) or not isinstance(thetas, Iterable):
        raise WrongKindError(f"thetas must be finite numbers, in a list, got {shown(thetas)}")
    try:
        several = list(thetas)
    except TypeError:  # an array without dimensions only looks like an iterable
        raise WrongKindError(f"thetas must be finite numbers, in a list, got {shown(thetas)}") from None
    thetas = tuple(_finite(theta, "thetas") for theta in several)
    n, seed, bin_width = _count(n), check_seed(seed), _width(bin_width)
    rows = tuple(row for theta in thetas for row in _rows(theta, n, seed, bin_width))
    return Table(thetas, n, seed, bin_width, rows)


def draw(theta: float, n: int, seed: int, stream: int) -> NDArray[np.float64]:
    """Draw n points of P_θ, shape (n, 2). One seed and stream give the same heights for every θ."""
    rng = np.random.default_rng([check_seed(seed), check_seed(stream, "stream")])
    return Lines(_finite(theta)).sample(_count(n), rng)[0]


def _finite(theta: float, name: str = "theta") -> float:
    return number(theta, name, "a finite number" if name == "theta" else "finite numbers")


def _count(n: int) -> int:
    return whole_number(n, "n", "a whole number >= 1")


def _width(bin_width: float) -> float:
    return number(bin_width, "bin_width", "a positive finite length", above=0)


def _rows(theta: float, n: int, seed: int, bin_width: float) -> list[Row]:
    at_zero = draw(0.0, n, seed, 0)
    drawn, moved = draw(theta, n, seed, 1), draw(theta, n, seed, 0)
    bins = {"estimator": "histogram", "bin_width": bin_width}
    return [
        closed_form(theta),
        Row(theta, "draws", emd(at_zero, drawn), **_divergences(at_zero, drawn)),
        Row(theta, "shared draws", emd(at_zero, moved), **_divergences(at_zero, moved)),
        Row(theta, "bins", None, **_divergences(at_zero, drawn, **bins)),
    ]


def _divergences(x: NDArray[np.float64], y: NDArray[np.float64], **options: Any) -> dict[str, float]:
    return {
        "js": js(x, y, **options),
        "kl": kl(x, y, **options),
        "kl_reverse": kl(y, x, **options),
        "tv": tv(x, y, **options),
    }


def _text(value: float | None) -> str:
    if value is None:
        return "–"
    return "∞" if value == math.inf else f"{value:.3f}"
