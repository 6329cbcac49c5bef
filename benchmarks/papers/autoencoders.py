"""Autoencoders under the glass: identities of losses, bounds of W₁, samples between modes, a posterior with two modes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

import otgan
import otgan.gan
from otgan.gan import Run
from otgan.gan.datasets.batches import Batches
from otgan.gan.networks import Prior, Space, critic, initialize
from otgan.gan.networks.likelihoods import gaussian_log_prob
from otgan.gan.streams import seeded
from otgan.gan.systems.aae import AAE
from otgan.gan.systems.wae import WAEGAN
from otgan.gan.systems.wgan_gp import WGANGP

FAR = 0.2
NOISE = 0.2
"""Standard deviation of x = |z| + noise."""
MEAN = math.sqrt(2 / math.pi)
"""The mean of |z|, taken off so that the library keeps the units."""

CPU = torch.device("cpu")
Array = NDArray[np.float64]


def aae_against_pot(seed: int, variance: float = 0.37, dim: int = 5) -> tuple[float, float]:
    """Relative differences of the two losses and of their gradients, on one batch, in float64."""
    options: dict[str, Any] = {"batch": 64, "latent": 2, "width": 32, "critic_width": 32}
    aae = AAE(variance=variance, **options)
    pot = WAEGAN(penalty=2 * variance, **options)
    nets = {
        name: initialize(net, seeded(CPU, seed, k), CPU).double()
        for k, (name, net) in enumerate(aae.networks(Space((dim,))).items())
    }
    rng = np.random.default_rng(seed)
    x, z = torch.tensor(rng.normal(size=(64, dim))), torch.tensor(rng.normal(size=(64, 2)))
    noise = aae.encoder_noise(64, seeded(CPU, seed, 9)).double()
    parameters = [p for name in ("encoder", "generator") for p in nets[name].parameters()]

    reconstruction, penalty = aae.objective(nets, x, noise)
    left = 2 * variance * (reconstruction + penalty)
    cost, discrepancy = pot.objective(nets, x, noise, z)
    right = cost + pot.penalty * discrepancy + dim * variance * math.log(2 * math.pi * variance)
    gradients = [
        torch.cat([g.flatten() for g in torch.autograd.grad(of, parameters)]) for of in (left, right)
    ]
    difference = float((gradients[0] - gradients[1]).norm() / gradients[1].norm())
    return abs(float(left.detach() / right.detach()) - 1), difference


@dataclass(frozen=True)
class Bracket:
    """Exact W₁ between data and a generator, a critic's lower bound and an encoder's upper one."""

    lower: float
    exact: float
    upper: float
    cost: float


def enclose(run: Run, seed: int, steps: int, n: int = 1000) -> Bracket:
    """Bracket W₁ between n held-out points and n samples of a run."""
    x, y = run.real_samples()[:n], run.sample(n, seed=0)
    z = run.reconstruct(x, seed=0)
    cost = float(np.linalg.norm(x - z, axis=1).mean())
    upper = cost + float(otgan.emd(z.astype(float), y.astype(float)))

    system = WGANGP(batch=256, width=64, depth=3, lr=1e-3, beta1=0.5, penalty=10.0)
    net = initialize(critic(Space((2,)), "mlp", width=64, depth=3), seeded(CPU, seed), CPU)
    optimizer = system.optimizers({"critic": net})["critic"]
    size = min(256, len(x))
    real = Batches(torch.from_numpy(x), size, 2, Prior.NORMAL, seed)
    made = Batches(torch.from_numpy(y), size, 2, Prior.NORMAL, seed + 1)
    for _ in range(steps):
        system.critic_step(net, optimizer, real, real.real(), made.real())
    lower = critic_bound(net, torch.from_numpy(x), torch.from_numpy(y))
    return Bracket(lower, float(otgan.emd(x.astype(float), y.astype(float))), upper, cost)


@torch.no_grad()
def critic_bound(net: nn.Module, x: Tensor, y: Tensor) -> float:
    """(E f(x) − E f(y)) / Lip f, the constant being the largest slope between any two of all the points."""
    values, points = net(torch.cat([x, y])).double(), torch.cat([x, y]).double()
    rise = (values[:, None] - values).abs()
    run = torch.cdist(points, points, compute_mode="donot_use_mm_for_euclid_dist")
    steepest = (rise / run.masked_fill(run == 0, torch.inf)).max()
    return float((values[: len(x)].mean() - values[len(x) :].mean()) / steepest)


def far(run: Run, points: NDArray[Any]) -> float:
    """Share of the points that are farther than .2 from every mode."""
    modes = run.judge().held_out.modes
    assert modes is not None
    return float((np.linalg.norm(points[:, None] - modes.centers, axis=-1).min(1) > FAR).mean())


@torch.no_grad()
def decoder_error(run: Run, n: int = 4000) -> float:
    """E ‖G(z) − E[X|z]‖² / E ‖X − E X‖² over z of Q_Z, the conditional mean being that of n points under Q(z|x)."""
    rows = run.real_samples()[:n]
    x = torch.from_numpy(rows)
    mean, log_variance = run.autoencoder().posterior(run.networks, x)
    z = torch.from_numpy(run.encode(rows, seed=0))[:1000]
    weights = gaussian_log_prob(z[:, None], mean[None], log_variance[None]).softmax(1)
    decoded = torch.from_numpy(run.decode(z.numpy()))
    return float((decoded - weights @ x).square().sum(1).mean() / (x - x.mean(0)).square().sum(1).mean())


class Fold(nn.Module):
    """The decoder z to |z|, its mean taken off: nothing in it is learned."""

    def forward(self, z: Tensor) -> Tensor:
        """Return |z| − E|z|."""
        return z.abs() - MEAN


def fold_run(name: str, seed: int, steps: int, **options: Any) -> Run:
    """Train an encoder for x = |z| + noise, the decoder being given."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(20000, 1))
    x = (np.abs(z) - MEAN + NOISE * rng.normal(size=z.shape)).astype(np.float32)
    return otgan.gan.train(
        name,
        x,
        steps,
        seed,
        modules={"generator": Fold()},
        evaluate_every=steps,
        options={
            "latent": 1,
            "width": 64,
            "depth": 2,
            "batch": 128,
            "variance": NOISE**2,
            "learn_variance": False,
            **options,
        },
    )


def codes(run: Run, place: float, n: int = 2000) -> Array:
    """Draw codes of x = place, shape (n, 1)."""
    return run.encode(np.full((n, 1), place - MEAN, np.float32), seed=0).astype(float)


def rarer_sign(run: Run, place: float) -> float:
    """Share of the codes of x = place that have the rarer sign."""
    positive = float((codes(run, place) > 0).mean())
    return min(positive, 1 - positive)


def true_density(grid: Array, place: float) -> Array:
    """p(z | x = place) on a fine grid, by its sum."""
    logs = -(grid**2) / 2 - (np.abs(grid) - place) ** 2 / (2 * NOISE**2)
    weights: Array = np.exp(logs - logs.max())
    return weights / (weights.sum() * (grid[1] - grid[0]))


def true_posterior(place: float, n: int = 2000, random: int | None = None) -> Array:
    """Quantiles of p(z | x = place), evenly spaced or, with a seed, drawn; shape (n, 1)."""
    grid = np.linspace(-6, 6, 20001)
    levels = (np.arange(n) + 0.5) / n if random is None else np.random.default_rng(random).uniform(size=n)
    cumulated = true_density(grid, place).cumsum()
    found: Array = np.interp(levels, cumulated / cumulated[-1], grid)[:, None]
    return found
