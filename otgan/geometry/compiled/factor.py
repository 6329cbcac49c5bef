"""Sparse Cholesky factors of Newton systems, by SuperLU: what preconditions conjugate gradients where they are slow.

Of the heavy entries only the heaviest are factorized. What they leave out stays on the diagonal of the system, which makes it
positive definite and a good preconditioner: six to sixteen iterations do where hundreds or thousands were needed.

Source: Li 2005 (SuperLU); the order of elimination is of minimum degree.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, diags_array
from scipy.sparse.csgraph import reverse_cuthill_mckee
from scipy.sparse.linalg import splu

from otgan.geometry.compiled.core import CoreSystem

__all__ = ["inverse_of"]

_HEAVIEST = 1e-2
"""Entries of Q that are factorized. From 1e-3 on a factor takes twice the time and saves less than that."""

_SHIFT = 1e-9
"""Added to the diagonal, which is near 1: a system that leaves nothing out is singular."""

_PRODUCTS = 2**25
"""Products of two entries that forming the matrix may take: half a second."""

_OPERATIONS, _EACH = 2**29, 2**11
"""Operations that a factor may take, in all or for each entry of the core, by the upper bound that the order of Cuthill and
McKee gives. In that of minimum degree fewer are likely: some .1 s, what hundreds of iterations take."""

_FEW, _TREE = 8, 2**33
"""Entries of a row up to which the matrix is nearly that of a tree, and the same bound there: minimum degree then takes a
hundredth of it, some 10 ms."""

Floats = NDArray[np.float64]


def inverse_of(system: CoreSystem) -> Callable[[Floats], Floats] | None:
    """Return what applies the inverse of a system with few entries that is near the one given.

    None where a factor would cost too much: between points in many dimensions it soon fills up.
    """
    keep = system.scaled > _HEAVIEST
    ends = np.concatenate([np.zeros(1, np.int64), keep.cumsum()])[system.ends]
    if np.square(np.diff(ends)).sum() > _PRODUCTS:
        return None
    m = len(system.diagonal)
    heaviest = csr_array((system.scaled[keep], system.index[keep], ends), shape=(len(ends) - 1, m))
    matrix = (diags_array(system.diagonal + _SHIFT) - heaviest.T @ heaviest).tocsc()
    most = _TREE if matrix.nnz <= _FEW * m else max(_OPERATIONS, _EACH * len(system.index))
    if _operations(matrix.tocsr()) > most:
        return None
    try:
        factor = splu(
            matrix, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True}
        )
    except RuntimeError:  # singular to rounding
        return None
    return factor.solve


def _operations(matrix: csr_array) -> float:
    """Upper bound of the operations of a factor: squares of the widths of the rows in the order of Cuthill and McKee."""
    order = reverse_cuthill_mckee(matrix, symmetric_mode=True)
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    lowest = np.minimum.reduceat(place[matrix.indices], matrix.indptr[:-1])
    return float(np.square(np.maximum(place - lowest, 0).astype(float)).sum())
