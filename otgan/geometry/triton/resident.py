"""Many small problems in one launch: each is annealed, solved and stopped by a program of its own, on the chip.

The algorithm is that of :mod:`otgan.entropic.solver`, in float32: stages of falling ε, each with a kernel
K = 2^(f + g − C) absorbed in the log-domain, plain Sinkhorn steps, then Newton steps on the semi-dual by conjugate
gradients. What it returns is a start to be verified, and polished where need be, in float64: no result rests on it.

K stays in registers up to 128 points a side. Beyond, it is written once a stage to memory that the second-level cache
holds, and read in blocks of rows, once a pass: a block's row sums are complete as soon as it is read, so that its
part of the column sums follows from the same registers.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import triton
from torch import Tensor

from otgan.geometry.triton import stream
from otgan.geometry.triton.points import Points
from otgan.geometry.triton.program import resident_kernel

__all__ = ["FITS", "Resident", "solve_resident"]

FITS = 512
"""Points a side up to which a program can hold a problem."""

_REGISTERS = 128
"""Points a side up to which its kernel stays in registers."""

_BLOCK = 2**14
"""Entries of a kernel that a program holds at once."""

_PASSES = 2000
"""Passes after which a problem is left to the polishing."""

_SLICE = 2**28
"""Costs that one launch may store, over all its problems."""


@dataclass(frozen=True, eq=False)
class Resident:
    """What a launch found for a batch.

    Attributes
    ----------
    g : Tensor, shape (B, m), float64
        Potentials of y.
    passes : Tensor, shape (B,), int64
        Passes over the kernel that each problem took.
    error : Tensor, shape (B,), float32
        L1 marginal error in the arithmetic of the kernel: an estimate, to be verified in float64.
    """

    g: Tensor
    passes: Tensor
    error: Tensor


def solve_resident(
    points: Points,
    a: Tensor,
    b: Tensor,
    epsilon: Tensor,
    *,
    start: Tensor,
    tol: float,
    limit: int = _PASSES,
) -> Resident:
    """Solve a batch of problems of at most `FITS` points a side, one program each, without a synchronization.

    Parameters
    ----------
    points : Points
        The unscaled clouds, float32.
    a, b : Tensor, shapes (B, n) and (B, m)
        Weights of total 1; a ragged problem's end in zeros, which cost nothing.
    epsilon, start : Tensor, shape (B,)
        ε to reach, and that of the first stage.
    tol : float
        L1 marginal error at which a problem stops.
    limit : int
        Passes after which it stops anyway.
    """
    g = torch.empty(points.batch, points.m, dtype=torch.float64, device=a.device)
    passes = torch.empty(points.batch, dtype=torch.int32, device=a.device)
    error = torch.empty(points.batch, dtype=torch.float32, device=a.device)
    step = max(1, _SLICE // (points.n * points.m))
    for begin in range(0, points.batch, step):
        part = slice(begin, begin + step)
        # Half the tolerance leaves room for what float32 hides from the kernel.
        _launch(
            points.take(part),
            (a[part], b[part], epsilon[part], start[part]),
            (g[part], passes[part], error[part]),
            0.5 * tol,
            limit,
        )
    return Resident(g, passes.long(), error)


def _launch(
    points: Points, given: tuple[Tensor, ...], results: tuple[Tensor, ...], tol: float, limit: int
) -> None:
    """Launch one program a problem for (a, b, epsilon, start), which writes (g, passes, error)."""
    a, b, epsilon, start = given
    n, m, batch = points.n, points.m, points.batch
    held = max(n, m) <= _REGISTERS
    columns = max(16, triton.next_power_of_2(m))
    rows = max(16, triton.next_power_of_2(n)) if held else _BLOCK // columns
    padded = triton.cdiv(n, rows) * rows
    size = (1,) if held else (batch, padded, columns)
    cost = stream.fill(points, None, torch.float32, padded=(padded, columns))
    matrix = torch.empty(size, dtype=torch.float32, device=a.device)
    scratch = torch.empty(size[:2], dtype=torch.float32, device=a.device)
    counts = torch.arange(1, n + 1, dtype=torch.int32, device=a.device)
    lengths = ((a > 0) * counts).amax(1)
    resident_kernel[(batch,)](
        cost,
        a.float().contiguous(),
        b.float().contiguous(),
        epsilon.double().contiguous(),
        start.double().contiguous(),
        lengths.to(torch.int32),
        matrix,
        scratch,
        *results,
        n,
        m,
        tol,
        limit,
        HELD=held,
        PADDED=padded,
        BLOCK_M=rows,
        BLOCK_N=columns,
        num_warps=max(1, min(8, rows * columns // 2048)),
    )
