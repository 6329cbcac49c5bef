"""The terms of one measurement: everything that one metric is measured with, checked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from otgan.costs import Cost
from otgan.normal_form import NormalForm
from otgan.pair import Pair

if TYPE_CHECKING:
    from otgan.entropic.settings import Settings

__all__ = ["Terms"]


@dataclass(frozen=True)
class Terms:
    """What one metric is measured with.

    Attributes
    ----------
    key : str
        What the distance is called in the report.
    cost : Cost
        What it costs to move, of the metrics that ask for it.
    epsilon, blur, tol, max_iter, time_limit
        Of the metrics that solve something.
    estimator : str or None
        One of the metric's own; None where it has none.
    options : dict
        Those of the estimator that were given; or all of the metric's own, with their defaults.
    on_failure : {"ignore", "warn", "raise"}
        What happens where a value alone is asked for and its solve does not converge; a measured distance has its status.
    progress : callable or None
        Told, now and then while a solver runs, between which bounds the distance is.
    """

    key: str
    cost: Cost
    epsilon: float | None
    blur: float | None
    tol: float | None
    max_iter: int | None
    time_limit: float | None
    estimator: str | None
    options: dict[str, Any]
    on_failure: str = "ignore"
    progress: Callable[[float, float], object] | None = None

    @property
    def p(self) -> float:
        """The power of the distance between points."""
        return self.cost.p

    def entropic_options(self) -> dict[str, Any]:
        """What the entropic functions are called with."""
        return {
            "cost": self.cost,
            "epsilon": self.epsilon,
            "blur": self.blur,
            "tol": self.tol,
            "max_iter": self.max_iter,
            "time_limit": self.time_limit,
        }

    def entropic(self, both: Pair) -> tuple[NormalForm, Settings]:
        """Return the entropic problem between two measures, and what it is solved with."""
        from otgan.entropic.posed import formed
        from otgan.entropic.settings import Settings

        options = self.entropic_options()
        form = formed(both, options.pop("cost"), "auto")
        return form, Settings.of(form, reach=None, backend="auto", **options)
