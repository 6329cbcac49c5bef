"""Gradients of entropic transport that can be differentiated again.

The gradients of the value are ∇ₓ = Σⱼ Pᵢⱼ ∇ₓ C and ∇ₐ = f: the first derivative needs no derivative of the potentials
(envelope theorem), the second does. The potentials solve P1 = a, Pᵀ1 = b, so their derivative solves the symmetric
system with the matrix [diag(a) P; Pᵀ diag(b)]/ε, the untruncated Newton system of the dual. Its kernel is the shift
(1, −1) of the potentials, of each block of a plan that falls apart; no plan depends on it, and the system is solved on
the complement. O(nm) memory, O(nmd) for p ≠ 2.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from otgan.costs import Cost
from otgan.geometry.exponentials import exp

__all__ = ["second_order_gradients"]

_WELL = 1e-4
"""Least pivot of a Cholesky factor that tells of a system far from singular."""


def second_order_gradients(
    rule: Cost, epsilon: Tensor, f: Tensor, g: Tensor, inputs: tuple[Tensor, Tensor, Tensor, Tensor]
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Gradients of the value in x, y, a and b, as differentiable functions of them.

    Parameters
    ----------
    rule : Cost
    epsilon : Tensor, shape (B,)
    f, g : Tensor, shapes (B, n) and (B, m)
        The solution of the balanced problem.
    inputs : tuple of Tensor
        x and y, shapes (B, n, d) and (B, m, d), and a and b, shapes (B, n) and (B, m), with their graph.

    Returns
    -------
    tuple of Tensor
        Of the shapes of x, y, a and b, float64. Third derivatives raise an error.
    """
    x, y, a, b = (each.double() for each in inputs)
    f, g = _Potentials.apply(x, y, a, b, f, g, epsilon, rule)
    plan = _plan(x, y, a, b, f, g, epsilon, rule)
    return *rule.differentiable_gradients(x, y, plan), f, g


def _plan(
    x: Tensor, y: Tensor, a: Tensor, b: Tensor, f: Tensor, g: Tensor, epsilon: Tensor, rule: Cost
) -> Tensor:
    """The plan as a differentiable function of everything in it; a coincident pair has a cost of slope 0."""
    cost = rule.differentiable(x, y)
    exponent = (f[..., None] + g[:, None] - cost) / epsilon[:, None, None]
    # Pairs without weight on either side may have any potential; they have no mass.
    weightless = (a == 0)[..., None] | (b == 0)[:, None]
    return a[..., None] * b[:, None] * exp(exponent.masked_fill(weightless, 0.0))


class _Potentials(torch.autograd.Function):
    """The optimal potentials as a function of points and weights, differentiated implicitly."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        y: Tensor,
        a: Tensor,
        b: Tensor,
        f: Tensor,
        g: Tensor,
        epsilon: Tensor,
        rule: Cost,
    ) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(x, y, a, b, f, g, epsilon)
        ctx.rule = rule
        return f.clone(), g.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_f: Tensor, grad_g: Tensor) -> tuple[Tensor | None, ...]:
        x, y, a, b, f, g, epsilon = ctx.saved_tensors
        inputs = [t.detach().requires_grad_() for t in (x, y, a, b)]
        with torch.enable_grad():
            plan = _plan(inputs[0], inputs[1], inputs[2], inputs[3], f, g, epsilon, ctx.rule)
            to_x, to_y = _adjoint(plan.detach(), grad_f, grad_g)
            # The residuals of the marginals, paired with the adjoint: their explicit derivative is the answer.
            row_gap, column_gap = plan.sum(2) - inputs[2], plan.sum(1) - inputs[3]
            paired = -(epsilon[:, None] * to_x * row_gap).sum() - (epsilon[:, None] * to_y * column_gap).sum()
            grads = torch.autograd.grad(paired, inputs, materialize_grads=True)
        return (*grads, None, None, None, None)


def _adjoint(plan: Tensor, grad_f: Tensor, grad_g: Tensor) -> tuple[Tensor, Tensor]:
    """Solve [diag(P1) P; Pᵀ diag(Pᵀ1)] (u, w) = (grad_f, grad_g) on the complement of (1, −1)."""
    rows, columns = plan.sum(2), plan.sum(1)
    excess = (grad_f.sum(1) - grad_g.sum(1)) / (rows.shape[1] + columns.shape[1])
    grad_f, grad_g = grad_f - excess[:, None], grad_g + excess[:, None]
    # Points without weight take part in nothing.
    inverse = torch.where(rows > 0, 1 / rows, 0.0)
    root = torch.where(columns > 0, columns.rsqrt(), 0.0)
    # Scaled to a unit diagonal: I − s Pᵀ diag(1/P1) P s with s = 1/√(Pᵀ1), whose eigenvalues are between 0 and 1.
    side = root[:, None] * plan
    system = -(side.mT @ (inverse[..., None] * side))
    system.diagonal(dim1=1, dim2=2).add_(1.0)
    right = root * (grad_g - (plan.mT @ (inverse * grad_f)[..., None])[..., 0])
    kernel = columns.sqrt()
    kernel = kernel / torch.linalg.vector_norm(kernel, dim=1, keepdim=True)
    to_y = root * _solve_on_complement(system, kernel, right)
    return inverse * (grad_f - (plan @ to_y[..., None])[..., 0]), to_y


def _solve_on_complement(system: Tensor, kernel: Tensor, right: Tensor) -> Tensor:
    """Solve a symmetric positive semidefinite system on the complement of its kernel.

    The product of one null vector with itself makes the system definite and leaves the solution as it is, where the plan
    holds together. A plan of blocks that exchange next to no mass has a null vector for each: levels of the potentials
    that the exchanged mass alone determines, on which nothing else depends. They are found and left out.
    """
    factor, info = torch.linalg.cholesky_ex(system + kernel[..., None] * kernel[:, None])
    if not bool(info.any()) and float(factor.diagonal(dim1=1, dim2=2).min()) > _WELL:
        return torch.cholesky_solve(right[..., None], factor)[..., 0]
    values, vectors = torch.linalg.eigh(system)
    least = 64 * system.shape[1] * torch.finfo(system.dtype).eps
    inverse = torch.where(values > least, 1 / values, 0.0)
    return (vectors @ (inverse[..., None] * (vectors.mT @ right[..., None])))[..., 0]
