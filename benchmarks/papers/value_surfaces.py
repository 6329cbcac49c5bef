"""Figure 1 of the improved WGAN paper: what critics look like under clipping and under the gradient penalty.

As in the paper the generator stands still at the data with noise N(0, I) added.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter
from torch import Tensor, nn
from torch.optim import Optimizer, RMSprop

import otgan
import otgan.data
from benchmarks.papers import figures
from benchmarks.papers.checks import Checks, run_checks
from otgan.data.toy import build
from otgan.gan.datasets.batches import Batches
from otgan.gan.losses.slopes import gradient_norms
from otgan.gan.networks import Prior, Space, critic, initialize
from otgan.gan.streams import seeded
from otgan.gan.systems.base import adam, descend
from otgan.gan.systems.wgan import clip_weights
from otgan.gan.systems.wgan_gp import WGANGP

CPU = torch.device("cpu")
DATA = {"8gaussians": "8 Gaussians", "25gaussians": "25 Gaussians", "swissroll": "Swiss roll"}
PENALTY = None
CLIP = 0.01
CLIPS = (0.1, 0.01, 0.001)
JUDGED = 2000
SURFACE_STEPS, DEEP_STEPS = 600, 300
SIDE = np.linspace(-2.5, 2.5, 101)
PEAK_RADIUS = 0.2

Rule = float | None
"""The bound that weights are clipped to, or None for the gradient penalty."""


NOTES = (
    "The share explained is (E f(x) - E f(y)) / (the largest slope of f on a grid of [-2.5, 2.5]² times W1), W1 "
    f"being exact between the same {JUDGED} points x of the data and {JUDGED} of the data with noise, y. It is 1 for "
    "an optimal critic of these points; the noise of the points themselves, which no critic trained on others can "
    "know, keeps it below that.",
    f"Surfaces: critics of 3 layers of 128, {SURFACE_STEPS} steps of batch 256; clipped as in the WGAN paper (RMSProp 5e-5, "
    "c = 0.01), first weights uniform in [-c, c]; penalized with weight 10 and Adam 1e-3.",
    f"Deep critics: 12 layers of 64, {DEEP_STEPS} steps of batch 256, Adam 5e-4 for all; first weights He-normal, so that "
    "clipping at once puts most weights at the bound. Gradient norms are those of the critic's loss in the outputs "
    "of its layers.",
)


def measure(checks: Checks) -> Sequence[str]:
    surfaces = {
        (data, rule): [
            surface(data, rule, seed, 30 if checks.quick else SURFACE_STEPS) for seed in checks.seeds
        ]
        for data in DATA
        for rule in (CLIP, PENALTY)
    }
    for data, name in DATA.items():
        clipped, penalized = surfaces[data, CLIP], surfaces[data, PENALTY]
        _above(
            checks,
            f"share of W1 that the penalized critic explains, {name}",
            [found.explained for found in clipped],
            [found.explained for found in penalized],
        )
        if build(data).modes is not None:
            _above(
                checks,
                f"modes where the penalized critic peaks, {name}",
                [found.peaks for found in clipped],
                [found.peaks for found in penalized],
            )

    deep = {
        rule: [deep_critic(rule, seed, 20 if checks.quick else DEEP_STEPS) for seed in checks.seeds]
        for rule in (PENALTY, *CLIPS)
    }
    steep = np.array([abs(slope(found.norms)) for found in deep[PENALTY]])
    for clip in CLIPS:
        checks.at_least(
            f"slope of log gradient norm by layer, clip {clip:g} over penalty, 12 layers, Swiss roll",
            1,
            list(np.array([abs(slope(found.norms)) for found in deep[clip]]) / steep),
        )
    rolls = {rule: surfaces["swissroll", rule] for rule in (CLIP, PENALTY)}
    cases: tuple[tuple[str, Mapping[Rule, Sequence[Surface | Deep]]], ...] = (
        ("12 layers", deep),
        ("3 layers", rolls),
    )
    for depth, found_by in cases:
        checks.at_least(
            f"share of weights within 1 % of the bound, clip {CLIP:g}, {depth}, Swiss roll",
            0.5,
            [at_the_bound(found.weights, CLIP) for found in found_by[CLIP]],
        )
        checks.at_most(
            f"share of weights within 1 % of the largest, penalty, {depth}, Swiss roll",
            0.05,
            [at_the_bound(found.weights, float(np.abs(found.weights).max())) for found in found_by[PENALTY]],
        )
    if not checks.quick:
        figures.save(
            figures.value_surfaces(
                SIDE,
                {key: found[0] for key, found in surfaces.items()},
                {rule: [each.norms for each in found] for rule, found in deep.items()},
                CLIP,
                DATA,
            ),
            "value-surfaces",
        )
    return NOTES


def _above(checks: Checks, check: str, clipped: Sequence[float], penalized: Sequence[float]) -> None:
    """Add a check that the penalized critics do better than the clipped ones."""
    rival, found = np.median(clipped), np.median(penalized)
    checks.add(check, f"> {rival:.3g} with clip {CLIP:g}", penalized, bool(found > rival))


@dataclass(frozen=True)
class Surface:
    """A critic of points in the plane.

    Attributes
    ----------
    values : ndarray, shape (len(SIDE), len(SIDE))
        f on the grid, the first axis being the second coordinate.
    explained : float
        The share of W₁ that f explains when it is divided by its largest slope.
    peaks : int
        Modes of the data with a local maximum of f near them.
    weights : ndarray
        All entries of the weight matrices.
    points : ndarray, shape (n, 2)
        Of the data.
    """

    values: NDArray[np.float64]
    explained: float
    peaks: int
    weights: NDArray[np.float64]
    points: NDArray[np.float64]


def surface(data: str, rule: Rule, seed: int, steps: int) -> Surface:
    """Train a critic between data and data with noise, and look at it."""
    net = small_critic(128, 3, seed)
    optimizer: Optimizer
    if rule is None:
        optimizer = adam(net, 1e-3, (0.5, 0.9))
    else:
        rng = seeded(CPU, seed, 9)
        with torch.no_grad():
            for parameter in net.parameters():
                parameter.uniform_(-rule, rule, generator=rng)
        optimizer = RMSprop(net.parameters(), lr=5e-5)
    train(net, optimizer, rule, data, seed, steps)

    real = otgan.data.load(data, JUDGED, seed=seed + 100)
    noised = otgan.data.load(data, JUDGED, seed=seed + 200)
    noised += np.random.default_rng(seed).standard_normal(noised.shape)
    first, second = np.meshgrid(SIDE, SIDE)
    grid = np.column_stack([first.ravel(), second.ravel()])
    steepest = float(gradient_norms(net, _tensor(grid)).detach().max())
    with torch.no_grad():
        gap = float(net(_tensor(real)).mean() - net(_tensor(noised)).mean())
        values = net(_tensor(grid)).double().numpy().reshape(first.shape)
    return Surface(
        values,
        gap / (steepest * otgan.emd(real, noised)),
        _peaks(values, data),
        weights_of(net),
        real,
    )


def _peaks(values: NDArray[np.float64], data: str) -> int:
    """Count the modes that have a local maximum of the surface near them."""
    modes = build(data).modes
    if modes is None:
        return 0
    rows, columns = np.nonzero(values == maximum_filter(values, size=3, mode="nearest"))
    inside = (rows % (len(SIDE) - 1) > 0) & (columns % (len(SIDE) - 1) > 0)
    tops = np.column_stack([SIDE[columns[inside]], SIDE[rows[inside]]])
    if not len(tops):
        return 0
    apart = np.linalg.norm(modes.centers[:, None] - tops[None], axis=-1).min(1)
    return int((apart <= PEAK_RADIUS).sum())


@dataclass(frozen=True)
class Deep:
    """A critic of many layers: ‖∂L/∂h‖ for the output h of each, from the first on, and its weights."""

    norms: list[float]
    weights: NDArray[np.float64]


def deep_critic(rule: Rule, seed: int, steps: int) -> Deep:
    """Train a critic of 12 layers between the Swiss roll and the same with noise."""
    net = small_critic(64, 12, seed)
    batches = train(net, adam(net, 5e-4, (0.0, 0.9)), rule, "swissroll", seed, steps)
    outputs: list[Tensor] = []
    hooks = [
        layer.register_forward_hook(lambda _, __, out: outputs.append(out))
        for layer in net.modules()
        if isinstance(layer, nn.Linear)
    ]
    x, y = batches.real(), noisy(batches)
    loss = net(torch.cat([x, y])) @ torch.cat([-torch.ones(len(x)), torch.ones(len(y))]) / len(x)
    for hook in hooks:
        hook.remove()
    gradients = torch.autograd.grad(loss, outputs)
    # The last layer's output is f itself, whose gradient is the same for every critic.
    return Deep([float(gradient.double().norm()) for gradient in gradients[:-1]], weights_of(net))


def slope(norms: Sequence[float]) -> float:
    """The slope of log ‖∂L/∂h‖ over the layers; norms below 1e-30, which float32 hardly holds, count as that."""
    return float(np.polyfit(np.arange(len(norms)), np.log(np.maximum(norms, 1e-30)), 1)[0])


def train(net: nn.Module, optimizer: Optimizer, rule: Rule, data: str, seed: int, steps: int) -> Batches:
    """Train a critic between data and data with noise, clipped or penalized; return the stream it learned from."""
    batches = Batches(_tensor(otgan.data.load(data, 16384, seed=seed)), 256, 2, Prior.NORMAL, seed)
    system = WGANGP(batch=256)
    for _ in range(steps):
        if rule is None:
            y = noisy(batches)
            system.critic_step(net, optimizer, batches, batches.real(), y)
        else:
            descend(optimizer, net(noisy(batches)).mean() - net(batches.real()).mean())
            clip_weights(net, rule)
    return batches


def noisy(batches: Batches) -> Tensor:
    """Draw what the generator that stands still makes: data and N(0, I), independent of the next mini-batch."""
    return batches.real() + batches.noise()


def small_critic(width: int, depth: int, seed: int) -> nn.Module:
    """Make a critic of points in the plane, filled."""
    with torch.device("meta"):
        net = critic(Space((2,)), "mlp", width=width, depth=depth)
    return initialize(net, seeded(CPU, seed), CPU)


def weights_of(net: nn.Module) -> NDArray[np.float64]:
    """All entries of the weight matrices."""
    return torch.cat([p.detach().flatten() for p in net.parameters() if p.ndim > 1]).double().numpy()


def at_the_bound(weights: NDArray[np.float64], bound: float) -> float:
    """The share of weights within 1 % of ± a bound."""
    return float((np.abs(weights) >= 0.99 * bound).mean())


def _tensor(points: NDArray[np.float64]) -> Tensor:
    return torch.tensor(points, dtype=torch.float32)


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, draw and record."""
    run_checks("value-surfaces", measure, argv)


if __name__ == "__main__":
    main()
