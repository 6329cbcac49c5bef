"""The kinds of arguments that measuring takes. Imports nothing heavy."""

from __future__ import annotations

from typing import Any

import click

from otgan.costs import COSTS
from otgan.distances import METRICS
from otgan.distances.request import keys_of
from otgan.mistakes import MistakeError

__all__ = ["COSTS_OF_POINTS", "RULES", "Bins", "Key", "Metric", "Metrics", "Own"]

COSTS_OF_POINTS = [name for name in COSTS if name != "precomputed"]
"""The costs that there are between samples."""

RULES = ("scott", "fd", "sturges")
"""How a number of bins is found."""


class Metrics(click.ParamType):
    """Names of distances, separated by commas."""

    name = "metrics"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the names of distances."""
        try:
            return keys_of(value)
        except MistakeError as error:
            raise click.BadParameter(str(error), ctx, param) from error


class Key(click.ParamType):
    """The name of one distance."""

    name = "distance"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the name of the distance."""
        (key, *more) = Metrics().convert(value, param, ctx)
        if more:
            raise click.BadParameter(f"{value[:60]!r} are several distances: expected one", ctx, param)
        return key


class Metric(Key):
    """The name of one distance, or none."""

    name = "metric"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the name of the distance, None for none."""
        if value == "none":
            return None
        return super().convert(value, param, ctx)


class Own(click.ParamType):
    """An option that one metric has for itself."""

    name = "option"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return whose option it is, its name, and its value as a text."""
        if isinstance(value, tuple):
            return value
        place, equals, text = value.partition("=")
        metric, dot, name = place.partition(".")
        if not (equals and dot and name) or metric not in METRICS:
            raise click.BadParameter(
                f"{value[:60]!r} is no option of a metric, METRIC.NAME=VALUE with one of {', '.join(METRICS)}",
                ctx,
                param,
            )
        return metric, name, text


class Bins(click.ParamType):
    """A number of bins, or a rule that finds one."""

    name = "bins"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return a number of bins, or the rule that finds one."""
        if isinstance(value, int) or value in RULES:
            return value
        if str(value).isdecimal() and int(value) > 0:
            return int(value)
        raise click.BadParameter(
            f"{value!r} is neither a number of bins nor one of {', '.join(RULES)}", ctx, param
        )
