"""Distances between sample sets as metrics of torchmetrics: updated batch by batch, merged across processes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from inspect import signature
from typing import Any

import torch
from torch import Tensor

from otgan.distributed.border import check_group
from otgan.inference.border import asked_for, fitted
from otgan.mistakes import NotInstalledError, WrongKindError, WrongValueError
from otgan.options import shown
from otgan.pair import pair

try:
    from torchmetrics import Metric
    from torchmetrics.utilities import dim_zero_cat
except ImportError as error:
    raise NotInstalledError(
        "otgan.integrations.torchmetrics needs torchmetrics: pip install 'otgan[torchmetrics]'"
    ) from error

__all__ = [
    "EarthMoversDistance",
    "EnergyDistance",
    "MaximumMeanDiscrepancy",
    "SampleDistance",
    "SinkhornDivergence",
    "SlicedWasserstein",
]


class SampleDistance(Metric):
    """Distance between two sets of samples that come in batches.

    All samples are kept until :meth:`reset`, those of all processes together: a distance of sets is no mean of those of batches.
    Samples of more than two dimensions, as images are, are flattened to rows. :meth:`compute` returns a scalar tensor of
    float64.

    Parameters
    ----------
    distance : str, default "emd"
        A function of :mod:`otgan` between two sets, as for :func:`otgan.compare`; a divergence may name its estimator.
    options : mapping, optional
        Options of the distance's own, as in ``{"kernel": "laplacian"}`` of "mmd".
    cost, p, epsilon, blur, tol, max_iter, time_limit
        As for :func:`otgan.compare`, by keyword.
    group : ProcessGroup, True or "world", optional
        Processes of torch.distributed that compute the distance together, of samples that each of them has, for a distance whose function takes
        ``group=``: "emd", "sinkhorn" and "sinkhorn_divergence". Else torchmetrics gathers the samples, and every process computes all of it.
    **kwargs
        Those of :class:`torchmetrics.Metric`.

    Examples
    --------
    >>> import torch
    >>> from otgan.integrations.torchmetrics import SampleDistance
    >>> metric = SampleDistance("energy")
    >>> metric.update(torch.tensor([[0.0], [1.0]]), torch.tensor([[1.0]]))
    >>> metric.update(torch.tensor([[2.0]]), torch.tensor([[3.0]]))
    >>> round(metric.compute().item(), 6)
    0.777778
    """

    is_differentiable = False
    higher_is_better = False
    full_state_update = False

    samples: list[Tensor]
    others: list[Tensor]

    def __init__(
        self,
        distance: str = "emd",
        *,
        options: Mapping[str, Any] | None = None,
        cost: Any = "euclidean",
        p: float | None = None,
        epsilon: float | None = None,
        blur: float | None = None,
        tol: float | None = None,
        max_iter: int | None = None,
        time_limit: float | None = None,
        group: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**({"sync_on_compute": group is None} | kwargs))
        request, self._spec = asked_for(
            distance,
            options,
            cost=cost,
            p=p,
            epsilon=epsilon,
            blur=blur,
            tol=tol,
            max_iter=max_iter,
            time_limit=time_limit,
        )
        self.distance, self.group = request.key, group
        if group is not None:
            check_group(group)
            if "group" not in signature(request.metric.function).parameters:
                raise WrongValueError(
                    f"group needs a distance that processes compute together, 'emd', 'sinkhorn' or 'sinkhorn_divergence', got "
                    f"{request.key!r}: leave it out, and torchmetrics gathers the samples"
                )
        self.add_state("samples", default=[], dist_reduce_fx="cat")
        self.add_state("others", default=[], dist_reduce_fx="cat")

    def update(self, samples: Tensor, others: Tensor) -> None:
        """Add samples to either set.

        Parameters
        ----------
        samples, others : Tensor, shapes (n, ...) and (m, ...)
            Generated ones and real ones, say; one of them may be empty.
        """
        for held, batch, name in ((self.samples, samples, "samples"), (self.others, others, "others")):
            if not isinstance(batch, Tensor) or batch.ndim == 0:
                raise WrongKindError(f"{name} must be a tensor of samples, (n, ...), got {shown(batch)}")
            if batch.numel() == 0 and self.group is None:
                continue
            held.append(batch[:, None] if batch.ndim == 1 else batch.flatten(1))

    def compute(self) -> Tensor:
        """Return the distance between all samples so far."""
        if self.group is not None:
            return self._shared()
        x, y = dim_zero_cat(self.samples), dim_zero_cat(self.others)
        spec, both = fitted(self._spec, pair(x, y), "a metric")
        (request,) = spec.requests
        terms = replace(spec.terms(request), on_failure="warn")
        value = request.metric.values(both, terms)[0]
        return torch.as_tensor(float(value), dtype=torch.float64, device=x.device)

    def _shared(self) -> Tensor:
        """Return the distance between the samples of all processes."""
        held = [*self.samples, *self.others]
        # A process without samples says so, and is told by the others of what dimension they are.
        none = held[0][:0] if held else torch.zeros(0, 1)
        x, y = (dim_zero_cat(side) if len(side) else none for side in (self.samples, self.others))
        (request,) = self._spec.requests
        function = request.metric.function
        known = signature(function).parameters
        options = self._spec.terms(request).entropic_options()
        value = function(x, y, **{k: v for k, v in options.items() if k in known}, group=self.group)
        return torch.as_tensor(float(value), dtype=torch.float64, device=x.device)


class EarthMoversDistance(SampleDistance):
    """The exact earth mover's distance, W_p with ``p=``; see :class:`SampleDistance`."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("emd", **kwargs)


class SlicedWasserstein(SampleDistance):
    """The sliced Wasserstein distance; see :class:`SampleDistance`."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("sliced", **kwargs)


class SinkhornDivergence(SampleDistance):
    """The debiased Sinkhorn divergence; see :class:`SampleDistance`."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("sinkhorn_divergence", **kwargs)


class MaximumMeanDiscrepancy(SampleDistance):
    """The squared maximum mean discrepancy; see :class:`SampleDistance`."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("mmd", **kwargs)


class EnergyDistance(SampleDistance):
    """The energy distance; see :class:`SampleDistance`."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("energy", **kwargs)
