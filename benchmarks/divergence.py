"""What debiasing and gradients cost: ``python -m benchmarks.divergence [--quick]``."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import nn

import otgan
from benchmarks.problems import Problem, gaussians
from benchmarks.record import Cell, record
from benchmarks.timing import add_options, clock, in_turns, prepare
from otgan.costs import Euclidean
from otgan.geometry import make_geometry

RELATIVE = 0.05
TOL = 1e-6

DIMENSIONS = (2, 3, 16, 64)

TRAINED = (256, 64)
"""Samples of a batch of the training step, and the width of its network."""

_BLUR = 0.5
"""Of the training step's loss, on data of about unit size."""

_STEPS = 10
"""Steps that a time of the training step is of."""


def kernel_builds(problem: Problem) -> Callable[[], None]:
    """Return a call that makes the costs and one kernel of x with itself and of y with itself."""
    epsilon = problem.epsilon[None].numpy()
    sides = [points[None].numpy() for points in (problem.x, problem.y)]

    def build() -> None:
        for points in sides:
            zero = np.zeros(points.shape[:2])
            make_geometry("auto", points, points, Euclidean(2.0)).kernel(epsilon, zero, zero, TOL)

    return build


def debiasing(problem: Problem, rounds: int) -> tuple[Cell, ...]:
    """Time the divergence beside its cross term and the kernels that its self terms cannot do without."""
    x, y, epsilon = problem.x, problem.y, problem.epsilon
    runs = [
        lambda: otgan.sinkhorn_divergence(x, y, epsilon=epsilon, tol=TOL),
        lambda: otgan.sinkhorn(x, y, epsilon=epsilon, tol=TOL),
        kernel_builds(problem),
    ]
    in_turns(runs, 1)
    divergence, cross, builds = in_turns(runs, rounds)
    return (x.shape[1], x.shape[0], divergence, cross, builds, divergence / (cross + builds))


def gradients(problem: Problem, rounds: int) -> tuple[Cell, ...]:
    """Time the value alone, and with its gradients in both clouds."""
    x, y, epsilon = problem.x, problem.y, problem.epsilon

    def value() -> torch.Tensor:
        return otgan.sinkhorn(x, y, epsilon=epsilon, tol=TOL)

    def with_gradients() -> tuple[torch.Tensor, ...]:
        x_, y_ = x.clone().requires_grad_(), y.clone().requires_grad_()
        return torch.autograd.grad(otgan.sinkhorn(x_, y_, epsilon=epsilon, tol=TOL), (x_, y_))

    runs: list[Callable[[], object]] = [value, with_gradients]
    in_turns(runs, 1)
    alone, both = in_turns(runs, rounds)
    return x.shape[1], x.shape[0], alone, both, (both - alone) / alone


def training(d: int, rounds: int) -> tuple[Cell, ...]:
    """Time a step of a small generator on the Sinkhorn divergence, and the same step on a loss that costs nothing."""
    batch, width = TRAINED
    generator = torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(d, width), nn.ReLU(), nn.Linear(width, d))
    optimizer = torch.optim.Adam(network.parameters(), fused=True)
    real, divergence = torch.randn(batch, d, generator=generator), otgan.SinkhornLoss(blur=_BLUR)

    def steps(loss: Callable[[torch.Tensor], torch.Tensor]) -> None:
        for _ in range(_STEPS):
            optimizer.zero_grad()
            loss(network(torch.randn(batch, d, generator=generator))).backward()
            optimizer.step()

    runs: list[Callable[[], object]] = [
        lambda: steps(lambda fake: divergence(fake, real)),
        lambda: steps(lambda fake: (fake - real).square().mean()),
    ]
    in_turns(runs, 1)
    whole, without = (1e3 * seconds / _STEPS for seconds in in_turns(runs, rounds))
    return d, batch, whole, whole - without, 1e3 / whole


def main(argv: Sequence[str] | None = None) -> None:
    """Measure both, and steps of training, in several dimensions."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.divergence", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--quick", action="store_true", help="smaller clouds, nothing recorded")
    add_options(parser)
    options = parser.parse_args(argv)
    prepare(options)
    sizes, rounds = ((300,), 3) if options.quick else ((500, 2000), 7)
    suffix = "-cuda" if options.device == "cuda" else ""
    problems = [gaussians(n, d, RELATIVE, device=options.device) for n in sizes for d in DIMENSIONS]
    debiased = [debiasing(problem, rounds) for problem in problems]
    differentiated = [gradients(problem, rounds) for problem in problems]
    trained = [training(d, rounds) for d in DIMENSIONS] if options.device == "cpu" else []
    for row in [*debiased, *differentiated, *trained]:
        print(*(f"{cell:.3g}" for cell in row))
    if options.quick:
        return
    setting = f"ε = {RELATIVE:g} of the mean cost, L1 error {TOL:g}, float64. Medians of {rounds} runs in turns. {clock()}"
    record(
        f"divergence{suffix}",
        ["d", "n", "divergence (s)", "cross term (s)", "two kernels (s)", "divergence / (cross + kernels)"],
        debiased,
        notes=[
            setting,
            "The two kernels are the costs of x with x and of y with y and one exponential of each.",
        ],
    )
    record(
        f"gradient{suffix}",
        ["d", "n", "value (s)", "value and gradients (s)", "gradients / value"],
        differentiated,
        notes=[setting, "Gradients in both clouds."],
    )
    if trained:
        record(
            "training-step",
            ["d", "batch", "step (ms)", "of it the loss (ms)", "steps a second"],
            trained,
            notes=[
                f"One step of Adam on a network of one hidden layer of {TRAINED[1]}, float32, on "
                f"`otgan.SinkhornLoss(blur={_BLUR:g})` at its other defaults; the loss is what the step takes more than one "
                f"on a mean square. Medians of {rounds} times {_STEPS} steps in turns. {clock()}"
            ],
        )


if __name__ == "__main__":
    main()
