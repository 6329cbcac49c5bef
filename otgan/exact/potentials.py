"""Approximate potentials of large problems, in float32 and O(n + m) memory: where an exact solver starts to look.

Sinkhorn sweeps at a small ε, from coarse to fine: a random quarter of the points is solved first, by the same rule,
and its potentials are extended to all. A sweep visits every kernel entry once: the row sums of a block make its rows
exact, and the same block then adds to the column sums.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from otgan.costs import Cost
from otgan.costs.tiles import tiles_of
from otgan.deadline import NEVER, Deadline

__all__ = ["approximate_potentials"]

_EPSILON = 1e-2
"""ε of the last sweeps, relative to the mean cost."""

_COARSEST = 600
"""Points of the smaller side from which on no coarser problem is solved first."""

_ANNEALED, _REFINED = 8, 6
"""Sweeps a level of ε on the coarsest problem, and on every finer one."""

_RELAXATION = 1.5
"""Overrelaxation of the sweeps, which speeds up what is smooth in the potentials (Thibault et al. 2021)."""

_TILE = 2**18
"""Kernel entries that are formed together: a block that stays in cache."""


def approximate_potentials(
    x: Tensor,
    y: Tensor,
    a: NDArray[np.float64],
    b: NDArray[np.float64],
    cost: Cost,
    deadline: Deadline = NEVER,
) -> tuple[Tensor, Tensor]:
    """Potentials f and g near the optimal ones, float32.

    Parameters
    ----------
    x, y : Tensor, shapes (n, d) and (m, d), float64
        Such that the mean cost is about 1.
    a, b : ndarray, shapes (n,) and (m,)
        Positive weights.
    cost : Cost
    deadline : Deadline
        After it potentials are as good as they are: sweeps are left out.
    """
    weight_x, weight_y = (torch.from_numpy(w.astype(np.float32)) for w in (a, b))
    return _coarse_to_fine(x, y, weight_x, weight_y, cost, np.random.default_rng(0), deadline)


def _coarse_to_fine(
    x: Tensor,
    y: Tensor,
    a: Tensor,
    b: Tensor,
    cost: Cost,
    rng: np.random.Generator,
    deadline: Deadline,
) -> tuple[Tensor, Tensor]:
    n, m = len(x), len(y)
    a, b = a / a.sum(), b / b.sum()
    if min(n, m) <= _COARSEST:
        f, g = torch.zeros_like(a), torch.zeros_like(b)
        f = _extend(cost, x, y, g)
        level = 0.25
        while True:
            f, g = _sweep(cost, x, y, a, b, f, g, level, _ANNEALED, deadline)
            if level <= _EPSILON:
                return f, g
            level = max(level / 4, _EPSILON)
    some_x, some_y = (torch.from_numpy(rng.permutation(k)[: k // 4]) for k in (n, m))
    _, g = _coarse_to_fine(x[some_x], y[some_y], a[some_x], b[some_y], cost, rng, deadline)
    f = _extend(cost, x, y[some_y], g)
    g = _extend_back(cost, x, y, f)
    for level in (4 * _EPSILON, _EPSILON):
        f, g = _sweep(cost, x, y, a, b, f, g, level, _REFINED, deadline)
    return f, g


def _extend(cost: Cost, x: Tensor, y: Tensor, g: Tensor) -> Tensor:
    """The c-transform of g: the least C − g over y, for every x."""
    return torch.cat([(block - g).amin(1) for _, block in cost.rough_tiles(x, y, _TILE)])


def _extend_back(cost: Cost, x: Tensor, y: Tensor, f: Tensor) -> Tensor:
    """The c-transform of f: the least C − f over x, for every y."""
    least = torch.full_like(y[:, 0], torch.inf, dtype=f.dtype)
    for rows, block in cost.rough_tiles(x, y, _TILE):
        least = torch.minimum(least, (block - f[rows, None]).amin(0))
    return least


def _sweep(
    cost: Cost,
    x: Tensor,
    y: Tensor,
    a: Tensor,
    b: Tensor,
    f: Tensor,
    g: Tensor,
    epsilon: float,
    count: int,
    deadline: Deadline,
) -> tuple[Tensor, Tensor]:
    """Take `count` Sinkhorn steps in f and g at one ε."""
    tiny, f = 1e-30, f.clone()
    for _ in range(count):
        if deadline.passed:
            break
        columns = torch.zeros_like(b)
        for rows, kernel in _kernel_tiles(cost, x, y, f, g, epsilon):
            sums = (kernel @ b).clamp_min_(tiny)
            columns += (a[rows] / sums) @ kernel
            f[rows] -= _RELAXATION * epsilon * sums.log()
        g = g - _RELAXATION * epsilon * columns.clamp_min_(tiny).log()
    return f, g


def _kernel_tiles(
    cost: Cost, x: Tensor, y: Tensor, f: Tensor, g: Tensor, epsilon: float
) -> Iterator[tuple[slice, Tensor]]:
    """Yield (rows, exp((f + g − C)/ε)) by blocks."""
    if cost.has_moments:  # the exponent is one product of matrices
        scale = torch.tensor([epsilon], dtype=torch.float64)
        exponents = cost.exponents(x[None], y[None], f[None], g[None], scale, f.dtype, False)
        for rows in tiles_of(len(x), len(y), _TILE):
            block = f.new_empty(1, rows.stop - rows.start, len(y))
            exponents.fill(rows, block)
            yield rows, block[0].clamp_(-60, 60).exp_()
        return
    # Near points need not be told apart here: what that costs is as much as all the rest.
    for rows, rough in cost.rough_tiles(x, y, _TILE):
        yield rows, rough.sub_(g).sub_(f[rows, None]).mul_(-1 / epsilon).clamp_(-60, 60).exp_()
