"""What the public functions share: a call becomes a checked problem, and its solutions become what the caller gets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from otgan.costs import Cost, resolve
from otgan.coupling import Coupling, value_of
from otgan.entropic.settings import Settings
from otgan.form import Form
from otgan.normal_form import NormalForm
from otgan.options import check_on_failure
from otgan.pair import Pair
from otgan.status import Status, report_failures, statuses

__all__ = ["EntropicProblem", "Problem"]


@dataclass(frozen=True, eq=False)
class Problem:
    """Two measures, what moving between them costs, and their normal form.

    Attributes
    ----------
    pair : Pair
    cost : Cost
        In the caller's units.
    form : NormalForm
    rooted : bool
        Whether values are in units of the form's length to the power p.
    """

    pair: Pair
    cost: Cost
    form: NormalForm
    rooted: bool = False

    @classmethod
    def of(
        cls, x: Any, y: Any, a: Any, b: Any, cost: Any, p: Any, *, power: float, rooted: bool = False
    ) -> Problem:
        """Take an exact problem over the border.

        Parameters
        ----------
        x, y, a, b, cost, p
            As the public functions have them.
        power : float
            The power p of a function that is called without one.
        rooted : bool
            Whether the result is a distance.
        """
        both, fitted = resolve(cost, p, power).pose(x, y, a, b)
        return cls(both, fitted, NormalForm.of(both, fitted, rooted=rooted), rooted)

    def value(self, coupling: Coupling) -> Tensor:
        """Value of the solution, shape (B,), with gradients in whatever the caller's input is made of."""
        return self.value_between(coupling, self.pair, self.cost)

    def value_between(self, coupling: Coupling, both: Pair, cost: Cost) -> Tensor:
        """Value of the solution for one pair of the measures, of x with itself say."""
        value = value_of(coupling, both)
        if not torch.is_grad_enabled():
            return value
        unit = self.form.length**cost.p if self.rooted else torch.ones_like(self.form.length)
        own = cost.own_slope(coupling, both, unit)
        return value if own is None else value + own

    def scalar(self, values: Tensor) -> Any:
        """One number a problem, as the caller's kind of number."""
        return Form.of(self.pair).scalar(values)


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
    def posed(  # what every entropic function takes
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
        on_failure: str,
        **keywords: Any,
    ) -> EntropicProblem:
        """Take an entropic problem over the border; what is left of the keywords is for :meth:`Settings.of`.

        Parameters
        ----------
        selves : bool
            Whether the costs between either measure and itself are needed too.
        """
        check_on_failure(on_failure)
        both, fitted = resolve(cost, p, power).pose(x, y, a, b, selves=selves)
        form = NormalForm.of(both, fitted)
        settings = Settings.of(form, **keywords)
        return cls(both, fitted, form, settings=settings, on_failure=on_failure)

    def statuses(self, *terms: Coupling) -> tuple[Status, ...]:
        """Return the status of each problem, the worst of the solutions that make one value."""
        return statuses(terms, self.settings.tol, self.settings.deadline)

    def report(self, *terms: Coupling) -> None:
        """Warn or raise where a problem did not converge."""
        errors = torch.stack([term.error for term in terms]).amax(0)
        report_failures(self.statuses(*terms), errors, self.settings.tol, self.on_failure)
