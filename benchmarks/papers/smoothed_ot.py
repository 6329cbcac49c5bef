"""Training GANs with regularized optimal transport: exact identities, error bounds, and how well duals must be solved.

Figure: the error of the gradient against its bound, the bias of the smoothing inside its bounds, ‖∇h‖² over the steps at
several accuracies of the duals, and the quality of generators trained with as many steps of their duals or critic.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from benchmarks.papers import duals
from benchmarks.papers.checks import SEEDS, Checks, evaluations, last, run_checks
from benchmarks.papers.duals import Approximation, Descent
from benchmarks.papers.figures import row, save
from otgan.gan import Run
from otgan.gan.losses.regularizers import KL, REGULARIZERS, Regularizer, SquaredNorm
from otgan.plot.palette import BLUE, GREEN, INK, ORANGE, SKY

STRENGTHS = (1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001)
COUNTS = (1, 2, 4, 8, 16, 32, 64, 125, 250, 500, 1000)
ACCURACIES = (0.0, 0.001, 0.01, 0.1, 1.0)
JUDGED = 0.01
NEAR = 0.15
CRITIC_STEPS = 3000
N_DUAL = (1, 5, 25)

Kind = type[Regularizer]


def measure(checks: Checks) -> Sequence[str]:
    identities(checks)
    errors = gradient_errors(checks)
    biases = smoothing_bias(checks)
    descents = stationarity(checks)
    runs = quality(checks)
    if not checks.quick:
        save(draw(errors, biases, descents, runs), "regularized")
    return (
        "All but the rows of W1 are on small problems in float64, the cost the squared distance: 12 to 24 points a side, "
        "or, for gradient errors and descents, 64 points of 8 Gaussians, the last layer of a random network, and "
        f"lambda = {duals.STRENGTH}.",
        "The guarantee of a descent by steps of 1/L: the mean of |grad h|^2 over T steps is at most "
        "2 L (h_0 - h_T) / T + 2 L0^2 gap / lambda. Duals start from 0 at every step.",
        f"Equal critic steps: {CRITIC_STEPS} in all, divided by those for each update of the generator; library defaults "
        "otherwise. W1 is exact, between 2000 samples and 2000 held-out points.",
    )


def identities(checks: Checks) -> None:
    """The gap is a divergence of plans; the gradient is the cost's under the optimal plan."""
    checks.at_most(
        "gap identity, KL: |gap - lambda KL(plan*, plan)|", 1e-8, [duals.identity_error(s) for s in SEEDS]
    )
    for kind in REGULARIZERS.values():
        checks.at_most(
            f"gradient under the optimal plan against finite differences, {kind.name}: relative error",
            1e-4,
            [duals.danskin_error(kind(0.3), seed) for seed in SEEDS],
        )


def gradient_errors(checks: Checks) -> dict[Kind, list[list[Approximation]]]:
    """The gradient's error as the dual is solved less and less well, for each regularizer and seed."""
    counts = COUNTS[:7] if checks.quick else COUNTS
    found: dict[Kind, list[list[Approximation]]] = {}
    for kind in (KL, SquaredNorm):
        found[kind] = [duals.gradient_errors(kind, seed, counts) for seed in checks.seeds]
        checks.at_most(
            f"gradient error over its bound, {kind.name}, after 1 to {counts[-1]} dual steps: the largest",
            1,
            [max(at.error / at.bound for at in run) for run in found[kind]],
        )
        slopes = [duals.log_slope(run) for run in found[kind]]
        checks.add(
            f"log-log slope of gradient error against gap, {kind.name}",
            f"0.5 ± {NEAR}",
            slopes,
            abs(statistics.median(slopes) - 0.5) <= NEAR,
        )
    return found


def smoothing_bias(checks: Checks) -> dict[Kind, list[list[float]]]:
    """h_λ − W for each regularizer, seed and λ."""
    found: dict[Kind, list[list[float]]] = {}
    for kind in (KL, SquaredNorm):
        found[kind] = [duals.bias(kind, seed, STRENGTHS) for seed in SEEDS]
        bounds = [duals.bias_bounds(kind, strength) for strength in STRENGTHS]
        checks.at_most(
            f"bias h - W outside its bounds, {kind.name}, lambda {STRENGTHS[0]:g} to {STRENGTHS[-1]:g}",
            1e-7,
            [
                max(max(low - at, at - high, 0.0) for at, (low, high) in zip(run, bounds, strict=True))
                for run in found[kind]
            ],
        )
        checks.at_most(
            f"bias h - W at lambda {STRENGTHS[-1]:g}, {kind.name}", 0.02, [run[-1] for run in found[kind]]
        )
    return found


def stationarity(checks: Checks) -> list[list[Descent]]:
    """The generator's descent for each accuracy of the duals and each seed."""
    steps = 20 if checks.quick else 120
    found = [[duals.descent(seed, enough, steps) for seed in checks.seeds] for enough in ACCURACIES]
    checks.at_most(
        "mean of |grad h|^2 over its guarantee, duals exact to a gap of 1: the largest",
        1,
        [max(run.mean / run.guarantee for run in runs) for runs in zip(*found, strict=True)],
    )
    exact = [run.late for run in found[0]]
    checks.show(f"|grad h|^2 in the last quarter of {steps} steps, exact duals", exact)
    for enough, runs in zip(ACCURACIES[1:], found[1:], strict=True):
        late = [run.late for run in runs]
        passes = statistics.fmean(run.passes for run in runs)
        name = f"the same, duals to a gap of {enough:g} ({passes:.0f} half-steps)"
        if enough <= JUDGED:
            name += ", over that of exact duals"
            checks.at_most(name, 1.5, [a / b for a, b in zip(late, exact, strict=True)])
        else:
            checks.show(name, late)
    return found


def quality(checks: Checks) -> dict[str, list[Run]]:
    """Runs with as many steps of dual networks, or of a critic, in all."""
    found = {
        f"smoothed-ot, n_dual {n}": checks.train(
            "smoothed-ot",
            "8gaussians",
            steps=CRITIC_STEPS // n,
            evaluate_every=150 // n,
            duals="nets",
            n_dual=n,
        )
        for n in N_DUAL
    }
    found["wgan-gp, n_critic 5"] = rival = checks.train(
        "wgan-gp", "8gaussians", steps=CRITIC_STEPS // 5, evaluate_every=150 // 5, n_critic=5
    )
    floor = last(rival, "em_floor")[0]
    for name, runs in found.items():
        updates = CRITIC_STEPS // int(name.rpartition(" ")[2])
        checks.show(f"W1 on 8 Gaussians, {name}, {updates} updates", last(runs, "em"), floor)
    most = last(found[f"smoothed-ot, n_dual {N_DUAL[-1]}"], "em")
    for n in N_DUAL[:-1]:
        checks.at_most(
            f"approximate duals are enough: W1 at n_dual {n} over W1 at n_dual {N_DUAL[-1]}, equal dual steps",
            1,
            [a / b for a, b in zip(last(found[f"smoothed-ot, n_dual {n}"], "em"), most, strict=True)],
        )
    checks.at_most(
        "W1 at n_dual 5 over W1 of wgan-gp, equal critic steps",
        1,
        [a / b for a, b in zip(last(found["smoothed-ot, n_dual 5"], "em"), last(rival, "em"), strict=True)],
    )
    return found


def draw(
    errors: Mapping[Kind, Sequence[Sequence[Approximation]]],
    biases: Mapping[Kind, Sequence[Sequence[float]]],
    descents: Sequence[Sequence[Descent]],
    runs: Mapping[str, Sequence[Run]],
) -> Figure:
    """Draw the four experiments."""
    figure, (error, bias, norms, quality) = row(2, rows=2, height=7.2)
    styles: dict[Kind, tuple[str, str]] = {KL: (BLUE, "KL"), SquaredNorm: (ORANGE, "L2")}

    for kind, (color, label) in styles.items():
        points = [at for run in errors[kind] for at in run]
        gaps = [at.gap for at in points]
        error.scatter(gaps, [at.error for at in points], s=14, color=color, label=f"{label}: error")
        error.scatter(
            gaps, [at.bound for at in points], s=14, marker="_", color=color, label=f"{label}: bound"
        )
    ends = np.array([1e-4, 0.5])
    error.plot(ends, np.sqrt(ends), ":", color=INK, linewidth=1, label="slope ½")
    error.set(xscale="log", yscale="log", xlabel="gap of the duals", ylabel="‖approximate − exact gradient‖")
    error.set_title("Dual networks after 1 to 1000 steps, 3 seeds")
    error.legend(frameon=False, fontsize=8, ncols=2)

    grid = np.geomspace(STRENGTHS[-1], STRENGTHS[0], 50)
    for kind, (color, label) in styles.items():
        low, high = np.array([duals.bias_bounds(kind, at) for at in grid]).T
        bias.fill_between(
            grid, np.maximum(low, 1e-4), high, color=color, alpha=0.15, linewidth=0, label=f"{label}: bounds"
        )
        for number, run in enumerate(biases[kind]):
            bias.plot(
                STRENGTHS, run, "o-", color=color, markersize=3, linewidth=0.8, label=label * (not number)
            )
    bias.set(xscale="log", yscale="log", ylim=(5e-4, 30), xlabel="λ", ylabel="h − W, W by the linear program")
    bias.set_title("Bias of the smoothing, 20 points a side, 3 seeds")
    bias.legend(frameon=False, fontsize=8)

    for of, color in zip(descents, (INK, BLUE, SKY, GREEN, ORANGE), strict=True):
        label = f"gap ≤ {of[0].enough:g}" if of[0].enough else "exact duals"
        for number, descent in enumerate(of):
            norms.plot(descent.squared_norms, color=color, linewidth=0.9, label=label if not number else None)
    norms.set(yscale="log", xlabel="steps of the generator", ylabel="‖∇h‖²")
    norms.set_title("How stationary approximate duals lead, 3 seeds")
    norms.legend(frameon=False, fontsize=8, ncols=2)

    for (name, of_name), color in zip(runs.items(), (SKY, BLUE, INK, ORANGE), strict=True):
        each = int(name.rpartition(" ")[2])
        # The last evaluation is of more samples, whose noise is less: it is in the table.
        courses = [evaluations(run)[:-1] for run in of_name]
        steps = [each * step for step, _ in courses[0]]
        values = np.array([[found["em"] for _, found in course] for course in courses])
        quality.fill_between(steps, values.min(0), values.max(0), color=color, alpha=0.15, linewidth=0)
        quality.plot(steps, np.median(values, 0), color=color, label=name)
    floor = evaluations(next(iter(runs.values()))[0])[0][1]["em_floor"]
    quality.axhline(floor, color=INK, linewidth=0.8, linestyle=":", label="real to real")
    quality.set(
        yscale="log", xlabel="steps of the duals or the critic, in all", ylabel="exact W₁", ylim=(0.09, 3)
    )
    quality.set_title("8 Gaussians, 512 samples: median and range of 3 seeds")
    quality.legend(frameon=False, fontsize=8, loc="upper right")
    return figure


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and record."""
    run_checks("smoothed-ot", measure, argv)


if __name__ == "__main__":
    main()
