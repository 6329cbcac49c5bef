"""Pairs of samples drawn from the optimal plan between two batches, as flow matching wants them."""

from __future__ import annotations

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
    "Rng",
    "Source",
    "columns_of_rows",
    "couple",
    "draw_pairs",
    "generator_of",
    "pairs_of_plan",
    "plan_between",
]

Source: TypeAlias = np.random.Generator | torch.Generator
"""What draws uniform numbers."""

Rng: TypeAlias = Source | int | None
"""What random numbers are drawn from: a generator of NumPy or torch, a seed, or None for a fresh one."""

_ENTRIES = 2**22
"""Of a plan, that are added up at once."""


@answer_misspelt
def couple(
    x0: Any, x1: Any, epsilon: float | None = None, replace: bool = True, rng: Rng = None
) -> tuple[Any, Any]:
    """Draw pairs (i, j) of samples x0[i] and x1[j] from the optimal transport plan between two batches.

    The plan minimizes ⟨P, C⟩, or with `epsilon` ⟨P, C⟩ + ε KL(P | a⊗b), where C = ‖x0 − x1‖², which is not halved, and
    all samples of a batch weigh the same (Tong et al. 2024). There are as many pairs as samples x0. They are drawn
    independently: any number of draws has the plan for its law, whose marginals are the two batches.

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

    Returns
    -------
    i, j : Tensor or ndarray of int64, shape (n,)
        Of the kind of x0, on its device.

    Raises
    ------
    OptionError
        If an argument is not what it must be.
    TypeError, ValueError
        If samples are not finite numbers, or epsilon is not positive.
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
    i, j = draw_pairs(plan_between(x0, x1, epsilon), len(x0), replace, source)
    return (i, j) if isinstance(x0, Tensor) else (i.numpy(), j.numpy())


def plan_between(x0: Any, x1: Any, epsilon: float | None = None) -> Transport:
    """Solve the transport between two batches, each sample flat."""
    flat = [_flat(name, x) for name, x in (("x0", x0), ("x1", x1))]
    if isinstance(x0, Tensor) != isinstance(x1, Tensor):
        raise OptionError(f"x0 and x1 must be of one library, got {shown(x0)} and {shown(x1)}")
    if flat[0].shape[1] != flat[1].shape[1]:
        raise OptionError(f"samples of x0 and x1 must have one size, got {shown(x0)} and {shown(x1)}")
    solved = transport(*(Measure.of(x, name=f"x{k}") for k, x in enumerate(flat)), epsilon=epsilon)
    if solved.status is Status.NONFINITE:  # there is no mass to draw from
        raise OutOfRangeError(
            f"epsilon is too far below the costs for a plan in floating point, got {shown(epsilon)}: raise it, or leave "
            "it out for exact plans"
        )
    return solved


def draw_pairs(solved: Transport, n: int, replace: bool, source: Source) -> tuple[Tensor, Tensor]:
    """Draw n pairs from a plan that was solved between uniform weights, as tensors on its device."""
    if solved.epsilon is not None:
        return pairs_of_plan(as_tensor(solved.plan), n, replace, source)
    i, j, mass = (as_tensor(each) for each in solved.arcs)
    if replace:
        chosen = _inverse(mass.double(), _uniform(n, source, mass.device))
        return i[chosen], j[chosen]
    if len(i) == n:  # all pairs there are
        return i, j
    chosen = _race(mass.double(), n, source)
    return i[chosen], j[chosen]


def pairs_of_plan(plan: Tensor, n: int, replace: bool, source: Source) -> tuple[Tensor, Tensor]:
    """Draw n pairs from a dense plan, shape (rows, columns), of any total."""
    plan = plan.double()
    if not replace:
        chosen = _race(plan.flatten(), n, source)
        return chosen // plan.shape[1], chosen % plan.shape[1]
    i = _inverse(plan.sum(1), _uniform(n, source, plan.device))
    return i, columns_of_rows(plan, i, source)


def columns_of_rows(plan: Tensor, i: Tensor, source: Source) -> Tensor:
    """Draw a column for each of some rows of a dense plan, by the masses in that row."""
    u = _uniform(len(i), source, plan.device)
    found = []
    for rows, levels in zip(*(each.split(max(1, _ENTRIES // plan.shape[1])) for each in (i, u)), strict=True):
        heights = plan[rows].cumsum(1)
        found.append(torch.searchsorted(heights, levels[:, None] * heights[:, -1:], right=True)[:, 0])
    return torch.cat(found).clamp_max(plan.shape[1] - 1)


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


def _race(mass: Tensor, n: int, source: Source) -> Tensor:
    """Draw n different places by their masses, one after the other: the first n arrivals of exponential clocks."""
    times = -torch.log1p(-_uniform(len(mass), source, mass.device)) / mass
    return torch.topk(times.masked_fill(mass <= 0, torch.inf), n, largest=False).indices
