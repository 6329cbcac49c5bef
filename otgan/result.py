"""The result of a transport problem: value, plan, potentials, bounds, and how the solve ended."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from otgan.coupling import Coupling
from otgan.form import Form, to_plain
from otgan.mistakes import WrongValueError
from otgan.namespace import Array, detached, is_tensor, namespace
from otgan.options import WrongKindError, shown, whole_number
from otgan.quiet import quiet
from otgan.rounding import outward
from otgan.status import ConvergenceWarning, Status

__all__ = ["ConvergenceWarning", "Status", "Transport", "root"]

_VECTORS = 2
"""Dimensions of one vector a problem; columns of several have one more."""


@dataclass(frozen=True, eq=False, repr=False)
class Transport:
    """The solution of a transport problem or of a batch of them. Made by :func:`otgan.transport`.

    Every attribute is a float or array for NumPy input and a tensor for torch input; with a batch it has a leading
    dimension B, and for ragged batches potentials and plans are lists. What costs a pass over the costs is computed
    when it is first asked for.

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
        """The backend that ran: a geometry, or for exact problems "line", "assignment", "simplex", "certified" or "pot" ("sorted" out of time)."""
        return self._coupling.backend

    @property
    def mass(self) -> tuple[Any, Any]:
        """Totals of the weights a and b as given."""
        return self._form.scalar(self._mass[0]), self._form.scalar(self._mass[1])

    def to(self, device: Any = None, dtype: Any = None) -> Transport:
        """Hand results back on another device or in another floating-point type (torch input only)."""
        if self._form.numpy:
            raise WrongKindError("to() moves torch results; this one came from NumPy input")
        form = replace(
            self._form,
            device=self._form.device if device is None else _device(device),
            dtype=self._form.dtype if dtype is None else _floating(dtype),
        )
        return replace(self, _form=form)

    def detach(self) -> Transport:
        """Return the result with a value that carries no gradient."""
        return replace(self, _value=detached(self._value))

    def to_dict(self) -> dict[str, Any]:
        """Everything but the points and the plan, as plain numbers and lists."""
        names = [
            "value",
            "value_linear",
            "distance",
            "p",
            "cost",
            "epsilon",
            "lower",
            "upper",
            "marginal_error",
            "iterations",
            "converged",
            "f",
            "g",
        ]
        plain = {name: to_plain(getattr(self, name)) for name in names}
        status = [str(s) for s in self.status] if isinstance(self.status, tuple) else str(self.status)
        return {**plain, "status": status, "backend": self.backend, "mass": to_plain(self.mass)}

    def __repr__(self) -> str:
        status = self.status if isinstance(self.status, Status) else f"{len(self.status)} problems"
        kind = "exact" if self.epsilon is None else f"epsilon={_short(self.epsilon)}"
        return (
            f"Transport(value={_short(self.value)}, p={self.p:g}, {kind}, {status}, backend={self.backend!r})"
        )


def _device(device: Any) -> Any:
    """Return a device that is there and holds numbers, or raise."""
    import torch

    expected = "one that is there, such as 'cpu' or 'cuda:0'"
    if not isinstance(device, (str, torch.device)):
        raise WrongKindError(f"device must be {expected}, got {shown(device)}")
    try:
        found = torch.device(device)
        torch.empty(0, device=found)
    except (RuntimeError, AssertionError, NotImplementedError):
        found = torch.device("meta")
    if found.type == "meta":
        raise WrongValueError(f"device must be {expected}, got {shown(str(device))}")
    return found


def _floating(dtype: Any) -> Any:
    """Return a floating-point type, or raise."""
    import torch

    expected = "a floating-point type of 16 bits or more, such as torch.float64"
    if not isinstance(dtype, torch.dtype):
        raise WrongKindError(f"dtype must be {expected}, got {shown(dtype)}")
    if dtype not in {torch.float16, torch.bfloat16, torch.float32, torch.float64}:
        raise WrongValueError(f"dtype must be {expected}, got {dtype}")
    return dtype


def root(value: Array, p: float) -> Array:
    """value^(1/p) with the gradient 0, not infinity or NaN, at 0."""
    if p == 1:
        return value
    xp, positive = namespace(value), value > 0
    return xp.where(positive, xp.where(positive, value, 1.0) ** (1 / p), 0.0)


def _short(value: Any) -> str:
    if is_tensor(value):
        value = value.detach().tolist()
    return f"{value:.6g}" if isinstance(value, float) else f"<{len(value)} values>"
