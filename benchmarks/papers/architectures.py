"""Figures 5 to 7 of the Wasserstein GAN paper in small: generators that are hard to train, by three systems, on digits."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

import otgan.gan
from benchmarks.papers import figures
from benchmarks.papers.checks import SEEDS, command, evaluations, options, verdict
from benchmarks.record import Cell, record
from otgan.gan.networks import Space, generator, initialize
from otgan.gan.streams import seeded

NAME = "architectures"
DIGITS = Space((1, 8, 8))
LATENT = 32
CRITIC_UPDATES = 500
NEVER = 10**9

GENERATORS = ("DCGAN", "DCGAN without batch norm", "MLP of 4 layers")
SYSTEMS: dict[str, dict[str, Any]] = {
    "gan": {"lr": 1e-3, "n_critic": 1},
    "wgan": {"lr": 1e-3, "n_critic": 2},
    "wgan-gp": {"lr": 1e-3, "n_critic": 2, "beta1": 0.5},
}


@dataclass(frozen=True)
class Outcome:
    """One run: what `Run.evaluate` says at its end, and some samples."""

    found: dict[str, Any]
    samples: NDArray[np.float32]


def trained(kind: str, system: str, seed: int, critic_updates: int) -> Outcome:
    """Train one generator; the discriminator or critic is always that of DCGAN."""
    given = {
        **SYSTEMS[system],
        "network": "dcgan",
        "width": 8,
        "latent": LATENT,
        "norm": kind != "DCGAN without batch norm",
    }
    run = otgan.gan.train(
        system,
        "digits",
        max(1, critic_updates // given["n_critic"]),
        seed,
        options=given,
        modules={"generator": mlp(seed)} if kind == "MLP of 4 layers" else None,
        evaluate_every=NEVER,
        save_every=NEVER,
    )
    return Outcome(dict(evaluations(run)[-1][1]), run.sample(16, seed=0))


def mlp(seed: int) -> nn.Module:
    """Make a generator of four layers of 256 ReLU."""
    with torch.device("meta"):
        net = generator(DIGITS, "mlp", latent=LATENT, width=256, depth=4)
    return initialize(net, seeded(torch.device("cpu"), seed, 0), torch.device("cpu"))


def row(kind: str, system: str, outcomes: Sequence[Outcome]) -> tuple[Cell, ...]:
    """What the seeds reached, and the floors."""
    found = [outcome.found for outcome in outcomes]
    return (
        kind,
        system,
        CRITIC_UPDATES // SYSTEMS[system]["n_critic"],
        ", ".join(f"{each['classifier_frechet']:.0f}" for each in found),
        statistics.median(each["classifier_frechet_floor"] for each in found),
        ", ".join(f"{each['class_tv']:.2f}" for each in found),
        statistics.median(each["class_tv_floor"] for each in found),
        ", ".join(f"{each['classes']}" for each in found),
    )


def verdicts(outcomes: dict[tuple[str, str], list[Outcome]]) -> list[str]:
    """The paper's claims, as they were put down before the runs."""
    frechet = {
        key: statistics.median(outcome.found["classifier_frechet"] for outcome in found)
        for key, found in outcomes.items()
    }
    claims = [
        verdict(
            f"{kind}: {system} ends nearer to the digits than gan, by the median classifier-Fréchet distance "
            f"({frechet[kind, system]:.0f} and {frechet[kind, 'gan']:.0f}).",
            frechet[kind, system] < frechet[kind, "gan"],
        )
        for kind in GENERATORS[1:]
        for system in ("wgan", "wgan-gp")
    ]
    complete = [
        outcome.found["classes"] == outcome.found["classes_total"]
        for (_, system), found in outcomes.items()
        for outcome in found
        if system != "gan"
    ]
    return [
        *claims,
        verdict(
            "no run of wgan or wgan-gp loses a class (of which it must make 1 %): "
            f"{sum(complete)} of {len(complete)} have all ten.",
            all(complete),
        ),
    ]


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, draw and record."""
    quick = options(NAME, argv).quick
    outcomes: dict[tuple[str, str], list[Outcome]] = {}
    for kind in GENERATORS:
        for system in SYSTEMS:
            seeds = SEEDS[:1] if quick else SEEDS
            outcomes[kind, system] = [
                trained(kind, system, seed, 10 if quick else CRITIC_UPDATES) for seed in seeds
            ]
            print(*row(kind, system, outcomes[kind, system]), sep="  ", flush=True)
    claims = verdicts(outcomes)
    print(*claims, sep="\n")
    if quick:
        return
    figures.save(
        figures.architectures({key: (found[0].samples, found[0].found) for key, found in outcomes.items()}),
        NAME,
    )
    gaussian = outcomes[GENERATORS[0], "gan"][0].found["classifier_frechet_gaussian"]
    record(
        f"papers-{NAME}",
        [
            "generator",
            "system",
            "generator updates",
            "classifier-Fréchet, a seed each",
            "its real-real floor",
            "class TV, a seed each",
            "its real-real floor",
            "classes of 10, a seed each",
        ],
        [row(kind, system, found) for (kind, system), found in outcomes.items()],
        notes=[
            *claims,
            f"scikit-learn's digits, 8 × 8, seconds a run: {CRITIC_UPDATES} updates of the discriminator or critic for all, "
            "one a generator update for gan and two for the others; rate 1e-3 throughout. Runs of hours, as in the paper, "
            "end elsewhere; what is compared is how three systems cope with one small budget.",
            "DCGAN has 8 channels next to the pixels; without batch norm neither generator nor discriminator has any; "
            "the MLP has 4 layers of 256 and plays against DCGAN's discriminator.",
            f"Gaussian noise with the pixels' mean and covariance has a classifier-Fréchet distance of {gaussian:.3g}.",
        ],
        command=command(NAME),
    )


if __name__ == "__main__":
    main()
