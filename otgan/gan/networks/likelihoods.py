"""Likelihoods of samples given a decoder's output: log p(x | z) in nats, summed over the coordinates of x."""

from __future__ import annotations

import math
from enum import StrEnum

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy

from otgan.gan.errors import RunError
from otgan.gan.networks.space import Kind, Space

__all__ = ["Bernoulli", "Gaussian", "Likelihood", "gaussian_log_prob", "likelihood"]


class Likelihood(StrEnum):
    """The likelihoods by name."""

    GAUSSIAN = "gaussian"
    BERNOULLI = "bernoulli"


class Gaussian(nn.Module):
    """p(x | z) = N(x; G(z), σ² I) with one σ² for all coordinates, fixed or learned.

    Parameters
    ----------
    variance : float
        σ², in squared units of the networks; where it is learned, its first value.
    learned : bool
    """

    def __init__(self, variance: float, learned: bool) -> None:
        super().__init__()
        self.variance, self.learned = variance, learned
        if learned:
            self.log_variance = nn.Parameter(torch.empty(()))
            self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set σ² to its first value."""
        if self.learned:
            nn.init.constant_(self.log_variance, math.log(self.variance))

    def forward(self, x: Tensor, decoded: Tensor) -> Tensor:
        """−‖x − G(z)‖² / 2σ² − (d / 2) log 2πσ², shape (n,)."""
        log_variance = self.log_variance if self.learned else x.new_tensor(math.log(self.variance))
        squares = (x - decoded.to(x.dtype)).flatten(1).square()
        return -0.5 * (
            squares.sum(1) * (-log_variance).exp() + squares.shape[1] * (math.log(2 * math.pi) + log_variance)
        )


class Bernoulli(nn.Module):
    """p(x | z) = Π G(z)_i^x_i (1 − G(z)_i)^(1 − x_i), for pixels x of 0 and 1.

    For pixels between them it is the usual cross-entropy, which is no density in x. Logarithms end at −100.
    """

    def forward(self, x: Tensor, decoded: Tensor) -> Tensor:
        """Σ_i x_i log G(z)_i + (1 − x_i) log(1 − G(z)_i), shape (n,)."""
        with torch.autocast(x.device.type, enabled=False):
            return -binary_cross_entropy(decoded.to(x.dtype), x, reduction="none").flatten(1).sum(1)


def likelihood(kind: Likelihood, space: Space, variance: float, learned: bool) -> nn.Module:
    """Make the likelihood of that name.

    Raises
    ------
    RunError
        If the Bernoulli's probabilities would have to be points.
    """
    if kind == Likelihood.GAUSSIAN:
        return Gaussian(variance, learned)
    if space.kind is Kind.POINTS:
        raise RunError("likelihood=bernoulli takes pixels in [0, 1], got points: use likelihood=gaussian")
    return Bernoulli()


def gaussian_log_prob(z: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
    """Log density of N(mean, diag exp(log_variance)) at z, summed over the last axis."""
    squares = (z - mean).square() * (-log_variance).exp()
    return -0.5 * (squares + log_variance + math.log(2 * math.pi)).sum(-1)
