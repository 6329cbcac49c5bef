"""A call of an entropic function: its measures, what moving costs, and what it is to be solved with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from otgan.costs import Cost, resolve
from otgan.coupling import Coupling
from otgan.entropic.settings import Settings
from otgan.geometry import BACKENDS, takes_arrays
from otgan.namespace import namespace
from otgan.normal_form import NormalForm
from otgan.options import check_backend, check_on_failure
from otgan.pair import Pair
from otgan.problem import Problem
from otgan.status import Status, report_failures, statuses

__all__ = ["EntropicProblem", "formed"]


def formed(both: Pair, cost: Cost, backend: str) -> NormalForm:
    """Return the normal form of a problem in the library that its backend works with."""
    arrays = takes_arrays(backend, both.x.device)
    return NormalForm.of(both.as_arrays() if arrays else both.as_tensors(), cost)


@dataclass(frozen=True, eq=False, kw_only=True)
class EntropicProblem(Problem):
    """A problem with what it is to be solved with.

    Attributes
    ----------
    settings : Settings
    on_failure : str
    """

    settings: Settings
    on_failure: str

    @classmethod
    def posed(
        cls, x: Any, y: Any, a: Any, b: Any, *, group: Any = None, init: bool = False, **asked: Any
    ) -> EntropicProblem:
        """Take an entropic problem over the border, put together from what all ranks give where there is a group.

        Parameters
        ----------
        x, y, a, b
            As the public functions have them.
        group : ProcessGroup, True or "world", optional
        init : bool
            Whether there is a solution to start from.
        **asked
            As :meth:`of_one` takes them.
        """

        def pose(x: Any, y: Any, a: Any, b: Any, ranks: Any) -> EntropicProblem:
            return cls.of_one(x, y, a, b, ranks=ranks, **asked)

        return cls.joined(group, asked | {"init": init}, pose, (x, y, a, b), asked["cost"])

    @classmethod
    def of_one(  # what every entropic function takes
        cls,
        x: Any,
        y: Any,
        a: Any,
        b: Any,
        *,
        cost: Any,
        p: Any,
        power: float = 2,
        selves: bool = False,
        backend: str,
        on_failure: str,
        **keywords: Any,
    ) -> EntropicProblem:
        """Take the problem of one process over the border; what is left of the keywords is for :meth:`Settings.of`.

        Parameters
        ----------
        selves : bool
            Whether the costs between either measure and itself are needed too.
        """
        check_on_failure(on_failure)
        check_backend(backend, tuple(BACKENDS))
        both, fitted = resolve(cost, p, power).pose(x, y, a, b, selves=selves)
        form = formed(both, fitted, backend)
        settings = Settings.of(form, backend=backend, **keywords)
        return cls(both, fitted, form, settings=settings, on_failure=on_failure)

    def statuses(self, *terms: Coupling) -> tuple[Status, ...]:
        """Return the status of each problem, the worst of the solutions that make one value."""
        return statuses(terms, self.settings.tol, self.settings.deadline)

    def report(self, *terms: Coupling) -> None:
        """Warn or raise where a problem did not converge."""
        xp = namespace(terms[0].error)
        errors = xp.max(xp.stack([term.error for term in terms]), axis=0)
        report_failures(self.statuses(*terms), errors, self.settings.tol, self.on_failure)
