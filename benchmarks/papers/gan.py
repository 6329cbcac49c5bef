"""The vanilla GAN beside the claims of the Wasserstein GAN paper about it (Figures 2 and 4)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch.nn.functional import softplus

import otgan.data
from benchmarks.papers.checks import Checks, last, run_checks
from otgan.gan.batches import seeded
from otgan.gan.networks import Space, critic, initialize
from otgan.gan.systems.base import adam, descend


def measure(checks: Checks) -> Sequence[str]:
    runs = checks.train("gan", "8gaussians")
    checks.at_most("W1 on 8 Gaussians", 0.25, last(runs, "em"), last(runs, "em_floor")[0])

    net = initialize(
        critic(Space((2,)), "mlp", width=64, depth=2), seeded(torch.device("cpu"), 0), torch.device("cpu")
    )
    optimizer = adam(net, 5e-3, (0.5, 0.999))
    x, y = (torch.tensor(otgan.data.load(f"lines@{place}", 512), dtype=torch.float32) for place in (0, 1))
    for _ in range(50 if checks.quick else 500):
        descend(optimizer, (softplus(-net(x)) + softplus(net(y))).mean())
    y.requires_grad_()
    logits = net(y)
    (saturating,) = torch.autograd.grad(-softplus(logits).mean(), y, retain_graph=True)
    (other,) = torch.autograd.grad(softplus(-logits).mean(), y)
    checks.at_most(
        "gradient of the saturating loss over that of the other, D nearly optimal on two lines",
        0.01,
        [float(saturating.norm() / other.norm())],
    )
    with torch.no_grad():
        js = math.log(2) - 0.5 * float((softplus(-net(x)) + softplus(net(y))).mean())
    checks.at_least("JS estimate on the disjoint lines (log 2 = 0.693)", 0.65, [js])
    return ()


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and record."""
    run_checks("gan", measure, argv)


if __name__ == "__main__":
    main()
