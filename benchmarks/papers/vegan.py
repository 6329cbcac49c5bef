"""The VEGAN cookbook: penalized transport and its kin, in identities, a linear program, a bracket of W₁, and pictures.

Figure: what the penalty makes of the problem over encoders; W₁ between its two bounds; prior samples of a Wasserstein and
a variational autoencoder; a posterior with two modes, as a Gaussian and as an adversarial encoder take it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure

import otgan
from benchmarks.papers.autoencoders import (
    FAR,
    NOISE,
    Bracket,
    aae_against_pot,
    codes,
    decoder_error,
    enclose,
    far,
    fold_run,
    rarer_sign,
    true_density,
    true_posterior,
)
from benchmarks.papers.checks import SEEDS, Checks, last, run_checks
from benchmarks.papers.encoders import Discrete, Relaxed, relaxed, total_variation
from benchmarks.papers.figures import legend_below, row, save
from otgan.gan import Run
from otgan.plot.palette import BLUE, GREEN, INK, ORANGE

PENALTIES = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
SHARED: Mapping[str, Any] = {
    "latent": 2,
    "width": 64,
    "depth": 3,
    "activation": "relu",
    "batch": 128,
    "encoder": "gaussian",
}
"""The architecture of all autoencoders that are compared."""
UPDATES = 800
PLACES = (0.75, 1.0, 1.25, 1.5)
SEEN, MISSED = 0.2, 0.05
"""Where the posterior of x = |z| + noise is looked at: it has two modes there, far apart."""


def measure(checks: Checks) -> Sequence[str]:
    adversarial_autoencoder(checks)
    penalties = discrete(checks)
    brackets = bracket(checks)
    blurred = blur(checks)
    posteriors = bimodal(checks)
    if not checks.quick:
        save(draw(penalties, brackets, blurred, posteriors), "vegan")
    return (
        "Theorem 1: 50 data points, 60 codes that a decoder takes to 40 points, random weights, c = |x - y|^2; between "
        "the points themselves W_c is found by otgan.transport. The relaxed problem: the same with c = |x - y|, "
        "D = 2 JS or TV; each value is certified to 1e-7 by a linear program below it.",
        "The bracket is between 1000 held-out points and 1000 samples, all of it exact on these atoms: the critic's "
        "Lipschitz constant is the largest slope between any two of the 2000.",
        f"Autoencoders: {SHARED['depth']} hidden layers of {SHARED['width']} units, Gaussian encoders, batch "
        f"{SHARED['batch']}, {UPDATES} updates (500 for the bracket), library defaults otherwise. Far: more than {FAR} from every mode of the 8 Gaussians; "
        "the floor is that of real points.",
        f"Two modes: x = |z| + {NOISE} noise, the decoder |z| given and fixed, 900 updates; at x = "
        + ", ".join(f"{place:g}" for place in PLACES)
        + ".",
    )


def adversarial_autoencoder(checks: Checks) -> None:
    """The AAE's loss is that of penalized transport, and so are its gradients."""
    found = [aae_against_pot(seed) for seed in SEEDS]
    checks.at_most(
        "|2 sigma^2 AAE - (POT at lambda = 2 sigma^2 + d sigma^2 log 2 pi sigma^2)|, relative",
        1e-13,
        [loss for loss, _ in found],
    )
    checks.at_most("the same of their gradients in all weights", 1e-12, [gradient for _, gradient in found])


@dataclass(frozen=True)
class Penalized:
    """The problem over encoders for each λ, with two penalties, beside W₁."""

    exact: float
    gan: Sequence[Relaxed]
    tv: Sequence[Relaxed]
    above: Sequence[float]
    """E c + W₁(G#Q_Z, P_G) of the encoders that the GAN's penalty leads to."""


def discrete(checks: Checks) -> Penalized:
    """Theorem 1 as a linear program, and what relaxing its constraint costs."""
    problems = [Discrete.draw(seed) for seed in SEEDS]
    checks.at_most(
        "Theorem 1: |min E c over encoders with Q_Z = P_Z - W_c(P_X, P_G)|",
        1e-9,
        [abs(problem.constrained(2) - problem.transport(2)) for problem in problems],
    )
    penalties = PENALTIES[::7] if checks.quick else PENALTIES
    found = [penalized(problem, penalties) for problem in problems]
    checks.add(
        f"POT over W1, penalty 2 JS, lambda {PENALTIES[0]:g} to {PENALTIES[-1]:g}: the largest",
        "< 1",
        largest := [max(at.upper / of.exact for at in of.gan) for of in found],
        max(largest) < 1,
    )
    for index in (0, -1):
        of_index = [of.gan[index].upper / of.exact for of in found]
        checks.show(f"POT over W1, penalty 2 JS, lambda {PENALTIES[index]:g}", of_index)
    checks.at_most(
        f"|POT - W1| with total variation as the penalty, lambda {PENALTIES[-1]:g}",
        1e-7,
        [abs(of.tv[-1].upper - of.exact) for of in found],
    )
    checks.at_least(
        "E c + W1(G#Q_Z, P_G) over W1 of the relaxed encoders: the least",
        1,
        [min(of.above) / of.exact for of in found],
    )
    return found[0]


def penalized(problem: Discrete, penalties: Sequence[float]) -> Penalized:
    """Solve the relaxed problem for every λ, c = ‖x − y‖."""
    gan = [relaxed(problem, penalty) for penalty in penalties]
    tv = [relaxed(problem, penalty, total_variation) for penalty in penalties]
    above = [at.cost + problem.between_models(at.codes) for at in gan]
    return Penalized(problem.transport(1), gan, tv, above)


def bracket(checks: Checks) -> list[Bracket]:
    """W₁ from below by a critic and from above by an encoder."""
    runs = checks.train("wae-mmd", "8gaussians", steps=500, evaluate_every=500, power=1.0, **SHARED)
    found = [enclose(run, seed, 30 if checks.quick else 600) for seed, run in enumerate(runs)]
    checks.show("exact W1 of data and generator (wae-mmd, c = |x - y|)", [at.exact for at in found])
    checks.at_least(
        "upper bound over exact W1: E c + W1(G#Q_Z, P_G), encoder trained",
        1,
        [at.upper / at.exact for at in found],
    )
    checks.at_most(
        "lower bound over exact W1: the critic's gap over its Lipschitz constant",
        1,
        [at.lower / at.exact for at in found],
    )
    checks.show("E c of the trained encoder alone over exact W1", [at.cost / at.exact for at in found])
    return found


def blur(checks: Checks) -> dict[str, list[Run]]:
    """Samples between the modes, of a variational and of Wasserstein autoencoders; the decoder as a conditional mean."""
    systems = ("vae", "wae-mmd", "wae-gan")
    runs = {
        name: checks.train(name, "8gaussians", steps=UPDATES, evaluate_every=UPDATES, **SHARED)
        for name in systems
    }
    floor = far(runs["vae"][0], runs["vae"][0].real_samples()[:2000])
    shares = {name: [far(run, run.sample(2000, seed=0)) for run in of] for name, of in runs.items()}
    for name in systems:
        checks.show(f"share of prior samples far from every mode, {name}", shares[name], floor)
    for name in systems[1:]:
        checks.add(
            f"VAE blurs more: that share of vae over that of {name}",
            "> 1",
            ratios := [a / b for a, b in zip(shares["vae"], shares[name], strict=True)],
            float(np.median(ratios)) > 1,
        )
    for name in systems:
        reconstructed = [far(run, run.reconstruct(run.real_samples()[:2000], seed=0)) for run in runs[name]]
        checks.show(f"share of reconstructions far from every mode, {name}", reconstructed, floor)
        checks.show(
            f"W1 of the prior samples, {name}", last(runs[name], "em"), last(runs[name], "em_floor")[0]
        )
    checks.at_most(
        "the VAE's decoder against E[X|z] under its own encoder: mean squared distance over the data's variance",
        0.02,
        [decoder_error(run) for run in runs["vae"]],
    )
    return runs


def bimodal(checks: Checks) -> dict[str, list[Run]]:
    """A posterior with two modes, by a Gaussian encoder and by an adversarial one."""
    runs = {
        name: [fold_run(name, seed, 20 if checks.quick else 900, **options) for seed in checks.seeds]
        for name, options in (("vae", {}), ("avb", {"critic_width": 64}))
    }
    for name, required in (("avb", f"> {SEEN}"), ("vae", f"< {MISSED}")):
        rarer = [float(np.median([rarer_sign(run, place) for place in PLACES])) for run in runs[name]]
        middle = float(np.median(rarer))
        checks.add(
            f"posterior mass of the rarer of the two modes (exact: 0.5), {name}",
            required,
            rarer,
            middle > SEEN if name == "avb" else middle < MISSED,
        )
    floor = float(
        np.mean([otgan.emd(true_posterior(p, random=0), true_posterior(p, random=1)) for p in PLACES])
    )
    for name in ("avb", "vae"):
        distances = [
            float(np.mean([otgan.emd(codes(run, place), true_posterior(place)) for place in PLACES]))
            for run in runs[name]
        ]
        checks.show(f"W1 of the posterior to the true one, {name}", distances, floor)
    return runs


def draw(
    penalties: Penalized,
    brackets: Sequence[Bracket],
    blurred: Mapping[str, Sequence[Run]],
    posteriors: Mapping[str, Sequence[Run]],
) -> Figure:
    """Draw the four experiments."""
    figure, (relaxing, bounds, posterior, *clouds) = row(3, rows=2, height=6.8)

    exact = penalties.exact
    relaxing.axhline(1, color=INK, linewidth=1, label="W₁, exact")
    relaxing.plot(
        PENALTIES,
        np.array(penalties.above) / exact,
        "v-",
        color=GREEN,
        markersize=4,
        label="E c + W₁(G#Q, P_G)",
    )
    for of, color, label in ((penalties.tv, BLUE, "POT, D = TV"), (penalties.gan, ORANGE, "POT, D = 2 JS")):
        relaxing.plot(
            PENALTIES, [at.upper / exact for at in of], "o-", color=color, markersize=4, label=label
        )
    relaxing.set(xscale="log", xlabel="λ", ylabel="over W₁", ylim=(0.4, 1.5))
    relaxing.set_title("50 points: the relaxed problem")
    relaxing.legend(frameon=False, fontsize=8, loc="upper right")

    for number, at in enumerate(brackets):
        bounds.plot([number] * 2, [at.lower, at.upper], color="0.7", linewidth=6, solid_capstyle="butt")
        for value, marker, color, label in (
            (at.upper, "v", GREEN, "above, by the encoder"),
            (at.exact, "o", INK, "W₁, exact"),
            (at.lower, "^", BLUE, "below, by the critic"),
        ):
            bounds.plot(number, value, marker, color=color, label=label if not number else None)
    bounds.set(xlabel="seed", ylabel="W₁ of data and generator", xticks=range(len(brackets)), ylim=(0, None))
    bounds.set_xlim(-0.5, len(brackets) - 0.5)
    bounds.set_title("8 Gaussians: W₁ between its bounds")
    bounds.legend(frameon=False, fontsize=8, loc="lower right")

    place, grid = 1.25, np.linspace(-3, 3, 601)
    posterior.plot(grid, true_density(grid, place), color=INK, label="true")
    for name, color in (("vae", ORANGE), ("avb", BLUE)):
        posterior.hist(
            codes(posteriors[name][0], place)[:, 0],
            bins=np.linspace(-3, 3, 61).tolist(),
            density=True,
            histtype="step",
            color=color,
            label=name,
        )
    posterior.set(xlabel="z", ylabel="density", xlim=(-3, 3))
    posterior.set_title(f"Q(z | x = {place:g}), x = |z| + noise")
    posterior.legend(frameon=False, fontsize=8, loc="upper center")

    for ax, (name, trained), color in zip(clouds, blurred.items(), (ORANGE, BLUE, GREEN), strict=True):
        samples, real = trained[0].sample(1000, seed=0), trained[0].real_samples()[:300]
        ax.scatter(samples[:, 0], samples[:, 1], s=3, color=color, linewidths=0, label="prior samples")
        ax.scatter(real[:, 0], real[:, 1], s=3, color=INK, linewidths=0, label="data")
        ax.set(aspect="equal", xlim=(-3, 3), ylim=(-3, 3), xlabel="x₁", ylabel="x₂")
        ax.set_title(f"{name}: {far(trained[0], samples):.0%} far from every mode")
        legend_below(ax, markerscale=3)
    return figure


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and record."""
    run_checks("vegan", measure, argv)


if __name__ == "__main__":
    main()
