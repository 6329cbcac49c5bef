"""A call of an entropic function: its measures, what moving costs, and what it is to be solved with."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from otgan.costs import Cost, resolve
from otgan.coupling import Coupling
from otgan.entropic.settings import Settings
from otgan.geometry import BACKENDS, takes_arrays
from otgan.namespace import Array, namespace
from otgan.normal_form import NormalForm
from otgan.options import check_backend, check_on_failure
from otgan.pair import Pair
from otgan.problem import Problem
from otgan.status import Status, report_failures, statuses

if TYPE_CHECKING:
    from otgan.distributed.border import Shards

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
    shards : Shards or None
        What the ranks of a group gave, where the problem is put together from that.
    """

    settings: Settings
    on_failure: str
    shards: Shards | None = None

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
        if group is None:
            return cls.of_one(x, y, a, b, **asked)
        from otgan.distributed.border import joined  # which brings torch

        precomputed = isinstance(asked["cost"], str) and asked["cost"] == "precomputed"
        shards = joined(group, x, y, a, b, precomputed=precomputed, asked=asked | {"init": init})
        if shards is None:
            return cls.of_one(x, y, a, b, **asked)
        with shards.ranks.guarded("the problem"):
            problem = cls.of_one(*shards.inputs, ranks=shards.ranks, **asked)
        return replace(problem, shards=shards)

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

    def together(self) -> AbstractContextManager[None]:
        """Have what is raised within, on any rank, raised on all."""
        return nullcontext() if self.shards is None else self.shards.ranks.guarded("the solution")

    def known(self, coupling: Coupling) -> Coupling:
        """Return a solution as all ranks have it."""
        return coupling if self.shards is None else self.shards.common(coupling)

    def handed(self, coupling: Coupling) -> Coupling:
        """Return the part of a solution that is handed back here."""
        return coupling if self.shards is None else self.shards.share(coupling)

    def own_slope(self, coupling: Coupling, both: Pair, cost: Cost, unit: Array) -> Array | None:
        """Every rank has the whole gradient in parameters of a cost: as a share of it, it sums to that over the ranks."""
        found = super().own_slope(coupling, both, cost, unit)
        if found is None or self.shards is None or not cost.embedded:
            return found
        return found / self.shards.ranks.size

    def statuses(self, *terms: Coupling) -> tuple[Status, ...]:
        """Return the status of each problem, the worst of the solutions that make one value."""
        return statuses(terms, self.settings.tol, self.settings.deadline)

    def report(self, *terms: Coupling) -> None:
        """Warn or raise where a problem did not converge."""
        xp = namespace(terms[0].error)
        errors = xp.max(xp.stack([term.error for term in terms]), axis=0)
        report_failures(self.statuses(*terms), errors, self.settings.tol, self.on_failure)
