"""Where a number misleads, in plain words."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from torch import Tensor

from otgan.costs import Euclidean
from otgan.divergences import Cells, atoms
from otgan.measure import Measure, Pair
from otgan.report.distance import Distance
from otgan.report.text import number, title

__all__ = ["Findings", "caveats"]

_SIGNIFICANT = 0.05

_PLAIN = ("exact", "entropic", "debiased")
"""Estimators that go without saying."""


@dataclass(frozen=True, eq=False)
class Findings:
    """What the words are about: two measures, their names, and the distances between them."""

    both: Pair
    names: tuple[str, str]
    distances: Mapping[str, Distance]

    @cached_property
    def atoms(self) -> Cells:
        """The two measures with identical points merged."""
        return atoms(self.both)

    @cached_property
    def identical(self) -> bool:
        """Whether the two measures are the same."""
        return float(self.atoms.tv()) == 0

    @cached_property
    def sizes(self) -> tuple[int, int]:
        """The numbers of samples."""
        return self.both.x.points.shape[1], self.both.y.points.shape[1]

    @cached_property
    def dimension(self) -> int:
        """The dimension of the samples."""
        return self.both.x.points.shape[2]

    def of(self, *metrics: str, estimator: str | None = None) -> list[Distance]:
        """Return the distances of these metrics, found by this estimator if one is named."""
        return [
            each
            for each in self.distances.values()
            if each.metric in metrics and estimator in {None, each.estimator}
        ]


def caveats(found: Findings) -> tuple[str, ...]:
    """Return one sentence for each thing that a reader of the numbers should know."""
    return tuple(sentence for check in _CHECKS for sentence in check(found))


def _failed(found: Findings) -> Iterator[str]:
    for each in found.distances.values():
        if each.status is not None and not each.converged:
            bounds = f"; the bounds of {each.bounded} hold all the same" if each.bounded else ""
            yield (
                f"{title(each)} did not converge: {each.status.remedy} "
                f"(marginal error {number(each.marginal_error, 2)}){bounds}"
            )


def _masses(found: Findings) -> Iterator[str]:
    x, y = found.both.x, found.both.y
    totals = float(x.mass), float(y.mass)
    if x.weighted and y.weighted and not math.isclose(*totals, rel_tol=1e-9):
        yield (
            f"the weights of {found.names[0]} total {number(totals[0])} and those of {found.names[1]} "
            f"{number(totals[1])}: each side is normalized to 1, so no distance here sees the difference of mass"
        )


def _identical(found: Findings) -> Iterator[str]:
    if found.identical:
        yield (
            f"{found.names[0]} and {found.names[1]} are the same set of points: whatever is not 0 here is "
            "regularization or estimation error"
        )


def _ceilings(found: Findings) -> Iterator[str]:
    for estimator, reason in (
        ("atoms", "the supports are disjoint"),
        ("histogram", "no bin holds samples of both sets"),
    ):
        held = found.of("js", "kl", "tv", estimator=estimator)
        disjoint = [each for each in held if each.support is not None and each.support.shared == 0]
        if disjoint:
            are, their, say = (
                ("is", "its ceiling", "says") if len(disjoint) == 1 else ("are", "their ceilings", "say")
            )
            yield (
                f"{reason}: {_listed(disjoint)} {are} at {their} and {say} nothing about how far apart "
                "the sets are"
            )


def _infinite(found: Findings) -> Iterator[str]:
    for each in found.of("kl"):
        held = each.support
        if each.value == math.inf and held is not None and held.shared > 0:
            what = "points" if each.estimator == "atoms" else "bins"
            outside = held.x - held.shared
            yield (
                f"KL is infinite because {outside} of the {held.x} {what} of {found.names[0]} "
                f"{'are' if outside > 1 else 'is'} not among those of {found.names[1]}: one is enough, and the "
                "others do not count"
            )


def _overlap(found: Findings) -> Iterator[str]:
    """Rows that are in both sets, where rows do not otherwise repeat: draws that are not independent."""
    cells, (n, m) = found.atoms, found.sizes
    shared = int(cells.shared)
    if shared and not found.identical and (int(cells.x_cells), int(cells.y_cells)) == (n, m):
        seen = found.of("js", "kl", "tv", estimator="atoms")
        only = f"; {_listed(seen)} see{'s' if len(seen) == 1 else ''} nothing but these" if seen else ""
        yield (
            f"{shared} point{'s are' if shared > 1 else ' is'} in both sets, of {n} and {m}: "
            f"independent draws would hardly share any{only}"
        )


def _noise(found: Findings) -> Iterator[str]:
    if found.identical:
        return
    x_name, y_name = found.names
    n, m = found.sizes
    sparse = min(n, m) < 2 ** min(found.dimension, 62)
    few = f"; {min(n, m)} samples are few in {found.dimension} dimensions, and more of them lower it only slowly"
    for each in found.of("emd"):
        floor = each.noise_floor
        if floor is None:
            if sparse and found.dimension > 1 and (n > 1 or m > 1):
                yield (
                    f"{min(n, m)} samples are few in {found.dimension} dimensions: {title(each)} of two draws of "
                    "one population would be far from 0 too"
                )
            continue
        halves = (
            f"two random halves of {x_name} are {number(floor.x, 4)} apart, of {y_name} {number(floor.y, 4)}"
        )
        if each.value <= floor.larger:
            if each.null is None:  # or else a p-value says it better
                yield (
                    f"{title(each)} is within its noise: {halves}, so it does not tell the sets apart"
                    f"{few if sparse else ''}; permutations give a p-value"
                )
        elif each.value <= 2 * floor.larger:
            yield f"much of {title(each)} is noise: {halves}{few if sparse else ''}"


def _insignificant(found: Findings) -> Iterator[str]:
    for each in found.distances.values():
        if each.null is not None and each.null.p_value > _SIGNIFICANT and not found.identical:
            yield (
                f"{title(each)}{'' if each.estimator in _PLAIN else f' by {each.estimator}'} does not tell the sets "
                f"apart: its p-value is {each.null.p_value:.2g} by {each.null.permutations} permutations"
            )


def _resolution(found: Findings) -> Iterator[str]:
    tests = [each.null for each in found.distances.values() if each.null is not None]
    if tests and 1 / (1 + tests[0].permutations) > _SIGNIFICANT:
        yield (
            f"{tests[0].permutations} permutations cannot give p below "
            f"{1 / (1 + tests[0].permutations):.2g}: 99 or more are of use"
        )


def _bins(found: Findings) -> Iterator[str]:
    held = found.of("js", "kl", "tv", estimator="histogram")
    support = next((each.support for each in held if each.support is not None), None)
    if support is None:
        return
    occupied = support.x + support.y - support.shared
    samples = sum(found.sizes)
    if occupied == 1:
        yield f"all samples fall into one bin: {_listed(held)} by it are 0 whatever the sets are"
    elif support.shared and 5 * occupied > samples:
        yield (
            f"{samples} samples fall into {occupied} bins: {_listed(held)} by them are mostly the noise of nearly "
            "empty bins"
        )


def _neighbors(found: Findings) -> Iterator[str]:
    if found.of("kl", estimator="knn") and found.dimension > 10:
        yield (
            f"KL by nearest neighbors is far too small in {found.dimension} dimensions where the sets barely "
            "overlap: compare it with itself only"
        )


def _blur(found: Findings) -> Iterator[str]:
    for each in found.of("sinkhorn"):
        solved = each.transport
        if not each.converged or solved is None or each.upper is None or found.identical:
            continue
        x, y = found.both.x, found.both.y
        independent = float(Euclidean(solved.p).mean(x.points, y.points, x.weights, y.weights))
        least = each.lower or 0.0
        if solved.value_linear - least > 0.75 * (independent - least):
            yield (
                f"epsilon = {number(each.epsilon, 3)} is so large that the plan nearly ignores the costs: "
                "Sinkhorn is close to the mean distance of independent draws; lower epsilon or blur"
            )
        elif each.value > 1.1 * each.upper:
            yield (
                f"Sinkhorn is no estimate of {each.bounded}, which is at most {number(each.upper, 4)}: the rest is "
                "its regularizer, which a smaller epsilon shrinks"
            )


def _negative(found: Findings) -> Iterator[str]:
    for each in found.of("sinkhorn_divergence"):
        if each.converged and each.value < 0 and (each.p or 0) > 2:
            yield (
                f"the Sinkhorn divergence is negative, which happens for p > 2 (p = {each.p:g}): its kernel is not "
                "positive definite, so it is no distance; use p <= 2"
            )


def _columns(found: Findings) -> Iterator[str]:
    """One coordinate that outweighs all others, as where columns have different units."""
    if found.dimension < 2 or not found.of("emd", "sinkhorn", "sinkhorn_divergence"):
        return
    spread = _variance(found.both.x) + _variance(found.both.y)
    total, top = float(spread.sum()), int(spread.argmax())
    if total > 0 and int((spread > 0).sum()) > 1 and float(spread[top]) > 0.98 * total:
        yield (
            f"coordinate {top} (counted from 0) makes up {100 * float(spread[top]) / total:.3g} % of the spread, so "
            "distances see little else: scale the columns if their units differ"
        )


def _variance(side: Measure) -> Tensor:
    """Variance of each coordinate within one set, shape (d,)."""
    points, weights = side.points[0].double(), side.weights[0]
    center = weights @ points
    return weights @ (points - center).square()


def _listed(distances: Iterable[Distance]) -> str:
    """Name distances as in "JS, KL and TV"."""
    names = list(dict.fromkeys(each.metric.upper() for each in distances))
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


_CHECKS: tuple[Callable[[Findings], Iterator[str]], ...] = (
    _failed,
    _masses,
    _identical,
    _ceilings,
    _infinite,
    _overlap,
    _noise,
    _insignificant,
    _resolution,
    _bins,
    _neighbors,
    _blur,
    _negative,
    _columns,
)
"""In the order in which a reader wants to know."""
