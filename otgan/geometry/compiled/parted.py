"""A stored kernel in two parts: a core of heavy entries in float64, and a float32 matrix of all others.

At small ε a few entries in a hundred, or in a thousand, hold nearly all of the plan. Formed in float64 they make products as
accurate as a float64 kernel's, since of the others' little mass only float32's rounding is lost, at the price of a float32
kernel; and Newton directions come from them alone (:mod:`otgan.geometry.compiled.core`). Source: Schmitzer 2019 (truncated
kernels, which are checked against the whole).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from otgan.geometry.compiled import parting, products
from otgan.geometry.compiled.core import Core
from otgan.geometry.kernel import Kernel, Turn
from otgan.namespace import DOUBLE, Array, of_type
from otgan.threads import in_pieces

__all__ = ["PartedKernel", "part"]

_MOST = 0.04
"""Share of heavy entries up to which compressed rows, at 2.8 ns an entry by one thread, are faster than the matrix and its
factor."""

_SAMPLE = 16
"""One row in so many is looked at to foretell that share."""


class PartedKernel(Kernel):
    """exp((f + g − C)/ε) of one problem, its heavy entries apart.

    Parameters
    ----------
    rest : array, shape (n, m), float32
        All others, and 0 for them.
    core : Core
    pieces : int
        Into how many pieces to cut a visit.
    """

    dtype = DOUBLE

    def __init__(self, rest: NDArray[np.float32], core: Core, pieces: int) -> None:
        self.rest, self.core, self.pieces = rest, core, pieces

    def __call__(self, v: Array, axis: int) -> Array:
        """K v or Kᵀ v: the way there, or the way back of v in place of the sums."""
        n, m = self.rest.shape
        if axis == 1:
            return self._go_through(v, np.zeros(n), products.TIMES)[0]
        return self._go_through(np.zeros((1, m)), np.ascontiguousarray(v[0], np.float64), products.INSTEAD)[1]

    def through(self, v: Array, turn: Turn) -> tuple[Array, Array]:
        """K v, turned, and back in one visit."""
        how = products.OVER if turn.divides else products.TIMES
        return self._go_through(v, np.ascontiguousarray(turn.weights[0], np.float64), how)

    def _go_through(self, v: Array, weights: Any, how: int) -> tuple[Array, Array]:
        n, m = self.rest.shape
        sums, back = np.empty(n), np.zeros((self.pieces, m))
        core = (self.core.ends, self.core.index, self.core.value)
        side = np.ascontiguousarray(v[0], np.float64)
        in_pieces(parting.parted_products, n, self.pieces, self.rest, core, side, weights, how, sums, back)
        return of_type(sums[None], v.dtype), of_type(back.sum(0)[None], v.dtype)

    def take(self, keep: Array) -> PartedKernel:
        """Return the kernel itself: it is of one problem."""
        del keep
        return self


def part(
    source: Any,
    exponents: tuple[Any, Any, Any],
    weights: tuple[Any, Any],
    least: float,
    rest: NDArray[np.float32],
    pieces: int,
) -> PartedKernel | None:
    """Fill a matrix with a kernel and take its core out, or return None where too much of it is heavy.

    Parameters
    ----------
    source, exponents
        As for :func:`otgan.geometry.compiled.visits.exponential`, of one problem.
    weights : tuple of array, shapes (n,) and (m,)
    least : float
        Entries of the plan, relative to the lighter of their two weights, above which they are heavy.
    rest : array, shape (n, m), float32
        Overwritten, unless None is returned.
    pieces : int
    """
    n, m = rest.shape
    a, b = (each.astype(np.float32) for each in weights)
    level = np.float32(least)
    some = np.empty((-(-n // _SAMPLE), m), np.float32)
    counts = np.empty(n, np.int64)
    in_pieces(
        parting.fill_rest,
        len(some),
        pieces,
        source,
        *exponents,
        a,
        b,
        level,
        _SAMPLE,
        some,
        counts[: len(some)],
    )
    if counts[: len(some)].sum() > _MOST * some.size:
        return None
    in_pieces(parting.fill_rest, n, pieces, source, *exponents, a, b, level, 1, rest, counts)
    ends = np.concatenate([np.zeros(1, np.int64), counts.cumsum()])
    core = Core(ends, np.empty(ends[-1], np.int32), np.empty(ends[-1]))
    in_pieces(
        parting.part_off, n, pieces, source, *exponents, a, b, level, rest, core.ends, core.index, core.value
    )
    return PartedKernel(rest, core, pieces)
