"""Improved training of Wasserstein GANs: quality, and the critic's estimate of W₁."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

import otgan
from benchmarks.papers.checks import SEEDS, Checks, last, run_checks
from otgan.gan.datasets.batches import Batches
from otgan.gan.networks import Prior, Space, critic, initialize
from otgan.gan.streams import seeded
from otgan.gan.systems.wgan_gp import WGANGP

CPU = torch.device("cpu")


def measure(checks: Checks) -> Sequence[str]:
    runs = checks.train("wgan-gp", "25gaussians")
    checks.at_least("modes covered of 25", 23, last(runs, "modes"))
    checks.show("W1 on 25 Gaussians", last(runs, "em"), last(runs, "em_floor")[0])

    errors, slopes = zip(
        *(frozen_generator(seed, 50 if checks.quick else 600) for seed in SEEDS), strict=True
    )
    checks.at_most("relative error of the critic's estimate of W1, generator frozen, penalty 10", 0.1, errors)
    checks.at_most("distance of the mean slope on the interpolates from 1, the same", 0.1, slopes)

    return (
        "8 Gaussians: `benchmarks.systems`. What critics look like under the penalty: "
        "`benchmarks.papers.value_surfaces`.",
    )


def frozen_generator(seed: int, steps: int) -> tuple[float, float]:
    """Train a critic between two fixed samples; return the relative error of its estimate, and |slope − 1|."""
    rng = np.random.default_rng(seed)
    real = rng.normal(size=(256, 2)).astype(np.float32)
    fake = (0.5 * rng.normal(size=(256, 2)) + np.array([2.0, 0.5])).astype(np.float32)
    exact = otgan.emd(real.astype(float), fake.astype(float))
    system = WGANGP(batch=256, width=64, depth=2, lr=2e-3)
    batches = Batches(torch.from_numpy(real), 256, 2, Prior.NORMAL, seed)
    net = initialize(critic(Space((2,)), "mlp", width=64, depth=2), seeded(CPU, seed), CPU)
    optimizer = system.optimizers({"critic": net})["critic"]
    y = torch.from_numpy(fake)
    rows = [system.critic_step(net, optimizer, batches, batches.real(), y) for _ in range(steps)]
    gap, slope = (
        float(torch.stack([row[key] for row in rows[-100:]]).median()) for key in ("critic_gap", "slope")
    )
    return abs(gap / exact - 1), abs(slope - 1)


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and record."""
    run_checks("wgan-gp", measure, argv)


if __name__ == "__main__":
    main()
