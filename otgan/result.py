"""The result of a transport problem: value, plan, potentials, bounds, and how the solve ended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from otgan.coupling import Coupling
from otgan.form import Form, device_of, type_of
from otgan.mistakes import WrongValueError
from otgan.namespace import Array, detached
from otgan.options import WrongKindError, pair_of_names, whole_number
from otgan.quiet import quiet
from otgan.rooted import root
from otgan.rounding import outward
from otgan.sparse import as_arcs, as_assignment, as_matrix
from otgan.status import ConvergenceWarning, Status

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["ConvergenceWarning", "Status", "Transport"]

_VECTORS = 2
"""Dimensions of one vector a problem; columns of several have one more."""


@dataclass(frozen=True, eq=False, repr=False)
class Transport:
    """The solution of a transport problem or of a batch of them. Made by :func:`otgan.transport`.

    Attributes are floats and arrays for NumPy input, tensors for torch input, and floats and arrays of its library, without
    gradients, for that of another one; with a batch they have a leading B, ragged ones are lists. Most are computed when asked for.

    Attributes
    ----------
    p : float
        The cost is C = d^p.
    cost : str
        The distance d, by name.
    status : Status or tuple of Status
        How the solve ended.
    mass : tuple
        The totals of the weights a and b as they were given.
    """

    p: float
    cost: str
    status: Status | tuple[Status, ...]
    _coupling: Coupling = field(repr=False)
    _form: Form = field(repr=False)
    _value: Array = field(repr=False)
    _mass: tuple[Array, Array] = field(repr=False)

    @property
    def value(self) -> Any:
        """The objective. Exact: ⟨P, C⟩. Entropic: the dual value ⟨a, f⟩ + ⟨b, g⟩ − ε (mass(P) − 1).

        Differentiable in the points and weights of torch input. No root is taken.
        """
        return self._form.scalar(self._value)

    @cached_property
    @quiet
    def value_linear(self) -> Any:
        """⟨P, C⟩: the cost of the plan without the regularizer. For an exact problem it is ``value``."""
        if self._coupling.epsilon is None:
            return self.value
        return self._form.scalar(self._coupling.linear_cost())

    @cached_property
    @quiet
    def distance(self) -> Any:
        """⟨P, C⟩^(1/p): the Wasserstein distance W_p where the problem is exact."""
        if self._coupling.epsilon is None:
            return self._form.scalar(root(self._value, self.p))
        return self._form.scalar(root(self._coupling.linear_cost(), self.p))

    @cached_property
    @quiet
    def f(self) -> Any:
        """Potential of x, in units of the cost, with ⟨a, f⟩ = ⟨b, g⟩.

        At points of weight 0 it is what a new point there would have, and −∞ where its costs are beyond float64.
        """
        return self._form.points(self._coupling.f, "x")

    @cached_property
    @quiet
    def g(self) -> Any:
        """Potential of y, in units of the cost."""
        return self._form.points(self._coupling.g, "y")

    @cached_property
    @quiet
    def plan(self) -> Any:
        """The plan P of shape (n, m): O(nm) memory. Entropic: a b exp((f + g − C)/ε)."""
        return self._form.plan(self._coupling.plan())

    @cached_property
    @quiet
    def arcs(self) -> Any:
        """The arcs of an exact plan that carry mass: (i, j, mass), sorted by i and then j; a list of them for a batch.

        At most n + m − 1 of them, or n where each point of x goes to one of y.

        Raises
        ------
        ValueError
            For an entropic plan, in which mass goes from every point to every other one.
        """
        return self._of_arcs("arcs", as_arcs)

    @cached_property
    @quiet
    def sparse_plan(self) -> Any:
        """An exact plan as a ``scipy.sparse.coo_array`` (n, m), or for torch input a sparse COO tensor; a list for a batch.

        Raises
        ------
        ValueError
            For an entropic plan.
        """
        return self._of_arcs("sparse_plan", as_matrix)

    @cached_property
    @quiet
    def assignment(self) -> Any:
        """Which point of y each point of x goes to, (n,), int64, where n = m and weights are equal; a list for a batch.

        Raises
        ------
        ValueError
            If weights or numbers of points differ, so that mass is split; use ``arcs``. For an entropic plan.
        """
        return self._of_arcs("assignment", as_assignment)

    def _of_arcs(self, name: str, made: Callable[..., Any]) -> Any:
        """Return what is made of the arcs of every problem, a list for a batch."""
        coupling, form = self._coupling, self._form
        arcs = coupling.sparse()
        if arcs is None:
            raise WrongValueError(
                f"{name} belongs to exact problems, got a plan of epsilon={self._short(coupling.epsilon)}, in which mass goes from "
                "every point to every other one: use plan or apply"
            )
        n = form.sizes_x or (coupling.a.shape[1],) * len(arcs)
        m = form.sizes_y or (coupling.columns_of_plan,) * len(arcs)
        found = [made(form, each, shape) for each, shape in zip(arcs, zip(n, m, strict=True), strict=True)]
        return found if form.batched else found[0]

    @quiet
    def apply(self, v: Any, axis: int = 1) -> Any:
        """P v for axis 1, Pᵀ v for axis 0, without building P.

        Parameters
        ----------
        v : array-like, shape (m,) or (m, k) for axis 1, (n,) or (n, k) for axis 0
            For batches with a leading B, for ragged ones a list.
        axis : {0, 1}
        """
        expected = "1 (P v) or 0 (P transposed times v)"
        axis = whole_number(axis, "axis", expected, least=0)
        if axis > 1:
            raise WrongValueError(f"axis must be {expected}, got {axis}")
        coupling = self._coupling
        points = coupling.b if axis == 1 else coupling.a
        vectors = self._form.vectors(v, "y" if axis == 1 else "x", points)
        single = vectors.ndim == _VECTORS
        vectors = vectors[..., None] if single else vectors
        product = coupling.apply(vectors, axis)
        return self._form.points(product[..., 0] if single else product, "x" if axis == 1 else "y")

    @quiet
    def barycentric_map(self) -> Any:
        """Mean of the points that each xᵢ is sent to, Σⱼ Pᵢⱼ yⱼ / Σⱼ Pᵢⱼ, shape (n, d), without building P.

        A point of weight 0 sends nothing; its row is NaN.
        """
        return self._form.points(self._coupling.barycenters(), "x")

    @cached_property
    @quiet
    def marginal_error(self) -> Any:
        """‖P1 − a‖₁ + ‖Pᵀ1 − b‖₁ in float64, recomputed from the returned potentials (exact: from the arcs).

        For unbalanced problems, the change of the potentials in the last step, in units of ε.
        """
        return self._form.scalar(self._coupling.error)

    @cached_property
    @quiet
    def _bounds(self) -> tuple[Array, Array]:
        return self._coupling.bounds()

    @property
    def lower(self) -> Any:
        """Certified lower bound of the exact cost min ⟨P, C⟩: the value of feasible potentials.

        Less what rounding may have added, down to the last digit of the returned type.
        """
        return self._form.scalar(outward(self._bounds[0], self._form.dtype, down=True))

    @property
    def upper(self) -> Any:
        """Certified upper bound of the exact cost min ⟨P, C⟩: the cost of a plan with the exact marginals.

        And what rounding may have taken away, up to the last digit of the returned type.
        """
        return self._form.scalar(outward(self._bounds[1], self._form.dtype, down=False))

    @property
    def converged(self) -> Any:
        """Whether the status is CONVERGED: a bool, or a bool array of B."""
        if isinstance(self.status, Status):
            return self.status is Status.CONVERGED
        return self._form.scalar(np.array([s is Status.CONVERGED for s in self.status]))

    @property
    def iterations(self) -> Any:
        """Passes over the kernel; 0 for exact problems."""
        return self._form.scalar(self._coupling.iterations)

    @property
    def epsilon(self) -> Any:
        """Regularization ε in units of the cost, or None for exact problems."""
        return None if self._coupling.epsilon is None else self._form.scalar(self._coupling.epsilon)

    @property
    def backend(self) -> str:
        """The backend that ran: a geometry, or for exact problems "line", "circle", "assignment", "simplex", "certified" or "pot" ("sorted" out of time)."""
        return self._coupling.backend

    @property
    def mass(self) -> tuple[Any, Any]:
        """Totals of the weights a and b as given."""
        return self._form.scalar(self._mass[0]), self._form.scalar(self._mass[1])

    def plot(
        self, *, arcs: int = 150, points: int = 2000, seed: int = 0, names: tuple[str, str] = ("x", "y")
    ) -> Figure:
        """Draw the two sets and the heaviest arcs of the plan between them; not those of a batch, or of a matrix.

        Parameters
        ----------
        arcs, points, seed : int
            As for :meth:`otgan.Report.plot`.
        names : tuple of str
            What to call the two sets.
        """
        from otgan.shown import figure_of

        return figure_of(self, pair_of_names(names), arcs, points, seed)

    def _repr_html_(self) -> str:
        from otgan.shown import html_of

        return html_of(self)

    def to(self, device: Any = None, dtype: Any = None) -> Transport:
        """Hand results back on another device or in another floating-point type (torch input only)."""
        if self._form.numpy or self._form.home is not None:
            raise WrongKindError(
                "to() moves torch results; this one came from input of NumPy or another library"
            )
        form = replace(
            self._form,
            device=self._form.device if device is None else device_of(device),
            dtype=self._form.dtype if dtype is None else type_of(dtype),
        )
        return replace(self, _form=form)

    def detach(self) -> Transport:
        """Return the result with a value that carries no gradient."""
        return replace(self, _value=detached(self._value))

    def to_dict(self) -> dict[str, Any]:
        """Everything but the points and the plan, as plain numbers and lists."""
        from otgan.shown import dict_of

        return dict_of(self)

    def __repr__(self) -> str:
        status = self.status if isinstance(self.status, Status) else f"{len(self.status)} problems"
        epsilon = self._coupling.epsilon
        kind = "exact" if epsilon is None else f"epsilon={self._short(epsilon)}"
        return f"Transport(value={self._short(self._value)}, p={self.p:g}, {kind}, {status}, backend={self.backend!r})"

    def _short(self, values: Array) -> str:
        """Say a number a problem in a few digits, whatever the results are handed back in."""
        return f"<{len(values)} values>" if self._form.batched else f"{float(values[0]):.6g}"
