"""The border of inference: which distance is asked for and by what it is measured, what chance follows from, which pair it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from otgan.distances.request import Request, parse
from otgan.distances.spec import MeasurementSpec, check_request
from otgan.mistakes import WrongValueError
from otgan.options import WrongKindError, shown, whole_number
from otgan.pair import Pair

__all__ = ["asked_for", "fitted", "generator_of", "one_distance"]


def generator_of(seed: Any) -> np.random.Generator:
    """Return a generator as it is, or one that follows from a whole number."""
    expected = "a whole number >= 0, or a numpy.random.Generator"
    if isinstance(seed, np.random.Generator):
        return seed
    return np.random.default_rng(whole_number(seed, "seed", expected, least=0))


def one_distance(value: Any, name: str) -> Request:
    """Return the one distance that a name asks for.

    Raises
    ------
    TypeError, ValueError
        If it is no name of one, or names an estimator that the distance does not have.
    """
    if not isinstance(value, str):
        raise WrongKindError(
            f"{name} must be the name of one distance, as in 'energy' or 'js:knn', got {shown(value)}"
        )
    try:
        (request, *more) = parse(value)
        check_request(request)
    except WrongValueError as error:
        raise WrongValueError(f"{name} must be the name of one distance: {error}") from None
    if more:
        raise WrongValueError(f"{name} must be the name of one distance, got {len(more) + 1}: {value[:60]!r}")
    return request


def asked_for(
    distance: Any, options: Mapping[str, Any] | None, **settings: Any
) -> tuple[Request, MeasurementSpec]:
    """Return the one distance that is asked for, and what it is measured by: its own options and the shared settings.

    Raises
    ------
    TypeError, ValueError
        If there is no such distance, or an option or a setting is none.
    """
    request = one_distance(distance, "distance")
    own = None if options is None else {request.metric.name: options}
    return request, MeasurementSpec.of(distance, options=own, **settings)


def fitted(spec: MeasurementSpec, both: Pair, caller: str) -> tuple[MeasurementSpec, Pair]:
    """Return what to measure, and the pair with results as floats and arrays, whatever library it came from."""
    if both.batched:
        raise WrongValueError(
            f"{caller} is of one pair of sets, got a batch of {both.x.points.shape[0]}: call it for each, or "
            "otgan.emd, otgan.sinkhorn and their like for the numbers of a whole batch"
        )

    # A cost that is a function is asked with what the caller gave, not with what the pair becomes here.
    return spec.fit(both), Pair(both.x.for_numbers(), both.y.for_numbers())
