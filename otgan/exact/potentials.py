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

from otgan.deadline import NEVER, Deadline

__all__ = ["approximate_potentials", "scaled_tiles"]

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
    p: float,
    deadline: Deadline = NEVER,
) -> tuple[Tensor, Tensor]:
    """Potentials f and g near the optimal ones, float32.

    Parameters
    ----------
    x, y : Tensor, shapes (n, d) and (m, d)
        Centered, and scaled so that the mean cost is 1.
    a, b : ndarray, shapes (n,) and (m,)
        Positive weights.
    p : float
    deadline : Deadline
        After it potentials are as good as they are: sweeps are left out.
    """
    weight_x, weight_y = (torch.from_numpy(w.astype(np.float32)) for w in (a, b))
    return _coarse_to_fine(x.float(), y.float(), weight_x, weight_y, p, np.random.default_rng(0), deadline)


def _coarse_to_fine(
    x: Tensor,
    y: Tensor,
    a: Tensor,
    b: Tensor,
    p: float,
    rng: np.random.Generator,
    deadline: Deadline,
) -> tuple[Tensor, Tensor]:
    n, m = len(x), len(y)
    a, b = a / a.sum(), b / b.sum()
    if min(n, m) <= _COARSEST:
        f, g = torch.zeros_like(a), torch.zeros_like(b)
        f = _extend(x, y, g, p)
        level = 0.25
        while True:
            f, g = _sweep(x, y, a, b, f, g, level, p, _ANNEALED, deadline)
            if level <= _EPSILON:
                return f, g
            level = max(level / 4, _EPSILON)
    some_x, some_y = (torch.from_numpy(rng.permutation(k)[: k // 4]) for k in (n, m))
    _, g = _coarse_to_fine(x[some_x], y[some_y], a[some_x], b[some_y], p, rng, deadline)
    f = _extend(x, y[some_y], g, p)
    g = _extend(y, x, f, p)
    for level in (4 * _EPSILON, _EPSILON):
        f, g = _sweep(x, y, a, b, f, g, level, p, _REFINED, deadline)
    return f, g


def _extend(x: Tensor, y: Tensor, g: Tensor, p: float) -> Tensor:
    """The c-transform of g: the least C − g over y, for every x."""
    return torch.cat([(cost - g).amin(1) for _, cost in scaled_tiles(x, y, p)])


def _sweep(
    x: Tensor,
    y: Tensor,
    a: Tensor,
    b: Tensor,
    f: Tensor,
    g: Tensor,
    epsilon: float,
    p: float,
    count: int,
    deadline: Deadline,
) -> tuple[Tensor, Tensor]:
    """Take `count` Sinkhorn steps in f and g at one ε."""
    tiny, f = 1e-30, f.clone()
    for _ in range(count):
        if deadline.passed:
            break
        columns = torch.zeros_like(b)
        for rows, kernel in _kernel_tiles(x, y, f, g, epsilon, p):
            sums = (kernel @ b).clamp_min_(tiny)
            columns += (a[rows] / sums) @ kernel
            f[rows] -= _RELAXATION * epsilon * sums.log()
        g = g - _RELAXATION * epsilon * columns.clamp_min_(tiny).log()
    return f, g


def _kernel_tiles(
    x: Tensor, y: Tensor, f: Tensor, g: Tensor, epsilon: float, p: float
) -> Iterator[tuple[slice, Tensor]]:
    """Yield (rows, exp((f + g − C)/ε)) by blocks."""
    if p == 2:  # the exponent is one product of matrices
        left = torch.cat([2 * x, (f - x.square().sum(1))[:, None], torch.ones_like(f)[:, None]], 1) / epsilon
        right = torch.cat(
            [y, torch.ones_like(g)[:, None], (g - y.square().sum(1))[:, None]], 1
        ).T.contiguous()
        for rows in _blocks(len(x), len(y)):
            yield rows, (left[rows] @ right).clamp_(-60, 60).exp_()
        return
    for rows, cost in scaled_tiles(x, y, p):
        exponent = cost.sub_(g).sub_(f[rows, None]).mul_(-1 / epsilon)
        yield rows, exponent.clamp_(-60, 60).exp_()


def scaled_tiles(x: Tensor, y: Tensor, p: float) -> Iterator[tuple[slice, Tensor]]:
    """Yield (rows, costs of those rows) by blocks, in the type of the points and as accurate as the expansion is."""
    left = torch.cat([-2 * x, x.square().sum(1, keepdim=True), torch.ones_like(x[:, :1])], 1)
    right = torch.cat([y, torch.ones_like(y[:, :1]), y.square().sum(1, keepdim=True)], 1).T.contiguous()
    for rows in _blocks(len(x), len(y)):
        square = (left[rows] @ right).clamp_min_(0)
        yield rows, square if p == 2 else square.sqrt_() if p == 1 else square.pow_(p / 2)


def _blocks(n: int, m: int) -> Iterator[slice]:
    step = max(1, _TILE // m)
    return (slice(start, min(start + step, n)) for start in range(0, n, step))
