"""Where potentials come from, one place being a table with one for every data point, which stochastic ascent fills: Genevay et al. 2016."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Any

import torch
from torch import Tensor, nn

from otgan.gan.losses.semidiscrete import SemiDual
from otgan.gan.parallel.division import agreed

__all__ = ["FUNCTIONS", "Duals", "Potentials"]


class Duals(StrEnum):
    """Where the potentials come from."""

    NETS = "nets"
    SINKHORN = "sinkhorn"
    SEMIDUAL = "semidual"
    TABLE = "table"


FUNCTIONS = (Duals.NETS, Duals.SEMIDUAL)
"""Potentials that are functions of samples."""

_HORIZON = 100
"""Ascents that the average looks back on, about."""


class Potentials(nn.Module):
    """ψ and its moving average, each of shape (n,) once the data are known; the state of neither is trained by gradients.

    Attributes
    ----------
    current, average : Tensor
    ascents : Tensor
        How many there were.
    """

    current: Tensor
    average: Tensor
    ascents: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("current", torch.empty(0))
        self.register_buffer("average", torch.empty(0))
        self.register_buffer("ascents", torch.zeros((), dtype=torch.long))

    def reset_parameters(self) -> None:
        """Have no potentials."""
        self.ascents.zero_()

    def fit(self, n: int) -> None:
        """Begin with ψ = 0 for n data points, where there are others or none."""
        if len(self.current) != n:
            self.current = torch.zeros(n, device=self.current.device)
            self.average = torch.zeros(n, device=self.current.device)
            self.ascents.zero_()

    @torch.no_grad()
    def ascend(self, step: Tensor) -> None:
        """Add a step, shape (n,), see :meth:`otgan.gan.losses.regularizer.Regularizer.ascent`."""
        self.current += step - step.mean()  # a constant changes no plan, and would only cost digits
        self.ascents += 1
        share = max(1 / _HORIZON, 1 / float(self.ascents))
        self.average.lerp_(self.current, share)

    @torch.no_grad()
    def follow(
        self,
        transport: SemiDual,
        draw: Callable[[], Tensor],
        *,
        ascents: int,
        share: float,
        enough: float | None,
    ) -> None:
        """Ascend by fresh batches of samples that `draw` returns.

        Parameters
        ----------
        transport : SemiDual
            To the data whose potentials these are.
        draw : callable
        ascents : int
        share : float
            Of a half-step, that an ascent takes.
        enough : float or None
            The gap of the average on a batch at which to stop before.
        """
        self.fit(len(transport.y))
        for _ in range(ascents):
            x = draw()
            self.ascend(transport.smoothing.ascent(transport.reply(x, self.current).marginal, share))
            if enough is not None and agreed(transport.gap(x, self.average).gap <= enough):
                break

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        """Take the size of what is loaded."""
        found = state_dict.get(f"{prefix}current")
        if isinstance(found, Tensor):
            self.fit(len(found))
        super()._load_from_state_dict(state_dict, prefix, *rest)
