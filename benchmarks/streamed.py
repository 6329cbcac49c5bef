"""Fifty thousand points in little memory: ``python -m benchmarks.streamed [--quick]``.

Every contender runs in a process of its own, so that the peak of its memory is its own.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from benchmarks.peak import peak_memory
from benchmarks.problems import Problem, gaussians
from benchmarks.record import Cell, record
from benchmarks.timing import CLOCK_NOTES, add_options, prepare, timed

D = 3
RELATIVE = 0.01
TOL = 1e-3
COUNTED = 1000
"""Points at which the passes that a peer needs are counted."""

PACED = 10_000
"""Points at which the time of a peer's pass is taken; it is multiplied by the number of pairs."""


def mean_cost(x: Tensor, y: Tensor) -> float:
    """Mean of ‖x − y‖² over all pairs, from moments."""
    return float(x.square().sum(1).mean() + y.square().sum(1).mean() - 2 * x.mean(0) @ y.mean(0))


def streamed_error(problem: Problem, epsilon: float, f: Tensor, g: Tensor) -> float:
    """L1 error of both marginals in float64, the plan being formed a few rows at a time."""
    a, b = problem.a, problem.b
    rows, columns = torch.zeros((), dtype=torch.float64), torch.zeros_like(b)
    for part in torch.arange(len(a)).split(200):
        cost = torch.cdist(problem.x[part], problem.y, compute_mode="donot_use_mm_for_euclid_dist").square_()
        plan = cost.neg_().add_(f[part, None]).add_(g).div_(epsilon).exp_().mul_(a[part, None]).mul_(b)
        rows += (plan.sum(1) - a[part]).abs().sum()
        columns += plan.sum(0)
    return float(rows + (columns - b).abs().sum())


def run_otgan(n: int) -> dict[str, Any]:
    """Solve with the streamed backend."""
    import otgan

    problem = gaussians(n, D, RELATIVE)
    epsilon = RELATIVE * mean_cost(problem.x, problem.y)

    def solve() -> otgan.Transport:
        return otgan.transport(problem.x, problem.y, epsilon=epsilon, tol=TOL, backend="streamed")

    otgan.transport(problem.x[:9], problem.y[:9], epsilon=epsilon, tol=TOL, backend="streamed")  # imports
    seconds, result = timed(solve)
    peak = peak_memory() / 2**20
    error = streamed_error(problem, epsilon, result.f, result.g)
    return {"seconds": seconds, "error": error, "passes": int(result.iterations), "peak": peak}


def run_geomloss(n: int) -> dict[str, Any]:
    """Time a pass of GeomLoss over KeOps, or count how many it needs."""
    from geomloss import SamplesLoss

    problem = gaussians(n, D, RELATIVE)
    epsilon = RELATIVE * mean_cost(problem.x, problem.y)
    blur = (epsilon / 2) ** 0.5  # of half the cost
    corners = torch.cat([problem.x, problem.y])
    diameter = float((corners.amax(0) - corners.amin(0)).norm())

    def solve(points: int, scaling: float, diameter: float) -> tuple[Tensor, Tensor]:
        loss = SamplesLoss(
            "sinkhorn",
            p=2,
            blur=blur,
            scaling=scaling,
            diameter=diameter,
            debias=False,
            potentials=True,
            backend="online",
        )
        with torch.no_grad():
            return loss(problem.x[:points].float(), problem.y[:points].float())

    def passes(scaling: float, diameter: float) -> int:
        """One for each ε from diameter² down to blur² by scaling², one to start from and one at the end."""
        return math.ceil(math.log(diameter / blur) / -math.log(scaling)) + 4

    if n > COUNTED:
        solve(100, 0.5, diameter)  # compiles
        seconds, _ = timed(lambda: solve(n, 0.5, 2 * blur))
        return {"pace": seconds / passes(0.5, 2 * blur), "peak": peak_memory() / 2**20}
    for scaling in (0.9, 0.97, 0.99, 0.995, 0.998):
        f, g = (2 * potential.double().flatten() for potential in solve(n, scaling, diameter))
        error = streamed_error(problem, epsilon, f, g)
        if error <= TOL:
            break
    return {"passes": passes(scaling, diameter), "error": error}


def run_ott(n: int) -> dict[str, Any]:
    """Time an iteration of OTT-JAX over blocks of costs, or count how many it needs."""
    import jax
    import numpy as np
    from jax._src.interpreters.batching import is_vmappable
    from ott.geometry import pointcloud
    from ott.problems.linear import linear_problem
    from ott.solvers.linear import acceleration, sinkhorn

    # OTT-JAX 0.6 asks for a name that JAX 0.10 has made private; without it blocks of costs fail.
    vars(jax.interpreters.batching)["is_vmappable"] = is_vmappable

    problem = gaussians(n, D, RELATIVE)
    epsilon = RELATIVE * mean_cost(problem.x, problem.y)
    accelerate: Any = acceleration.AndersonAcceleration
    most = 10 if n > COUNTED else 4000

    @jax.jit
    def solve(x: Any, y: Any) -> Any:
        geom = pointcloud.PointCloud(x, y, epsilon=epsilon, batch_size=min(n, 1000))
        solver = sinkhorn.Sinkhorn(threshold=0.9 * TOL, max_iterations=most, anderson=accelerate(memory=5))
        out = solver(linear_problem.LinearProblem(geom))
        return out.f, out.g, out.n_iters

    arrays = [jax.numpy.asarray(points.float().numpy()) for points in (problem.x, problem.y)]
    compiled = solve.lower(*arrays).compile()
    seconds, (f, g, count) = timed(lambda: jax.block_until_ready(compiled(*arrays)))
    if n > COUNTED:
        return {"pace": seconds / int(count), "peak": peak_memory() / 2**20}
    f, g = (torch.from_numpy(np.array(potential)).double() for potential in (f, g))
    f, g = f - epsilon * problem.a.log(), g - epsilon * problem.b.log()
    return {"passes": int(count), "error": streamed_error(problem, epsilon, f, g)}


RUNS: dict[str, Callable[[int], dict[str, Any]]] = {
    "otgan": run_otgan,
    "GeomLoss online (KeOps)": run_geomloss,
    "OTT anderson, batch_size": run_ott,
}


def child(name: str, n: int, timing: Sequence[str]) -> dict[str, Any] | str:
    """Run one contender in a new process; return what it says, or its last words where it fails."""
    command = [sys.executable, "-m", "benchmarks.streamed", "--child", name, "--n", str(n), *timing]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return (done.stderr.strip().splitlines() or ["no message"])[-1][:120]
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return said


def compared(n: int, paced_at: int, timing: Sequence[str]) -> list[tuple[Cell, ...]]:
    """Return the rows of all contenders at n points; the peers' times are extrapolated."""
    rows: list[tuple[Cell, ...]] = []
    ours = child("otgan", n, timing)
    if isinstance(ours, str):
        raise SystemExit(f"otgan failed: {ours}")
    seconds = ours["seconds"]
    rows.append(("otgan", "measured", seconds, ours["passes"], ours["error"], ours["peak"], 1.0))
    for name in list(RUNS)[1:]:
        small, large = child(name, COUNTED, timing), child(name, paced_at, timing)
        if isinstance(small, str) or isinstance(large, str):
            rows.append((name, f"failed: {small if isinstance(small, str) else large}", *[None] * 5))
            continue
        time = small["passes"] * large["pace"] * (n / paced_at) ** 2
        reached = "extrapolated" if small["error"] <= TOL else "extrapolated, not enough"
        rows.append((name, reached, time, small["passes"], small["error"], large["peak"], time / seconds))
    return rows


def paced(sizes: Sequence[int], timing: Sequence[str]) -> list[tuple[Cell, ...]]:
    """Return what a pass costs at several sizes, also divided by the number of pairs."""
    rows: list[tuple[Cell, ...]] = []
    for n in sizes:
        said = child("otgan", n, timing)
        if isinstance(said, str):
            raise SystemExit(f"otgan failed: {said}")
        pace = said["seconds"] / said["passes"]
        rows.append((n, said["seconds"], said["passes"], pace, 1e9 * pace / n**2, said["peak"]))
    return rows


def main(argv: Sequence[str] | None = None) -> None:
    """Measure 50,000 points beside the peers, and passes at 5,000 to 20,000."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.streamed", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--quick", action="store_true", help="a tenth of the points, nothing recorded")
    add_options(parser)
    parser.add_argument("--child", choices=list(RUNS), help=argparse.SUPPRESS)
    parser.add_argument("--n", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    timing = ["--threads", str(options.threads), "--clock", options.clock]
    if options.child:
        prepare(options)
        print(json.dumps(RUNS[options.child](options.n)))
        return
    n, paced_at, sizes = (
        (4000, 2000, (1000, 2000)) if options.quick else (50_000, PACED, (5000, 10_000, 20_000))
    )
    rows, paces = compared(n, paced_at, timing), paced(sizes, timing)
    for row in [*rows, *paces]:
        print(*(f"{cell:.3g}" if isinstance(cell, float) else cell for cell in row))
    if options.quick:
        return
    setting = f"d = {D}, ε = {RELATIVE:g} of the mean cost, L1 error {TOL:g}, float64 samples. One run each. {CLOCK_NOTES[options.clock]}"
    record(
        "streamed",
        ["contender", "how", "time (s)", "passes", "L1 error", "peak memory (MiB)", "times otgan's"],
        rows,
        notes=[
            f"n = m = {n:,}, {setting}",
            f"Extrapolated: the time of a peer's pass at {PACED:,} points, in float32, for the pairs of {n:,} points and "
            f"the passes that it needs at {COUNTED:,} points of the same kind; its error is the one reached there, its "
            f"memory that at {PACED:,} points.",
            "Peak memory is that of the whole process, with its libraries. Compilation is not in the times.",
        ],
        packages=["ott-jax", "jax", "pykeops"],
    )
    record(
        "streamed-passes",
        ["n = m", "time (s)", "passes", "time a pass (s)", "time a pass and pair (ns)", "peak memory (MiB)"],
        paces,
        notes=[f"The streamed backend; {setting}"],
    )


if __name__ == "__main__":
    main()
