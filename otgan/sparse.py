"""Exact plans as their few arcs, in the caller's kind of numbers: lists of arcs, sparse matrices, assignments."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from otgan.form import Form
from otgan.mistakes import WrongValueError
from otgan.namespace import Array

__all__ = ["Arcs", "as_arcs", "as_assignment", "as_matrix"]

Found = tuple[Array, Array, Array]
"""Arcs as solvers have them: i, j and mass, by rows."""


class Arcs(NamedTuple):
    """Arcs of a plan: mass goes from points x_i to points y_j.

    Attributes
    ----------
    i, j : ndarray or Tensor of int64, shape (k,)
    mass : ndarray or Tensor, shape (k,)
        Positive, of a total of 1.
    """

    i: Any
    j: Any
    mass: Any


def as_arcs(form: Form, found: Found, shape: tuple[int, int]) -> Arcs:
    """Return arcs in the caller's kind of numbers."""
    del shape
    i, j, mass = map(form.array, found)
    return Arcs(i, j, mass)


def as_matrix(form: Form, found: Found, shape: tuple[int, int]) -> Any:
    """Return a sparse matrix of SciPy, or a sparse tensor."""
    i, j, mass = found
    if form.numpy:
        from scipy.sparse import coo_array  # here: it takes a while to import

        return coo_array((mass, (i, j)), shape=shape)
    import torch

    places, values = form.array(np.stack([i, j])), form.array(mass)
    return torch.sparse_coo_tensor(places, values, shape, is_coalesced=True, check_invariants=True)


def as_assignment(form: Form, found: Found, shape: tuple[int, int]) -> Any:
    """Return where each row goes.

    Raises
    ------
    ValueError
        If rows are split, or go to the same column.
    """
    (i, j, _), (n, m) = found, shape
    if not (n == m == len(i) and np.array_equal(i, np.arange(n)) and len(np.unique(j)) == n):
        raise WrongValueError(
            f"assignment needs as many points of equal weight on either side, got {n} and {m} points between which "
            f"{len(i)} arcs carry mass: use arcs or sparse_plan"
        )
    return form.array(j)
