"""Batches, large clouds and a training step on one NVIDIA GPU: ``python -m benchmarks.gpu [--quick | --interpret]``.

Everything is float32 and warm; a time is the median of several runs between CUDA events. Contenders that are not
installed are shown as such. ``--interpret`` runs a tiny version of every table on the CPU, in Triton's interpreter: it
shows that the command works, and its times mean nothing.
"""

from __future__ import annotations

import argparse
import importlib.util
import math
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

import otgan
from benchmarks.peers import Attempt, Contender, GeomLoss, Ott, PotBatch, has_jax
from benchmarks.problems import Problem, gaussians, marginal_error, plan_of
from benchmarks.record import Cell, record
from benchmarks.roofline import batch_limit, pass_limit
from benchmarks.timing import timed
from otgan.costs import Euclidean

RELATIVE = 0.05
"""ε of the batches and of the training step, as a share of the mean cost."""

BUDGET = 440.0
"""Seconds after which no further peer is started: the command stays under eight minutes."""

MISSING = "not installed"
LATE = "not run: out of time"

_SHORT = 0.2
"""Seconds of a solve that is run several times."""

BATCH_HEADS = (
    "d",
    "n",
    "L1 error asked",
    "otgan (ms)",
    "its error",
    "mean passes",
    "kernel alone (ms)",
    "roofline (ms)",
    "share of the roofline",
    "fastest peer (ms)",
    "ratio",
)
LARGE_HEADS = (
    "d",
    "n",
    "ε / mean cost",
    "otgan (ms)",
    "its error",
    "passes",
    "ms a pass",
    "roofline (ms)",
    "share of the roofline",
    "FlashSinkhorn (ms)",
    "its error ",
    "its setting",
    "ratio",
)
TRAINING_HEADS = ("part", "time (ms)", "share of the step")


@dataclass(frozen=True)
class Plan:
    """What is measured.

    Attributes
    ----------
    device : str
    batch : int
        Problems in a batch.
    sizes, dimensions : tuple of int
        Of the batches.
    large, large_dimensions : tuple of int
        Of the large clouds.
    training : int
        Images in a batch of the training step.
    limit : float
        Seconds that a peer may take for all its runs.
    rounds : int
        Runs that a median is of.
    """

    device: str
    batch: int = 1024
    sizes: tuple[int, ...] = (64, 128, 256)
    dimensions: tuple[int, ...] = (2, 64)
    tolerances: tuple[float, ...] = (1e-3, 1e-5)
    large: tuple[int, ...] = (5_000, 10_000, 50_000)
    large_dimensions: tuple[int, ...] = (3, 64, 784)
    shares: tuple[float, ...] = (1e-1, 1e-2)
    training: int = 512
    limit: float = 6.0
    rounds: int = 7


QUICK = Plan("cuda", sizes=(64,), tolerances=(1e-3,), large=(5_000,), large_dimensions=(3,), rounds=3)
TINY = Plan("cpu", 2, (8,), (2,), (1e-3,), (40,), (3,), (1e-1,), 4, 0.3, 1)


class Watch:
    """Medians of warm runs, and what is left of the command's time."""

    def __init__(self, rounds: int, budget: float) -> None:
        self.rounds, self.end = rounds, time.monotonic() + budget

    @property
    def late(self) -> bool:
        """Whether the time is used up."""
        return time.monotonic() > self.end

    def milliseconds(self, run: Callable[[], object]) -> float:
        """Return the median time of a run, after one that is not counted."""
        run()
        return statistics.median(self._once(run) for _ in range(self.rounds))

    @staticmethod
    def _once(run: Callable[[], object]) -> float:
        if not torch.cuda.is_initialized():
            return 1e3 * timed(run)[0]
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        run()
        end.record()
        end.synchronize()
        return start.elapsed_time(end)


class Flash(Contender):
    """FlashSinkhorn at a fixed ε, problem by problem; the knob is its number of iterations, TF32 first, then float32.

    Parameters
    ----------
    update : {"alternating", "symmetric"}
    """

    package = "flash-sinkhorn"

    def __init__(self, update: str) -> None:
        self.update, self.name = update, f"FlashSinkhorn, {update}"

    def attempt(self, problem: Problem, tol: float, limit: float) -> Attempt:
        """Double the iterations until the error is small enough, or no longer falls, or the time is used up."""
        from flash_sinkhorn import kernels

        solver = getattr(kernels, f"sinkhorn_flashstyle_{self.update}")
        x, y, a, b = (t if t.ndim == p else t[None] for t, p in _sides(problem))
        epsilon = problem.epsilon.reshape(-1).tolist()
        if self.update == "symmetric":
            fixed: dict[str, Any] = {"use_epsilon_scaling": False}
        else:
            fixed = {}

        def solve(most: int, tf32: bool) -> list[tuple[Tensor, Tensor]]:
            return [
                solver(x[k], y[k], a[k], b[k], eps=epsilon[k], n_iters=most, allow_tf32=tf32, **fixed)
                for k in range(len(x))
            ]

        best = Attempt(math.inf, math.inf, "none", lambda: None)
        for tf32 in (True, False):
            most, before = 8, math.inf
            solve(most, tf32)  # compiles, and tunes itself
            while True:
                run = partial(solve, most, tf32)
                seconds, answer = timed(run)
                error = error_of(problem, *(torch.stack(side) for side in zip(*answer, strict=True)))
                attempt = Attempt(seconds, error, f"{most} iterations, {'TF32' if tf32 else 'float32'}", run)
                if error <= tol or error < best.error > tol:
                    best = attempt
                if error <= tol or error > 0.9 * before or 2 * seconds > limit:
                    break
                most, before = 2 * most, error
            if best.error <= tol:
                break
        return best


class OttSingle(Ott):
    """OTT-JAX in float32: JAX's 64-bit mode, which the other benchmarks run in, is off while it works."""

    def attempt(self, problem: Problem, tol: float, limit: float) -> Attempt:
        """Tighten the threshold from `tol`."""
        import jax

        with jax.enable_x64(False):
            attempt = super().attempt(problem, tol, limit)

        def again() -> object:
            with jax.enable_x64(False):
                return attempt.again()

        return replace(attempt, again=again)


class Eager(Contender):
    """otgan without its kernels: the dense backend, operation by operation."""

    name, package = "otgan, backend='dense'", "otgan"

    def attempt(self, problem: Problem, tol: float, limit: float) -> Attempt:
        """Solve once; tol is the only knob."""
        del limit

        def run() -> otgan.Transport:
            return _solve(problem, tol, "dense")

        run()
        seconds, result = timed(run)
        error = error_of(problem, result.f, result.g)
        return Attempt(seconds, error, f"tol={tol:g}", run)


def error_of(problem: Problem, f: Tensor, g: Tensor) -> float:
    """L1 error of both marginals in float64; of a batch the largest."""
    if problem.batched:
        return marginal_error(_double(problem), plan_of(_double(problem), f.double(), g.double()))
    from otgan.geometry.triton import TritonGeometry

    # A large plan does not fit: its sums are formed by the float64 kernels.
    state = [t[None].double() for t in (f.reshape(-1), g.reshape(-1), problem.a, problem.b)]
    geometry = TritonGeometry(problem.x[None], problem.y[None], Euclidean(2.0))
    rows, columns = geometry.marginals(problem.epsilon.reshape(1).double(), *state)
    return float((rows - state[2]).abs().sum() + (columns - state[3]).abs().sum())


def batches(plan: Plan, watch: Watch) -> tuple[list[tuple[Cell, ...]], list[str]]:
    """Measure batches of small problems; return the rows and the names of the peers, in the order of their columns."""
    peers: list[Contender] = [Eager()]
    if _has("geomloss"):
        peers.insert(0, GeomLoss())
    if _has("ot"):
        peers[:0] = [PotBatch("log_sinkhorn"), PotBatch("sinkhorn")]
    if plan.device == "cuda" and has_jax(plan.device):
        peers[:0] = [OttSingle("plain"), OttSingle("anderson")]
    if plan.device == "cuda" and _has_flash():
        peers.append(Flash("alternating"))
    rows = []
    for d in plan.dimensions:
        for n in plan.sizes:
            problem = _single(gaussians(n, d, RELATIVE, batch=plan.batch, device=plan.device))
            rows += [batch_row(problem, tol, peers, plan, watch) for tol in plan.tolerances]
    return rows, [peer.name for peer in peers]


def batch_row(
    problem: Problem, tol: float, peers: Sequence[Contender], plan: Plan, watch: Watch
) -> tuple[Cell, ...]:
    """Solve a batch to an error by otgan and by its peers."""
    from otgan.entropic.problem import Limits
    from otgan.entropic.problem import Problem as Posed
    from otgan.geometry.triton import TritonGeometry, starter

    n, m = problem.shape
    result = _solve(problem, tol, "triton")
    ours = watch.milliseconds(lambda: _solve(problem, tol, "triton"))
    a, b, epsilon = problem.a.double(), problem.b.double(), problem.epsilon.double()
    posed = Posed(TritonGeometry(problem.x, problem.y, Euclidean(2.0)), a, b, epsilon)
    if not starter.suits(posed):
        raise ValueError(f"the resident kernel does not take {n} x {m} points")
    begin, limits = epsilon / RELATIVE, Limits(tol, 10**6)
    kernel = watch.milliseconds(lambda: starter.start(posed, begin, limits))
    passes = float(starter.start(posed, begin, limits).passes.double().mean())
    limit = 1e3 * batch_limit(n, m, passes * plan.batch)
    times = [peer_time(peer, problem, tol, plan, watch) for peer in peers]
    fastest = min((t for t in times if isinstance(t, float)), default=None)
    head: tuple[Cell, ...] = (
        problem.x.shape[-1],
        n,
        tol,
        ours,
        error_of(problem, result.f, result.g),
        passes,
    )
    ratio = None if fastest is None else fastest / ours
    return (*head, kernel, limit, limit / kernel, fastest, ratio, *times)


def peer_time(peer: Contender, problem: Problem, tol: float, plan: Plan, watch: Watch) -> float | str:
    """Milliseconds that a peer takes to an error at its best setting, or what happened instead."""
    if watch.late:
        return LATE
    attempt = peer.attempt(problem, tol, plan.limit)
    if attempt.error <= tol:
        # A peer that takes long is not run many times.
        return watch.milliseconds(attempt.again) if attempt.seconds < _SHORT else 1e3 * attempt.seconds
    return f"> {attempt.seconds:.2g} s, error {attempt.error:.1e}"


def large(plan: Plan, watch: Watch) -> list[tuple[Cell, ...]]:
    """Measure single large problems beside FlashSinkhorn."""
    rows = []
    for n in plan.large:
        for d in plan.large_dimensions:
            for share in plan.shares:
                rows.append(large_row(n, d, share, 1e-3, plan, watch))
    return rows


def large_row(n: int, d: int, share: float, tol: float, plan: Plan, watch: Watch) -> tuple[Cell, ...]:
    """Solve one problem to an error by otgan and by FlashSinkhorn."""
    problem = _streamed(n, d, share, plan.device)
    result = _solve(problem, tol, "triton")
    ours = watch.milliseconds(lambda: _solve(problem, tol, "triton"))
    passes = float(result.iterations)
    limit = 1e3 * pass_limit(n, n, d)
    row: tuple[Cell, ...] = (d, n, share, ours, error_of(problem, result.f, result.g), passes)
    row = (*row, ours / passes, limit, limit * passes / ours)
    if plan.device != "cuda" or not _has_flash():
        return (*row, "needs CUDA" if _has_flash() else MISSING, None, None, None)
    if watch.late:
        return (*row, LATE, None, None, None)
    attempts = [Flash(update).attempt(problem, tol, plan.limit) for update in ("alternating", "symmetric")]
    best = min(attempts, key=lambda attempt: (attempt.error > tol, attempt.seconds))
    if best.error > tol:
        return (*row, f"> {best.seconds:.2g} s", best.error, best.knob, None)
    theirs = watch.milliseconds(best.again)
    return (*row, theirs, best.error, best.knob, theirs / ours)


def training(plan: Plan, watch: Watch) -> list[tuple[Cell, ...]]:
    """Measure a step of the `sinkhorn` system on images of 28 times 28 pixels, and the loss with its gradient in it."""
    from otgan.gan.datasets.batches import Batches
    from otgan.gan.networks import Space
    from otgan.gan.systems.sinkhorn import Sinkhorn

    space = Space((1, 28, 28))
    system = Sinkhorn.for_data(space.kind, {"batch": plan.training, "features": "adversarial:64"})
    # The pixels' values change nothing in the work of a step but the passes that the solver makes.
    pixels = torch.rand(4 * plan.training, *space.shape, generator=torch.Generator().manual_seed(0))
    stream = Batches(pixels.to(plan.device), plan.training, system.latent, system.prior, 0)
    nets = {name: net.to(plan.device) for name, net in system.networks(space).items()}
    optimizers = system.optimizers(nets)
    step = watch.milliseconds(lambda: system.step(nets, optimizers, stream))
    real = stream.real().flatten(1)
    made = nets["generator"](stream.noise()).detach().flatten(1).requires_grad_()
    rows: list[tuple[Cell, ...]] = [("whole step", step, 1.0)]
    for name, loss in (
        ("sinkhorn, with its gradient", otgan.sinkhorn),
        ("sinkhorn_divergence, with its gradient", otgan.sinkhorn_divergence),
    ):

        def run(loss: Callable[..., Tensor] = loss) -> None:
            value = loss(made, real, epsilon=system.epsilon, tol=system.tol)
            torch.autograd.grad(value, made)

        spent = watch.milliseconds(run)
        rows.append((name, spent, spent / step))
    return rows


def _solve(problem: Problem, tol: float, backend: str) -> otgan.Transport:
    return otgan.transport(
        problem.x, problem.y, epsilon=problem.epsilon, tol=tol, backend=backend, on_failure="ignore"
    )


def _single(problem: Problem) -> Problem:
    """The problem in float32: what everybody is given."""
    return Problem(problem.x.float(), problem.y.float(), problem.relative)


def _double(problem: Problem) -> Problem:
    """The problem that was given, in float64 to be checked with, at the very ε that was given."""
    double = Problem(problem.x.double(), problem.y.double(), problem.relative)
    double.__dict__["epsilon"] = problem.epsilon.double()
    return double


def _streamed(n: int, d: int, share: float, device: str) -> Problem:
    """A large problem in float32 whose ε follows from moments, so that no matrix is stored for it."""
    problem = _single(gaussians(n, d, share, device=device))
    x, y = problem.x.double(), problem.y.double()
    mean = x.square().sum(1).mean() + y.square().sum(1).mean() - 2 * x.mean(0) @ y.mean(0)
    problem.__dict__["epsilon"] = (share * mean).float()
    return problem


def _sides(problem: Problem) -> list[tuple[Tensor, int]]:
    """Points and weights, with the number of dimensions that each has in a batch."""
    return [(problem.x, 3), (problem.y, 3), (problem.a, 2), (problem.b, 2)]


def _has(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def _has_flash() -> bool:
    return _has("flash_sinkhorn")


def show(heads: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
    """Print a table, tab by tab."""
    for row in (heads, *rows):
        print("\t".join(f"{cell:.3g}" if isinstance(cell, float) else str(cell) for cell in row), flush=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure the three tables; return 1 where there is no GPU to measure on."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__.partition("\n")[0])
    smaller = parser.add_mutually_exclusive_group()
    smaller.add_argument("--quick", action="store_true", help="few sizes, nothing recorded")
    smaller.add_argument(
        "--interpret",
        action="store_true",
        help="tiny sizes on the CPU in Triton's interpreter, nothing recorded",
    )
    options = parser.parse_args(argv)
    if options.interpret:
        os.environ["TRITON_INTERPRET"] = "1"
        torch.set_num_threads(1)
    elif not torch.cuda.is_available():
        print(
            "benchmarks.gpu needs an NVIDIA GPU, and torch sees none (--interpret shows the command at work)",
            file=sys.stderr,
        )
        return 1
    plan = TINY if options.interpret else QUICK if options.quick else Plan("cuda")
    watch = Watch(plan.rounds, BUDGET)
    small, names = batches(plan, watch)
    heads = (*BATCH_HEADS, *(f"{name} (ms)" for name in names))
    show(heads, small)
    big = large(plan, watch)
    show(LARGE_HEADS, big)
    step = training(plan, watch)
    show(TRAINING_HEADS, step)
    if options.interpret or options.quick:
        return 0
    packages = ["triton", *(["ott-jax", "jax"] if has_jax(plan.device) else [])]
    packages += ["flash-sinkhorn"] if _has_flash() else []
    wanted = {
        "POT": _has("ot"),
        "GeomLoss": _has("geomloss"),
        "OTT-JAX on CUDA": has_jax("cuda"),
        "FlashSinkhorn": _has_flash(),
    }
    absent = [name for name, there in wanted.items() if not there]
    common = [
        "x ~ N(0, I) and y ~ N(½, 1.3² I), uniform weights, float32; errors are the largest L1 error of both marginals, "
        "recomputed in float64. Warm; medians of "
        f"{plan.rounds} runs between CUDA events. Rooflines are an H200's, from benchmarks/roofline.py.",
        *([f"Not installed: {', '.join(absent)}."] if absent else []),
    ]
    record(
        "gpu",
        heads,
        small,
        notes=[
            f"{plan.batch} problems of n x n points, ε = {RELATIVE:g} of each mean cost. Kernel alone: the launch that "
            "solves the batch, with the costs it starts from; its share of the roofline counts two multiply-adds an "
            "entry and pass. Peers at their best setting, cost matrices in their times; who did not reach the error shows how far it came.",
            *common,
        ],
        packages=packages,
    )
    record(
        "gpu-large",
        LARGE_HEADS,
        big,
        notes=[
            "One problem of n x n points, to an L1 error of 1e-3. A pass is a product with the kernel and one with its transpose.",
            *common,
        ],
        packages=packages,
    )
    record(
        "gpu-training",
        TRAINING_HEADS,
        step,
        notes=[
            f"The system `sinkhorn` with features=adversarial:64, {plan.training} images of 28 x 28 pixels a batch, "
            "random pixels in place of MNIST's. Float32, warm, medians between CUDA events.",
        ],
        packages=["triton"],
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
