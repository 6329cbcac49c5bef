"""Where a number misleads, in plain words: what is true of every metric; the rest is the metrics' own."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from otgan.distances import metric_of
from otgan.distances.distance import Distance
from otgan.distances.findings import Caveat, Findings, Stage
from otgan.distances.words import listed, number
from otgan.measure import Measure
from otgan.namespace import Array, double

__all__ = ["caveats", "failures"]

_SIGNIFICANT = 0.05

_SEVERAL = 2
"""Coordinates from which on one of them may outweigh the others."""


def caveats(found: Findings) -> tuple[str, ...]:
    """Return one sentence for each thing that a reader of the numbers should know."""
    owners: dict[Caveat, list[Distance]] = {each: list(found.distances.values()) for each in _CAVEATS}
    for distance in found.distances.values():
        for each in metric_of(distance.metric).caveats:
            owners.setdefault(each, []).append(distance)
    # Those of one stage in the order in which they were found: first what is true of every metric.
    order = sorted(owners, key=lambda each: each.stage)
    return tuple(sentence for each in order for sentence in each.check(found, owners[each]))


def failures(distances: Sequence[Distance]) -> Iterator[str]:
    """Yield a sentence for each distance that is not what was asked for."""
    for each in distances:
        if each.status is not None and not each.converged:
            bounds = f"; the bounds of {each.bounded} hold all the same" if each.bounded else ""
            yield (
                f"{each.title} did not converge: {each.status.remedy} "
                f"(marginal error {number(each.marginal_error, 2)}){bounds}"
            )


def _failed(found: Findings, distances: Sequence[Distance]) -> Iterator[str]:
    return failures(distances)


def _masses(found: Findings, distances: Sequence[Distance]) -> Iterator[str]:
    x, y = found.both.x, found.both.y
    totals = x.mass.item(), y.mass.item()
    if x.weighted and y.weighted and not math.isclose(*totals, rel_tol=1e-9):
        yield (
            f"the weights of {found.names[0]} total {number(totals[0])} and those of {found.names[1]} "
            f"{number(totals[1])}: each side is normalized to 1, so no distance here sees the difference of mass"
        )


def _identical(found: Findings, distances: Sequence[Distance]) -> Iterator[str]:
    if found.identical:
        yield (
            f"{found.names[0]} and {found.names[1]} are the same set of points: whatever is not 0 here is "
            "regularization or estimation error"
        )


def _overlap(found: Findings, distances: Sequence[Distance]) -> Iterator[str]:
    """Rows that are in both sets, where rows do not otherwise repeat: draws that are not independent."""
    cells, (n, m) = found.atoms, found.sizes
    shared = cells.shared.item()
    if shared and not found.identical and (cells.x_cells.item(), cells.y_cells.item()) == (n, m):
        seen = [each.title for each in distances if each.estimator == "atoms"]
        only = f"; {listed(seen)} see{'s' if len(seen) == 1 else ''} nothing but these" if seen else ""
        yield (
            f"{shared} point{'s are' if shared > 1 else ' is'} in both sets, of {n} and {m}: "
            f"independent draws would hardly share any{only}"
        )


def _noise(found: Findings, distances: Sequence[Distance]) -> Iterator[str]:
    """Numbers that random halves of one set would give as well, and dimensions in which more samples help little."""
    if found.identical:
        return
    held = [(each, each.noise_floor.larger) for each in distances if each.noise_floor is not None]
    # Of what is at its ceiling, or below 0, halves say nothing.
    held = [(each, floor) for each, floor in held if 0 < each.value < metric_of(each.metric).ceiling]
    within = [each for each, floor in held if each.value <= floor]
    mostly = [each for each, floor in held if floor < each.value <= 2 * floor]
    if within:
        are = "is" if len(within) == 1 else "are"
        yield f"{_named(within)} {are} no larger than between random halves of one set, the noise floor"
    if mostly:
        yield f"much of {_named(mostly)} is noise: the noise floor is more than half as large"
    n = min(found.sizes)
    slow = [each for each in distances if metric_of(each.metric).suffers_dimension]
    if slow and found.dimension > 1 and n < 2 ** min(found.dimension, 62) and max(found.sizes) > 1:
        yield (
            f"{n} samples are few in {found.dimension} dimensions: the noise in {_named(slow)} is large, and more samples "
            "lower it only slowly"
        )


def _named(distances: Sequence[Distance]) -> str:
    return listed(f"{each.title}{_how(each)}" for each in distances)


def _insignificant(found: Findings, distances: Sequence[Distance]) -> Iterator[str]:
    for each in distances:
        if found.identical or each.null is None or 1 / (1 + each.null.permutations) > _SIGNIFICANT:
            continue
        if each.null.p_value > _SIGNIFICANT:
            yield (
                f"{each.title}{_how(each)} by itself does not tell the sets "
                f"apart: its p-value is {each.null.p_value:.2g} by {each.null.permutations} permutations"
            )


def _how(each: Distance) -> str:
    """Name the estimator of a metric that has several."""
    return f" ({each.estimator})" if metric_of(each.metric).estimators else ""


def _resolution(found: Findings, distances: Sequence[Distance]) -> Iterator[str]:
    tests = [each.null for each in distances if each.null is not None]
    if tests and 1 / (1 + tests[0].permutations) > _SIGNIFICANT:
        yield (
            f"{tests[0].permutations} permutations cannot give p below "
            f"{1 / (1 + tests[0].permutations):.2g}: 99 or more are of use"
        )


def _columns(found: Findings, distances: Sequence[Distance]) -> Iterator[str]:
    """One coordinate that outweighs all others, as where columns have different units."""
    # Angles and functions of two points do not see columns by their spread.
    seen = [each for each in distances if each.cost is None or found.cost.sorts]
    if found.dimension < _SEVERAL or not any(metric_of(each.metric).by_lengths for each in seen):
        return
    spread = _variance(found.both.x) + _variance(found.both.y)
    total, top = float(spread.sum()), int(spread.argmax())
    if total > 0 and int((spread > 0).sum()) > 1 and float(spread[top]) > 0.98 * total:
        names = found.both.x.columns
        which = f"coordinate {top} (counted from 0)" if names is None else f"column {names[top]!r}"
        yield (
            f"{which} makes up {100 * float(spread[top]) / total:.3g} % of the spread, so "
            "distances see little else: scale the columns if their units differ"
        )


def _variance(side: Measure) -> Array:
    """Variance of each coordinate within one set, shape (d,)."""
    points, weights = double(side.points[0]), side.weights[0]
    center = weights @ points
    return weights @ (points - center) ** 2


_CAVEATS = (
    Caveat(Stage.BROKEN, _failed),
    Caveat(Stage.BROKEN, _masses),
    Caveat(Stage.BROKEN, _identical),
    Caveat(Stage.NOISE, _overlap),
    Caveat(Stage.NOISE, _noise),
    Caveat(Stage.NOISE, _insignificant),
    Caveat(Stage.NOISE, _resolution),
    Caveat(Stage.SCALE, _columns),
)
