"""The Wasserstein GAN: clipping, learning, and a loss that follows the quality (Figure 3)."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from benchmarks.papers.checks import SEEDS, Checks, evaluations, last, loss_and_quality, run_checks
from otgan.gan.samples import Samples
from otgan.gan.state import State
from otgan.gan.systems.wgan import WGAN


def measure(checks: Checks) -> Sequence[str]:
    largest = []
    for seed in SEEDS:
        samples = Samples.of("8gaussians", seed)
        system = WGAN.for_data("points")
        state = State.start(system, samples, seed, torch.device("cpu"))
        sizes = []
        for _ in range(20):
            system.step(state.nets, state.optimizers, state.batches)
            sizes += [float(p.detach().abs().max()) for p in state.nets["critic"].parameters()]
        largest.append(max(sizes))
    checks.at_most("largest weight of the critic after any step (c = 0.1)", system.clip, largest)

    runs = checks.train("wgan", "8gaussians")
    checks.at_most("W1 on 8 Gaussians", 0.25, last(runs, "em"), last(runs, "em_floor")[0])
    checks.at_least(
        "Spearman correlation of the critic's median estimate with exact W1 over training",
        0.8,
        [loss_and_quality(run, "wasserstein") for run in runs],
    )
    for data in ("25gaussians", "swissroll"):
        runs = checks.train("wgan", data)
        drops = [
            1 - run["em"] / evaluations(of)[0][1]["em"] for of in runs for run in [evaluations(of)[-1][1]]
        ]
        checks.at_least(f"share of W1 that is gone on {data}", 0.5, drops)
    return ()


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and record."""
    run_checks("wgan", measure, argv)


if __name__ == "__main__":
    main()
