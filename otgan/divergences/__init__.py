"""Kullback–Leibler and Jensen–Shannon divergence and total variation between sample sets.

What an estimator makes of two sample sets is an object whose methods are the divergences that it offers:
:class:`Cells` where samples are counted in common cells (`atoms`, `histogram`), :class:`Neighbors` where
densities are compared by distances to nearest neighbors (`knn`). :func:`kl`, :func:`js` and :func:`tv` name
one and ask it.
"""

from otgan.divergences.bins import histogram
from otgan.divergences.cells import Cells, atoms
from otgan.divergences.functions import ESTIMATORS, OPTIONS, estimate, js, kl, tv
from otgan.divergences.neighbors import Neighbors, knn

__all__ = [
    "ESTIMATORS",
    "OPTIONS",
    "Cells",
    "Neighbors",
    "atoms",
    "estimate",
    "histogram",
    "js",
    "kl",
    "knn",
    "tv",
]
