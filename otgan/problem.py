"""What the public functions share: a call becomes a checked problem, and its solutions become what the caller gets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from otgan.costs import Cost, resolve
from otgan.coupling import Coupling
from otgan.form import Form
from otgan.namespace import Array, as_tensor
from otgan.normal_form import NormalForm
from otgan.pair import Pair

__all__ = ["Problem"]


@dataclass(frozen=True, eq=False)
class Problem:
    """Two measures, what moving between them costs, and their normal form.

    Attributes
    ----------
    pair : Pair
    cost : Cost
        In the caller's units.
    form : NormalForm
    """

    pair: Pair
    cost: Cost
    form: NormalForm

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
        # Exact solvers work with NumPy.
        return cls(both, fitted, NormalForm.of(both.as_arrays(), fitted, rooted=rooted))

    def value(self, coupling: Coupling) -> Array:
        """Value of the solution, shape (B,), with gradients in whatever the caller's input is made of."""
        return self.value_between(coupling, self.pair, self.cost)

    def value_between(self, coupling: Coupling, both: Pair, cost: Cost) -> Array:
        """Value of the solution for one pair of the measures, of x with itself say."""
        if both.numpy:
            return coupling.value
        import torch

        from otgan.gradients import value_of

        if not torch.is_grad_enabled():
            return value_of(coupling, both)
        value = value_of(coupling, both, cost.own(both))
        own = self.own_slope(coupling, both, cost, 1 / as_tensor(coupling.per_cost, value.device))
        return value if own is None else value + own

    def own_slope(self, coupling: Coupling, both: Pair, cost: Cost, unit: Array) -> Array | None:
        """A term of value 0 whose gradient is that of the value in what the cost itself is made of; None where it is not asked for."""
        return cost.own_slope(coupling, both, unit)

    def scalar(self, values: Array) -> Any:
        """One number a problem, as the caller's kind of number."""
        return Form.of(self.pair).scalar(values)
