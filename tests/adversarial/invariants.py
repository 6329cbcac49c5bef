"""What must hold of every answer, whatever was asked: checked in long double, with an account of all rounding.

`check` makes one call of otgan, and perhaps the same in other words (swapped, scaled, moved, masked, permuted, in
another precision, alone), and returns what is wrong, how the problems ended, and how many an oracle judged.
"""

from __future__ import annotations

import dataclasses
import re
import warnings
from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import torch
from numpy.typing import NDArray

import otgan
from otgan.exact.simplex import SimplexError
from otgan.mistakes import OtganError
from tests.adversarial import oracles
from tests.adversarial.ground import NORMS, Function, degree, ground, known, moves
from tests.adversarial.guard import Hang, limit
from tests.adversarial.oracles import EPS, Entropic, Interval, Long
from tests.adversarial.problems import PER_PROBLEM, Case

SECONDS = 20.0
"""Of its own processor time, after which a call counts as hung."""

ENTROPIC, EXACT, RATIOS = (
    {"sinkhorn", "entropic", "divergence", "loss"},
    {"emd", "exact"},
    {"kl", "js", "tv"},
)

DIFFUSE = 100.0
"""ε over the largest cost beyond which solvers take sums of weights out first."""

STRICT = 1e-12
"""Relative error that is granted to float64 results."""

SCALARS = ("value", "value_linear", "distance", "lower", "upper", "marginal_error")

RELATIONS = ("swap", "scale", "translate", "mask", "permute", "alone", "precision")


@dataclasses.dataclass
class Report:
    """What came of one call.

    Attributes
    ----------
    label : str
        The row of the table.
    cases : int
        Problems.
    judged : int
        Those that an independent oracle judged, which proved itself first.
    ends : Counter
        How they ended: names of statuses and of documented exceptions.
    failures : list of (kind, problem or −1, detail)
    """

    label: str
    cases: int
    judged: int = 0
    ends: Counter[str] = dataclasses.field(default_factory=Counter)
    failures: list[tuple[str, int, str]] = dataclasses.field(default_factory=list)

    @property
    def honest(self) -> int:
        """Problems that were refused or did not converge, and said so."""
        return sum(count for end, count in self.ends.items() if end != "CONVERGED")

    def fail(self, kind: str, where: NDArray[Any] | int, detail: str = "", **shown: Any) -> None:
        """Add a failure of the problems where a condition is true, with the numbers of the first."""
        if isinstance(where, (int, np.integer)):
            self.failures.append((kind, int(where), detail))
            return
        for k in np.flatnonzero(where):
            numbers = ", ".join(
                f"{name}={np.asarray(value).reshape(len(where), -1)[k].squeeze()!s}"
                for name, value in shown.items()
            )
            self.failures.append((kind, int(k), f"{detail}{numbers}"))


@dataclasses.dataclass(frozen=True)
class Prepared:
    """The numbers of a case in long double, padded to one size with points of weight 0.

    Attributes
    ----------
    x, y : shapes (B, n, d) and (B, m, d)
    a, b : shapes (B, n) and (B, m)
        As the problem has them: of total 1 where it is balanced.
    C, C_xx, C_yy : shapes (B, n, m), (B, n, n) and (B, m, m)
        0 where a point has no weight.
    known : shape (B,)
        How far off the costs may be that can be had from the points.
    epsilon, rho : shape (B,), or None
    given_x, given_y : shapes (B, n) and (B, m)
        What is no padding.
    """

    x: Long
    y: Long
    a: Long
    b: Long
    C: Long
    C_xx: Long
    C_yy: Long
    known: Long
    epsilon: Long | None
    rho: Long | None
    given_x: NDArray[np.bool_]
    given_y: NDArray[np.bool_]

    def __getitem__(self, items: slice) -> Prepared:
        return Prepared(*(None if v is None else v[items] for v in vars(self).values()))

    @property
    def largest(self) -> Long:
        """The largest cost, and the mean one in the next property."""
        return self.C.max((1, 2))

    @property
    def spread(self) -> Long:
        """The largest cost between any two points."""
        return np.maximum(self.largest, np.maximum(self.C_xx.max((1, 2)), self.C_yy.max((1, 2))))

    @property
    def mean(self) -> Long:
        a, b = (w / w.sum(1, keepdims=True) for w in (self.a, self.b))
        return np.einsum("bi,bij,bj->b", a, self.C, b)


def _pad(side: list[Any], fill: float = 0.0) -> Long:
    shape = (len(side), max(len(v) for v in side), *side[0].shape[1:])
    out = np.full(shape, fill, dtype=np.longdouble)
    for k, v in enumerate(side):
        out[k, : len(v)] = v
    return out


def prepare(case: Case) -> Prepared:
    """Bring a case into the numbers that the checks need."""
    given = [_pad([np.ones(len(v)) for v in side]) > 0 for side in (case.x, case.y)]
    w = []
    unbalanced = case.options.get("reach") is not None
    for side, points in ((case.a, case.x), (case.b, case.y)):
        raw = [np.full(len(v), np.longdouble(1) / len(v)) for v in points] if side is None else side
        padded = _pad([np.asarray(v, dtype=np.longdouble) for v in raw])
        total = padded.sum(1, keepdims=True)
        w.append(padded if unbalanced else padded / total)
    x, y = (_pad(side) for side in (case.x, case.y))
    # Points without weight have no say, and may lie where no cost can be represented.
    x, y = (np.where((v > 0)[..., None], s, _first(s, v)) for s, v in ((x, w[0]), (y, w[1])))
    C, C_xx, C_yy = (
        np.where(
            (v > 0)[..., None] & (u > 0)[:, None],
            ground(case.cost, s, t, case.p, case.tables, (case.library, case.dtype)),
            np.longdouble(0),
        )
        for (s, v), (t, u) in (
            ((x, w[0]), (y, w[1])),
            ((x, w[0]), (x, w[0])),
            ((y, w[1]), (y, w[1])),
        )
    )
    off = known(
        case.cost,
        x,
        y,
        case.p,
        np.maximum(C.max((1, 2)), np.maximum(C_xx.max((1, 2)), C_yy.max((1, 2)))),
        case.dtype,
    )
    strengths = _strengths(case, w, C) if case.function in ENTROPIC else (None, None)
    return Prepared(x, y, *w, C, C_xx, C_yy, off, *strengths, *given)


def _first(s: Long, w: Long) -> Long:
    return s[np.arange(len(s)), (w > 0).argmax(1)][:, None]


def _strengths(case: Case, w: list[Long], C: Long) -> tuple[Long, Long | None]:
    p, options, count = np.longdouble(case.p), case.options, len(case)

    def length(name: str) -> Long:
        return p * np.broadcast_to(np.asarray(options[name], dtype=np.longdouble), count) ** p

    if "epsilon" in options:
        epsilon = np.broadcast_to(np.asarray(options["epsilon"], dtype=np.longdouble), count)
    elif "blur" in options:
        epsilon = length("blur")
    else:
        a, b = (v / v.sum(1, keepdims=True) for v in w)
        mean = np.einsum("bi,bij,bj->b", a, C, b)
        epsilon = np.where(mean > 0, np.longdouble(0.05) * mean, 1)
    return epsilon, length("reach") if options.get("reach") is not None else None


# One call of otgan.


@dataclasses.dataclass
class Answer:
    """What a call returned: the values (B,), a Transport or None, gradients, warnings, or the exception."""

    values: NDArray[np.float64] | None = None
    result: Any = None
    gradients: list[NDArray[np.float64]] | None = None
    unconverged: int = 0
    error: BaseException | None = None
    words: list[str] = dataclasses.field(default_factory=list)


_CALLS = {
    "emd": "emd",
    "exact": "transport",
    "entropic": "transport",
    "sinkhorn": "sinkhorn",
    "divergence": "sinkhorn_divergence",
}


def ask(case: Case) -> Answer:
    """Make the call of a case, under a clock, and catch all that comes of it."""
    (x, y, a, b), options = case.arguments()
    answer = Answer()
    try:
        with warnings.catch_warnings(record=True) as caught, limit(SECONDS, cpu=True):
            warnings.simplefilter("always")
            if case.library == "torch":
                options = {
                    k: torch.from_numpy(v) if isinstance(v, np.ndarray) else v for k, v in options.items()
                }
            if case.function == "loss":
                got = otgan.SinkhornLoss(**options)(x, y, a=a, b=b)
            else:
                got = getattr(otgan, _CALLS.get(case.function, case.function))(x, y, a, b, **options)
            value = got.value if isinstance(got, otgan.Transport) else got
            if isinstance(got, otgan.Transport):
                answer.result = got
                for name in (
                    *SCALARS,
                    "f",
                    "g",
                    "plan",
                ):  # what is computed when asked for, under the clock too
                    getattr(got, name)
            leaves = _leaves((x, y, a, b))
            if case.gradient and isinstance(value, torch.Tensor) and value.requires_grad:
                grads = torch.autograd.grad(value.sum(), leaves, allow_unused=True)
                answer.gradients = [
                    np.zeros(t.shape) if g is None else g.double().numpy()
                    for g, t in zip(grads, leaves, strict=True)
                ]
            answer.values = numbers(value).reshape(-1)
        definite = isinstance(case.cost, str) and case.cost == "euclidean" and case.p <= 2
        for warning in caught:
            words = str(warning.message)
            if issubclass(warning.category, otgan.ConvergenceWarning):
                some = re.match(r"(\d+) of \d+ problems", words)
                answer.unconverged = max(answer.unconverged, int(some[1]) if some else 1)
            elif definite or "divergence is negative, which happens for" not in words:
                answer.words.append(f"{warning.category.__name__}: {words}")
    except (Exception, Hang) as error:  # whatever it is: to judge it is the point
        answer.error = error
    return answer


def _leaves(value: Any) -> list[Any]:
    if isinstance(value, (list, tuple)):
        return [leaf for part in value for leaf in _leaves(part)]
    return [] if value is None else [value]


def numbers(value: Any) -> NDArray[np.float64]:
    """A result as float64."""
    return np.asarray(value.detach().cpu() if isinstance(value, torch.Tensor) else value, dtype=np.float64)


DOCUMENTED = (SimplexError, OverflowError, MemoryError, TypeError, ValueError)
"""The errors that the functions document, those first that are also others."""


def _judge_error(case: Case, prepared: Prepared | None, error: BaseException, report: Report) -> None:
    """Take an exception that is documented, in one sentence and justified for an honest end, all else for a failure."""
    words = str(error)
    if isinstance(error, Hang):
        report.fail("hang", -1, words)
        return
    name = next((kind.__name__ for kind in DOCUMENTED if isinstance(error, kind)), None)
    if name is None or not isinstance(error, OtganError):
        last = error.__traceback__
        while last is not None and last.tb_next is not None:
            last = last.tb_next
        home = last.tb_frame.f_globals.get("__name__", "") if last else ""
        report.fail("raw error", -1, f"{type(error).__name__} from {home}: {words[:200]}")
        return
    if "\n" in words or not words:
        report.fail("an error of more than one sentence", -1, f"{name}: {words[:300]}")
    report.ends[name] += len(case)
    if name == "SimplexError" or case.function in RATIOS or prepared is None:
        return
    if name == "MemoryError":
        report.fail("unjustified refusal", -1, f"{name}: {words[:200]}")
        return
    if not _extreme(case, prepared):
        report.fail("unjustified refusal", -1, f"{name}: {words[:200]}")


def _extreme(case: Case, q: Prepared) -> bool:
    """Whether a number of some problem comes near the end of the range of its type: then it may be refused."""
    single = case.dtype == "float32"
    high, low = (1e36, 1e-36) if single else (1e280, 1e-280)
    largest = q.largest ** (1 / np.longdouble(case.p)) if case.function == "emd" else q.largest
    sizes = [largest]
    if q.epsilon is not None:
        high, low = (high, low) if single else (1e270, 1e-270)
        sizes += [q.epsilon if not single else q.largest, q.epsilon / (1e20 if not single else 1e2)]
    if q.rho is not None:
        sizes += [q.rho, q.rho * q.a.sum(1)]
    if (
        case.cost in {"cosine", "haversine", "circle"}
        and q.epsilon is not None
        and bool((q.epsilon < 1e-140).any())
    ):
        return True  # angles have no unit: they are of order one, or next to 0
    if case.cost == "circle" and bool(((q.largest > 0) & (q.largest < 1e-280)).any()):
        return True  # whose powers are next to nothing beside those of the period
    if not isinstance(case.cost, str):
        apart = q.largest[q.largest > 0]
        if len(apart) and bool(apart.max() / apart.min() > 1e55):
            return True  # a function has one unit for a batch, whose problems must be within it
    return any(bool(((s > high) | ((s > 0) & (s < low))).any()) for s in sizes)


# The checks.


def check(case: Case, rng: np.random.Generator, *, oracle: int = 32, rational: int = 8) -> Report:
    """Ask, and hold the answer to everything that must be so.

    Parameters
    ----------
    rng : Generator
        Chooses the other words in which to ask once more.
    oracle, rational : int
        Problems of a batch that the long double and the rational oracles judge.
    """
    report = Report(label(case), len(case))
    with np.errstate(all="ignore"):
        prepared = None if case.function in RATIOS else prepare(case)
        answer = ask(case)
        if answer.error is not None:
            _judge_error(case, prepared, answer.error, report)
            return report
        assert answer.values is not None
        for words in answer.words:
            report.fail("a warning that is not otgan's", -1, words)
        if len(answer.values) != len(case):
            report.fail("wrong number of values", -1, f"{len(answer.values)} for {len(case)}")
            return report
        report.fail("NaN value", np.isnan(answer.values), value=answer.values)
        if prepared is None:
            _check_ratios(case, answer, report, rational)
            return report
        report.fail("infinite value", np.isinf(answer.values), value=answer.values)
        if case.function in EXACT:
            _check_exact(case, prepared, answer, report, rational)
        else:
            _check_entropic(case, prepared, answer, report, oracle, rational)
        _check_gradients(case, prepared, answer, report)
    return report


def label(case: Case) -> str:
    """The row of the table that a case belongs to."""
    backend = case.options.get("backend", "")
    kind = "" if case.options.get("reach") is None else ", unbalanced"
    names = {
        "exact": f"transport, exact ({backend})",
        "entropic": f"transport, entropic{kind} ({backend})",
        "sinkhorn": f"sinkhorn{kind}",
        "divergence": f"sinkhorn_divergence{kind}",
        "loss": f"SinkhornLoss{kind}",
        "emd": "emd",
    }
    if case.cost != "euclidean":
        cost = "function" if isinstance(case.cost, Function) else case.cost
        return f"{cost}: {names[case.function]}"
    return names.get(case.function) or f"{case.function} ({case.options['estimator']})"


def _unit(case: Case) -> float:
    return 2.0**-24 if case.dtype == "float32" else 2.0**-53


def to_long(q: Fraction) -> np.longdouble:
    """A rational in long double, whatever its size (as far as long double reaches)."""
    if q == 0:
        return np.longdouble(0)
    exponent = q.numerator.bit_length() - q.denominator.bit_length()
    scaled = q / Fraction(2) ** exponent
    high = float(scaled)
    low = float(scaled - Fraction(high))
    return np.ldexp(np.longdouble(high) + np.longdouble(low), exponent)


def exact_interval(case: Case, k: int) -> Interval:
    """The exact cost of one problem of a case, from the oracle that suits it."""
    x, y = case.x[k], case.y[k]
    a, b = (None if side is None else side[k] for side in (case.a, case.b))
    if x.shape[1] == 1 and case.cost in NORMS:
        return oracles.line_cost(x, y, a, b, case.p)
    cost = case.cost
    if case.tables is not None:
        cost = case.matrices([x], [y])[0] if len(case) == 1 else case.item(k).matrices([x], [y])[0]
    elif isinstance(cost, Function):  # its values are the truth
        sides = (v.astype(np.longdouble)[None] for v in (x, y))
        cost = ground(cost, *sides, 1, None, (case.library, case.dtype))[0].astype(float)
    if len(x) == len(y) <= 4 and a is None and b is None:
        return oracles.assignment_cost(x, y, case.p, cost)
    if len(x) * len(y) <= 64:
        return oracles.transport_cost(x, y, a, b, case.p, cost)
    found = oracles.linear_program(x, y, a, b, case.p, cost)
    return found or oracles.transport_cost(x, y, a, b, case.p, cost)


def _chosen(case: Case, count: int) -> range:
    return range(min(count, len(case)))


def _potentials(t: Any, case: Case) -> tuple[Long, Long]:
    sides = []
    for h in (t.f, t.g):
        parts = [numbers(v) for v in h] if case.layout == "ragged" and isinstance(h, list) else numbers(h)
        if not isinstance(parts, list):
            parts = list(parts) if case.layout != "single" else [parts]
        sides.append(_pad(parts))
    return sides[0], sides[1]


def _plans(t: Any, case: Case, shape: tuple[int, ...]) -> Long:
    plan = t.plan
    parts = [numbers(v) for v in plan] if isinstance(plan, list) else numbers(plan)
    if not isinstance(parts, list):
        parts = list(parts) if case.layout != "single" else [parts]
    out = np.zeros(shape, dtype=np.longdouble)
    for k, v in enumerate(parts):
        out[k, : v.shape[0], : v.shape[1]] = v
    return out


def _statuses(t: Any) -> list[Any]:
    return list(t.status) if isinstance(t.status, tuple) else [t.status]


def _common(case: Case, q: Prepared, answer: Answer, report: Report) -> dict[str, Any]:
    """Check what any Transport must be, and return its numbers."""
    t = answer.result
    status = _statuses(t)
    if len(status) != len(case) or not all(isinstance(s, otgan.Status) for s in status):
        report.fail("status is none", -1, str(t.status))
    got: dict[str, Any] = {"status": status}
    for name in SCALARS:
        got[name] = numbers(getattr(t, name)).reshape(-1)
        report.fail(f"NaN {name}", np.isnan(got[name]))
    report.fail("lower above upper", got["lower"] > got["upper"], lower=got["lower"], upper=got["upper"])
    got["f"], got["g"] = _potentials(t, case)
    for name, w, given in (("f", q.a, q.given_x), ("g", q.b, q.given_y)):
        h = got[name]
        report.fail(f"{name} not finite where there is weight", (~np.isfinite(h) & (w > 0)).any(1))
        odd = ~np.isfinite(h) & ~(h == -np.inf) & given
        report.fail(f"{name} neither finite nor −inf", odd.any(1))
    got["plan"] = _plans(t, case, q.C.shape)
    report.fail("NaN or negative plan", ~(got["plan"] >= 0).all((1, 2)))
    light = (q.a == 0)[..., None] | (q.b == 0)[:, None]
    report.fail("plan moves mass of points without weight", ((got["plan"] != 0) & light).any((1, 2)))
    return got


def _certify(q: Prepared, f: Long, g: Long, P: Long) -> tuple[Long, Long]:
    """An interval around the exact cost from any potentials and plan, moved outward by its own rounding."""
    a, b = (w / w.sum(1, keepdims=True) for w in (q.a, q.b))
    heavy_x, heavy_y = a > 0, b > 0
    digits = EPS * 8 * (a.shape[1] + b.shape[1] + 8)
    g = np.where(heavy_y & np.isfinite(g), g, -np.inf)
    f = np.where(heavy_x, (q.C - np.where(np.isfinite(g), g, -np.inf)[:, None]).min(2), -np.inf)
    g = np.where(heavy_y, (q.C - f[:, :, None]).min(1), -np.inf)
    f, g = (np.where(np.isfinite(h), h, 0) for h in (f, g))
    lower = (a * f).sum(1) + (b * g).sum(1)
    lower = lower - digits * ((a * np.abs(f)).sum(1) + (b * np.abs(g)).sum(1) + EPS * q.largest)
    # An f from Cᵢⱼ − gⱼ with large g has lost digits of the size of g.
    lower = lower - digits * (np.abs(f).max(1) + np.abs(g).max(1)) * EPS
    P = np.where(np.isfinite(P), P, 0)
    for axis, w in ((2, a), (1, b)):
        sums = P.sum(axis)
        P = P * np.expand_dims(np.where(sums > w, w / np.where(sums > 0, sums, 1), 1), axis)
    rest_a, rest_b = np.maximum(a - P.sum(2), 0), np.maximum(b - P.sum(1), 0)
    left = np.maximum(rest_a.sum(1), np.finfo(np.longdouble).tiny)
    upper = (P * q.C).sum((1, 2)) + np.einsum("bi,bij,bj->b", rest_a / left[:, None], q.C, rest_b)
    return lower, upper * (1 + digits) + digits * q.largest


def _check_bounds(
    case: Case, q: Prepared, got: dict[str, Any], report: Report, lower: Long, upper: Long, rational: int
) -> dict[int, Interval]:
    """Hold the certified interval to a recomputed one for all problems, and to the exact cost for some."""
    off = got["lower"] > upper
    report.fail("lower bound above the exact cost", off, lower=got["lower"], exact=upper)
    off = got["upper"] < lower
    report.fail("upper bound below the exact cost", off, upper=got["upper"], exact=lower)
    intervals = {}
    for k in _chosen(case, rational):
        intervals[k] = low, high = exact_interval(case, k)
        if (
            not np.isnan(got["lower"][k])
            and np.isfinite(got["lower"][k])
            and Fraction(got["lower"][k]) > high
        ):
            report.fail(
                "lower bound above the exact cost (rational)", k, f"{got['lower'][k]!r} > {float_(high)!r}"
            )
        if not np.isnan(got["upper"][k]) and np.isfinite(got["upper"][k]) and Fraction(got["upper"][k]) < low:
            report.fail(
                "upper bound below the exact cost (rational)", k, f"{got['upper'][k]!r} < {float_(low)!r}"
            )
    return intervals


def float_(q: Fraction) -> float:
    """A rational as a float, infinite or 0 beyond the range."""
    return float(to_long(q))


def _check_exact(case: Case, q: Prepared, answer: Answer, report: Report, rational: int) -> None:
    values, unit = answer.values, _unit(case)
    assert values is not None
    p = np.longdouble(case.p)
    report.fail("negative value", values < 0, value=values)
    report.ends["CONVERGED"] += len(case)
    n, m = q.C.shape[1:]
    # The weights 1/n have their rounding, and with it mass may go far where the exact problem has it stay.
    alike = case.a is None and case.b is None and case.layout != "ragged" and n == m
    stray = q.known + (np.zeros(len(case)) if alike else 4 * (n + m) * 2.0**-53 * q.largest)
    if case.function == "exact":
        got = _common(case, q, answer, report)
        for name, status in ((str(s), s) for s in set(got["status"])):
            report.ends[name] += got["status"].count(status)
        report.ends["CONVERGED"] -= len(case)
        marginals = np.abs(got["plan"].sum(2) - q.a).sum(1) + np.abs(got["plan"].sum(1) - q.b).sum(1)
        report.fail("marginals of the exact plan", marginals > 1e-10 + 16 * n * m * unit, error=marginals)
        lower, upper = _certify(q, got["f"], got["g"], got["plan"])
        intervals = _check_bounds(case, q, got, report, lower, upper, rational)
        off = (got["value"] < got["lower"]) | (got["value"] > got["upper"])
        report.fail(
            "value outside its own bounds", off, value=got["value"], lower=got["lower"], upper=got["upper"]
        )
    else:
        intervals = {k: exact_interval(case, k) for k in _chosen(case, rational)}
        # Bounds from the coordinates alone: between the distance of the means (p = 1: Jensen) and the diameter.
        a, b = q.a / q.a.sum(1, keepdims=True), q.b / q.b.sum(1, keepdims=True)
        means = [(w[..., None] * v).sum(1, keepdims=True) for w, v in ((a, q.x), (b, q.y))]
        apart = ground(case.cost, *means, 1)[:, 0, 0] if case.cost in NORMS else np.zeros(len(case))
        size = np.maximum(np.abs(q.x).max((1, 2)), np.abs(q.y).max((1, 2)))
        off = values < apart * (1 - 1e-12 - 8 * unit) - 1e-15 * size
        report.fail("distance below that of the means", off, value=values, means=apart)
        over = (q.largest + q.known) ** (1 / p)
        report.fail("distance above the diameter", values > over * (1 + 1e-12 + 8 * unit), value=values)
    for k, (low, high) in intervals.items():
        bottom, top = to_long(low) - stray[k], to_long(high) + stray[k]
        if case.function == "emd":
            bottom, top = (max(v, np.longdouble(0)) ** (1 / p) for v in (bottom, top))
        slack = STRICT + 4 * unit
        tiny = float(np.finfo(case.dtype).tiny)
        if not bottom * (1 - slack) - tiny <= values[k] <= top * (1 + slack) + tiny:
            report.fail(
                "wrong exact value",
                k,
                f"{values[k]!r}, exact {float_(low)!r} to {float_(high)!r} before the root",
            )
    report.judged += len(intervals)


def _rounding(case: Case, q: Prepared, solved: Entropic | None, size: Long) -> Long:
    """What rounding may do to a value: of its terms, and of the potentials in the type of the points."""
    unit = _unit(case)
    share = STRICT if case.dtype == "float64" else 64 * unit
    mean = q.mean * (q.a.sum(1) * q.b.sum(1))
    total = share * (mean + np.abs(size)) + q.known * (q.a.sum(1) * q.b.sum(1))
    if solved is not None:
        terms = (q.a * np.abs(solved.f)).sum(1) + (q.b * np.abs(solved.g)).sum(1)
        total = total + 8 * (q.C.shape[1] + q.C.shape[2]) * unit * terms
        # The value has the term ε (mass − 1), and the mass of a plan is a sum with the rounding of float64. Where ε is far
        # beyond the costs it is computed without that.
        assert q.epsilon is not None
        reached = np.minimum(q.epsilon, DIFFUSE * q.largest)
        total = total + 8 * np.longdouble(2.0**-53) * reached * q.a.sum(1) * q.b.sum(1)
    if q.rho is not None:
        masses = q.a.sum(1) + q.b.sum(1)
        total = total + share * q.rho * masses * np.minimum(1, q.largest / q.rho)
        # Weights 1/n, and those of the call over their total, are known to δ relative. A plan that is optimal for some
        # weights costs with others, aᵢ (1 + δᵢ), at most ρ Σ aᵢ (δᵢ − log(1 + δᵢ)) <= ρ Σ aᵢ δᵢ² more than the terms of
        # first order, and likewise of ε: so much an optimum of 0 may really be.
        assert q.epsilon is not None
        known = (q.C.shape[1] + q.C.shape[2] + 8) * np.longdouble(2.0**-53)
        total = total + (q.rho + q.epsilon) * (masses + q.a.sum(1) * q.b.sum(1)) * known**2
    return total + float(np.finfo(case.dtype).tiny)


def tolerance(case: Case) -> float:
    """The error of the marginals that the call asks for."""
    tol = case.options.get("tol")
    return float(tol) if tol is not None else 1e-6 if case.dtype == "float64" else 1e-4


def _allowance(case: Case, q: Prepared) -> Long:
    """What the tolerance of the marginals may do to a value, by concavity of the dual."""
    assert q.epsilon is not None
    tol = tolerance(case)
    if q.rho is None:
        return tol * q.largest
    return tol * (q.a.sum(1) + q.b.sum(1)) * (q.largest + q.rho + q.epsilon)


def _solve(q: Prepared, side: str = "xy") -> Entropic:
    C, a, b = {"xy": (q.C, q.a, q.b), "xx": (q.C_xx, q.a, q.a), "yy": (q.C_yy, q.b, q.b)}[side]
    assert q.epsilon is not None
    return oracles.entropic(C, a, b, q.epsilon, q.rho)


def _check_entropic(
    case: Case, q: Prepared, answer: Answer, report: Report, oracle: int, rational: int
) -> None:
    assert answer.values is not None
    assert q.epsilon is not None
    count = len(case)
    got = None
    if case.function == "entropic":
        got = _common(case, q, answer, report)
        for status in set(got["status"]):
            report.ends[str(status)] += got["status"].count(status)
        converged = np.array([s is otgan.Status.CONVERGED for s in got["status"]])
        # An unconverged problem is warned of, once a call.
        if int((~converged).sum()) != answer.unconverged:
            report.fail(
                "the warning counts other problems", -1, f"{answer.unconverged} of {(~converged).sum()}"
            )
        uncertified = np.array([str(s) == "UNCERTIFIED" for s in got["status"]])
        _check_plan(case, q, got, report, converged)
    else:
        report.ends["not converged"] += answer.unconverged
        report.ends["CONVERGED"] += count - answer.unconverged
        converged = np.full(count, answer.unconverged == 0)
        uncertified = ~converged
    if case.debiased:
        _check_divergence(case, q, answer, report, converged, oracle)
        return
    part = slice(0, min(oracle, count))
    some = q[part]
    solved = _solve(some)
    proved = (solved.upper - solved.lower) <= 1e-9 * (
        some.mean * some.a.sum(1) * some.b.sum(1) + np.abs(solved.value)
    ) + np.finfo(float).tiny
    values = answer.values[part].astype(np.longdouble)
    slack = _rounding(case, some, solved, solved.value)
    ok = proved & ~uncertified[part] & np.isfinite(values)
    high = ok & (values > solved.upper + slack)
    report.fail("dual value above the optimum", high, value=values, optimum=solved.upper)
    low = ok & converged[part] & (values < solved.lower - slack - _allowance(case, some))
    report.fail("value below the optimum", low, value=values, optimum=solved.lower)
    report.judged += int(proved.sum())
    if got is not None:
        a, b = q.a / q.a.sum(1, keepdims=True), q.b / q.b.sum(1, keepdims=True)
        P = np.exp(
            np.clip((got["f"][:, :, None] + got["g"][:, None] - q.C) / q.epsilon[:, None, None], -11000, 700)
        )
        P = np.where(np.isfinite(P), P, 0) * a[..., None] * b[:, None]
        lower, upper = _certify(q, got["f"], got["g"], P)
        if q.rho is None:  # the oracle's own interval may be the narrower one
            lower_o, upper_o = _certify(some, solved.f, solved.g, solved.plan)
            lower[part], upper[part] = np.fmax(lower[part], lower_o), np.fmin(upper[part], upper_o)
        _check_bounds(case, q, got, report, lower, upper, rational)


def _check_plan(
    case: Case, q: Prepared, got: dict[str, Any], report: Report, converged: NDArray[np.bool_]
) -> None:
    """Recompute the marginals from the returned potentials, as far as these are known."""
    assert q.epsilon is not None
    unit = _unit(case)
    f, g = (np.where(w > 0, h, 0) for h, w in ((got["f"], q.a), (got["g"], q.b)))
    exponent = (f[:, :, None] + g[:, None] - q.C) / q.epsilon[:, None, None]
    P = np.exp(np.clip(exponent, -11000, 700)) * q.a[..., None] * q.b[:, None]
    total = P.sum((1, 2))
    # The returned potentials are rounded, and costs known to a few units: so far may an exponent be off.
    size = np.abs(f)[:, :, None] + np.abs(g)[:, None] + 8 * q.C * (2.0**-53 / unit)
    size = size + (q.known / (8 * unit))[:, None, None]
    apart = 8 * unit * size / q.epsilon[:, None, None]
    close = (
        exponent + apart
        > -60 - np.log(1 + q.largest / np.maximum(q.mean, np.finfo(np.longdouble).tiny))[:, None, None]
    )
    off = np.expm1(np.minimum(np.where(close, apart, 0).max((1, 2)), 700))
    known = off < 0.1
    if q.rho is None:
        error = np.abs(P.sum(2) - q.a).sum(1) + np.abs(P.sum(1) - q.b).sum(1)
        own = 2 * off * np.maximum(total, 1) + STRICT
        tol = tolerance(case)
        report.fail(
            "converged, but its marginals are off", converged & known & (error > tol + own), error=error
        )
        told = got["marginal_error"]
        # In more than three dimensions Euclidean costs may come from expanded squares, where those change no exponent by
        # more than 1 % of tol (otgan.entropic.terms): so far the error that they give may be from the true one.
        expanded = 1e-2 * tol if case.cost == "euclidean" and q.x.shape[-1] > 3 else 0.0
        report.fail(
            "marginal_error is another",
            known & (np.abs(error - told) > own + expanded * np.maximum(total, 1) + 8 * unit * told),
            recomputed=error,
            told=told,
        )
    report.fail("converged above tol", converged & (got["marginal_error"] > tolerance(case) * (1 + 4 * unit)))
    linear = (P * q.C).sum((1, 2))
    slack = (
        (2 * off + STRICT + 16 * unit) * linear
        + 1e-13 * q.mean
        + q.known * total
        + 4 * float(np.finfo(case.dtype).tiny)
    )
    away = known & (np.abs(linear - got["value_linear"]) > slack)
    report.fail("value_linear is another", away, recomputed=linear, told=got["value_linear"])


def _check_divergence(
    case: Case, q: Prepared, answer: Answer, report: Report, converged: NDArray[np.bool_], oracle: int
) -> None:
    assert answer.values is not None
    assert q.epsilon is not None
    values = answer.values
    definite = {
        "euclidean": case.p <= 2,
        **dict.fromkeys(("cityblock", "cosine", "haversine", "circle"), case.p == 1),
    }
    if q.rho is None and isinstance(case.cost, str) and definite.get(case.cost, False):
        report.fail("negative divergence", values < 0, value=values)
    part = slice(0, min(oracle // 2, len(case)))
    some = q[part]
    assert some.epsilon is not None
    terms = [_solve(some, side) for side in ("xy", "xx", "yy")]
    low = terms[0].lower - (terms[1].upper + terms[2].upper) / 2
    high = terms[0].upper - (terms[1].lower + terms[2].lower) / 2
    if q.rho is not None:
        extra = some.epsilon / 2 * np.square(some.a.sum(1) - some.b.sum(1))
        low, high = low + extra, high + extra
    sizes = [t.value for t in terms]
    size = np.abs(sizes[0]) + (np.abs(sizes[1]) + np.abs(sizes[2])) / 2
    proved = (high - low) <= 1e-9 * (some.mean * some.a.sum(1) * some.b.sum(1) + size) + np.finfo(float).tiny
    ok = proved & converged[part] & np.isfinite(values[part])
    slack = _rounding(case, some, terms[0], size) + 2 * _allowance(case, some)
    for t, w in ((terms[1], some.a), (terms[2], some.b)):
        slack = slack + 8 * (w.shape[1] + 1) * _unit(case) * 2 * (w * np.abs(t.f)).sum(1)
    inner = [some.C_xx.max((1, 2)), some.C_yy.max((1, 2))]
    slack = slack + tolerance(case) * (inner[0] + inner[1]) * (
        1 if q.rho is None else (some.a.sum(1) + some.b.sum(1))
    )
    slack = slack + STRICT * (inner[0] + inner[1]) * 1e-3
    slack = slack + some.known * (np.square(some.a.sum(1)) + np.square(some.b.sum(1)))
    off = ok & ((values[part] < low - slack) | (values[part] > high + slack))
    report.fail("wrong divergence", off, value=values[part], oracle=(low + high) / 2, slack=slack)
    report.judged += int(proved.sum())


def _check_gradients(case: Case, q: Prepared, answer: Answer, report: Report) -> None:
    """Finite everywhere, 0 at points without weight, and without a pull on the whole: only differences count."""
    if answer.gradients is None:
        return
    parts = answer.gradients
    if any(np.isnan(g).any() for g in parts):
        report.fail("NaN gradient", -1)
        return
    in_points = 2 * (len(case) if case.layout == "ragged" else 1)
    if any(np.isinf(g).any() for g in parts[:in_points]):
        report.fail("infinite gradient in the points", -1)
        return
    if case.tables is not None:
        _check_plan_gradient(case, q, answer, report)
        return
    if _infinite_slope(case, q, parts[in_points:]):
        report.fail("infinite gradient in the weights", -1)
        return
    count = len(case) if case.layout == "ragged" else 1
    x, y = parts[:count], parts[count : 2 * count]
    x, y = (_pad(s) if case.layout == "ragged" else s[0].reshape(len(case), -1, q.x.shape[2]) for s in (x, y))
    for g, w in ((x, q.a), (y, q.b)):
        report.fail("gradient at a point without weight", ((g != 0).any(2) & (w == 0)).any(1))
    if case.cost == "haversine":  # a turn about the axis moves nothing
        _check_balance(case, q, answer, report, x[..., 1:], y[..., 1:])
    elif moves(case.cost) or case.cost == "circle":
        _check_balance(case, q, answer, report, x, y)


def _check_balance(case: Case, q: Prepared, answer: Answer, report: Report, x: Any, y: Any) -> None:
    forces = np.abs(x).sum((1, 2)) + np.abs(y).sum((1, 2))
    pull = np.abs(x.sum(1) + y.sum(1)).max(1)
    # The terms that a gradient is a sum of may be larger than it is, above all those of a divergence.
    spread = q.spread ** (1 / np.longdouble(case.p))
    largest = case.p * spread ** (case.p - 1) if case.function != "emd" else np.longdouble(1)
    forces = forces + largest * q.a.sum(1) * q.b.sum(1) * (spread > 0)
    error = 1e-11 if case.dtype == "float64" else 1e-4
    if case.function in ENTROPIC:
        if answer.unconverged:
            return
        error = max(error, 4 * tolerance(case))
    slack = error * forces + np.finfo(case.dtype).tiny
    if case.p < 2 and case.function != "emd":
        # Below p = 2 directions count, and between points that nearly coincide they have their coordinates' rounding.
        all_costs = [q.C, q.C_xx, q.C_yy]
        nearest = np.minimum.reduce([np.where(C > 0, C, np.inf).min((1, 2)) for C in all_costs])
        near = nearest ** (1 / np.longdouble(case.p))
        size = np.maximum(np.abs(q.x).max((1, 2)), np.abs(q.y).max((1, 2)))
        turned = np.minimum(1, 16 * _unit(case) * size / near)
        masses = q.a.sum(1) * q.b.sum(1)
        slack = slack + np.where(np.isfinite(near), case.p * near ** (case.p - 1) * turned, 0) * masses
    report.fail("gradients do not balance", pull > slack, pull=pull, slack=slack)


def _infinite_slope(case: Case, q: Prepared, slopes_in_weights: list[NDArray[np.float64]]) -> bool:
    # A gradient in weights of total 1e-300 leaves the range, and so does that in one of weight 0 far away.
    high = 1e36 if case.dtype == "float32" else 1e300
    masses = min([1.0, *(float(v.sum()) for w in (case.a, case.b) if w is not None for v in w)])
    full = all(w is None or all((v > 0).all() for v in w) for w in (case.a, case.b))
    slopes = q.largest.max() + (0 if q.epsilon is None else q.epsilon.max())
    return bool(full and slopes / masses < high and any(np.isinf(g).any() for g in slopes_in_weights))


def _check_plan_gradient(case: Case, q: Prepared, answer: Answer, report: Report) -> None:
    """The gradient in a matrix is a plan: no mass below 0 or where there is no weight, and of total 1."""
    assert answer.gradients is not None
    count = len(case) if case.layout == "ragged" else 1
    parts = answer.gradients[:count]
    if case.layout != "ragged":
        parts = list(parts[0].reshape(len(case), *parts[0].shape[-2:]))
    plan = np.zeros(q.C.shape)
    for k, part in enumerate(parts):
        plan[k, : part.shape[0], : part.shape[1]] = part
    light = (q.a == 0)[..., None] | (q.b == 0)[:, None]
    report.fail("gradient at a cost without weight", ((plan != 0) & light).any((1, 2)))
    report.fail("gradient in costs below 0", (plan < 0).any((1, 2)))
    if case.function in EXACT or (q.rho is None and not answer.unconverged):
        error = 1e-9 if case.dtype == "float64" else 1e-4
        if case.function in ENTROPIC:
            error = max(error, 4 * tolerance(case))
        total = plan.sum((1, 2))
        report.fail("gradient in costs is no plan", np.abs(total - 1) > error, total=total)


def _check_ratios(case: Case, answer: Answer, report: Report, rational: int) -> None:
    values = answer.values
    assert values is not None
    report.ends["CONVERGED"] += len(case)
    unit = _unit(case)
    if case.function == "tv":
        report.fail("tv outside [0, 1]", ~((values >= 0) & (values <= 1)), value=values)
    if case.function == "js":
        report.fail(
            "js outside [0, log 2]", ~((values >= 0) & (values <= np.log(2) * (1 + 2 * unit))), value=values
        )
    for k in _chosen(case, 4 * rational):
        a, b = (None if side is None else side[k] for side in (case.a, case.b))
        kind = case.options["estimator"]
        if kind == "knn":
            if case.function == "js":
                continue
            expected = oracles.neighbor_kl(case.x[k], case.y[k], case.options["k"])
            if expected is None:
                report.fail("knn of coincident points has a value", k, f"{values[k]!r}")
                continue
            slack = mpmath.mpf(1e-9 + 64 * unit) * (1 + abs(expected))
        else:
            width = case.options.get("bin_width")
            masses = [oracles.cells(v, w, width) for v, w in ((case.x[k], a), (case.y[k], b))]
            expected = oracles.divergences(*masses)[case.function]
            slack = mpmath.mpf(STRICT + 8 * unit) * (1 if mpmath.isinf(expected) else 1 + abs(expected))
        report.judged += 1
        same = (
            values[k] == np.inf if mpmath.isinf(expected) else abs(mpmath.mpf(values[k]) - expected) <= slack
        )
        if not same:
            report.fail(f"wrong {case.function}", k, f"{values[k]!r}, exactly {mpmath.nstr(expected, 17)}")


# The same in other words.


def relate(case: Case, relation: str, rng: np.random.Generator) -> Report:
    """Ask a question in two ways that must have one answer."""
    report = Report(label(case), 0)
    if case.function in RATIOS:
        return report
    pair = _reworded(case, relation, rng)
    if pair is None:
        return report
    first, second, factor = pair
    with np.errstate(all="ignore"):
        one, other = ask(first), ask(second)
        for answer, which in ((one, first), (other, second)):
            if answer.error is not None:
                _judge_error(which, prepare(which), answer.error, report)
        if one.error is not None or other.error is not None:
            if (one.error is None) != (other.error is None) and relation in {"swap", "permute", "mask"}:
                error = one.error or other.error
                report.fail(f"{relation}: refused one way only", -1, f"{type(error).__name__}: {error}")
            report.ends.clear()
            return report
        q = prepare(first)
        assert one.values is not None
        assert other.values is not None
        values = one.values * factor
        slack = _apart(first, second, q, one, other, relation) * factor
        off = ~(np.abs(values - other.values) <= slack) & ~(np.isnan(values) & np.isnan(other.values))
        report.fail(f"{relation}: another value", off, first=values, second=other.values, slack=slack)
        if relation == "mask":
            _same_parts(first, second, one, other, report)
    return report


def _apart(case: Case, again: Case, q: Prepared, one: Answer, other: Answer, relation: str) -> Long:
    """How far two answers to one question may lie apart."""
    assert one.values is not None
    unit = max(_unit(case), _unit(again))
    size = np.abs(one.values).astype(np.longdouble)
    tiny = float(np.finfo(case.dtype).tiny) + float(np.finfo(again.dtype).tiny)
    n = q.C.shape[1] + q.C.shape[2]
    if case.function in EXACT:
        stray = 8 * n * 2.0**-53 * q.largest + 2 * q.known
        if case.function == "emd":
            stray = np.maximum((size**case.p + stray) ** (1 / np.longdouble(case.p)) - size, 0)
        if relation == "mask":
            return STRICT * size + 4 * unit * size + tiny
        return (STRICT + 4 * unit) * size + stray + tiny
    if relation == "mask":
        return STRICT * size + 4 * unit * size + 1e-13 * q.mean * q.a.sum(1) * q.b.sum(1) + tiny
    if one.unconverged or other.unconverged:
        return np.full(len(size), np.longdouble(np.inf))
    spread = q.spread
    allowed = tolerance(case) if case.dtype == again.dtype else max(tolerance(case), tolerance(again))
    masses = 1 if q.rho is None else (q.a.sum(1) + q.b.sum(1))
    assert q.epsilon is not None
    scale = spread if q.rho is None else spread + q.rho + q.epsilon
    off = 2 * q.known * q.a.sum(1) * q.b.sum(1) + q.known * (np.square(q.a.sum(1)) + np.square(q.b.sum(1)))
    return (4 * allowed * masses + STRICT + 64 * unit) * scale + (64 * unit + STRICT) * size + tiny + off


def _same_parts(first: Case, second: Case, one: Answer, other: Answer, report: Report) -> None:
    """Potentials and gradients of masked and left out points agree where there is weight."""
    heavy = [np.concatenate([w > 0 for w in side]) for side in (second.a or [], second.b or [])]
    if one.result is not None and other.result is not None:
        for name, keep in (("f", heavy[0]), ("g", heavy[1])):
            u, v = (
                np.concatenate([numbers(h) for h in getattr(t, name)])
                if case.layout != "single"
                else numbers(getattr(t, name))
                for t, case in ((one.result, first), (other.result, second))
            )
            v = v[keep]
            kept = np.concatenate([w > 0 for w in ((first.a if name == "f" else first.b) or [])])
            u = u[kept]
            top = np.abs(u).max() if len(u) else 0
            unit = _unit(first)
            if (
                u.shape != v.shape
                or not (np.abs(u - v) <= (STRICT + 8 * unit) * top + np.finfo(float).tiny).all()
            ):
                worst = np.abs(u - v).max() if u.shape == v.shape else "of another shape"
                report.fail(f"mask: other potentials {name}", -1, f"{worst} apart, up to {top}")


def _every(case: Case, change: Any) -> Case:
    """Change every problem of a case: (x, y, a, b) to (x, y, a, b)."""
    lists: list[list[Any]] = [[], [], [], []]
    for k in range(len(case)):
        parts = change(
            case.x[k], case.y[k], None if case.a is None else case.a[k], None if case.b is None else case.b[k]
        )
        for out, v in zip(lists, parts, strict=True):
            out.append(v)
    x, y, a, b = lists
    return case.with_(
        x=x, y=y, a=None if any(w is None for w in a) else a, b=None if any(w is None for w in b) else b
    )


Reworded = tuple[Case, Case, Any]
"""A case, the same in other words, and by what the value of the second exceeds that of the first."""


def _reworded(case: Case, relation: str, rng: np.random.Generator) -> Reworded | None:
    return _REWORDED[relation](case.with_(gradient=False), rng)


def _swapped(case: Case, rng: np.random.Generator) -> Reworded | None:
    if isinstance(case.cost, Function) and case.cost.metric == "ahead":
        return None
    tables = None if case.tables is None else [t.T for t in case.tables]
    return case, _every(case, lambda x, y, a, b: (y, x, b, a)).with_(tables=tables), 1.0


def _permuted(case: Case, rng: np.random.Generator) -> Reworded:
    def permuted(x: Any, y: Any, a: Any, b: Any) -> tuple[Any, ...]:
        i, j = rng.permutation(len(x)), rng.permutation(len(y))
        return x[i], y[j], None if a is None else a[i], None if b is None else b[j]

    return case, _every(case, permuted), 1.0


def _scaled(case: Case, rng: np.random.Generator) -> Reworded | None:
    options = case.options
    k = int(rng.choice([-40, -10, 10, 40]))
    unit = 2.0**k
    grows = degree(case.cost)
    if grows is None:
        return None
    numbers_ = (*case.x, *case.y) if case.tables is None else tuple(case.tables)
    top = max(float(np.abs(v).max()) for v in numbers_)
    low = min((float(np.abs(v[v != 0]).min()) for v in numbers_ if (v != 0).any()), default=1.0)
    if case.dtype == "float32" or top > 1e40 or low < 1e-40:
        return None
    more = {}
    for name in PER_PROBLEM:  # the default ε scales by itself
        if name in options:
            more[name] = options[name] * 2.0 ** (k * grows * (case.p if name == "epsilon" else 1))
            value = np.asarray(more[name])
            if not ((value > 1e-200) & (value < 1e200)).all():
                return None
    changed = {**options, **more}
    if case.tables is None:
        scaled = _every(case, lambda x, y, a, b: (x * unit, y * unit, a, b)).with_(options=changed)
    else:
        scaled = case.with_(tables=[t * unit for t in case.tables], options=changed)
    return case, scaled, 2.0 ** (k * grows * (1 if case.function == "emd" else case.p))


def _translated(case: Case, rng: np.random.Generator) -> Reworded | None:
    if not moves(case.cost):
        return None

    def moved(x: Any, y: Any, a: Any, b: Any) -> tuple[Any, ...]:
        size = max(np.abs(x).max(), np.abs(y).max())
        kind = np.dtype(case.dtype)
        with np.errstate(over="ignore", invalid="ignore"):
            power = 2.0 ** np.floor(np.log2(size)) if size > 0 else 1.0
            shift = float(np.float32(rng.integers(-8, 9))) * power if size > 0 else 1.0
            to = [(v + shift).astype(kind).astype(float) for v in (x, y)]
            pairs = zip(to, (x, y), strict=True)
            exact = all((t - shift == v).all() and (t - v == shift).all() for t, v in pairs)
        return (*to, a, b) if exact else (x, y, a, b)

    return case, _every(case, moved), 1.0


def _masked(case: Case, rng: np.random.Generator) -> Reworded:
    def weighted(x: Any, y: Any, a: Any, b: Any) -> tuple[Any, ...]:
        return x, y, np.ones(len(x)) if a is None else a, np.ones(len(y)) if b is None else b

    full = _every(case, weighted)
    if case.options.get("backend") == "assignment":
        full = full.with_(options={**case.options, "backend": "auto"})
    single = case.dtype == "float32"
    far = float(
        10.0 ** rng.choice([0, 1, 3, 6, 12, 30] if single else [0, 1, 3, 6, 10, 18, 60, 150, 200, 299])
    )

    if isinstance(case.cost, Function):  # which must have a value there
        far = min(far, 1e15 if single else 1e140)
    if case.cost == "haversine":
        far = float(rng.uniform(-1.5, 1.5))
    if case.tables is not None:
        far = -1.0  # the number of the last row

    def masked(x: Any, y: Any, a: Any, b: Any) -> tuple[Any, ...]:
        out: list[Any] = []
        for v, w in ((x, a), (y, b)):
            at = int(rng.integers(0, len(v) + 1)) if case.layout == "single" else len(v)
            lost = np.full((1, v.shape[1]), far).astype(case.dtype).astype(float)
            out.append((np.insert(v, at, lost, axis=0), np.insert(w, at, 0.0)))
        return out[0][0], out[1][0], out[0][1], out[1][1]

    return full, _every(full, masked), 1.0


def _alone(case: Case, rng: np.random.Generator) -> Reworded:
    one = case.item(int(rng.integers(0, len(case))))
    return one, one.with_(layout="batch", options={**one.options}), 1.0


def _precise(case: Case, rng: np.random.Generator) -> Reworded | None:
    if case.library != "torch" or case.dtype != "float32":
        return None
    return case, case.with_(dtype="float64"), 1.0


_REWORDED: dict[str, Callable[[Case, np.random.Generator], Reworded | None]] = {
    "swap": _swapped,
    "permute": _permuted,
    "scale": _scaled,
    "translate": _translated,
    "mask": _masked,
    "alone": _alone,
    "precision": _precise,
}


def whole(case: Case, rng: np.random.Generator, relation: str | None = None, **counts: int) -> Report:
    """Check a case, and ask it once more in other words."""
    report = check(case, rng, **counts)
    relation = relation or str(rng.choice(RELATIONS))
    if not any(kind.__name__ in report.ends for kind in DOCUMENTED):
        again = relate(case, relation, rng)
        report.failures += again.failures
    return report
