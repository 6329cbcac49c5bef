"""Potentials that come from another problem, polished until they are those of this one."""

from __future__ import annotations

from otgan.entropic.plan import EntropicPlan
from otgan.entropic.problem import Solution
from otgan.entropic.tuning import TUNING
from otgan.namespace import Array, namespace

__all__ = ["polished"]


def polished(coupling: EntropicPlan, g: Array, tol: float, where: Array) -> EntropicPlan:
    """Return the coupling with potentials grown from g in those problems `where` their dual value is higher.

    Sinkhorn steps, which only raise the dual value, bring the marginal error of g to `tol`.

    Parameters
    ----------
    coupling : EntropicPlan
        Balanced.
    g : Array, shape (B, m)
    tol : float
    where : Array, shape (B,), bool
    """
    problem, xp = coupling.problem, namespace(g)
    for _ in range(TUNING.polish):
        f = problem.soft_f(g)
        if bool((problem.measured(f, g)[1] <= tol).all()):
            break
        g = problem.soft_g(f)
    higher = where & ((problem.a * f).sum(1) + (problem.b * g).sum(1) > coupling.value)
    f, g = xp.where(higher[:, None], f, coupling.f), xp.where(higher[:, None], g, coupling.g)
    excess, error = (
        xp.where(higher, new, old)
        for new, old in zip(problem.measured(f, g), (coupling.excess, coupling.error), strict=True)
    )
    return EntropicPlan(problem, Solution(f, g, excess, error, coupling.iterations + 1), coupling.pair)
