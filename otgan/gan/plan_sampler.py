"""The methods of torchcfm's ``OTPlanSampler`` over this library's solvers."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from otgan.arrays import array_of
from otgan.gan import arguments
from otgan.gan.arguments import shown
from otgan.gan.couplings import DensePlan, Rng, draw_pairs, draw_partners, generator_of, plan_between
from otgan.gan.errors import OptionError
from otgan.namespace import as_tensor
from otgan.result import Transport
from otgan.spelling import answer_misspelt

__all__ = ["PlanSampler"]

_MATRIX = 2
"""Dimensions of a plan."""


class PlanSampler:
    """Draws pairs of samples from optimal plans, see :func:`otgan.gan.couple`, in place of torchcfm's ``OTPlanSampler``.

    Set it as the ``ot_sampler`` of an ``ExactOptimalTransportConditionalFlowMatcher`` or a
    ``SchrodingerBridgeConditionalFlowMatcher``. The latter's plan has epsilon = 2σ². Where a plan cannot be found that is
    an error or a warning; it is never replaced by the product of the batches.

    Parameters
    ----------
    epsilon : float, optional
        Regularization, in units of the cost ‖x0 − x1‖²: torchcfm's `reg`. Without it plans are exact.
    rng : Generator of NumPy or torch, or int, optional
        What the draws come from, or a seed for it; a fresh generator by default.
    tol : float, optional
        L1 error of the marginals of entropic plans; 1e-6, or 1e-4 for float32 samples.

    Examples
    --------
    >>> import torch, otgan.gan
    >>> sampler = otgan.gan.PlanSampler(rng=0)
    >>> x0, x1 = sampler.sample_plan(torch.tensor([[0.0], [5.0]]), torch.tensor([[6.0], [1.0]]), replace=False)
    >>> x0.tolist(), x1.tolist()
    ([[0.0], [5.0]], [[1.0], [6.0]])
    """

    @answer_misspelt
    def __init__(self, epsilon: float | None = None, rng: Rng = None, *, tol: float | None = None) -> None:
        self.epsilon = epsilon if epsilon is None else arguments.real("epsilon", epsilon)
        if self.epsilon is not None and self.epsilon <= 0:
            raise OptionError(f"epsilon must be positive, or None for exact plans, got {epsilon}")
        self.tol = tol if tol is None else arguments.real("tol", tol)
        if self.tol is not None and self.tol <= 0:
            raise OptionError(f"tol must be positive, or None, got {tol}")
        self._source = generator_of(rng)

    def get_map(self, x0: Any, x1: Any) -> Any:
        """Return the plan between two batches, shape (n, m), in float64, of their kind."""
        plan = self._plan_between(x0, x1).plan
        return plan.double() if isinstance(plan, Tensor) else np.asarray(plan, np.float64)

    def sample_map(self, pi: Any, batch_size: int, replace: bool = True) -> tuple[Any, Any]:
        """Draw pairs (i, j) from a plan.

        Parameters
        ----------
        pi : Tensor or ndarray, shape (n, m)
            Its masses, of any total.
        batch_size : int
            How many pairs.
        replace : bool, default True
            Whether a pair may be drawn more than once.

        Returns
        -------
        i, j : Tensor or ndarray of int64, shape (batch_size,)
        """
        n, replace = arguments.whole("batch_size", batch_size), arguments.flag("replace", replace)
        plan = (
            as_tensor(array_of(pi, "pi")).detach() if isinstance(pi, (np.ndarray, Tensor)) else torch.empty(0)
        )
        if plan.ndim != _MATRIX or not bool(((plan >= 0) & plan.isfinite()).all()) or not bool(plan.any()):
            raise OptionError(f"pi must be a matrix of masses, finite and not all zero, got {shown(pi)}")
        if not replace and n > (there := int((plan > 0).sum())):
            raise OptionError(f"batch_size must be at most the {there} pairs of the plan, got {n}")
        masses = plan.double()
        # Totals may overflow, and are not needed where no pair is drawn twice.
        i, j = DensePlan.of(masses / masses.max() if replace else masses).pairs(n, replace, self._source)
        return (i, j) if isinstance(pi, Tensor) else (i.numpy(), j.numpy())

    def sample_plan(self, x0: Any, x1: Any, replace: bool = True) -> tuple[Any, Any]:
        """Return pairs of samples x0[i] and x1[j], as many as samples x0."""
        return self.sample_plan_with_labels(x0, x1, replace=replace)[:2]

    def sample_plan_with_labels(
        self, x0: Any, x1: Any, y0: Any = None, y1: Any = None, replace: bool = True
    ) -> tuple[Any, Any, Any, Any]:
        """Return pairs of samples, as many as samples x0, each with its label.

        Parameters
        ----------
        x0, x1 : Tensor or ndarray
            As for :func:`otgan.gan.couple`.
        y0, y1 : Tensor or ndarray, optional
            A label for each sample.
        replace : bool, default True
            Whether a pair may be drawn more than once.

        Returns
        -------
        x0[i], x1[j], y0[i], y1[j]
            None in place of labels that were not given.
        """
        replace = arguments.flag("replace", replace)
        solved = self._plan_between(x0, x1)
        for name, labels, x in (("y0", y0, x0), ("y1", y1, x1)):
            known = labels is None or (isinstance(labels, (np.ndarray, Tensor)) and labels.ndim > 0)
            if not known or (labels is not None and len(labels) != len(x)):
                raise OptionError(
                    f"{name} must hold one label a sample, {len(x)}, in a tensor or an array, got {shown(labels)}"
                )
        drawn = draw_pairs(solved, len(x0), replace, self._source)
        i, j = drawn if isinstance(x0, Tensor) else (each.numpy() for each in drawn)
        return x0[i], x1[j], None if y0 is None else y0[i], None if y1 is None else y1[j]

    def sample_trajectory(self, x: Any) -> Any:
        """Join populations at successive times to paths, by the plan from each to the next.

        Parameters
        ----------
        x : Tensor or ndarray, shape (n, times, ...)

        Returns
        -------
        Tensor or ndarray of the same shape
            A path for each sample of the first population.
        """
        if not isinstance(x, (np.ndarray, Tensor)) or x.ndim <= 1 or not x.shape[0] or not x.shape[1]:
            raise OptionError(f"x must have the shape (n, times, ...), got {shown(x)}")
        index: Any = torch.arange(len(x), device=x.device if isinstance(x, Tensor) else "cpu")
        path: list[Any] = [x[:, 0]]
        for at in range(1, x.shape[1]):
            index = draw_partners(self._plan_between(x[:, at - 1], x[:, at]), index, self._source)
            path.append(x[:, at][index if isinstance(x, Tensor) else index.numpy()])
        return torch.stack(path, 1) if isinstance(x, Tensor) else np.stack(path, 1)

    def _plan_between(self, x0: Any, x1: Any) -> Transport:
        return plan_between(x0, x1, self.epsilon, self.tol)
