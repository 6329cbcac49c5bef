"""Estimators of divergences between sample sets: what makes densities, or atoms, of samples.

What an estimator makes of two sample sets is an object whose methods are the divergences that it offers:
:class:`Cells` where samples are counted in common cells (`atoms`, `histogram`), :class:`Neighbors` where
densities are compared by distances to nearest neighbors (`knn`). The functions :func:`otgan.kl`, :func:`otgan.js` and
:func:`otgan.tv` are one line each over them.
"""

from otgan.divergences.bins import histogram
from otgan.divergences.cells import Cells, atoms
from otgan.divergences.estimators import OPTIONS, UNWEIGHTED, estimate
from otgan.divergences.neighbors import Neighbors, knn

__all__ = [
    "OPTIONS",
    "UNWEIGHTED",
    "Cells",
    "Neighbors",
    "atoms",
    "estimate",
    "histogram",
    "knn",
]
