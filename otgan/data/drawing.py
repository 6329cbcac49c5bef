"""Which rows a draw takes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["SHUFFLED", "drawn"]

#: As many rows as are shuffled in memory; of more, a draw computes the beginning of the shuffle alone.
SHUFFLED = 2**22

_ROUNDS = 8


def drawn(available: int, n: int, seed: int) -> NDArray[np.int64]:
    """Return n of so many rows without replacement: the first n of one shuffle, which is the seed's.

    Up to :data:`SHUFFLED` rows that is NumPy's shuffle. Of more it is a permutation of the numbers below ``available``
    that gives each place by itself, in O(n) time and memory.
    """
    if available <= SHUFFLED:
        return np.random.default_rng(seed).permutation(available)[:n]
    return _Permutation(available, seed)(np.arange(n, dtype=np.uint64))


class _Permutation:
    """A random permutation of 0, ..., size − 1 that can be evaluated anywhere (size < 2⁶²).

    A Feistel network permutes the numbers of an even number of bits; those that land beyond the size are sent through
    it until they do not, which permutes the numbers below the size (cycle walking, fewer than four steps on average).
    [J. Black and P. Rogaway, Ciphers with arbitrary finite domains, CT-RSA 2002]
    """

    def __init__(self, size: int, seed: int) -> None:
        self.size = np.uint64(size)
        half = ((size - 1).bit_length() + 1) // 2
        self.half, self.mask = np.uint64(half), np.uint64(2**half - 1)
        self.keys = np.random.default_rng(seed).integers(2**64, size=_ROUNDS, dtype=np.uint64)

    def __call__(self, places: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Return what stands at these places."""
        found = self._once(places)
        while (beyond := np.flatnonzero(found >= self.size)).size:
            found[beyond] = self._once(found[beyond])
        return found.astype(np.int64)

    def _once(self, numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
        left, right = numbers >> self.half, numbers & self.mask
        for key in self.keys:
            left, right = right, left ^ (_mixed(right ^ key) & self.mask)
        mixed: NDArray[np.uint64] = (left << self.half) | right
        return mixed


def _mixed(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return 64 bits each of which depends on all of the input's (the finalizer of SplitMix64)."""
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        numbers = (numbers ^ (numbers >> np.uint64(shift))) * np.uint64(factor)
    return numbers ^ (numbers >> np.uint64(31))
