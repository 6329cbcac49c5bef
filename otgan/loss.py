"""SinkhornLoss: the functions :func:`otgan.sinkhorn` and :func:`otgan.sinkhorn_divergence` as a module."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from otgan.costs import resolve
from otgan.distances.debiased import sinkhorn_divergence
from otgan.distances.entropic import sinkhorn
from otgan.geometry import BACKENDS
from otgan.mistakes import WrongKindError
from otgan.namespace import DOUBLE
from otgan.options import (
    check_backend,
    check_max_iter,
    check_on_failure,
    check_time_limit,
    check_tol,
    flag,
    resolve_epsilon,
    resolve_reach,
)
from otgan.spelling import answer_misspelt

__all__ = ["SinkhornLoss"]

_IMAGES = 4
"""Dimensions of a set of images, (n, C, H, W)."""


class SinkhornLoss(nn.Module):
    """Sinkhorn divergence (or OT_ε itself) between two sets of samples, as a loss.

    ``SinkhornLoss(p, blur)(x, y)`` is p times GeomLoss's ``SamplesLoss("sinkhorn", p, blur)(x, y)``, whose cost is
    ‖x − y‖^p / p, when that is run to convergence. The module has no state: it remembers no data.

    Parameters
    ----------
    p : float, default 2
        Power of the distance; 1 by default for a cost that is a function, and for "cosine".
    blur : float, default 0.05
        Regularization as a length, ε = p · blur^p. Ignored where `epsilon` is given. None without `epsilon`: the ε that
        :func:`otgan.sinkhorn` takes by itself.
    epsilon : float, optional
        Regularization in units of the cost, in place of `blur`.
    debias : bool, default True
        Whether to subtract the self terms.
    reach : float, optional
        As for :func:`otgan.transport`.
    cost : str or callable, default "euclidean"
        The distance, as for :func:`otgan.transport`. Gradients reach the parameters of a :class:`torch.nn.Module` too.
    tol, max_iter, time_limit, backend, on_failure, group
        As for :func:`otgan.transport`. With a group the loss on every rank is that of the rows of all, and the gradient
        in the rows of one rank is there: averaged over K ranks, as DistributedDataParallel does, gradients in parameters are a K-th of those of
        the loss.

    See Also
    --------
    otgan.sinkhorn_divergence : The entropic cost without its bias at equal sets.
    otgan.sinkhorn : The entropic cost.
    otgan.transport : The plan and the potentials behind the number.

    Examples
    --------
    >>> import otgan, torch
    >>> loss = otgan.SinkhornLoss(p=2, blur=0.1)
    >>> x = torch.zeros(3, 2, requires_grad=True)
    >>> loss(x, torch.ones(3, 2)).backward()
    >>> x.grad.shape
    torch.Size([3, 2])
    """

    @answer_misspelt
    def __init__(
        self,
        p: float | None = None,
        blur: float | None = 0.05,
        epsilon: float | None = None,
        debias: bool = True,
        reach: float | None = None,
        *,
        cost: Any = "euclidean",
        tol: float | None = None,
        max_iter: int | None = None,
        time_limit: float | None = None,
        backend: str = "auto",
        on_failure: str = "warn",
        group: Any = None,
    ) -> None:
        super().__init__()
        check_on_failure(on_failure)
        self.p, self.debias, self.reach = resolve(cost, p, 2).p, flag(debias, "debias"), reach
        self.cost = cost
        self.blur: float | None = blur if epsilon is None else None
        self.epsilon = epsilon
        # A blur that is not used must make sense as well.
        resolve_epsilon(epsilon, None, self.p)
        resolve_epsilon(None, blur, self.p)
        resolve_reach(reach, self.p)
        check_backend(backend, tuple(BACKENDS))
        check_tol(tol, DOUBLE)
        check_max_iter(max_iter)
        check_time_limit(time_limit)
        if group is not None:
            from otgan.distributed.border import check_group  # which most losses do without

            check_group(group)
        self.options: dict[str, Any] = {
            "tol": tol,
            "max_iter": max_iter,
            "time_limit": time_limit,
            "backend": backend,
            "on_failure": on_failure,
            "group": group,
        }

    @answer_misspelt
    def forward(self, x: Any, y: Any = None, *geomloss_order: Any, a: Any = None, b: Any = None) -> Tensor:
        """Return the loss, a 0-d tensor or one of shape (B,).

        Parameters
        ----------
        x, y : Tensor, shapes (n, d) and (m, d), or (B, n, d) and (B, m, d)
            Images of shapes (n, C, H, W) and (m, C, H, W) are taken as rows of numbers. With cost="precomputed" x holds
            the costs, as for :func:`otgan.sinkhorn_divergence`.
        a, b : Tensor, optional
            Weights, by keyword only.

        Raises
        ------
        TypeError
            If more than two positional arguments arrive: GeomLoss takes weights first, (a, x, b, y).
        """
        if geomloss_order:
            raise WrongKindError(
                f"SinkhornLoss takes (x, y, a=..., b=...), got {2 + len(geomloss_order)} positional arguments; "
                "GeomLoss's order (a, x, b, y) is written loss(x, y, a=a, b=b) here"
            )
        if _are_images(x) and _are_images(y):
            x, y = x.flatten(1), y.flatten(1)
        function = sinkhorn_divergence if self.debias else sinkhorn
        result: Tensor = function(
            x,
            y,
            a,
            b,
            cost=self.cost,
            p=self.p,
            epsilon=self.epsilon,
            blur=self.blur,
            reach=self.reach,
            **self.options,
        )
        return result

    def extra_repr(self) -> str:
        """Parameters in the module's repr."""
        strength = f"epsilon={self.epsilon}" if self.blur is None else f"blur={self.blur}"
        defaults = {
            "tol": None,
            "max_iter": None,
            "time_limit": None,
            "backend": "auto",
            "on_failure": "warn",
            "group": None,
        }
        cost = {} if self.cost == "euclidean" else {"cost": getattr(self.cost, "__name__", self.cost)}
        options = {**cost, "reach": self.reach, **{k: v for k, v in self.options.items() if v != defaults[k]}}
        extra = "".join(f", {name}={value!r}" for name, value in options.items() if value is not None)
        return f"p={self.p:g}, {strength}, debias={self.debias}{extra}"


def _are_images(samples: Any) -> bool:
    return isinstance(samples, Tensor) and samples.ndim == _IMAGES
