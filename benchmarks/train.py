"""Steps a second of each system, beside a plain loop of the same networks: ``python -m benchmarks.train [--quick]``."""

from __future__ import annotations

import argparse
import copy
import itertools
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize, softplus
from tqdm import tqdm

import otgan
from benchmarks.record import record
from benchmarks.timing import add_options, clock, now, prepare
from otgan.data.errors import DataError
from otgan.gan.datasets.training_data import TrainingData, as_tensor
from otgan.gan.evaluation.judge import Judge
from otgan.gan.run import Run
from otgan.gan.systems.base import System
from otgan.gan.training.loop import fit
from otgan.gan.training.records import Records
from otgan.gan.training.request import choose_system
from otgan.gan.training.schedule import Schedule
from otgan.gan.training.state import State

SYSTEMS = ("gan", "wgan", "wgan-gp", "smoothed-ot", "sinkhorn")

PLAIN: dict[str, dict[str, Any]] = {"smoothed-ot": {"self_terms": False}, "sinkhorn": {"form": "debiased"}}
BESIDE = "adversarial:64"
"""What the loops below know: these forms, and of images one generator and one rival that learn side by side."""


class Timed(Records):
    """Records that note when each step ended."""

    def __init__(self, estimate: str | None) -> None:
        super().__init__(None, estimate)
        self.times: list[float] = []

    def add(self, terms: dict[str, Tensor]) -> None:
        """Keep the terms and the time."""
        super().add(terms)
        self.times.append(now())


def ours(system: System, samples: TrainingData, rounds: int, steps: int) -> Iterator[list[float]]:
    """Yield the seconds of each of some steps of the trainer's own loop, round after round."""
    state = State.start(system, samples, 0, torch.device("cpu"))
    records = Timed(system.estimate)
    run = Run(
        state.model(system, samples.space),
        samples.describe(),
        0,
        records.history,
        None,
        Judge(samples.train, samples.held_out),
    )
    never = 10**9
    for number in range(rounds):
        schedule = Schedule((number + 1) * steps, save_every=never, evaluate_every=never)
        records.times.clear()
        fit(state, run, records, tqdm(disable=True), schedule)
        yield differences(records.times)


def plain(system: Any, samples: TrainingData, rounds: int, steps: int) -> Iterator[list[float]]:
    """Yield the same of the loop that one would write by hand, without averages, records or checkpoints."""
    state = State.start(system, samples, 0, torch.device("cpu"))
    nets = copy.deepcopy(state.nets)
    points = as_tensor(samples.train.points, samples.space)
    loop = LOOPS[system.name](nets, system, lambda: points[torch.randint(len(points), (system.batch,))])
    for _ in range(rounds):
        times = []
        for _ in range(steps):
            next(loop)
            times.append(now())
        yield differences(times)


def gan(nets: dict[str, nn.Module], system: Any, real: Callable[[], Tensor]) -> Iterator[None]:
    generator, critic = nets["generator"], nets["critic"]
    options = {"lr": system.lr, "betas": (system.beta1, system.beta2), "fused": True}
    descent = torch.optim.Adam(generator.parameters(), **options)
    ascent = torch.optim.Adam(critic.parameters(), **options)
    while True:
        with torch.no_grad():
            fake = generator(torch.randn(system.batch, system.latent))
        loss = (softplus(-critic(real())) + softplus(critic(fake))).mean()
        ascent.zero_grad()
        loss.backward()
        ascent.step()
        loss = softplus(-critic(generator(torch.randn(system.batch, system.latent)))).mean()
        descent.zero_grad()
        loss.backward(inputs=list(generator.parameters()))
        descent.step()
        yield


def wgan(nets: dict[str, nn.Module], system: Any, real: Callable[[], Tensor]) -> Iterator[None]:
    generator, critic = nets["generator"], nets["critic"]
    descent = torch.optim.RMSprop(generator.parameters(), lr=system.lr)
    ascent = torch.optim.RMSprop(critic.parameters(), lr=system.lr)
    while True:
        for _ in range(system.n_critic):
            with torch.no_grad():
                fake = generator(torch.randn(system.batch, system.latent))
            loss = critic(fake).mean() - critic(real()).mean()
            ascent.zero_grad()
            loss.backward()
            ascent.step()
            with torch.no_grad():
                for parameter in critic.parameters():
                    parameter.clamp_(-system.clip, system.clip)
        loss = -critic(generator(torch.randn(system.batch, system.latent))).mean()
        descent.zero_grad()
        loss.backward(inputs=list(generator.parameters()))
        descent.step()
        yield


def wgan_gp(nets: dict[str, nn.Module], system: Any, real: Callable[[], Tensor]) -> Iterator[None]:
    generator, critic = nets["generator"], nets["critic"]
    options = {"lr": system.lr, "betas": (system.beta1, system.beta2), "fused": True}
    descent = torch.optim.Adam(generator.parameters(), **options)
    ascent = torch.optim.Adam(critic.parameters(), **options)
    while True:
        for _ in range(system.n_critic):
            x = real()
            with torch.no_grad():
                y = generator(torch.randn(system.batch, system.latent))
            t = torch.rand(system.batch, *[1] * (x.ndim - 1))
            between = (t * x + (1 - t) * y).requires_grad_()
            (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
            penalty = (slope.flatten(1).norm(dim=1) - 1).square().mean()
            loss = critic(y).mean() - critic(x).mean() + system.penalty * penalty
            ascent.zero_grad()
            loss.backward()
            ascent.step()
        loss = -critic(generator(torch.randn(system.batch, system.latent))).mean()
        descent.zero_grad()
        loss.backward(inputs=list(generator.parameters()))
        descent.step()
        yield


def sinkhorn(nets: dict[str, nn.Module], system: Any, real: Callable[[], Tensor]) -> Iterator[None]:
    generator, embed = nets["generator"], embedding(nets)
    betas = (system.beta1, system.beta2)
    descent = torch.optim.Adam(generator.parameters(), lr=system.lr, betas=betas, fused=True)
    if "features" in nets:
        ascent = torch.optim.Adam(
            nets["features"].parameters(), lr=system.lr_features, betas=betas, fused=True
        )

    def divergence(fake: Tensor) -> Tensor:
        return otgan.sinkhorn_divergence(
            embed(real()), embed(fake), p=system.power, epsilon=system.epsilon, tol=system.tol
        )

    while True:
        for _ in range(system.n_critic if "features" in nets else 0):
            with torch.no_grad():
                fake = generator(torch.randn(system.batch, system.latent))
            loss = -divergence(fake)
            ascent.zero_grad()
            loss.backward()
            ascent.step()
        loss = divergence(generator(torch.randn(system.batch, system.latent)))
        descent.zero_grad()
        loss.backward(inputs=list(generator.parameters()))
        descent.step()
        yield


def smoothed_ot(nets: dict[str, nn.Module], system: Any, real: Callable[[], Tensor]) -> Iterator[None]:
    generator, embed = nets["generator"], embedding(nets)
    betas = (system.beta1, system.beta2)
    descent = torch.optim.Adam(generator.parameters(), lr=system.lr, betas=betas, fused=True)
    if "features" in nets:
        ascent = torch.optim.Adam(nets["features"].parameters(), lr=system.lr_dual, betas=betas, fused=True)

    def transport_cost(fake: Tensor) -> Tensor:
        x, y = embed(real()), embed(fake)
        solved = otgan.transport(
            x.detach(), y.detach(), p=system.power, epsilon=system.strength, tol=system.tol
        )
        return (solved.plan.to(x.dtype) * torch.cdist(x, y) ** system.power).sum()

    while True:
        for _ in range(system.n_dual if "features" in nets else 0):
            with torch.no_grad():
                fake = generator(torch.randn(system.batch, system.latent))
            loss = -transport_cost(fake)
            ascent.zero_grad()
            loss.backward()
            ascent.step()
        loss = transport_cost(generator(torch.randn(system.batch, system.latent)))
        descent.zero_grad()
        loss.backward(inputs=list(generator.parameters()))
        descent.step()
        yield


def embedding(nets: dict[str, nn.Module]) -> Callable[[Tensor], Tensor]:
    if "features" not in nets:
        return lambda x: x.flatten(1)
    return lambda x: normalize(nets["features"](x), dim=1)


LOOPS: dict[str, Callable[[dict[str, nn.Module], Any, Callable[[], Tensor]], Iterator[None]]] = {
    "gan": gan,
    "wgan": wgan,
    "wgan-gp": wgan_gp,
    "sinkhorn": sinkhorn,
    "smoothed-ot": smoothed_ot,
}


def differences(times: list[float]) -> list[float]:
    return [after - before for before, after in itertools.pairwise(times)]


def main(argv: Sequence[str] | None = None) -> None:
    """Time both loops of every system in turns, and record the medians."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.train", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer steps, no MNIST, nothing recorded")
    add_options(parser)
    chosen = parser.parse_args(argv)
    if chosen.device != "cpu":
        parser.error("the plain loops are written for the CPU")
    prepare(chosen)
    quick = chosen.quick
    rounds, rows = (2, []) if quick else (5, [])
    cases: list[tuple[str, dict[str, Any], int]] = [("8gaussians", {"batch": 256}, 10 if quick else 40)]
    if not quick:
        cases.append(("mnist", {"batch": 64, "network": "dcgan"}, 20))
    for data, options, steps in cases:
        try:
            samples = TrainingData.of(data, 0)
        except DataError as error:
            print(f"without {data}: {error}")
            continue
        # The evaluations that end a round are not timed, so they may be of a few samples.
        few = replace(samples.held_out.take(slice(64)), labels=None)
        samples = replace(samples, held_out=few, train=replace(samples.train, labels=None))
        for name in SYSTEMS:
            also = PLAIN.get(name, {})
            if also and samples.space.kind == "images":
                also = {**also, "features": BESIDE}
            system = choose_system(name, samples.space, {**options, **also})
            turns = zip(
                ours(system, samples, rounds, steps), plain(system, samples, rounds, steps), strict=True
            )
            milliseconds = [
                1e3 * statistics.median(itertools.chain(*times)) for times in zip(*turns, strict=True)
            ]
            over = 100 * (milliseconds[0] / milliseconds[1] - 1)
            rows.append((name, data, *milliseconds, 1e3 / milliseconds[0], over))
            print(
                f"{name:12} {data:10} {milliseconds[0]:8.2f} ms, plain {milliseconds[1]:8.2f} ms, {over:+.1f} %"
            )
    if not quick:
        record(
            "train",
            ["system", "data", "step (ms)", "plain loop (ms)", "steps a second", "overhead (%)"],
            rows,
            notes=[
                "Medians of steps in turns. One step is one generator update with all of its critic's; batch 256 on "
                "8gaussians, 64 on MNIST with DCGAN.",
                "smoothed-ot is without self terms, sinkhorn in the debiased form; on MNIST both learn features beside the generator, "
                f"`features={BESIDE}`, and no autoencoder first.",
                "The plain loop has the same networks and optimizers, and neither moving average nor records.",
                clock(),
            ],
        )


if __name__ == "__main__":
    main()
