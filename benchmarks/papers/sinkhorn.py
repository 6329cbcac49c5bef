"""The Sinkhorn divergence as a loss: its zero, its sign, its gradient, and what debiasing is for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

import otgan
from benchmarks.papers.checks import SEEDS, Checks, last, run_checks


def measure(checks: Checks) -> Sequence[str]:
    draws = [np.random.default_rng(seed).normal(size=(2, 200, 2)) for seed in SEEDS]
    checks.at_most("|S(mu, mu)|", 1e-6, [abs(otgan.sinkhorn_divergence(x, x, epsilon=0.1)) for x, _ in draws])
    for p in (1, 1.5, 2):
        least = [
            min(otgan.sinkhorn_divergence(x, s * y, p=p, epsilon=e) for s in (0.5, 1) for e in (0.05, 1))
            for x, y in draws
        ]
        checks.at_least(f"least S over pairs and epsilons, p = {p}", -1e-6, least)
    checks.at_most(
        "envelope gradient against the unrolled one at convergence: relative error",
        1e-5,
        [unrolled_error(seed) for seed in SEEDS],
    )
    for epsilon in (0.1, 0.5, 1.0):
        biased, debiased = zip(*(least_variance(epsilon, seed) for seed in SEEDS), strict=True)
        expected = max(0.0, 1 - epsilon / 2)
        checks.at_most(
            f"|variance of the minimizer of OT - (1 - epsilon / 2)|, N(0, 1), epsilon {epsilon}",
            0.05,
            [abs(value - expected) for value in biased],
        )
        checks.at_most(
            f"|variance of the minimizer of S - 1|, the same, epsilon {epsilon}",
            0.05,
            [abs(value - 1) for value in debiased],
        )
    runs = checks.train("sinkhorn", "8gaussians")
    checks.at_most("W1 on 8 Gaussians", 0.10, last(runs, "em"), last(runs, "em_floor")[0])
    plain = checks.train("sinkhorn", "8gaussians", steps=1000, epsilon=1.0, form="biased")
    debias = checks.train("sinkhorn", "8gaussians", steps=1000, epsilon=1.0)
    ratios = [a / b for a, b in zip(last(plain, "em"), last(debias, "em"), strict=True)]
    checks.at_least("W1 with plain OT over W1 with S, epsilon 1, 8 Gaussians", 1, ratios)
    return ()


def unrolled_error(seed: int) -> float:
    """Compare the gradient with that of Sinkhorn's iterations themselves, differentiated step by step."""
    rng = np.random.default_rng(seed)
    x = torch.tensor(rng.normal(size=(30, 2)), requires_grad=True)
    y = torch.tensor(rng.normal(size=(40, 2)) + 0.5)
    epsilon = 0.5

    def plain(u: Tensor, v: Tensor) -> Tensor:
        cost = (u[:, None] - v).square().sum(-1)
        g = torch.zeros(len(v), dtype=u.dtype)
        for _ in range(400):
            f = -epsilon * (((g - cost) / epsilon).logsumexp(1) - np.log(len(v)))
            g = -epsilon * (((f[:, None] - cost) / epsilon).logsumexp(0) - np.log(len(u)))
        return f.mean() + g.mean()

    (expected,) = torch.autograd.grad(plain(x, y) - 0.5 * plain(x, x) - 0.5 * plain(y, y), x)
    (found,) = torch.autograd.grad(otgan.sinkhorn_divergence(x, y, epsilon=epsilon, tol=1e-9), x)
    return float((found - expected).norm() / expected.norm())


def least_variance(epsilon: float, seed: int) -> tuple[float, float]:
    """Variance of the Gaussian nearest to N(0, 1), by plain transport and by the divergence, on one sample scaled."""
    draw = np.random.default_rng(seed).normal(size=(500, 1))
    x = torch.tensor((draw - draw.mean()) / draw.std())
    scales = torch.linspace(0.4, 1.2, 41, dtype=torch.float64)
    best = []
    for function in (otgan.sinkhorn, otgan.sinkhorn_divergence):
        values = torch.stack([function(x, scale * x, epsilon=epsilon) for scale in scales])
        at = int(values.argmin())
        a, b, _ = np.polyfit(scales[max(at - 3, 0) : at + 4], values[max(at - 3, 0) : at + 4], 2)
        best.append(float(b / (2 * a)) ** 2)
    return best[0], best[1]


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and record."""
    run_checks("sinkhorn", measure, argv)


if __name__ == "__main__":
    main()
