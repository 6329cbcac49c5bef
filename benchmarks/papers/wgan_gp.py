"""Improved training of Wasserstein GANs: quality, the critic's estimate, and Figure 1b."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

import otgan
import otgan.data
from benchmarks.papers.checks import SEEDS, Checks, last, run_checks
from otgan.gan.batches import Batches, seeded
from otgan.gan.networks import Space, critic, initialize
from otgan.gan.systems.base import adam, descend
from otgan.gan.systems.wgan import clip_weights
from otgan.gan.systems.wgan_gp import WGANGP

CPU = torch.device("cpu")


def measure(checks: Checks) -> Sequence[str]:
    runs = checks.train("wgan-gp", "8gaussians")
    checks.at_most("W1 on 8 Gaussians", 0.10, last(runs, "em"), last(runs, "em_floor")[0])
    checks.at_least("modes covered of 8", 8, last(runs, "modes"))
    runs = checks.train("wgan-gp", "25gaussians")
    checks.at_least("modes covered of 25", 23, last(runs, "modes"))

    errors, slopes = zip(
        *(frozen_generator(seed, 50 if checks.quick else 600) for seed in SEEDS), strict=True
    )
    checks.at_most("relative error of the critic's estimate of W1, generator frozen, penalty 10", 0.1, errors)
    checks.at_most("distance of the mean slope on the interpolates from 1, the same", 0.1, slopes)

    found = {rule: deep_critic(rule, 30 if checks.quick else 1500) for rule in ("penalty", 0.1, 0.01, 0.001)}
    steepest = {rule: abs(slope) for rule, (slope, _) in found.items()}
    for clip in (0.1, 0.01, 0.001):
        checks.at_least(
            f"slope of log gradient norm by layer, clip {clip} over penalty, 12 layers, Swiss roll",
            1,
            [steepest[clip] / steepest["penalty"]],
        )
    checks.at_least("share of weights within 1 % of the bound, clip 0.01", 0.5, [found[0.01][1]])
    checks.at_most("the same share of weights near the largest, penalty", 0.05, [found["penalty"][1]])
    return (
        "Figure 1b: the gradient of the critic's loss in each layer's output, on a fixed Swiss roll against noise.",
    )


def frozen_generator(seed: int, steps: int) -> tuple[float, float]:
    """Train a critic between two fixed samples; return the relative error of its estimate, and |slope − 1|."""
    rng = np.random.default_rng(seed)
    real = rng.normal(size=(256, 2)).astype(np.float32)
    fake = (0.5 * rng.normal(size=(256, 2)) + np.array([2.0, 0.5])).astype(np.float32)
    exact = otgan.emd(real.astype(float), fake.astype(float))
    system = WGANGP(batch=256, width=64, depth=2, lr=2e-3)
    batches = Batches(torch.from_numpy(real), 256, 2, "normal", seed)
    net = initialize(critic(Space((2,)), "mlp", width=64, depth=2), seeded(CPU, seed), CPU)
    optimizer = system.optimizers({"critic": net})["critic"]
    rows = [system.critic_step(net, optimizer, batches, torch.from_numpy(fake)) for _ in range(steps)]
    gap, slope = (
        float(torch.stack([row[key] for row in rows[-100:]]).median()) for key in ("critic_gap", "slope")
    )
    return abs(gap / exact - 1), abs(slope - 1)


def deep_critic(rule: str | float, steps: int) -> tuple[float, float]:
    """Train a critic of 12 layers between the Swiss roll and noise, clipped or penalized.

    Returns
    -------
    slope : float
        Of log ‖∂L/∂h‖ over the layers' outputs h.
    at_the_bound : float
        The share of weights within 1 % of the bound (with the penalty, of the largest weight).
    """
    net = initialize(critic(Space((2,)), "mlp", width=64, depth=12), seeded(CPU, 0), CPU)
    roll = torch.tensor(otgan.data.load("swissroll", 4096), dtype=torch.float32)
    batches = Batches(roll, 256, 2, "normal", 0)
    system = WGANGP(batch=256)
    optimizer = adam(net, 1e-3 if rule == "penalty" else 5e-4, (0.0, 0.9))
    for _ in range(steps):
        if rule == "penalty":
            system.critic_step(net, optimizer, batches, batches.noise())
        else:
            descend(optimizer, net(batches.noise()).mean() - net(batches.real()).mean())
            clip_weights(net, float(rule))
    return _slope_by_layer(net, batches), _share_at_bound(net, rule)


def _slope_by_layer(net: nn.Module, batches: Batches) -> float:
    outputs: list[Tensor] = []
    hooks = [
        layer.register_forward_hook(lambda _, __, out: outputs.append(out))
        for layer in net.modules()
        if isinstance(layer, nn.Linear)
    ]
    loss = net(batches.noise()).mean() - net(batches.real()).mean()
    for hook in hooks:
        hook.remove()
    gradients = torch.autograd.grad(loss, outputs[: len(hooks)])
    norms = np.log([float(gradient.norm()) + 1e-30 for gradient in gradients[:-1]])
    return float(np.polyfit(np.arange(len(norms)), norms, 1)[0])


def _share_at_bound(net: nn.Module, rule: str | float) -> float:
    weights = torch.cat([p.detach().abs().flatten() for p in net.parameters() if p.ndim == 2])
    bound = float(weights.max() if rule == "penalty" else rule)
    return float((weights >= 0.99 * bound).float().mean())


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and record."""
    run_checks("wgan-gp", measure, argv)


if __name__ == "__main__":
    main()
