"""Two sets of samples of which each rank of a group has rows of its own: what is summed over all of them, in no one place."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from otgan.costs import Cost
from otgan.distances.pairs import row_sums
from otgan.distances.scaled import DISTANCE
from otgan.distances.splits import Pool
from otgan.distances.terms import Terms
from otgan.distributed.arguments import Rows
from otgan.distributed.border import agreed, device_in, group_of
from otgan.distributed.collectives import combined_min
from otgan.distributed.ranks import Ranks
from otgan.entropic.posed import EntropicProblem
from otgan.home import come_in
from otgan.measure import Measure
from otgan.mistakes import WrongValueError
from otgan.namespace import as_numpy, as_tensor, double, full
from otgan.pair import Pair, pair

__all__ = ["Part", "Parts", "Sums"]

_MATRIX = 2
"""Dimensions of one set."""

_SENT = 2**18
"""Coordinates that a rank sends to the others at a time: what a rank holds of theirs is as many from each."""


@dataclass(frozen=True, eq=False)
class Part:
    """The rows of one set that are here.

    Attributes
    ----------
    points : Tensor, shape (k, d), float64
        Those with mass.
    weights : Tensor, shape (k,)
        Those of all ranks together sum to 1.
    counts : tuple of int
        Rows of each rank, those without mass included.
    mass : float
        The total of the weights of all ranks as they were given; 1 without weights.
    weighted : bool
    columns : tuple of str or None
    kept : Tensor or None
        Which of the rows that were given have mass; None where all have.
    """

    points: Tensor
    weights: Tensor
    counts: tuple[int, ...]
    mass: float
    weighted: bool
    columns: tuple[str, ...] | None
    kept: Tensor | None = None

    def heavy(self, values: Any) -> Tensor:
        """Return one value a row that was given for the rows with mass."""
        found = double(as_tensor(come_in(values, "values")[0], self.points.device)).detach()
        return found if self.kept is None else found[self.kept]

    @property
    def size(self) -> int:
        """How many rows all ranks have."""
        return sum(self.counts)


@dataclass(frozen=True, eq=False)
class Sums:
    """Means over all pairs of two sets of a function of their distance, and what each row that is here has part in them.

    Attributes
    ----------
    across, within_x, within_y : float
        Σ aᵢ bⱼ k(xᵢ, yⱼ), Σ aᵢ aⱼ k(xᵢ, xⱼ) and Σ bᵢ bⱼ k(yᵢ, yⱼ).
    x_to_x, x_to_y, y_to_x, y_to_y : Tensor, shape (k,)
        The sums over all of a set for each row here, Σⱼ bⱼ k(xᵢ, yⱼ) of x to y.
    """

    across: float
    within_x: float
    within_y: float
    x_to_x: Tensor
    x_to_y: Tensor
    y_to_x: Tensor
    y_to_y: Tensor


@dataclass(frozen=True, eq=False)
class Parts:
    """Two sets that the ranks of a group have rows of, checked together. Made by :meth:`of`.

    All ranks make the same calls, one after the other, within :meth:`Ranks.guarded`.

    Attributes
    ----------
    ranks : Ranks
    x, y : Part
    given : tuple
        x, y, a and b as this rank gave them.
    """

    ranks: Ranks
    x: Part
    y: Part
    given: tuple[Any, Any, Any, Any]

    @classmethod
    def of(cls, group: Any, x: Any, y: Any, a: Any, b: Any, cost: Cost, asked: Mapping[str, Any]) -> Parts:
        """Check what the ranks give.

        Parameters
        ----------
        group : ProcessGroup, True or "world"
        x, y, a, b
            As :func:`otgan.compare` has them; there may be no rows here.
        cost : Cost
            What must be a distance between such points.
        asked : mapping
            Everything else that the call asks for, which must be the same on all ranks.

        Raises
        ------
        TypeError, ValueError
            On all ranks, where one gives what cannot be used, or something else than the others.
        RankError
            If one does not answer.
        """
        found = group_of(group)
        ranks = Ranks(found, device_in(x, found))
        ranks.meet()
        with ranks.guarded("the samples"):
            rows, counts, _ = agreed(ranks, x, y, a, b, precomputed=False, asked=asked)
            (both, given), _ = ranks.together("checks", lambda: _checked(rows, cost))
            parts = [
                _part(ranks, side, weights, counts[name], name)
                for name, side, weights in zip("xy", (both.x, both.y), given, strict=True)
            ]
        return cls(ranks, parts[0], parts[1], (x, y, a, b))

    def normalized(self, distance: Cost) -> tuple[Parts, Cost, float]:
        """Return the rows in the normal form of a distance, that distance, and what its values are multiplied by."""
        d = self.x.points.shape[1]
        box = self.x.points.new_full((2 * d,), math.inf)
        for points in (part.points for part in (self.x, self.y) if len(part.points)):
            box = torch.minimum(box, torch.cat([points.amin(0), -points.amax(0)]))
        box = self.ranks.reduced(box[None], combined_min)[0]
        corners = torch.stack([box[:d], -box[d:]])[None]
        normal = distance.normal(corners, corners, rooted=True)
        sides = [
            replace(part, points=(part.points - normal.origin[0]) / normal.unit) for part in (self.x, self.y)
        ]
        return replace(self, x=sides[0], y=sides[1]), normal.cost, float(normal.length)

    def posed(self, terms: Terms, *, selves: bool) -> EntropicProblem:
        """Put the entropic problem together from what all ranks have: coordinates are sent to all, pairs are shared."""
        return EntropicProblem.posed(
            *self.given,
            p=None,
            reach=None,
            backend="auto",
            on_failure="ignore",
            selves=selves,
            group=self.ranks.group,
            **terms.entropic_options(),
        )

    def in_units(self) -> tuple[Parts, float]:
        """Return the rows with coordinates of order one, and the power of two that they were divided by."""
        found, _, unit = self.normalized(DISTANCE)
        return found, unit

    def sums(self, function: Callable[[Tensor], Tensor], distance: Cost) -> Sums:
        """Sum a function of the distances between all pairs: those of the rows here with blocks of the rows of all.

        Parameters
        ----------
        function : callable
            Of distances, (1, k, m).
        distance : Cost
            Symmetric.
        """
        sides = self.x, self.y
        found = [[torch.zeros_like(own.weights) for _ in sides] for own in sides]

        def add(k: int, points: Tensor, weights: Tensor) -> None:
            for own, sums in zip(sides, found, strict=True):
                sums[k] += row_sums(own.points, points, weights, function, cost=distance)

        for k, other in enumerate(sides):
            for block in self._blocks(other):
                self.ranks.together("sums over pairs", partial(add, k, *block))
        (x_to_x, x_to_y), (y_to_x, y_to_y) = found
        a, b = self.x.weights, self.y.weights
        across, within_x, within_y = self.totals(a @ x_to_y, a @ x_to_x, b @ y_to_y)
        return Sums(across, within_x, within_y, x_to_x, x_to_y, y_to_x, y_to_y)

    def totals(self, *own: Any) -> list[float]:
        """Sum a few numbers over the ranks, the same on all to the last bit."""
        return [
            math.fsum(each) for each in zip(*self.ranks.all_of([float(value) for value in own]), strict=True)
        ]

    def standard_error(self, f: Tensor, g: Tensor) -> float | None:
        """Standard error by the slopes in the weights of the rows here, that of :mod:`otgan.distances.sampling`."""
        sides = (self.x.weights, f), (self.y.weights, g)
        scale = max(self.ranks.all_of(max((float(h.abs().max()) for _, h in sides if len(h)), default=0.0)))
        if not 0 < scale < math.inf:
            return scale if scale == 0 else None
        means = self.totals(*(w @ (h / scale) for w, h in sides))
        squares = self.totals(
            *((w * (h / scale - mean)).square().sum() for (w, h), mean in zip(sides, means, strict=True))
        )
        return scale * math.sqrt(sum(squares))

    def drawn(self, most: int, rng: np.random.Generator) -> tuple[Pool, bool]:
        """Return at most so many samples of either set, as one process would draw them, and whether these are all."""
        chosen, sizes, all_ = [], [], True
        for part in (self.x, self.y):
            held = self.ranks.all_of(len(part.points))
            size, before = sum(held), sum(held[: self.ranks.rank])
            all_ = all_ and size <= most
            rows = np.sort(rng.choice(size, most, replace=False)) if size > most else np.arange(size)
            own = rows[(rows >= before) & (rows < before + len(part.points))] - before
            counts = self.ranks.all_of(len(own))
            index = torch.from_numpy(own).to(part.points.device)
            table = torch.cat([part.points, size * part.weights[:, None]], dim=1)[index]
            chosen.append(as_numpy(self.ranks.rows(table, counts, axis=0)))
            sizes.append(len(rows))
        both = np.concatenate(chosen)
        weights = both[:, -1] if self.x.weighted or self.y.weighted else None
        heavy = np.ones(sizes[0], dtype=np.bool_), np.ones(sizes[1], dtype=np.bool_)
        return Pool(both[:, :-1], weights, (sizes[0], sizes[1]), heavy, numpy=True), all_

    def _blocks(self, part: Part) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the rows of all ranks, some of each at a time."""
        held = self.ranks.all_of(len(part.points))
        step = max(1, _SENT // (part.points.shape[1] + 1))
        for start in range(0, max(held), step):
            counts = [max(0, min(step, count - start)) for count in held]
            own = slice(start, start + step)
            table = torch.cat([part.points[own], part.weights[own, None]], dim=1)
            block = self.ranks.rows(table, counts, axis=0)
            yield block[:, :-1], block[:, -1].contiguous()


def _checked(rows: dict[str, Rows], cost: Cost) -> tuple[Pair, tuple[Any, Any]]:
    """Return the samples that are here, or a row in place of none, and their weights as they were given."""
    sides, given = [], []
    for name, other in (("x", "a"), ("y", "b")):
        part, raw = rows[name], rows[other].array
        points = part.array
        if points is None or points.ndim != _MATRIX:
            raise WrongValueError(f"{name} must be one set of samples, got a batch: compare them one by one")
        # What is wrong with rows is found where there are some; weights may be 0 on one rank, if not on all.
        light = raw is None or not len(points) or not bool((raw != 0).any())
        if not len(points):
            points = full((1, points.shape[1]), 1.0, points, points.dtype)
        sides.append(Measure.of(points, None if light else raw, name=name, columns=part.names))
        given.append(raw)
    both = pair(*sides)
    cost.fit(both)
    return both, (given[0], given[1])


def _part(ranks: Ranks, side: Measure, raw: Any, counts: list[int], name: str) -> Part:
    """Return the rows that are here, with weights whose total over all ranks is 1."""
    own, total = counts[ranks.rank], sum(counts)
    if not total:
        raise WrongValueError(f"{name} has no samples on any rank: give at least one")
    points: Tensor = double(as_tensor(side.detached().points[0]))[:own]
    if raw is None:
        weights, mass = points.new_full((own,), 1 / total), 1.0
        return Part(points, weights, tuple(counts), mass, False, side.columns)
    raw = double(as_tensor(raw)).detach()
    largest = max(ranks.all_of(float(raw.max()) if own else 0.0))
    if not largest > 0:
        raise WrongValueError(f"the weights of {name} must have a positive total, got 0 on all ranks")
    share = math.fsum(ranks.all_of(float((raw / largest).sum())))
    heavy = raw > 0
    weights = (raw / largest / share)[heavy]
    return Part(points[heavy], weights, tuple(counts), share * largest, True, side.columns, heavy)
