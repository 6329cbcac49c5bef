"""The Sinkhorn divergence as a loss: its zero, its sign, its gradient, and what debiasing is for.

Figure: the variance of the Gaussian that plain OT_ε and the divergence take for nearest to N(0, 1), across ε; and what
generators learn from each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from torch import Tensor

import otgan
from benchmarks.papers.checks import SEEDS, Checks, last, run_checks
from benchmarks.papers.figures import row, save
from otgan.gan import Run
from otgan.plot.palette import BLUE, INK, ORANGE

EPSILONS = (0.1, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0)
TRAINED = 1.0
NEAR = 0.05
"""The ε at which generators are trained on both; c = ‖x − y‖², and each coordinate of the data has the variance 1."""


def measure(checks: Checks) -> Sequence[str]:
    divergence(checks)
    variances = shrinkage(checks)
    runs = training(checks)
    if not checks.quick:
        save(draw(variances, runs), "debiasing")
    return (
        "The minimizer over s of OT between N(0, 1) and N(0, s^2), c = (x - y)^2, has the variance (1 - epsilon / 2)+. "
        "Measured on 500 standardized draws and the same draws times s.",
        f"Generators: library defaults but form = biased (OT) or debiased (S), c = |x - y|^2 and epsilon = {TRAINED:g}; 400 updates.",
    )


def divergence(checks: Checks) -> None:
    """S is 0 at equality and positive elsewhere; its gradient is the envelope's; it trains a generator."""
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
    runs = checks.train("sinkhorn", "8gaussians", steps=1200)
    checks.at_most(
        "W1 on 8 Gaussians, library defaults, 1200 updates", 0.10, last(runs, "em"), last(runs, "em_floor")[0]
    )


def shrinkage(checks: Checks) -> NDArray[np.float64]:
    """Variances of the minimizers by OT_ε and by S_ε, shape (2, ε, seeds)."""
    found = np.array([[least_variances(epsilon, seed) for seed in checks.seeds] for epsilon in EPSILONS])
    variances = np.moveaxis(found, -1, 0)
    for name, expected, of in (("OT", shrunk, variances[0]), ("S", lambda _: 1.0, variances[1])):
        for epsilon, reached in zip(EPSILONS, of, strict=True):
            wanted = expected(epsilon)
            checks.add(
                f"variance of the minimizer of {name} to N(0, 1), epsilon {epsilon:g}",
                f"{wanted:.4g} ± {NEAR}",
                reached.tolist(),
                abs(float(np.median(reached)) - wanted) <= NEAR,
            )
    return variances


def shrunk(epsilon: float) -> float:
    """(1 − ε / 2)₊."""
    return max(0.0, 1 - epsilon / 2)


def training(checks: Checks) -> dict[str, list[Run]]:
    """Generators on plain OT_ε and on S_ε, at an ε that is large for the data."""
    found = {
        form: checks.train(
            "sinkhorn", "8gaussians", steps=400, evaluate_every=400, epsilon=TRAINED, power=2.0, form=form
        )
        for form in ("biased", "debiased")
    }
    for form, name in (("biased", "OT"), ("debiased", "S")):
        runs = found[form]
        floor = last(runs, "em_floor")[0]
        checks.show(
            f"W1 on 8 Gaussians, generator trained on {name}, epsilon {TRAINED:g}", last(runs, "em"), floor
        )
        checks.show(
            "variance of its samples' coordinates (data: 1.00)",
            [float(run.sample(2000, seed=0).var(0).mean()) for run in runs],
        )
    plain, debiased = last(found["biased"], "em"), last(found["debiased"], "em")
    checks.at_least(
        "W1 with plain OT over W1 with S", 1, [a / b for a, b in zip(plain, debiased, strict=True)]
    )
    return found


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


def least_variances(epsilon: float, seed: int) -> tuple[float, float]:
    """Variance of the Gaussian nearest to N(0, 1) by plain transport and by the divergence, on one sample scaled."""
    draw = np.random.default_rng(seed).normal(size=(500, 1))
    x = (draw - draw.mean()) / draw.std()
    plain, debiased = (
        minimize_scalar(
            lambda s, distance=distance: distance(x, s * x, epsilon=epsilon),
            bounds=(0, 1.5),
            method="bounded",
            options={"xatol": 1e-4},
        ).x
        for distance in (otgan.sinkhorn, otgan.sinkhorn_divergence)
    )
    return float(plain) ** 2, float(debiased) ** 2


def draw(variances: NDArray[np.float64], runs: Mapping[str, Sequence[Run]]) -> Figure:
    """Draw the variances across ε, and the samples of the first seed's generators."""
    figure, (curves, *clouds) = row(3, height=3.6)
    grid = np.linspace(0, EPSILONS[-1], 200)
    curves.plot(grid, np.maximum(0, 1 - grid / 2), color=ORANGE, linewidth=1, label="(1 − ε/2)₊")
    curves.axhline(1, color=BLUE, linewidth=1, label="1, that of the data")
    for name, color, of in (("plain OT", ORANGE, variances[0]), ("divergence S", BLUE, variances[1])):
        curves.plot(
            np.repeat(EPSILONS, of.shape[1]), of.ravel(), "o", color=color, markersize=4, label=f"by {name}"
        )
    curves.set(xlabel="ε", ylabel="variance of the nearest Gaussian", ylim=(-0.05, 1.3))
    curves.set_title("Nearest to N(0, 1)\n3 seeds")
    curves.legend(frameon=False, fontsize=8, loc="lower left")
    for ax, (form, color, name) in zip(
        clouds, (("biased", ORANGE, "plain OT"), ("debiased", BLUE, "divergence S")), strict=True
    ):
        _samples(ax, runs[form][0], color)
        reached = last(runs[form][:1], "em")[0]
        ax.set_title(f"Trained on {name}, ε = {TRAINED:g}\nW₁ = {reached:.2f}, seed 0")
    return figure


def _samples(ax: Axes, run: Run, color: str) -> None:
    real, samples = run.real_samples()[:500], run.sample(1000, seed=0)
    ax.scatter(samples[:, 0], samples[:, 1], s=3, color=color, linewidths=0, label="generated")
    ax.scatter(real[:, 0], real[:, 1], s=3, color=INK, linewidths=0, label="data")
    ax.set(aspect="equal", xlim=(-2, 2), ylim=(-2, 2.3))
    ax.legend(frameon=False, fontsize=8, markerscale=3, loc="upper center", ncols=2)


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and record."""
    run_checks("sinkhorn", measure, argv)


if __name__ == "__main__":
    main()
