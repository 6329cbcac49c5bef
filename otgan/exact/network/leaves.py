"""Masses along the arcs of a forest, in numbers of twice the precision of float64: pairs (high, low) that stand for a sum."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from otgan.exact.sparse_plan import Floats
from otgan.jit import compiled, part

__all__ = ["doubled_flows"]

Ints = NDArray[np.int64]

_UNIT = 2.0**-98
"""What rounding may have done to a mass for every point there is, relative to the total."""

_SPLITTER = 2.0**27 + 1
"""Times this a number falls into two halves of 26 bits (Dekker 1971)."""


def doubled_flows(
    i: Ints, j: Ints, given: tuple[Floats | None, Floats | None], sizes: tuple[int, int]
) -> Any:
    """Return the only flow along the arcs of a forest that has the given marginals, of a total of 1.

    Leaves are taken off one by one: the arc of a leaf carries all that the leaf has.

    Parameters
    ----------
    i, j : ndarray of int, shape (k,)
        The arcs.
    given : tuple of ndarray or None
        Weights of either side as they were given, None where all are equal.
    sizes : tuple of int
        The numbers of points.

    Returns
    -------
    ndarray, shape (k,), or None
        Masses, 0 where they are nothing but rounding; None where the arcs are no forest, or a mass would be negative.
    """
    n, m = sizes
    left = np.empty((2, n + m))
    for weights, part_ in zip(given, (left[:, :n], left[:, n:]), strict=True):
        # By a power of two, which is exact.
        scaled = None if weights is None else np.ldexp(weights, -np.frexp(weights.max())[1])
        share(np.ones(part_.shape[1]) if scaled is None else scaled, part_)
    ends = np.concatenate([i, j + n])
    order = np.argsort(ends, kind="stable")
    first = np.searchsorted(ends[order], np.arange(n + m + 1))
    flow = np.empty(len(i))
    complete = take_leaves(i, j + n, order % len(i), first, left, flow, _UNIT * (n + m))
    return flow if complete else None


@compiled(set())
def share(weights: Any, found: Any) -> None:
    """Write weights over their total, in doubled precision, into an array of shape (2, n)."""
    high, low = 0.0, 0.0
    for k in range(len(weights)):
        high, low = _add(high, low, weights[k], 0.0)
    for k in range(len(weights)):
        quotient = weights[k] / high
        # What is left of the weight once the quotient's share of the total is taken.
        product, rest = _times(quotient, high)
        left, more = _add(weights[k], 0.0, -product, -(rest + quotient * low))
        found[0, k], found[1, k] = _add(quotient, 0.0, (left + more) / high, 0.0)


@compiled(set())
def take_leaves(tails: Any, heads: Any, arcs: Any, first: Any, left: Any, flow: Any, nothing: float) -> bool:
    """Fill in the masses of the arcs; return whether they are a forest and all masses are there.

    Parameters
    ----------
    tails, heads : array of int64, shape (k,)
        The ends of every arc.
    arcs, first : array of int64
        The arcs of node v are arcs[first[v]:first[v + 1]].
    left : array, shape (2, nodes)
        What every node has; it is used up.
    flow : array, shape (k,)
    nothing : float
        The mass that is taken for rounding.
    """
    nodes = len(first) - 1
    degree, leaves = np.empty(nodes, np.int64), np.empty(nodes, np.int64)
    done = np.zeros(len(flow), np.bool_)
    waiting, taken = 0, 0
    for v in range(nodes):
        degree[v] = first[v + 1] - first[v]
        if degree[v] == 1:
            leaves[waiting] = v
            waiting += 1
    while waiting > 0:
        waiting -= 1
        leaf = leaves[waiting]
        if degree[leaf] != 1:
            continue
        k = first[leaf]
        while done[arcs[k]]:
            k += 1
        arc = arcs[k]
        other = tails[arc] + heads[arc] - leaf
        high, low = left[0, leaf], left[1, leaf]
        if high < -nothing:
            return False
        flow[arc] = high if high > nothing else 0.0
        left[0, other], left[1, other] = _add(left[0, other], left[1, other], -high, -low)
        done[arc] = True
        taken += 1
        degree[leaf] -= 1
        degree[other] -= 1
        if degree[other] == 1:
            leaves[waiting] = other
            waiting += 1
    return taken == len(flow)


@part(set())
def _add(high: float, low: float, other: float, rest: float) -> tuple[float, float]:
    """The sum of two numbers of doubled precision (Knuth; Dekker 1971)."""
    total = high + other
    virtual = total - high
    error = (high - (total - virtual)) + (other - virtual) + low + rest
    rounded = total + error
    return rounded, error - (rounded - total)


@part(set())
def _times(one: float, other: float) -> tuple[float, float]:
    """The product of two numbers, and what rounding has taken from it (Dekker 1971)."""
    product = one * other
    big, huge = _SPLITTER * one, _SPLITTER * other
    one_high, other_high = big - (big - one), huge - (huge - other)
    one_low, other_low = one - one_high, other - other_high
    error = (
        (one_high * other_high - product) + one_high * other_low + one_low * other_high
    ) + one_low * other_low
    return product, error
