"""Pairs of samples drawn from the optimal plan between two batches, as flow matching wants them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

from otgan.arrays import float_array
from otgan.gan import arguments
from otgan.gan.arguments import shown
from otgan.gan.errors import OptionError
from otgan.measure import Measure
from otgan.mistakes import OutOfRangeError
from otgan.namespace import as_tensor
from otgan.result import Transport
from otgan.solve import transport
from otgan.spelling import answer_misspelt
from otgan.status import Status

__all__ = [
    "DensePlan",
    "Rng",
    "Source",
    "couple",
    "draw_pairs",
    "draw_partners",
    "generator_of",
    "plan_between",
]

Source: TypeAlias = np.random.Generator | torch.Generator
"""What draws uniform numbers."""

Rng: TypeAlias = Source | int | None
"""What random numbers are drawn from: a generator of NumPy or torch, a seed, or None for a fresh one."""

_ENTRIES = 2**22
"""Of a plan, that are held at once."""


@answer_misspelt
def couple(
    x0: Any,
    x1: Any,
    epsilon: float | None = None,
    replace: bool = True,
    rng: Rng = None,
    *,
    tol: float | None = None,
) -> tuple[Any, Any]:
    """Draw pairs (i, j) of samples x0[i] and x1[j] from the optimal transport plan between two batches.

    The plan minimizes ⟨P, C⟩, or with `epsilon` ⟨P, C⟩ + ε KL(P | a⊗b), where C = ‖x0 − x1‖², which is not halved, and
    all samples of a batch weigh the same (Tong et al. 2024). There are as many pairs as samples x0. They are drawn
    independently: any number of draws has the plan for its law, whose marginals are the two batches. Of large plans a few
    rows at a time are held.

    Parameters
    ----------
    x0, x1 : Tensor or ndarray, shapes (n, ...) and (m, ...)
        Samples, such as (n, d) points, or (n, C, H, W) images, which are taken as rows of pixels.
    epsilon : float, optional
        Regularization, in units of the cost. Without it the plan is exact.
    replace : bool, default True
        Whether a pair may be drawn more than once. Without, and with an exact plan between equally many samples, the pairs
        are all there are: i = 0 … n − 1 in order, and j a permutation.
    rng : Generator of NumPy or torch, or int, optional
        What the draws come from, or a seed for it; a fresh generator by default.
    tol : float, optional
        L1 error of the marginals of an entropic plan; 1e-6, or 1e-4 for float32 samples. Exact plans have none.

    Returns
    -------
    i, j : Tensor or ndarray of int64, shape (n,)
        Of the kind of x0, on its device.

    Raises
    ------
    OptionError
        If an argument is not what it must be.
    TypeError, ValueError
        If samples are not finite numbers, or epsilon or tol is not positive.
    OutOfRangeError
        If epsilon is so far below the costs that floating point holds no plan.
    SimplexError
        If there is no exact plan. An entropic solve that stops early is told by a ConvergenceWarning.

    Examples
    --------
    >>> import numpy as np, otgan.gan
    >>> i, j = otgan.gan.couple(np.array([[0.0], [5.0]]), np.array([[6.0], [1.0]]), replace=False)
    >>> i.tolist(), j.tolist()
    ([0, 1], [1, 0])
    """
    replace, source = arguments.flag("replace", replace), generator_of(rng)
    i, j = draw_pairs(plan_between(x0, x1, epsilon, tol), len(x0), replace, source)
    return (i, j) if isinstance(x0, Tensor) else (i.numpy(), j.numpy())


def plan_between(x0: Any, x1: Any, epsilon: float | None = None, tol: float | None = None) -> Transport:
    """Solve the transport between two batches, each sample flat."""
    flat = [_flat(name, x) for name, x in (("x0", x0), ("x1", x1))]
    if isinstance(x0, Tensor) != isinstance(x1, Tensor):
        raise OptionError(f"x0 and x1 must be of one library, got {shown(x0)} and {shown(x1)}")
    if flat[0].shape[1] != flat[1].shape[1]:
        raise OptionError(f"samples of x0 and x1 must have one size, got {shown(x0)} and {shown(x1)}")
    measures = (Measure.of(x, name=f"x{k}") for k, x in enumerate(flat))
    solved = transport(*measures, epsilon=epsilon, tol=tol)
    if solved.status is Status.NONFINITE:  # there is no mass to draw from
        raise OutOfRangeError(
            f"epsilon is too far below the costs for a plan in floating point, got {shown(epsilon)}: raise it, or leave "
            "it out for exact plans"
        )
    return solved


@dataclass(frozen=True)
class DensePlan:
    """A plan in which every row has mass in every column, by blocks of rows.

    Parameters
    ----------
    masses : Tensor, shape (n,)
        Sums of the rows, float64.
    columns : int
    block : callable
        The rows of a slice, shape (k, columns), of any total.
    """

    masses: Tensor
    columns: int
    block: Callable[[slice], Tensor]

    @classmethod
    def of(cls, plan: Tensor) -> DensePlan:
        """Take a matrix."""
        return cls(plan.double().sum(1), plan.shape[1], lambda rows: plan[rows])

    @classmethod
    def solved(cls, found: Transport) -> DensePlan:
        """Take an entropic plan, and do without its matrix where that is large."""
        n, m = len(found.f), len(found.g)
        if n * m <= _ENTRIES:
            return cls.of(as_tensor(found.plan))
        ones = torch.ones_like(found.g) if isinstance(found.g, Tensor) else np.ones_like(found.g)
        masses = as_tensor(found.apply(ones)).double()
        return cls(masses, m, lambda rows: as_tensor(found._coupling.plan_rows(rows)[0]))

    def pairs(self, n: int, replace: bool, source: Source) -> tuple[Tensor, Tensor]:
        """Draw n pairs."""
        if replace:
            i = _inverse(self.masses, _uniform(n, source, self.masses.device))
            return i, self.partners(i, source)
        times, places = self.masses.new_empty(0), self.masses.new_empty(0, dtype=torch.int64)
        for rows in self._slices():
            mass = self.block(rows).double().flatten()
            times = torch.cat([times, _arrivals(mass, source)])
            start = rows.start * self.columns
            places = torch.cat([places, torch.arange(start, start + len(mass), device=mass.device)])
            first = torch.topk(times, min(n, len(times)), largest=False).indices
            times, places = times[first], places[first]
        return places // self.columns, places % self.columns

    def partners(self, i: Tensor, source: Source) -> Tensor:
        """Draw a column for each of some rows, by the masses in that row."""
        levels, found = _uniform(len(i), source, i.device), torch.empty_like(i)
        for rows in self._slices():
            here = ((i >= rows.start) & (i < rows.stop)).nonzero()[:, 0]
            if not len(here):
                continue
            heights = self.block(rows).double().cumsum(1)
            for some in here.split(rows.stop - rows.start):  # a row may be asked for often
                of_each = heights[i[some] - rows.start]
                level = levels[some, None] * of_each[:, -1:]
                found[some] = torch.searchsorted(of_each, level, right=True)[:, 0]
        return found.clamp_max(self.columns - 1)

    def _slices(self) -> Iterator[slice]:
        n, step = len(self.masses), max(1, _ENTRIES // self.columns)
        return (slice(low, min(low + step, n)) for low in range(0, n, step))


def draw_pairs(solved: Transport, n: int, replace: bool, source: Source) -> tuple[Tensor, Tensor]:
    """Draw n pairs from a plan that was solved between uniform weights, as tensors on its device."""
    if solved.epsilon is not None:
        return DensePlan.solved(solved).pairs(n, replace, source)
    i, j, mass = (as_tensor(each) for each in solved.arcs)
    if replace:
        chosen = _inverse(mass.double(), _uniform(n, source, mass.device))
        return i[chosen], j[chosen]
    if len(i) == n:  # all pairs there are
        return i, j
    chosen = torch.topk(_arrivals(mass.double(), source), n, largest=False).indices
    return i[chosen], j[chosen]


def draw_partners(solved: Transport, i: Tensor, source: Source) -> Tensor:
    """Draw for each of some samples x0[i] one of x1, by the masses in its row of a solved plan."""
    if solved.epsilon is not None:
        return DensePlan.solved(solved).partners(i, source)
    rows, columns, mass = (as_tensor(each) for each in solved.arcs)
    heights = torch.cat([mass.new_zeros(1, dtype=torch.float64), mass.double().cumsum(0)])
    first, last = (
        torch.searchsorted(rows, i, right=right) for right in (False, True)
    )  # arcs are sorted by rows
    level = torch.lerp(heights[first], heights[last], _uniform(len(i), source, i.device))
    return columns[(torch.searchsorted(heights, level, right=True) - 1).clamp(first, last - 1)]


def generator_of(rng: Rng) -> Source:
    """Return what draws uniform numbers."""
    if isinstance(rng, (np.random.Generator, torch.Generator)):
        return rng
    if rng is None or (isinstance(rng, (int, np.integer)) and not isinstance(rng, bool) and rng >= 0):
        return np.random.default_rng(rng)
    raise OptionError(f"rng must be a generator of NumPy or torch, a seed or None, got {shown(rng)}")


def _flat(name: str, x: Any) -> Any:
    if not isinstance(x, (np.ndarray, Tensor)) or x.ndim == 0 or not len(x):
        raise OptionError(f"{name} must be a tensor or an array of at least one sample, got {shown(x)}")
    rows = float_array(x, name).reshape(len(x), -1)
    return rows.detach() if isinstance(rows, Tensor) else rows


def _uniform(n: int, source: Source, device: torch.device) -> Tensor:
    if isinstance(source, np.random.Generator):
        return torch.from_numpy(source.random(n)).to(device)
    return torch.rand(n, generator=source, device=source.device, dtype=torch.float64).to(device)


def _inverse(mass: Tensor, u: Tensor) -> Tensor:
    """Return for each level in [0, 1) which of the masses it falls in."""
    heights = mass.cumsum(0)
    return torch.searchsorted(heights, u * heights[-1], right=True).clamp_max(len(mass) - 1)


def _arrivals(mass: Tensor, source: Source) -> Tensor:
    """Return when exponential clocks at the rates of the masses ring: the first n are n different places, drawn one after the other.

    The times are logarithms: of masses of any size they are different numbers.
    """
    waits = torch.log(-torch.log1p(-_uniform(len(mass), source, mass.device))) - mass.log()
    return waits.masked_fill(mass <= 0, torch.inf)
