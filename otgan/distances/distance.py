"""One measured distance: the number, how it was found, and what certifies it."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from otgan.result import Transport
from otgan.status import Status

__all__ = ["Distance", "NoiseFloor", "Null", "Support"]


@dataclass(frozen=True)
class Support:
    """How far two sets share their points, or the bins that hold them.

    Attributes
    ----------
    x, y, shared : int
        The number of points or bins with mass of x, of y, and of both.
    """

    x: int
    y: int
    shared: int


@dataclass(frozen=True)
class NoiseFloor:
    """How far apart random halves of one set are, in the mean over several halvings.

    Two draws of one population are never at distance 0. For W₁, with Eᵢ the mean distance between two draws of
    population i of the sizes measured, the distance of the populations is between E[W₁] − E_x − E_y and E[W₁],
    by the triangle inequality and the convexity of W₁, and so for sliced W₁; halves, being smaller, are farther apart than Eᵢ.

    Attributes
    ----------
    x, y : float
        The mean distance between two halves of x, and of y.
    x_error, y_error : float
        Standard errors of these means, over the halvings that were drawn.
    draws : int
        How many halvings of either set there are, at least.
    """

    x: float
    y: float
    x_error: float
    y_error: float
    draws: int

    @property
    def larger(self) -> float:
        """The larger of the two means."""
        return max(self.x, self.y)

    @property
    def larger_error(self) -> float:
        """The standard error of the larger one."""
        return self.x_error if self.x >= self.y else self.y_error


@dataclass(frozen=True)
class Null:
    """What the distance would be if both sets were draws of one population, by a permutation test.

    Attributes
    ----------
    permutations : int
        How many times the pooled samples were split at random into sets of the same sizes.
    mean, quantile_95 : float
        Mean and 95 % quantile of the distance between the two parts.
    p_value : float
        (1 + how many were at least as far apart as x and y) / (1 + permutations). Where both sets are draws of
        one population it is below α with probability at most α, exactly, whatever the distance and the sizes.
    values : ndarray, shape (permutations,)
        The distances themselves.
    """

    permutations: int
    mean: float
    quantile_95: float
    p_value: float
    values: NDArray[np.float64] = field(repr=False, compare=False)

    @classmethod
    def of(cls, values: NDArray[np.float64], observed: float) -> Null:
        """Hold what was observed against the distances between the parts of random splits."""
        # Equal splits give equal distances only up to rounding; a tie counts against significance.
        slack = 1e-12 * abs(observed) if np.isfinite(observed) else 0.0
        beyond = int((values >= observed - slack).sum())
        return cls(
            len(values),
            float(values.mean()),
            float(np.quantile(values, 0.95, method="higher")),
            (1 + beyond) / (1 + len(values)),
            values,
        )


@dataclass(frozen=True, eq=False)
class Distance:
    """A distance between two sets of samples, with what is known about it. None where a thing does not apply.

    Attributes
    ----------
    name : str
        As it was asked for, ``"emd"`` or ``"js:histogram"``.
    metric : str
        The function of :mod:`otgan` that computes it.
    title : str
        What it is called in words.
    value : float
        In `unit`.
    unit : str
        In words; empty where it has none.
    estimator : str
        How it was found, such as "exact", "entropic" or "debiased" transport; of divergences "atoms", "histogram" or "knn".
    seconds : float
        Wall time of the measurement, imports and uncertainties excepted.
    options : dict
        The metric's own options, as it was computed with.
    p, epsilon : float
        The power of the ground cost, and the regularization.
    cost : str
        The ground distance, by the name that ``cost=`` takes.
    status : str
        The name of an :class:`otgan.Status`: how the iteration ended.
    lower, upper : float
        Certified bounds of ``bounded``.
    bounded : str
        What the bounds enclose: "W_p", or "W_p^p", the exact cost, where the value is entropic.
    marginal_error : float
        L1 error of the marginals of the plan.
    iterations : int
        Passes over the kernel.
    backend : str
        The solver or geometry that ran.
    standard_error : float
        By how much fresh samples would move the value, bias excluded: what ± is in a table; see :func:`otgan.distances.sampling.standard_error`.
    monte_carlo_error : float
        By how much another seed would move the value, one standard error, where chance is in the computation itself.
    noise_floor : NoiseFloor
        How far random halves of one set are apart.
    null : Null
        The result of a permutation test, where one was asked for.
    support : Support
        Where mass was counted.
    transport : Transport
        The solved problem: its plan and potentials.
    """

    name: str
    metric: str
    title: str
    value: float
    unit: str
    estimator: str
    seconds: float
    options: dict[str, Any] | None = None
    p: float | None = None
    cost: str | None = None
    epsilon: float | None = None
    status: Status | None = None
    lower: float | None = None
    upper: float | None = None
    bounded: str | None = None
    marginal_error: float | None = None
    iterations: int | None = None
    backend: str | None = None
    standard_error: float | None = None
    monte_carlo_error: float | None = None
    noise_floor: NoiseFloor | None = None
    null: Null | None = None
    support: Support | None = None
    transport: Transport | None = field(default=None, repr=False)

    @property
    def gap(self) -> float | None:
        """Width of the certified interval."""
        return None if self.lower is None or self.upper is None else self.upper - self.lower

    @property
    def converged(self) -> bool:
        """Whether the value is what it claims to be: nothing was iterated, or the iteration converged."""
        return self.status in {None, Status.CONVERGED}

    def to_dict(self) -> dict[str, Any]:
        """Everything but the transport, as plain numbers; the same keys for every distance."""
        out: dict[str, Any] = {}
        for each in fields(self):
            value = getattr(self, each.name)
            if each.name in {"name", "transport"}:
                continue
            if isinstance(value, (NoiseFloor, Null, Support)):
                value = {
                    inner.name: getattr(value, inner.name)
                    for inner in fields(value)
                    if inner.name != "values"
                }
            out[each.name] = str(value) if isinstance(value, Status) else value
            if each.name == "bounded":
                out["gap"] = self.gap
        return out
