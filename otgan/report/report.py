"""The report of a comparison: its distances as a table, as JSON and as a figure."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import metadata
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import otgan
from otgan.distances.distance import Distance
from otgan.distances.words import number
from otgan.divergences import atoms
from otgan.fragments import picture
from otgan.fragments import table as table_of
from otgan.fragments import text as escaped
from otgan.inference.verdict import Verdict
from otgan.measure import Measure
from otgan.mistakes import NoSuchNameError, UnsupportedError
from otgan.options import shown, whole_number
from otgan.pair import Pair
from otgan.plain import strict
from otgan.report import text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Extent", "Report"]

_SCHEMA = 1
_ELSEWHERE = "the samples of this report are in several processes, none of which has all"
_PACKAGES = ("numpy", "scipy", "torch", "pot")


@dataclass(frozen=True)
class Extent:
    """How large two sets are, wherever their samples are.

    Attributes
    ----------
    sizes : tuple of int
    dimension : int
    mass : tuple of float
        Totals of the weights as they were given; 1 without weights.
    columns : tuple of str or None
    """

    sizes: tuple[int, int]
    dimension: int
    mass: tuple[float, float]
    columns: tuple[str, ...] | None

    @classmethod
    def of(cls, both: Pair) -> Extent:
        """Return that of two measures, not of a batch."""
        sizes, d = [side.points.shape[1] for side in (both.x, both.y)], both.x.points.shape[2]
        return cls((sizes[0], sizes[1]), d, (both.x.mass.item(), both.y.mass.item()), both.x.columns)


@dataclass(frozen=True, eq=False, repr=False)
class Report:
    """Distances between two sets of samples, each with its certificate. Made by :func:`otgan.compare`.

    ``str(report)`` is a table, ``report["emd"]`` one of its distances, ``report.plot()`` a figure.

    Attributes
    ----------
    names : tuple of str
        What x and y are called.
    verdict : Verdict or None
        Whether the sets are draws of one population, by one permutation test at level 5 %; None where none was asked for.
        The distances are described beside it, not tested.
    warnings : tuple of str
        Where a number misleads, in plain words.
    seed : int or None
        What the noise floor and the permutations follow from; None for a generator.
    seconds : float
        Wall time of everything.

    See Also
    --------
    otgan.compare : Several distances at once, in a report.
    otgan.plot.report : It as a figure.

    Examples
    --------
    >>> import otgan
    >>> report = otgan.compare([0.0, 1.0], [4.0, 5.0], metrics="emd,tv", test=None)
    >>> {name: report[name].value for name in report}
    {'emd': 4.0, 'tv': 1.0}
    """

    names: tuple[str, str]
    verdict: Verdict | None
    warnings: tuple[str, ...]
    seed: int | None
    seconds: float
    _distances: tuple[Distance, ...] = field(repr=False)
    _extent: Extent = field(repr=False)
    _both: Pair | None = field(repr=False)

    @property
    def distances(self) -> Mapping[str, Distance]:
        """The distances by the names that were asked for, in that order."""
        return MappingProxyType({each.name: each for each in self._distances})

    @property
    def converged(self) -> bool:
        """Whether every distance is what it claims to be."""
        return all(each.converged for each in self._distances)

    @property
    def x(self) -> Measure:
        """The first measure, as it was compared."""
        return self._held().x

    @property
    def y(self) -> Measure:
        """The second measure, as it was compared."""
        return self._held().y

    def _held(self) -> Pair:
        if self._both is None:
            raise UnsupportedError(f"{_ELSEWHERE}: take a report of some of them, in one process")
        return self._both

    @property
    def n(self) -> int:
        """Number of samples of x."""
        return self._extent.sizes[0]

    @property
    def m(self) -> int:
        """Number of samples of y."""
        return self._extent.sizes[1]

    @property
    def d(self) -> int:
        """Dimension of the samples."""
        return self._extent.dimension

    @property
    def mass(self) -> tuple[float, float]:
        """Totals of the weights as they were given; 1 without weights."""
        return self._extent.mass

    def __getitem__(self, name: str) -> Distance:
        """Return the distance of that name; a KeyError says which there are."""
        if name not in list(self.distances):  # a list, so that no value is asked for its hash
            raise NoSuchNameError(
                f"no distance {shown(name)} in this report: it has {', '.join(self.distances)}"
            )
        return self.distances[name]

    def __iter__(self) -> Iterator[str]:
        """Return the names of the distances."""
        return iter(self.distances)

    def __len__(self) -> int:
        """Return how many distances there are."""
        return len(self.distances)

    def table(self) -> str:
        """Return the verdict, the distances and their uncertainties as text of at most 100 columns, without the warnings."""
        below = "\n".join(text.wrapped(line, "") for line in text.footnotes(self._distances))
        parts = (
            text.wrapped(self._heading(), ""),
            None if self.verdict is None else text.wrapped(self._judgement(self.verdict), ""),
            text.table(self._distances),
            below,
            text.null_table(self._distances),
        )
        return "\n\n".join(part for part in parts if part)

    def _heading(self) -> str:
        return text.heading(self.names, (self.n, self.m), self.d, self._distances)

    def _judgement(self, verdict: Verdict) -> str:
        identical = self._both is not None and atoms(self._both).tv().item() == 0
        return text.verdict(self.names, verdict, identical=identical)

    def __str__(self) -> str:
        words = [text.wrapped(sentence, "! ") for sentence in self.warnings]
        return "\n".join([self.table(), "", *words]) if words else self.table()

    def __repr__(self) -> str:
        values = ", ".join(f"{name}={number(each.value)}" for name, each in self.distances.items())
        powers = "".join(
            f", p = {p:g}" for p in dict.fromkeys(e.p for e in self._distances if e.p is not None)
        )
        return (
            f"Report({values}{powers}, {len(self.warnings)} warning{'' if len(self.warnings) == 1 else 's'})"
        )

    def _repr_html_(self) -> str:
        """Return the report as notebooks show it."""
        heads, *rows = text.cells(self._distances)
        verdict = "" if self.verdict is None else f"<p><b>{escaped(self._judgement(self.verdict))}</b></p>"
        notes = "".join(f"<li>{escaped(sentence)}</li>" for sentence in self.warnings)
        what = "the sets, the heaviest arcs of the plan between them, and the distances"
        parts = (
            f"<p>{escaped(self._heading())}</p>",
            verdict,
            table_of(rows, heads),
            "".join(f"<p><small>{escaped(line)}</small></p>" for line in text.footnotes(self._distances)),
            f"<ul>{notes}</ul>" if notes else "",
            "" if self._both is None else picture(self.plot(), what),
        )
        return f"<div>{''.join(parts)}</div>"

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain lists and numbers for strict JSON: numbers that are not finite become strings.

        The schema is stable: keys may be added to it, and a change of one that there is raises its number.
        """
        plain: dict[str, Any] = strict(
            {
                "schema": _SCHEMA,
                "names": list(self.names),
                "n": self.n,
                "m": self.m,
                "d": self.d,
                "columns": None if self._extent.columns is None else list(self._extent.columns),
                "mass": list(self.mass),
                "seed": self.seed,
                "verdict": None if self.verdict is None else self.verdict.to_dict(),
                "distances": {name: each.to_dict() for name, each in self.distances.items()},
                "warnings": list(self.warnings),
                "seconds": self.seconds,
                "versions": _versions(),
            }
        )
        return plain

    def to_json(self, indent: int | None = 2) -> str:
        """Return :meth:`to_dict` as JSON that every parser reads; infinities are ``"inf"`` and ``"-inf"``.

        Parameters
        ----------
        indent : int or None
            Spaces a level; None for one line.
        """
        if indent is not None:
            indent = whole_number(indent, "indent", "a whole number of spaces, or None", least=0)
        return json.dumps(self.to_dict(), indent=indent, allow_nan=False, ensure_ascii=False)

    def plot(
        self,
        *,
        arcs: int = 150,
        points: int = 2000,
        seed: int = 0,
        images: tuple[int, int, int] | None = None,
    ) -> Figure:
        """Draw the two sets, the heaviest arcs of the plan between them, and the distances as bars.

        Parameters
        ----------
        arcs : int
            How many arcs of the plan to draw at most.
        points : int
            How many points of each set to draw at most.
        seed : int
            Which of more points, and of arcs of equal mass, are drawn.
        images : tuple of int, optional
            The shape (C, H, W) of samples that are images: some are drawn as thumbnails where they lie.

        Returns
        -------
        matplotlib.figure.Figure
        """
        from otgan.plot.reports import drawn

        return drawn(self, arcs, points, seed, images)


@cache
def _versions() -> dict[str, str]:
    installed = {name: metadata.version(name) for name in _PACKAGES}
    return {"otgan": otgan.__version__, "python": platform.python_version(), **installed}
