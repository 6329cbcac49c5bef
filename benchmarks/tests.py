"""Tests of two sets beside hyppo, alibi-detect and SciPy: ``python -m benchmarks.tests [--quick] [--parts level,power,coverage,time] [--workers N]``.

Level: how often two draws of one population are called different. Power: how often draws of two are, by several distances and
libraries, all at level 5 %. Coverage: how often intervals hold distances that are known. Time: one test of 1000 permutations.
alibi-detect takes part where the environment's OTGAN_ALIBI is an interpreter that has it, in an environment of its own.
"""

from __future__ import annotations

import argparse
import os
import statistics
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

import otgan
from benchmarks.peers import alibi
from benchmarks.record import Cell, record
from benchmarks.timing import timed
from otgan.distances.spec import MeasurementSpec
from otgan.exact.pot import import_pot
from otgan.inference.verdict import LEVEL, verdict_of
from otgan.pair import pair

Points = NDArray[np.float64]

SIZES, DIMENSIONS = (50, 200, 500, 2000), (1, 8, 64)
PARTS = ("level", "power", "coverage", "time")
PERMUTATIONS, TIMED = 199, 1000
_BRIEF = 10.0
"""Seconds of a contender below which it runs three times."""

BOUND = 0.073
"""Share of 1000 runs that a test of level 5 % stays below with a probability of 0.999."""


# ---- level -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Null:
    """Two draws of one population."""

    n: int
    d: int
    weighted: bool

    def called_different(self, seed: int) -> bool:
        """Whether a report's verdict is that they differ."""
        rng = np.random.default_rng([seed, self.n, self.d, self.weighted])
        # Skewed, with tails, and of a size that is not the other's.
        x, y = (
            rng.exponential(size=(self.n, self.d)) ** 1.5,
            rng.exponential(size=(self.n // 2, self.d)) ** 1.5,
        )
        weights = (rng.exponential(size=len(x)), rng.exponential(size=len(y))) if self.weighted else ()
        both = pair(x, y, *weights)
        spec = MeasurementSpec.of("energy").fit(both)
        (request,) = spec.requests
        return verdict_of(both, request.metric, spec.terms(request), rng, lambda _: None).different


def level(runs: int, sizes: Sequence[int], pool: Executor) -> list[tuple[Cell, ...]]:
    """Return for every cell the share of runs that are called different."""
    rows: list[tuple[Cell, ...]] = []
    for n in sizes:
        for d in DIMENSIONS:
            for weighted in (False, True):
                share = _share(Null(n, d, weighted).called_different, runs, pool)
                rows.append(
                    (n, n // 2, d, "exponential" if weighted else "equal", runs, share, share <= BOUND)
                )
                print(*rows[-1], flush=True)
    return rows


# ---- power -----------------------------------------------------------------------------------------------------------

_N, _D = 100, 5


def alternatives() -> dict[str, Callable[[np.random.Generator], tuple[Points, Points]]]:
    """Return how each pair of sets is drawn."""

    def of(
        other: Callable[[np.random.Generator], Points],
    ) -> Callable[[np.random.Generator], tuple[Points, Points]]:
        return lambda rng: (rng.normal(size=(_N, _D)), other(rng))

    def mixture(rng: np.random.Generator) -> Points:
        # Two bumps of the same mean and variance as one, in the first coordinate.
        points = rng.normal(size=(_N, _D))
        points[:, 0] = 0.45 * points[:, 0] + 0.893 * rng.choice([-1, 1], _N)
        return points

    def outliers(rng: np.random.Generator) -> Points:
        points = rng.normal(size=(_N, _D))
        points[: _N // 10] += 2.5
        return points

    mixing = np.linalg.cholesky(0.45 + 0.55 * np.eye(_D)).T
    return {
        "none": of(lambda rng: rng.normal(size=(_N, _D))),
        "a shift": of(lambda rng: rng.normal(size=(_N, _D)) + 0.2),
        "a larger spread": of(lambda rng: 1.25 * rng.normal(size=(_N, _D))),
        "heavier tails": of(lambda rng: rng.standard_t(2.5, size=(_N, _D)) * 0.75),
        "dependence": of(lambda rng: rng.normal(size=(_N, _D)) @ mixing),
        "two bumps": of(mixture),
        "a tenth moved": of(outliers),
    }


def _ours(distance: str, x: Points, y: Points, seed: int) -> float:
    return otgan.two_sample_test(x, y, distance=distance, permutations=PERMUTATIONS, seed=seed).p_value


def _hyppo(name: str, x: Points, y: Points, seed: int) -> float:
    import hyppo.ksample

    test = getattr(hyppo.ksample, name)()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that 199 are few
        return float(test.test(x, y, reps=PERMUTATIONS, workers=1, auto=False, random_state=seed)[1])


def _scipy(x: Points, y: Points, seed: int, permutations: int = PERMUTATIONS) -> float:
    """The test of POT's emd2 by SciPy, which gets the places of rows: it would permute each coordinate by itself."""
    from scipy.stats import permutation_test

    pot, pooled = import_pot(), np.concatenate([x, y])
    uniform = np.full(len(x), 1 / len(x))
    cost = pot.dist(pooled, pooled, metric="euclidean")

    def distance(u: NDArray[np.int64], v: NDArray[np.int64]) -> float:
        return float(pot.lp.emd2(uniform, uniform, np.ascontiguousarray(cost[np.ix_(u, v)])))

    places = np.arange(len(x)), np.arange(len(x), len(pooled))
    found = permutation_test(
        places, distance, vectorized=False, n_resamples=permutations, alternative="greater", rng=seed
    )
    return float(found.pvalue)


def _alibi(test: str, x: Points, y: Points, seed: int, permutations: int = PERMUTATIONS) -> float:
    return alibi.ask(test, x, y, permutations, seed)


CONTENDERS: dict[str, Callable[[Points, Points, int], float]] = {
    "otgan, energy": partial(_ours, "energy"),
    "otgan, MMD": partial(_ours, "mmd"),
    "otgan, EM": partial(_ours, "emd"),
    "otgan, Sinkhorn divergence": partial(_ours, "sinkhorn_divergence"),
    "hyppo, Energy": partial(_hyppo, "Energy"),
    "hyppo, MMD": partial(_hyppo, "MMD"),
    "SciPy over POT, EM": _scipy,
    "alibi-detect, MMD": partial(_alibi, "MMDDrift"),
    "alibi-detect, LSDD": partial(_alibi, "LSDDDrift"),
}


def contenders() -> list[str]:
    """Return who is there: alibi-detect where the environment says of an interpreter that has it."""
    return [name for name in CONTENDERS if alibi.INTERPRETER in os.environ or not name.startswith("alibi")]


def rejected(name: str, alternative: str, seed: int) -> bool:
    """Whether one contender calls one draw different."""
    x, y = alternatives()[alternative](np.random.default_rng(seed))
    return CONTENDERS[name](x, y, seed) <= LEVEL


def power(runs: int, pool: Executor) -> list[tuple[Cell, ...]]:
    """Return for every alternative the share of draws that each contender calls different."""
    rows: list[tuple[Cell, ...]] = []
    for alternative in alternatives():
        shares = [_share(partial(rejected, name, alternative), runs, pool) for name in contenders()]
        rows.append((alternative, *shares))
        print(*rows[-1], flush=True)
    return rows


# ---- coverage --------------------------------------------------------------------------------------------------------

_P, _Q = np.array([0.3, 0.3, 0.2, 0.1, 0.1]), np.array([0.1, 0.2, 0.3, 0.2, 0.2])


@dataclass(frozen=True)
class Known:
    """Two populations whose distance is known, and how an interval for it is asked for."""

    what: str
    d: int
    shift: float
    truth: float
    options: tuple[tuple[str, Any], ...]

    def held(self, n: int, seed: int) -> bool:
        """Whether the interval of one draw holds the distance."""
        rng = np.random.default_rng([seed, n])
        if self.d == 0:  # five points on the line
            x, y = (
                rng.choice(5, n, p=_P).astype(float)[:, None],
                rng.choice(5, n, p=_Q).astype(float)[:, None],
            )
        else:
            x, y = rng.normal(size=(n, self.d)), rng.normal(size=(n, self.d))
            y[:, 0] += self.shift
        found = otgan.confidence_interval(x, y, seed=seed, **dict(self.options))
        return found.lower <= self.truth <= found.upper


def known() -> list[Known]:
    """Return the populations: Gaussians a shift apart, and laws of five points."""
    apart = np.sqrt(2 / np.pi) * np.sqrt(2) * np.exp(-0.25) + (1 - 2 * norm.cdf(-np.sqrt(0.5)))  # E |N(1, 2)|
    energy = float(2 * apart - 4 / np.sqrt(np.pi))
    kernel = float(2 / np.sqrt(3) * (1 - np.exp(-1 / 6)))  # of bandwidth 1
    bracket, drawn = ("method", "bracket"), ("method", "subsampling")
    divergence = ("distance", "sinkhorn_divergence")
    return [
        Known("EM, bracket; a shift on the line", 1, 1.0, 1.0, (bracket,)),
        Known("EM, bracket; a shift in 5 dimensions", 5, 1.0, 1.0, (bracket,)),
        Known("EM, bracket; one population on the line", 1, 0.0, 0.0, (bracket,)),
        Known("sliced, bracket; a shift on the line", 1, 1.0, 1.0, (("distance", "sliced"),)),
        Known("EM, subsampling; a shift on the line", 1, 1.0, 1.0, (drawn, ("draws", 200))),
        Known(
            "EM, subsampling; five points",
            0,
            0.0,
            float(np.abs(np.cumsum(_P - _Q)).sum()),
            (drawn, ("draws", 200)),
        ),
        Known(
            "Sinkhorn divergence, p = 2, ε = ½; a shift on the line",
            1,
            1.0,
            1.0,
            (divergence, ("p", 2), ("epsilon", 0.5)),
        ),
        Known(
            "Sinkhorn divergence, p = 2, ε = 1; a shift in 5 dimensions",
            5,
            1.0,
            1.0,
            (divergence, ("p", 2), ("epsilon", 1.0)),
        ),
        Known(
            "Sinkhorn divergence, p = 2, ε = 4; a shift in 5 dimensions",
            5,
            1.0,
            1.0,
            (divergence, ("p", 2), ("epsilon", 4.0)),
        ),
        Known("energy; a shift on the line", 1, 1.0, energy, (("distance", "energy"),)),
        Known("energy; one population on the line", 1, 0.0, 0.0, (("distance", "energy"),)),
        Known(
            "MMD of bandwidth 1; a shift on the line",
            1,
            1.0,
            kernel,
            (("distance", "mmd"), ("options", {"bandwidth": 1.0})),
        ),
    ]


def coverage(runs: int, pool: Executor) -> list[tuple[Cell, ...]]:
    """Return how many of the intervals of nominally 95 % hold the distance."""
    rows: list[tuple[Cell, ...]] = []
    for case in known():
        rows.append((case.what, 0.95, *(_share(partial(case.held, n), runs, pool) for n in (150, 600))))
        print(*rows[-1], flush=True)
    return rows


# ---- time ------------------------------------------------------------------------------------------------------------


def times(repetitions: int) -> list[tuple[Cell, ...]]:
    """Return what one test of 1000 permutations takes, contenders in turns."""
    rng = np.random.default_rng(0)
    rows: list[tuple[Cell, ...]] = []
    for n in (50, 200):
        x, y = rng.normal(size=(n, 2)), rng.normal(size=(n, 2))
        runs: dict[str, Callable[[], Any]] = {
            **{
                f"otgan, {distance}": partial(
                    otgan.two_sample_test, x, y, distance=distance, permutations=TIMED
                )
                for distance in ("energy", "mmd", "emd", "sinkhorn_divergence")
            },
            "hyppo, Energy": partial(_hyppo_of, "Energy", x, y),
            "hyppo, MMD": partial(_hyppo_of, "MMD", x, y),
            "SciPy's permutation_test of POT's emd2": partial(_scipy, x, y, 0, TIMED),
        }
        if alibi.INTERPRETER in os.environ:
            for test in ("MMD", "LSDD"):
                runs[f"alibi-detect, {test}"] = partial(_alibi, f"{test}Drift", x, y, 0, TIMED)
        seconds: dict[str, list[float]] = {name: [] for name in runs}
        for name in ("otgan, energy", "otgan, mmd", "otgan, emd", "otgan, sinkhorn_divergence"):
            runs[name]()  # loops are compiled
        if alibi.INTERPRETER in os.environ:
            alibi.version()  # its server has started
        for turn in range(repetitions):
            for name, run in runs.items():
                if turn == 0 or statistics.median(seconds[name]) < _BRIEF:
                    seconds[name].append(timed(run)[0])
        rows.extend((name, n, TIMED, statistics.median(several)) for name, several in seconds.items())
        for row in rows[-len(runs) :]:
            print(*row, flush=True)
    return rows


def _hyppo_of(name: str, x: Points, y: Points) -> float:
    import hyppo.ksample

    return float(getattr(hyppo.ksample, name)().test(x, y, reps=TIMED, workers=1, auto=False)[1])


# ---- all of them -----------------------------------------------------------------------------------------------------


def _share(decide: Callable[[int], bool], runs: int, pool: Executor) -> float:
    """Return the share of seeds for which something is decided."""
    return sum(pool.map(decide, range(runs), chunksize=10)) / runs


def _single() -> None:
    import torch

    torch.set_num_threads(1)


def main(argv: Sequence[str] | None = None) -> None:
    """Measure what is asked for and record it."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.tests", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--quick", action="store_true", help="few runs, nothing recorded")
    parser.add_argument("--parts", default=",".join(PARTS), help="some of %(default)s")
    parser.add_argument("--runs", type=int, default=1000, help="null runs a cell; a fifth as many of power")
    parser.add_argument(
        "--workers", type=int, default=2, help="processes of one thread, but where time is measured"
    )
    options = parser.parse_args(argv)
    parts = options.parts.split(",")
    runs = 20 if options.quick else options.runs
    with ProcessPoolExecutor(options.workers, get_context("spawn"), initializer=_single) as pool:
        for name, heads, rows, notes in _tables(options, parts, runs, pool):
            if not options.quick:
                own = (
                    [f"alibi-detect {alibi.version()}, in an environment of its own."]
                    if alibi.INTERPRETER in os.environ
                    else []
                )
                record(name, heads, rows, notes=[*notes, *own], packages=("hyppo",))


def _tables(
    options: argparse.Namespace, parts: Sequence[str], runs: int, pool: Executor
) -> Iterator[tuple[str, tuple[str, ...], list[tuple[Cell, ...]], list[str]]]:
    if "level" in parts:
        heads = ("n", "m", "d", "weights", "runs", "called different", f"at most {BOUND:g}")
        notes = [
            "Two draws of one population, the 1.5th power of exponential coordinates; the verdict of a report: the energy distance, 199 "
            "permutations, level 5 %. A test of exactly that level stays below 7.3 % in 1000 runs with a probability of 0.999."
        ]
        yield "tests-level", heads, level(runs, SIZES[:2] if options.quick else SIZES, pool), notes
    if "power" in parts:
        notes = [
            f"{_N} and {_N} samples in {_D} dimensions, one set of N(0, I); {runs // 5} draws, {PERMUTATIONS} permutations, level 5 %: the "
            "share called different, of which the standard error is at most 3.5 %. 'none': two draws of one population."
        ]
        yield "tests-power", ("difference", *contenders()), power(max(2, runs // 5), pool), notes
    if "coverage" in parts:
        notes = [
            f"{max(2, runs * 3 // 10)} draws of n and n samples, whose distance as populations is known in closed form."
        ]
        columns = ("interval", "nominal", "measured, n = 150", "measured, n = 600")
        yield "tests-coverage", columns, coverage(max(2, runs * 3 // 10), pool), notes
    if "time" in parts:
        notes = [
            "Two dimensions; medians of three in turns, what takes more than ten seconds once. hyppo with one worker, alibi-detect with one thread."
        ]
        yield (
            "tests-time",
            ("test", "n = m", "permutations", "time (s)"),
            times(1 if options.quick else 3),
            notes,
        )


if __name__ == "__main__":
    main()
