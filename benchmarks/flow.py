"""Couplings and flows: ``python -m benchmarks.flow [--parts coupling quality] [--data DATA ...] [--quick]``.

What drawing pairs from a plan takes, beside torchcfm's; and by each coupling of batches of several sizes how straight the paths
of a trained flow are, and how good its samples after few steps. torchcfm is no dependency: `pip install --no-deps torchcfm`
brings it, without the notebooks and the vision that it asks for and that nothing here needs.
"""

from __future__ import annotations

import argparse
import importlib.util
import itertools
import json
import re
import shlex
import statistics
import sys
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.datasets import make_moons
from torch import Tensor
from torch.optim import Adam

import otgan
import otgan.data
from benchmarks import timing
from benchmarks.record import Cell, absent, record
from otgan.gan import PlanSampler, couple, train
from otgan.gan.datasets.batches import Batches
from otgan.gan.datasets.training_data import TrainingData
from otgan.gan.networks import Flow, Integrator, Space, initialize, velocity
from otgan.gan.systems.base import Networks
from otgan.gan.systems.flow_matching import FlowMatching
from otgan.gan.training.averages import moving_average
from otgan.gan.training.state import lr_schedule

PEER = "torchcfm"
COUPLINGS = ("exact", PEER, "sinkhorn", "independent")
PEER_BATCH = 512
"""The largest that a flow is trained with by torchcfm's pairs, which have the law of the exact ones: a step by those of 2048 takes a second."""
DATA = ("8gaussians", "moons to 8gaussians", "digits")
STEPS = (1, 2, 4, 8, 100)
BATCHES = (128, 512, 2048)
PROBLEMS = {"noise to 8gaussians": "8gaussians", "noise to digits": "digits"}
EPSILON = 0.05
"""Of the entropic plans, over twice the number of coordinates."""
SAMPLES = 2000
QUICK_STEPS = 30


# ---- the time of a coupling --------------------------------------------------------------------------------------------


def batches(spec: str, n: int) -> tuple[Tensor, Tensor]:
    """Return noise and data, single precision, rows of unit size; of few data some come twice, a little apart."""
    rng = np.random.default_rng(0)
    points = np.asarray(otgan.data.load(spec)).reshape(-1, 2 if spec == "8gaussians" else 64)
    points = points[rng.choice(len(points), n, replace=n > len(points))]
    points = points + 1e-3 * rng.standard_normal(points.shape)
    points = (points - points.mean(0)) / points.std()
    x1 = torch.tensor(points, dtype=torch.float32)
    return torch.tensor(rng.standard_normal(x1.shape), dtype=torch.float32), x1


def marginal_error(plan: Any) -> float:
    """Return ‖P1 − 1/n‖₁ + ‖Pᵀ1 − 1/m‖₁ in float64."""
    matrix = np.asarray(plan, np.float64)
    return float(sum(abs(matrix.sum(1 - k) - 1 / matrix.shape[k]).sum() for k in (0, 1)))


def has_peer() -> bool:
    """Return whether torchcfm is installed."""
    return importlib.util.find_spec(PEER) is not None


def coupling_rows(sizes: Sequence[int], rounds: int) -> list[tuple[Cell, ...]]:
    """Time ours and torchcfm's in turns."""
    from torchcfm.optimal_transport import OTPlanSampler

    rows: list[tuple[Cell, ...]] = []
    for problem, spec in PROBLEMS.items():
        for n in sizes:
            x0, x1 = batches(spec, n)
            epsilon = EPSILON * 2 * x0.shape[1]
            for kind, ours, theirs in (
                ("exact", PlanSampler(rng=0), OTPlanSampler("exact")),
                ("sinkhorn", PlanSampler(epsilon, rng=0), OTPlanSampler("sinkhorn", reg=epsilon)),
            ):
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # what was not reached is in the table
                    its_error = marginal_error(theirs.get_map(x0, x1))
                    if kind == "sinkhorn":
                        ours.tol = its_error  # torchcfm does not let its own be chosen
                    runs = [partial(each.sample_plan, x0, x1) for each in (ours, theirs)]
                    for run in runs:
                        run()
                    mine, other = timing.in_turns(runs, rounds)
                    errors = [marginal_error(ours.get_map(x0, x1)), its_error]
                rows.append((problem, n, kind, 1e3 * mine, 1e3 * other, other / mine, *errors))
                print(*rows[-1], sep="  ", flush=True)
    return rows


# ---- straightness and quality ------------------------------------------------------------------------------------------


def moons(n: int, rng: np.random.Generator) -> Tensor:
    """Draw the two moons of torchcfm's examples."""
    points, _ = make_moons(n, noise=0.2, random_state=int(rng.integers(2**31)))
    return torch.tensor(3 * points - 1, dtype=torch.float32)


def ring(n: int, rng: np.random.Generator) -> Tensor:
    """Draw eight Gaussians around them, as there."""
    angles = 2 * np.pi * rng.integers(8, size=n) / 8
    points = 5 * np.stack([np.cos(angles), np.sin(angles)], 1)
    return torch.tensor(points + np.sqrt(0.1) * rng.standard_normal((n, 2)), dtype=torch.float32)


@dataclass(frozen=True, kw_only=True)
class PeerMatching(FlowMatching):
    """Flow matching by the pairs that torchcfm draws from its exact plan."""

    name: ClassVar[str] = f"flow-matching by {PEER}"

    def pairs(self, nets: Networks, batches: Batches) -> tuple[Tensor, Tensor, Tensor | None]:
        """Draw noise and data, coupled by it."""
        x1 = self.data(nets, batches)
        return *peer_pairs(batches.normal(*x1.shape), x1), None


def peer_pairs(x0: Tensor, x1: Tensor) -> tuple[Tensor, Tensor]:
    """Return pairs of torchcfm's, which draws from NumPy's global generator: :func:`quality` seeds it."""
    from torchcfm.optimal_transport import OTPlanSampler

    x0, x1 = OTPlanSampler("exact").sample_plan(x0, x1)
    return x0, x1


def between_moons_and_ring(coupling: str, batch: int, seed: int, steps: int) -> dict[str, Any]:
    """Train a flow from the moons to the ring by a loop of its own, as the system does from noise."""
    system, rng = FlowMatching.for_data("points"), np.random.default_rng(seed)
    made = velocity(Space((2,)), "mlp", width=system.width, depth=system.depth, activation=system.activation)
    net = initialize(made, torch.Generator().manual_seed(seed), torch.device("cpu"))
    flow = Flow(net, (2,))
    average = moving_average(flow, system.ema)
    optimizer, start = Adam(flow.parameters(), lr=system.lr), timing.now()
    for step in range(steps):
        x0, x1 = moons(batch, rng), ring(batch, rng)
        if coupling == PEER:
            x0, x1 = peer_pairs(x0, x1)
        elif coupling != "independent":
            exact = coupling == "exact"
            # The mean cost of independent pairs is about 2 · 30 here.
            i, j = couple(x0, x1, None if exact else EPSILON * 60, replace=not exact, rng=rng)
            x0, x1 = x0[i], x1[j]
        t = torch.tensor(rng.random(batch), dtype=torch.float32)
        loss = (flow.at(torch.lerp(x0, x1, t[:, None]), t) - (x1 - x0)).square().mean()
        optimizer.param_groups[0]["lr"] = lr_schedule(system.lr, step, system.decay)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        average.update_parameters(flow)
    seconds = timing.now() - start
    trained: Any = average.module
    held_out = np.random.default_rng([seed, 1])  # the same whatever a training drew
    source, target, other = moons(SAMPLES, held_out), ring(SAMPLES, held_out), ring(SAMPLES, held_out)
    with torch.no_grad():
        found = {"straightness": float(trained.straightness(source))}
        for k in STEPS:
            trained.integrator, trained.n_steps = Integrator.EULER, k
            found[str(k)] = float(otgan.emd(trained(source), target))
    return found | {
        "batch": batch,
        "measure": "W₁",
        "floor": float(otgan.emd(target, other)),
        "seconds": seconds,
    }


def from_noise(
    data: str, coupling: str, batch: int, seed: int, steps: int | None, folder: Path
) -> dict[str, Any]:
    """Train the system, or go on with its run, and judge its samples after few steps."""
    samples = TrainingData.of(data, 0)
    batch = min(batch, len(samples.train))  # as the training takes it
    matching, named = (PeerMatching, {}) if coupling == PEER else (FlowMatching, {"coupling": coupling})
    system = matching.for_data(samples.space.kind, {"batch": batch, **named})
    spent = folder.with_name(f"{folder.name}.spent")
    with timing.adding_up(spent):
        run = train(system, data, steps, seed, folder, resume=True, evaluate_every=10**6)
    flow = system.flow(run.networks)
    key = "em" if run.space.kind == "points" else "classifier_frechet"
    noise = torch.randn(SAMPLES, run.system.noise_size(run.space), generator=torch.Generator().manual_seed(0))
    judge = run.judge()
    n = judge.size(SAMPLES)
    with torch.no_grad():
        found: dict[str, Any] = {"straightness": float(flow.straightness(noise))}
    for k in STEPS:
        flow.integrator, flow.n_steps = Integrator.EULER, k
        judged = judge(run.sample(n, seed=0))
        found[str(k)] = judged[key]
    found |= {"floor": judged[f"{key}_floor"], "seconds": timing.total(spent), "batch": batch}
    if key == "em":
        return found | {"measure": "W₁"}
    return found | {"measure": "classifier-Fréchet", "gaussian": judged[f"{key}_gaussian"]}


def quality(data: str, coupling: str, batch: int, seed: int, options: argparse.Namespace) -> dict[str, Any]:
    """Measure one flow, or read what was measured before."""
    steps = QUICK_STEPS if options.quick else options.steps
    length = [] if steps is None else [f"{steps}-steps"]
    name = "-".join([re.sub(r"\W+", "-", data), coupling, str(batch), *length, str(seed)])
    kept = options.out / f"{name}.json"
    if not kept.exists():
        np.random.seed(seed)  # noqa: NPY002  (torchcfm draws from it)
        if data == "moons to 8gaussians":
            found = between_moons_and_ring(coupling, batch, seed, steps or FlowMatching.steps["points"])
        else:
            found = from_noise(data, coupling, batch, seed, steps, options.out / name)
        kept.write_text(json.dumps(found), encoding="utf-8")
    return dict(json.loads(kept.read_text(encoding="utf-8")))


def quality_rows(data: str, options: argparse.Namespace) -> list[tuple[Cell, ...]]:
    """Return a row for each coupling of each size of batches: medians over the seeds."""
    rows: list[tuple[Cell, ...]] = []
    for batch, coupling in itertools.product(options.batches, COUPLINGS):
        if coupling == PEER and (batch > PEER_BATCH or not has_peer()):
            continue
        found = [quality(data, coupling, batch, seed, options) for seed in options.seeds]
        middle = {key: statistics.median(each[key] for each in found) for key in found[0] if key != "measure"}
        columns = ("straightness", "floor", "gaussian", *map(str, STEPS), "seconds")
        rows.append((found[0]["batch"], coupling, found[0]["measure"], *(middle.get(key) for key in columns)))
        print(data, *rows[-1], sep="  ", flush=True)
    return rows


def main(argv: Sequence[str] | None = None) -> None:
    """Measure both, and record them."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.flow", description=__doc__)
    timing.add_options(parser)
    parser.add_argument(
        "--parts", nargs="+", choices=("coupling", "quality"), default=["coupling", "quality"]
    )
    parser.add_argument("--data", nargs="+", default=list(DATA), help="mnist is one of them, too")
    parser.add_argument("--batches", type=int, nargs="+", default=list(BATCHES))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--steps", type=int, help="of training; by default the system's own number")
    parser.add_argument("--out", type=Path, help="keep the runs here; what is finished there is read")
    parser.add_argument(
        "--replace", action="store_true", help="record also in place of a table of other batches or couplings"
    )
    parser.add_argument("--quick", action="store_true", help="few steps and sizes, nothing recorded")
    options = parser.parse_args(argv)
    timing.prepare(options)
    words = [word for word in (sys.argv[1:] if argv is None else argv) if word != "--replace"]
    if "--out" in words:
        del words[words.index("--out") : words.index("--out") + 2]
    command = " ".join(["python -m benchmarks.flow", *words])
    if not has_peer():
        print(f"{PEER} is not installed: the time of a coupling and the flows by its pairs are left out")
    if "coupling" in options.parts and has_peer():
        rows = coupling_rows(
            options.batches[:1] if options.quick else options.batches, 1 if options.quick else 5
        )
        if not options.quick:
            record_couplings(rows, command)
    if "quality" in options.parts:
        with tempfile.TemporaryDirectory() as temporary:
            options.out = options.out or Path(temporary)
            options.out.mkdir(parents=True, exist_ok=True)
            for data in options.data:
                rows = quality_rows(data, options)
                if not options.quick:
                    record_quality(data, rows, options)


def record_couplings(rows: Sequence[Sequence[Cell]], command: str) -> None:
    """Write the table of times."""
    record(
        "flow-coupling",
        ["between", "batch", "plan", "ours (ms)", "torchcfm (ms)", "ratio", "our error", "its error"],
        rows,
        notes=[
            "`PlanSampler.sample_plan` beside `OTPlanSampler.sample_plan` of torchcfm, in turns, medians of five; both solve the plan and "
            "draw as many pairs as there are samples. Independent pairs take no time. " + timing.clock(),
            f"Noise is N(0, I); digits have 64 coordinates. Entropic plans have ε = {EPSILON} · 2d. The error is ‖P1 − a‖₁ + ‖Pᵀ1 − b‖₁ of the "
            "plan, in float64; that of an entropic plan of torchcfm cannot be chosen, and ours is asked for the same. "
            "Samples are in single precision, and so are our plans, whose rounding is about 1e-8.",
        ],
        packages=[PEER],
        command=command,
    )


def record_quality(data: str, rows: Sequence[Sequence[Cell]], options: argparse.Namespace) -> None:
    """Write the table of the flows of one data set."""
    steps = [f"{k} step{'s' if k > 1 else ''}" for k in STEPS]
    words = ["python", "-m", "benchmarks.flow", "--parts", "quality", "--data", data]
    words += [
        "--batches",
        *map(str, options.batches),
        "--seeds",
        *map(str, options.seeds),
        "--threads",
        str(options.threads),
        "--clock",
        options.clock,
    ]
    words += [] if options.steps is None else ["--steps", str(options.steps)]
    name = "-".join(["flow-quality", re.sub(r"\W+", "-", data)])
    if not options.replace and (lost := absent(name, rows, keys=2)):
        print(f"not recorded: {name} has {', '.join(lost)}. Measure them too, or --replace it.")
        return
    loop = "the flow is trained by a loop of the benchmark's own, in the units of torchcfm's examples"
    record(
        name,
        ["batch", "coupling", "measure", "straightness", "floor", "of a Gaussian", *steps, "training (s)"],
        rows,
        notes=[
            f"{data}, all by equally many updates, by Euler's steps, each of which takes one velocity. W₁ is between {SAMPLES} samples and as many held out, the "
            "classifier-Fréchet distance between as many as are held out, at most so many, beside that of a Gaussian with the pixels' moments. The training has an evaluation at either end. "
            + timing.clock(),
            f"{PEER} is flow matching by the pairs that its sampler draws, up to batches of {PEER_BATCH}.",
            *(
                [f"From the two moons to the ring {loop}, without evaluations."]
                if data == "moons to 8gaussians"
                else []
            ),
        ],
        packages=[PEER] if has_peer() else [],
        command=shlex.join(words),
    )


if __name__ == "__main__":
    main()
