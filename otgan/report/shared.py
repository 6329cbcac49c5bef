"""compare() over the ranks of a group: every distance that can be shared, between sets of which no rank needs to have all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from otgan.distances import DEFAULT, METRICS, metric_of
from otgan.distances.request import Request
from otgan.distances.spec import MeasurementSpec
from otgan.inference.border import generator_of, one_distance
from otgan.inference.verdict import MOST, Verdict, verdict_on
from otgan.mistakes import OutOfRangeError, WrongValueError
from otgan.options import flag, pair_of_names
from otgan.progress import Progress, bar
from otgan.report.caveats import failures
from otgan.report.report import Extent, Report
from otgan.status import ConvergenceError

if TYPE_CHECKING:
    from otgan.distributed.parts import Parts

__all__ = ["Asked", "judged", "over_ranks", "shared_spec"]

_UNSEEN = (
    "what else may mislead, and the noise floor, are not looked for in samples that several processes have: compare some of "
    "them in one process"
)


@dataclass(frozen=True)
class Asked:
    """What a report is made with, beside what is measured.

    Attributes
    ----------
    rng : numpy.random.Generator
    names : tuple of str
    test : Request or None
        The distance that the verdict is by.
    progress : bool
    """

    rng: np.random.Generator
    names: tuple[str, str]
    test: Request | None
    progress: bool

    @classmethod
    def of(cls, *, seed: Any, names: Any, test: Any, progress: Any) -> Asked:
        """Check what a caller gave."""
        tested = None if test is None else one_distance(test, "test")
        return cls(generator_of(seed), pair_of_names(names), tested, flag(progress, "progress"))


def over_ranks(
    group: Any,
    inputs: tuple[Any, Any, Any, Any],
    metrics: Any,
    settings: Mapping[str, Any],
    asked: Mapping[str, Any],
) -> Report | None:
    """Measure what is asked for between sets that the ranks of a group have; None where it has one rank only.

    Parameters
    ----------
    group : ProcessGroup, True or "world"
    inputs : tuple
        x, y, a and b: the rows that are here.
    metrics, settings
        What :meth:`MeasurementSpec.of` is given.
    asked : mapping
        What :meth:`Asked.of` is given.
    """
    from otgan.distributed.border import group_of
    from otgan.distributed.parts import Parts
    from otgan.distributed.ranks import Ranks

    ranks = Ranks(group_of(group), "cpu")
    if ranks.size == 1:
        return None
    ranks.meet()
    with ranks.guarded("the options"):
        spec, made_with = shared_spec(metrics, **settings), Asked.of(**asked)
    said = {**settings, **asked, "metrics": [request.key for request in spec.requests]}
    # Splits follow from the state of a generator, wherever it is in memory; a bar is for those who look at it.
    said |= {"seed": str(made_with.rng.bit_generator.state), "progress": None}
    return _report(spec, Parts.of(group, *inputs, spec.cost, said), made_with)


def shared_spec(metrics: Any, **settings: Any) -> MeasurementSpec:
    """Check what is to be measured over ranks, by default those of the usual distances that they can share.

    Raises
    ------
    TypeError, ValueError
        As :meth:`MeasurementSpec.of`, and where something is asked for that needs all samples in one process.
    """
    if metrics is None:
        metrics = [name for name in DEFAULT if metric_of(name).shares]
    spec = MeasurementSpec.of(metrics, **settings)
    wrong = [request.key for request in spec.requests if not request.metric.shares]
    if wrong:
        known = ", ".join(name for name in METRICS if metric_of(name).shares)
        raise WrongValueError(
            f"metrics must be such as the ranks of a group share, {known}, got {', '.join(wrong)}, of which one process must "
            "have all samples"
        )
    if spec.permutations:
        raise WrongValueError(
            f"permutations are of all samples in one process, got {spec.permutations} for a group: leave them out; the verdict "
            "of test= is by some samples"
        )
    return spec


def _report(spec: MeasurementSpec, parts: Parts, asked: Asked) -> Report:
    """Measure one distance after the other, all ranks together: what is found is the same on all to the last bit."""
    spec.check_weights(parts.x.weighted or parts.y.weighted)
    judging, _ = asked.rng.spawn(2)
    steps = len(spec.requests) + (asked.test is not None)
    with parts.ranks.guarded("the report"), bar(steps, asked.progress) as told:
        verdict, untested = (
            (None, ()) if asked.test is None else _judged(spec, asked.test, parts, judging, told)
        )
        distances = []
        for request in spec.requests:
            told.begin(
                f"{request.key} of {parts.x.size} × {parts.y.size} samples on {parts.ranks.size} ranks"
            )
            distances.append(request.metric.shared(parts, spec.terms(request)))
            told.tick()
    sizes, masses = (parts.x.size, parts.y.size), (parts.x.mass, parts.y.mass)
    return Report(
        names=asked.names,
        verdict=verdict,
        warnings=(*failures(distances), *untested, _UNSEEN),
        seed=None,
        seconds=0.0,
        _distances=tuple(distances),
        _extent=Extent(sizes, parts.x.points.shape[1], masses, parts.x.columns),
        _both=None,
    )


def _judged(
    spec: MeasurementSpec, request: Request, parts: Parts, rng: np.random.Generator, told: Progress
) -> tuple[Verdict | None, tuple[str, ...]]:
    """Test some samples of either set, those that one process would draw; the first rank does so for all."""
    told.begin(f"verdict by {request.key}")
    ranks, terms = parts.ranks, spec.terms(request)
    pool, all_tested = parts.drawn(MOST, rng)
    weighted = parts.x.weighted, parts.y.weighted

    def judge() -> Verdict:
        return verdict_on(
            pool, request.metric, terms, rng, lambda _: None, all_tested=all_tested, weighted=weighted
        )

    def own() -> list[Any]:
        if ranks.rank:
            return []
        found, words = judged(judge, spec)
        return [None if found is None else found.to_dict(), words]

    found, words = ranks.all_of(ranks.together("verdict", own)[0])[0]
    told.tick()
    if found is None:
        return None, tuple(words)
    return Verdict(**{**found, "sizes": tuple(found["sizes"])}), ()


def judged(judge: Callable[[], Verdict], spec: MeasurementSpec) -> tuple[Verdict | None, tuple[str, ...]]:
    """Return a verdict; or say in words why there is none."""
    try:
        return judge(), ()
    except ConvergenceError:
        return None, (f"there is no verdict for want of time: raise time_limit, here {spec.time_limit:g} s",)
    except OutOfRangeError:
        return None, ("there is no verdict, as float64 does not tell the samples from each other",)
