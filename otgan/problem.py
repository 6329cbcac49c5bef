"""What the public functions share: a call becomes a checked problem, and its solutions become what the caller gets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self, TypeVar

from otgan.costs import Cost, resolve
from otgan.coupling import Coupling
from otgan.deadline import Deadline, Progress
from otgan.exact.search.processes import ALONE, Processes
from otgan.form import Form
from otgan.namespace import Array, as_tensor
from otgan.normal_form import NormalForm
from otgan.pair import Pair

if TYPE_CHECKING:
    from otgan.distributed.border import Shards

__all__ = ["Problem"]

Plain = TypeVar("Plain")


@dataclass(frozen=True, eq=False)
class Problem:
    """Two measures, what moving between them costs, and their normal form.

    Attributes
    ----------
    pair : Pair
    cost : Cost
        In the caller's units.
    form : NormalForm
    shards : Shards or None
        What the ranks of a group gave, where the problem is put together from that.
    """

    pair: Pair
    cost: Cost
    form: NormalForm
    shards: Shards | None = None

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

    @classmethod
    def posed(
        cls,
        x: Any,
        y: Any,
        a: Any,
        b: Any,
        *,
        cost: Any,
        p: Any,
        power: float,
        rooted: bool = False,
        group: Any,
        **asked: Any,
    ) -> Problem:
        """Take an exact problem over the border, put together from what all ranks give where there is a group.

        Parameters
        ----------
        x, y, a, b, cost, p, power, rooted
            As :meth:`of` takes them.
        group : ProcessGroup, True or "world", optional
        **asked
            What else must be the same on all ranks.
        """

        def pose(x: Any, y: Any, a: Any, b: Any, _: Any) -> Problem:
            return Problem.of(x, y, a, b, cost, p, power=power, rooted=rooted)

        asked |= {"cost": cost, "p": p, "rooted": rooted, "epsilon": None, "blur": None}
        return Problem.joined(group, asked, pose, (x, y, a, b), cost)

    @classmethod
    def joined(
        cls,
        group: Any,
        asked: Mapping[str, Any],
        pose: Callable[..., Self],
        inputs: tuple[Any, Any, Any, Any],
        cost: Any,
    ) -> Self:
        """Take a problem over the border, put together from what all ranks give where there is a group.

        Parameters
        ----------
        group : ProcessGroup, True or "world", optional
        asked : mapping
            Everything that must be the same on all ranks.
        pose : callable
            Makes the problem of x, y, a and b, and of the ranks where there are some.
        inputs : tuple
            x, y, a and b.
        cost : str, callable or Cost
        """
        if group is None:
            return pose(*inputs, None)
        from otgan.distributed.border import joined  # which brings torch

        precomputed = isinstance(cost, str) and cost == "precomputed"
        shards = joined(group, *inputs, precomputed=precomputed, asked=asked)
        if shards is None:
            return pose(*inputs, None)
        with shards.ranks.guarded("the problem"):
            problem = pose(*shards.inputs, shards.ranks)
        return replace(problem, shards=shards)

    @property
    def processes(self) -> Processes:
        """Who solves it, where it is exact."""
        if self.shards is None:
            return ALONE
        from otgan.distributed.search import RankedSearch

        return RankedSearch(self.shards.ranks)

    def together(self) -> AbstractContextManager[None]:
        """Have what is raised within, on any rank, raised on all."""
        return nullcontext() if self.shards is None else self.shards.ranks.guarded("the solution")

    def deadline(self, seconds: float | None, progress: Progress | None = None) -> Deadline:
        """Return the deadline that is so many seconds away, for all ranks at once."""
        if self.shards is None:
            return Deadline.after(seconds, progress)
        return self.shards.ranks.deadline(seconds, progress)

    def known(self, coupling: Coupling) -> Coupling:
        """Return a solution as all ranks have it."""
        return coupling if self.shards is None else self.shards.common(coupling)

    def handed(self, coupling: Coupling) -> Coupling:
        """Return the part of a solution that is handed back here."""
        return coupling if self.shards is None else self.shards.share(coupling)

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
        found = cost.own_slope(coupling, both, unit)
        if found is None or self.shards is None or not cost.embedded:
            return found
        # Every rank has the whole gradient in parameters of a cost: as a share of it, it sums to that over the ranks.
        return found / self.shards.ranks.size

    def scalar(self, values: Array) -> Any:
        """One number a problem, as the caller's kind of number."""
        return Form.of(self.pair).scalar(values)
