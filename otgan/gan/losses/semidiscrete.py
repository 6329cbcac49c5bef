"""Regularized transport from samples to a whole data set, whose potentials are kept: the semi-dual of Genevay et al. 2016.

For a law p of samples x and n data points y of equal weights,

    h_λ = max over ψ of F(ψ) = E_x f_ψ(x) + (1/n) Σ_j ψ_j,

f_ψ(x) being the best reply to ψ, which makes the marginal of x exact. ∂F/∂ψ_j = (1 − m_j) / n, where m_j is the mean
density of the plan at y_j, over x. Only blocks of the costs are ever held.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from otgan.costs.squares import SQUARES
from otgan.gan.losses.ground_cost import ground_cost
from otgan.gan.losses.kl import KL
from otgan.gan.losses.regularizer import Regularizer

__all__ = ["Gap", "Reply", "SemiDual"]

_ENTRIES = 2**20
"""Of a block of costs."""


class Reply(NamedTuple):
    """What a batch of samples, shape (m, k), answers to potentials.

    Attributes
    ----------
    value : Tensor
        F, its expectation over the batch.
    marginal : Tensor, shape (n,)
        m_j, whose mean is 1.
    cost : Tensor
        ⟨π, c⟩.
    pull : Tensor, shape (m, k)
        The derivative of ⟨π, c⟩ in the samples, the plan being a constant.
    """

    value: Tensor
    marginal: Tensor
    cost: Tensor
    pull: Tensor


class Gap(NamedTuple):
    """How good potentials are for a batch.

    Attributes
    ----------
    value : Tensor
        F: a lower bound of the batch's h_λ.
    gap : Tensor
        An upper bound of what it lacks: the value of the plan, given its marginals exactly, minus F.
    """

    value: Tensor
    gap: Tensor


@dataclass(frozen=True, eq=False)
class SemiDual:
    """Transport to data under ‖x − y‖₂^power.

    Parameters
    ----------
    smoothing : Regularizer
    y : Tensor, shape (n, k)
    power : float
    """

    smoothing: Regularizer
    y: Tensor
    power: float

    def reply(self, x: Tensor, psi: Tensor) -> Reply:
        """Return the best reply of samples, shape (m, k), to potentials of shape (n,)."""
        x = x.detach()
        blocks = self._squares if isinstance(self.smoothing, KL) and self.power == SQUARES else self._blocks
        marginal, values, cost, pull = torch.zeros_like(psi), [], x.new_zeros(()), torch.empty_like(x)
        with torch.autocast(x.device.type, enabled=False):
            for rows, reply in blocks(x, psi):
                values.append(reply.value)
                marginal += reply.marginal
                cost += reply.cost
                pull[rows] = reply.pull
        return Reply(torch.cat(values).mean() + psi.mean(), marginal / len(x), cost / len(x), pull / len(x))

    @torch.no_grad()
    def gap(self, x: Tensor, psi: Tensor) -> Gap:
        """Return F and what it lacks at most on a batch, by the rounding of Altschuler, Weed & Rigollet 2017.

        Of few samples and many data points the plan of the best potentials of their law lacks much: it cannot know which
        samples come. What is returned bounds the gap for the law in expectation.
        """
        with torch.autocast(x.device.type, enabled=False):
            return self._gap(x, psi)

    def _gap(self, x: Tensor, psi: Tensor) -> Gap:
        found = self.reply(x, psi)
        kept = 1 / found.marginal.clamp_min(1)
        rows_left, columns_left = [], 1 - found.marginal * kept
        for _, density, _ in self._plan(x, psi):
            rows_left.append(1 - (density @ kept) / len(psi))
        left = torch.cat(rows_left).clamp_min(0)
        total = left.mean().clamp_min(torch.finfo(x.dtype).tiny)
        primal = x.new_zeros(())
        for rows, density, cost in self._plan(x, psi):
            whole = density * kept + left[rows, None] * columns_left / total
            primal += len(cost) * self.smoothing.primal(whole, cost)
        return Gap(found.value, primal / len(x) - found.value)

    def _slices(self, x: Tensor) -> Iterator[slice]:
        step = max(1, _ENTRIES // len(self.y))
        return (slice(start, start + step) for start in range(0, len(x), step))

    def _plan(self, x: Tensor, psi: Tensor) -> Iterator[tuple[slice, Tensor, Tensor]]:
        """Yield blocks of rows: the plan's density and the costs."""
        for rows in self._slices(x):
            cost = ground_cost(x[rows], self.y, self.power)
            f = self.smoothing.half_step(psi, cost.mT)
            yield rows, self.smoothing.density(f, psi, cost), cost

    def _blocks(self, x: Tensor, psi: Tensor) -> Iterator[tuple[slice, Reply]]:
        """Yield the replies of blocks of rows, sums where :class:`Reply` has means, and what each row adds to F."""
        n = len(psi)
        for rows in self._slices(x):
            part = x[rows].requires_grad_()
            with torch.enable_grad():
                cost = ground_cost(part, self.y, self.power)
                with torch.no_grad():
                    f = self.smoothing.half_step(psi, cost.mT)
                    density = self.smoothing.density(f, psi, cost)
                total = (density * cost).sum() / n
                (pull,) = torch.autograd.grad(total, part)
            value = f - self.smoothing.conjugate(density).mean(1)
            yield rows, Reply(value, density.sum(0), total.detach(), pull)

    def _squares(self, x: Tensor, psi: Tensor) -> Iterator[tuple[slice, Reply]]:
        """Yield the same for Kullback–Leibler and squared distances: a product, a softmax, a product."""
        strength, n = self.smoothing.strength, len(psi)
        norms, across = self.y.square().sum(1), self.y.mT.contiguous()
        offsets = (psi - norms)[None] / strength
        for rows in self._slices(x):
            part = x[rows]
            exponent = torch.addmm(offsets, part, across, alpha=2 / strength)
            plan = exponent.softmax(1)
            # Where an entry is the largest, its logarithm is its exponent minus that of the sum.
            top = exponent.amax(1) - plan.amax(1).log()
            own, target = part.square().sum(1), plan @ self.y
            f = strength * (torch.log(part.new_tensor(n)) - top) + own
            cost = own - 2 * (part * target).sum(1) + plan @ norms
            yield rows, Reply(f, n * plan.sum(0), cost.sum(), 2 * (part - target))
