"""Seeded generators of nasty transport problems: the ranges in which solvers give NaN, hang, or a wrong number."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from tests.adversarial.ground import NAMED, NORMS, TURN, Function, ground

Floats = NDArray[np.float64]
Rng = np.random.Generator

CLOUDS = (
    "cloud",
    "offset",
    "duplicates",
    "lattice",
    "clusters",
    "outlier",
    "point",
    "collinear",
    "wide",
    "digits",
)
"""How one side lies; ``wide`` has coordinates of every magnitude, ``digits`` points that differ in their last ones."""

PLACES = ("random", "random", "identical", "permuted", "subset", "near", "disjoint", "shared far")
"""How y lies to x."""

WEIGHTS = ("none", "uniform", "random", "wide", "zeros", "one", "huge", "tiny")

POWERS = (1, 1.3, 1.5, 2, 3, 5)

FUNCTIONS = ("emd", "exact", "sinkhorn", "entropic", "divergence", "loss", "kl", "js", "tv")
"""``exact`` and ``entropic`` are both `transport`."""

LAYOUTS = ("single", "batch", "ragged")


@dataclass(frozen=True)
class Case:
    """One call of otgan: B problems, and how they are to be solved.

    Attributes
    ----------
    function : str
        One of FUNCTIONS.
    x, y : list of B arrays (n, d)
        Numbers that the dtype of the case represents exactly.
    a, b : list of B arrays (n,), or None
    options : dict
        Keywords of the call, ε and the like as one number or as an array of B; ``cost`` a name or a `Function`.
    layout : {"single", "batch", "ragged"}
    library : {"numpy", "torch"}
    dtype : {"float64", "float32"}
    gradient : bool
        Whether gradients in the points and weights are asked for, which needs torch.
    names : tuple of str
        What it was made of, for whoever reads a failure.
    tables : list of B square arrays, or None
        With cost="precomputed" the costs between all numbers; x and y are numbers of rows and columns, shape (n, 1).
    """

    function: str
    x: list[Floats]
    y: list[Floats]
    a: list[Floats] | None
    b: list[Floats] | None
    options: dict[str, Any] = field(default_factory=dict)
    layout: str = "single"
    library: str = "numpy"
    dtype: str = "float64"
    gradient: bool = False
    names: tuple[str, ...] = ()
    tables: list[Floats] | None = None

    def __len__(self) -> int:
        return len(self.x)

    @property
    def p(self) -> float:
        """The power of the call."""
        plain = self.cost in {"euclidean", "cityblock", "chebyshev", "haversine", "circle"}
        return float(self.options.get("p", 2 if plain and self.function != "emd" else 1))

    @property
    def cost(self) -> Any:
        """The ground cost of the call."""
        return self.options.get("cost", "euclidean")

    @property
    def debiased(self) -> bool:
        """Whether the costs of x and y with themselves are asked for."""
        return self.function == "divergence" or (self.function == "loss" and self.options.get("debias", True))

    def with_(self, **changes: Any) -> Case:
        """Return the case with some attributes changed."""
        return replace(self, **changes)

    def item(self, k: int) -> Case:
        """Return the problem k alone."""
        options = {
            name: float(value[k]) if isinstance(value, np.ndarray) and name in PER_PROBLEM else value
            for name, value in self.options.items()
        }
        one = [None if w is None else [w[k]] for w in (self.a, self.b)]
        tables = None if self.tables is None else [self.tables[k]]
        return replace(
            self,
            x=[self.x[k]],
            y=[self.y[k]],
            a=one[0],
            b=one[1],
            options=options,
            layout="single",
            tables=tables,
        )

    def arguments(self) -> tuple[list[Any], dict[str, Any]]:
        """Samples and weights as the layout, library and dtype of the case want them, and the keywords."""
        sides: list[Any]
        if self.tables is None:
            sides = [self._arranged(side) for side in (self.x, self.y)]
        else:
            which = ((self.x, self.y), (self.x, self.x), (self.y, self.y))[: 3 if self.debiased else 1]
            parts = tuple(self._arranged(self.matrices(*both)) for both in which)
            sides = [parts if self.debiased else parts[0], None]
        weights = [None if side is None else self._arranged(side) for side in (self.a, self.b)]
        options = dict(self.options)
        if self.layout == "single":
            options = self.item(0).options
        return [*sides, *weights], options

    def matrices(self, rows: list[Floats], columns: list[Floats]) -> list[Floats]:
        """Costs between numbers of rows and columns, of every problem."""
        assert self.tables is not None
        return [
            t[np.ix_(i[:, 0].astype(int), j[:, 0].astype(int))]
            for t, i, j in zip(self.tables, rows, columns, strict=True)
        ]

    def _arranged(self, side: list[Floats]) -> Any:
        kind = np.dtype(self.dtype)
        arrays = [np.array(v, dtype=kind) for v in side]
        if self.library == "torch":
            tensors = [torch.from_numpy(v).requires_grad_(self.gradient) for v in arrays]
            if self.layout == "ragged":
                return tensors
            return (
                tensors[0]
                if self.layout == "single"
                else torch.stack([t.detach() for t in tensors]).requires_grad_(self.gradient)
            )
        if self.layout == "ragged":
            return arrays
        return arrays[0] if self.layout == "single" else np.stack(arrays)

    def lines(self) -> str:
        """The case as lines of Python to paste."""
        names = {"exact": "transport", "entropic": "transport", "divergence": "sinkhorn_divergence"}
        (x, y, a, b), options = self.arguments()

        def text(value: Any) -> str:
            if value is None:
                return "None"
            if isinstance(value, tuple):
                return f"({', '.join(text(v) for v in value)})"
            if isinstance(value, list) and self.layout == "ragged":
                return f"[{', '.join(text(v) for v in value)}]"
            wrap = "torch.tensor" if isinstance(value, torch.Tensor) else "np.array"
            kind = f"torch.{self.dtype}" if isinstance(value, torch.Tensor) else f"np.{self.dtype}"
            numbers = value.tolist() if hasattr(value, "tolist") else value
            grad = ", requires_grad=True" if isinstance(value, torch.Tensor) and self.gradient else ""
            return f"{wrap}({numbers}, dtype={kind}{grad})"

        extra = "".join(
            f", {k}=np.array({v.tolist()})" if isinstance(v, np.ndarray) else f", {k}={v!r}"
            for k, v in options.items()
        )
        name = names.get(self.function, self.function)
        if self.function == "loss":
            return f"otgan.SinkhornLoss({extra[2:]})({text(x)}, {text(y)}, a={text(a)}, b={text(b)})"
        return f"otgan.{name}({text(x)}, {text(y)}, {text(a)}, {text(b)}{extra})"


PER_PROBLEM = ("epsilon", "blur", "reach")
"""Keywords that may be arrays of one number a problem."""


def points(rng: Rng, kind: str, n: int, d: int) -> Floats:
    """Draw one side of a problem, of order one but for what the kind says."""
    x = rng.standard_normal((n, d))
    match kind:
        case "offset":
            return x + 10.0 ** rng.integers(1, 13)
        case "duplicates":
            return x[rng.integers(0, max(1, n // 2), n)]
        case "lattice":
            return rng.integers(0, 4, (n, d)).astype(float)
        case "clusters":
            return 1e-3 * x + 10.0 ** rng.integers(1, 8) * rng.integers(0, 3, (n, 1))
        case "outlier":
            x[rng.integers(0, n)] *= 10.0 ** rng.integers(4, 19)
        case "point":
            return np.repeat(x[:1], n, axis=0)
        case "collinear":
            return x[:, :1] * rng.standard_normal(d)
        case "wide":
            return x * 10.0 ** rng.uniform(-12, 12, (n, d))
        case "digits":
            return 1 + 2.0**-45 * rng.integers(0, 8, (n, d))
    return x


def weights(rng: Rng, kind: str, n: int) -> Floats | None:
    """Draw the weights of one side; None without weights."""
    w = rng.uniform(0.1, 1, n)
    match kind:
        case "none":
            return None
        case "uniform":
            return np.ones(n)
        case "wide":
            return 10.0 ** rng.uniform(-16, 0, n)
        case "zeros":
            w[rng.random(n) < 0.5] = 0.0
            w[rng.integers(0, n)] = 1.0
        case "one":
            return (np.arange(n) == rng.integers(0, n)).astype(float)
        case "huge":
            return w * 1e300
        case "tiny":
            return w * 1e-300
    return w


def placed(rng: Rng, place: str, x: Floats, m: int, kind: str) -> tuple[Floats, Floats]:
    """Return x and a y of m points that lies to it as `place` says."""
    n, d = x.shape
    match place:
        case "identical" if m == n:
            return x, x.copy()
        case "permuted" if m == n:
            return x, rng.permutation(x)
        case "subset":
            return x, x[rng.integers(0, n, m)]
        case "near":
            y = x[rng.integers(0, n, m)] if m != n else x
            return x, y * (1 + 2.0 ** -rng.integers(10, 53) * rng.integers(-1, 2, y.shape))
    y = points(rng, kind, m, d)
    if place == "disjoint":
        y = y + rng.choice([10.0, 1e3, 1e6, 1e9])
    if place == "shared far" and n > 1 and m > 1:
        x, y = x.copy(), y.copy()
        x[-1] = y[-1] = 10.0 ** rng.integers(3, 19)
    return x, y


MAGNITUDES = (0, 0, 0, 0, 0, 0, 3, -3, 8, -8, 20, -20, 50, -50, 100, -100, 150, -150, 200, -200, 240, -240)
"""Powers of ten that the costs of a call are multiplied by."""


def magnitude(rng: Rng, function: str, p: float, dtype: str) -> int:
    """The power of ten that the points of one call are multiplied by: mostly such that costs stay in the range."""
    if dtype == "float32":
        return int(rng.integers(-9, 10))
    if function in {"emd", "kl", "js", "tv"} or rng.random() < 0.05:
        return int(rng.choice([0, 0, 8, -8, 50, -50, 150, -150, 290, -290]))
    return int(rng.choice(MAGNITUDES) / p)


def _masked(rng: Rng, x: Floats, w: Floats | None) -> Floats:
    """Throw the points without weight far away."""
    if w is None or (w > 0).all() or rng.random() < 0.4:
        return x
    x = x.copy()
    lost = w == 0
    size = 10.0 ** rng.choice([1, 3, 6, 10, 18, 50, 100, 150, 200, 299])
    x[lost] = size * rng.choice([-1, 1], x[lost].shape)
    return x


def located(rng: Rng, x: Floats, dtype: str) -> Floats:
    """Turn points into places (latitude, longitude) in radians: poles, date line, opposite places, many turns."""
    n = len(x)
    # In float32 π/2 is rounded up, by less than otgan grants.
    spread = 1.0 if rng.random() < 0.7 else 10.0 ** -int(rng.integers(3, 20))
    if rng.random() < 0.1:
        spread = 10.0 ** -int(rng.integers(20, 30 if dtype == "float32" else 200))
    out = np.stack([np.arctan(x[:, 0]), np.pi * np.tanh(x[:, -1])], 1) * spread
    some = rng.random(n)
    out[some < 0.1, 0] = np.pi / 2 * rng.choice([-1, 1], int((some < 0.1).sum()))
    out[(some > 0.1) & (some < 0.2), 1] = np.pi
    if rng.random() < 0.3:
        out[:, 1] += 2 * np.pi * rng.integers(-2, 3, n)
    if rng.random() < 0.1:
        out[:, 1] *= 10.0 ** int(rng.integers(1, 7))
    if n > 1 and rng.random() < 0.2:  # the opposite of another
        out[-1] = -out[0, 0], out[0, 1] + np.pi
    return out


def around(rng: Rng, x: Floats) -> Floats:
    """Angles, some of them on the period's end, opposite to others, close together, or turns away."""
    spread = 1.0 if rng.random() < 0.7 else 10.0 ** -int(rng.integers(3, 20))
    out = np.pi * np.tanh(x) * spread
    out[rng.random(len(x)) < 0.1] = np.pi * rng.choice([-1, 1])
    if rng.random() < 0.3:
        out += TURN * rng.integers(-2, 3, out.shape)
    if rng.random() < 0.2:
        out += np.pi  # across the end
    if rng.random() < 0.1:
        out *= 10.0 ** int(rng.integers(1, 15))
    if len(x) > 1 and rng.random() < 0.2:
        out[-1] = out[0] + np.pi
    return out


def fitted(rng: Rng, cost: Any, x: Floats, y: Floats, dtype: str) -> tuple[Floats, Floats]:
    """Return points as the cost takes them; equal ones stay equal."""
    if cost not in {"cosine", "haversine", "circle"} and not isinstance(cost, Function):
        return x, y
    both = np.concatenate([x, y])
    if cost in {"haversine", "circle"}:
        unique, place = np.unique(both, axis=0, return_inverse=True)
        sizes_ = np.abs(unique[unique != 0])
        usual = float(np.median(sizes_)) if len(sizes_) else 1.0
        with np.errstate(over="ignore"):
            scaled = unique / max(usual, 1e-300)
        drawn = located(rng, scaled, dtype) if cost == "haversine" else around(rng, scaled)
        both = drawn[place.reshape(-1)]
    elif cost == "cosine":
        both = both.copy()
        both[~both.astype(dtype).any(1), 0] = 1.0
    else:  # what the function squares must stay in the range
        top = 1e15 if dtype == "float32" else 1e140
        both = np.clip(both, -top, top)
    return both[: len(x)], both[len(x) :]


TABLES = ("distances", "squares", "random", "integers", "wide", "constant", "zero", "digits")


def table(rng: Rng, n: int, power: int, dtype: str) -> Floats:
    """Draw a square matrix of costs; with half of them the way back costs as much, and to stay nothing."""
    kind = str(rng.choice(TABLES))
    x = points(rng, str(rng.choice(CLOUDS[:7])), n, 2)
    C = rng.uniform(0, 1, (n, n))
    match kind:
        case "distances":
            C = cdist(x, x)
        case "squares":
            C = cdist(x, x, "sqeuclidean")
        case "integers":
            C = rng.integers(0, 4, (n, n)).astype(float)
        case "wide":
            C = 10.0 ** rng.uniform(-12, 12, (n, n))
        case "constant":
            C = np.full((n, n), 1.7)
        case "zero":
            C = np.zeros((n, n))
        case "digits":
            C = 1 + 2.0**-45 * rng.integers(0, 8, (n, n))
    if rng.random() < 0.5:
        C = np.maximum(C, C.T)
        np.fill_diagonal(C, 0.0)
    top = float(np.finfo(dtype).max) / 4
    with np.errstate(over="ignore", under="ignore"):
        C = np.clip(C * 10.0**power, 0, top)
        # The last number is for points without weight: mostly far from all.
        far = 10.0 ** rng.choice([0, 3, 12, 30] if dtype == "float32" else [0, 3, 12, 60, 150, 299])
        C[-1], C[:, -1] = far, far
        return C.astype(dtype).astype(float)


def numbered(
    rng: Rng, n: int, m: int, dtype: str, *, weighted: tuple[bool, bool], tame: bool, power: int
) -> tuple[Any, ...]:
    """Draw the numbers of rows and columns, weights, names and the table of one problem."""
    place = str(rng.choice(PLACES[:5]))
    x, y = np.arange(n)[:, None].astype(float), n + np.arange(m)[:, None].astype(float)
    if place in {"identical", "permuted"} and n == m:
        y = x.copy() if place == "identical" else rng.permutation(x)
    elif place == "subset":
        y = x[rng.integers(0, n, m)]
    choices = WEIGHTS[1:6] if dtype == "float32" or tame else WEIGHTS[1:]
    kinds = [str(rng.choice(choices)) if w else "none" for w in weighted]
    a, b = (weights(rng, kind, k) for kind, k in zip(kinds, (n, m), strict=True))
    a, b = (None if w is None else w.astype(dtype).astype(float) for w in (a, b))
    for side, w in ((x, a), (y, b)):
        if w is not None and not w.any():
            w[0] = 1.0
        if w is not None and rng.random() < 0.5:
            side[w == 0] = n + m
    costs = table(rng, n + m + 1, power, dtype)
    return x, y, a, b, (place, *kinds, f"1e{power}"), costs


def problem(
    rng: Rng,
    n: int,
    m: int,
    d: int,
    dtype: str,
    *,
    weighted: tuple[bool, bool],
    tame: bool,
    power: int,
    cost: Any = "euclidean",
) -> tuple[Any, ...]:
    """Draw the points, weights and names of one problem, its numbers rounded to what the dtype holds."""
    clouds = [str(rng.choice(CLOUDS[:4] if tame else CLOUDS)) for _ in range(2)]
    place = str(rng.choice(PLACES))
    x, y = placed(rng, place, points(rng, clouds[0], n, d), m, clouds[1])
    single = dtype == "float32"
    choices = WEIGHTS[1:6] if single or tame else WEIGHTS[1:]
    kinds = [str(rng.choice(choices)) if w else "none" for w in weighted]
    a, b = (weights(rng, kind, k) for kind, k in zip(kinds, (n, m), strict=True))
    if not single and not tame and rng.random() < 0.2:
        power += int(rng.integers(-5, 6))
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        x, y = x * 10.0**power, y * 10.0**power
        x, y = _masked(rng, x, a), _masked(rng, y, b)
        kind = np.dtype(dtype)
        top = float(np.finfo(kind).max) / 4
        x, y = fitted(rng, cost, *(np.clip(v, -top, top).astype(kind).astype(float) for v in (x, y)), dtype)
        x, y = (v.astype(kind).astype(float) for v in (x, y))
        a, b = (None if w is None else w.astype(kind).astype(float) for w in (a, b))
    for w in (a, b):
        if w is not None and not w.any():
            w[0] = 1.0
    return x, y, a, b, (*clouds, place, *kinds, f"1e{power}")


def _same_weights(rng: Rng) -> tuple[bool, bool]:
    return bool(rng.random() < 0.6), bool(rng.random() < 0.6)


def sizes(rng: Rng, batch: int) -> tuple[int, int, int]:
    """Numbers of points and a dimension: tiny where there are many problems."""
    top = 7 if batch > 16 else 25
    n, m = (int(rng.integers(1, top)) for _ in range(2))
    if rng.random() < 0.4:
        m = n
    return n, m, int(rng.choice([1, 1, 2, 2, 3, 5, 17] if batch > 16 else [1, 2, 3, 5, 17, 64]))


def drawn_cost(rng: Rng, function: str) -> Any:
    """Draw a cost: with a third of the problems another one than the Euclidean."""
    if function in {"kl", "js", "tv"} or rng.random() > 0.36:
        return "euclidean"
    if rng.random() < 0.2:
        metrics = ["euclidean", "cityblock", "chebyshev", "sqeuclidean", "canberra", "ahead"]
        return Function(str(rng.choice(metrics)))
    return str(rng.choice(NAMED))


def case(rng: Rng, function: str | None = None, batch: int = 256) -> Case:
    """Draw one call; `batch` bounds the number of its problems."""
    function = function or str(
        rng.choice(FUNCTIONS, p=[0.12, 0.16, 0.16, 0.26, 0.16, 0.05, 0.03, 0.03, 0.03])
    )
    layout = str(rng.choice(LAYOUTS, p=[0.2, 0.6, 0.2])) if batch > 1 else "single"
    count = 1 if layout == "single" else batch
    dtype = "float32" if rng.random() < 0.25 else "float64"
    library = "torch" if dtype == "float32" or function == "loss" or rng.random() < 0.4 else "numpy"
    gradient = library == "torch" and bool(rng.random() < 0.7)
    n, m, d = sizes(rng, count)
    weighted = _same_weights(rng)
    tame = bool(rng.random() < 0.4)
    p = float(rng.choice(POWERS))
    cost = drawn_cost(rng, function)
    if cost == "precomputed":
        p = 1.0
    d = {"haversine": 2, "circle": 1}.get(cost, d) if isinstance(cost, str) else d
    power = 0 if tame else magnitude(rng, function, p, dtype)
    if isinstance(cost, Function) and cost.metric == "sqeuclidean":
        power = int(power / 2)
    draws = []
    for _ in range(count):
        k, j = (int(rng.integers(1, s + 1)) for s in (n, m)) if layout == "ragged" else (n, m)
        how: dict[str, Any] = {"weighted": weighted, "tame": tame, "power": power}
        if cost == "precomputed":
            draws.append(numbered(rng, k, j, dtype, **how))
        else:
            draws.append(problem(rng, k, j, d, dtype, **how, cost=cost))
    x, y = [q[0] for q in draws], [q[1] for q in draws]
    a, b = ([q[k] for q in draws] if weighted[k - 2] else None for k in (2, 3))
    made = Case(
        function, x, y, a, b, {}, layout, library, dtype, gradient, draws[0][4] if count == 1 else ("mixed",)
    )
    if cost != "euclidean":
        tables = [q[5] for q in draws] if cost == "precomputed" else None
        made = made.with_(options={"cost": cost}, tables=tables)
    options = {**_options(rng, made, p, tame), **made.options}
    if "p" in options and rng.random() < 0.5 and made.p == p:  # the power that the cost has by itself
        del options["p"]
    return made.with_(options=options)


def mean_costs(
    x: list[Floats], y: list[Floats], a: Any, b: Any, p: float, made: Case | None = None
) -> NDArray[np.longdouble]:
    """Mean costs Σ aᵢ bⱼ Cᵢⱼ of the problems, in long double, which sets the scale of ε."""
    means = []
    for k, (u, v) in enumerate(zip(x, y, strict=True)):
        left, right = (
            np.full(len(s), 1 / len(s)) if w is None else w[k] / w[k].max() / (w[k] / w[k].max()).sum()
            for s, w in ((u, a), (v, b))
        )
        i, j = left > 0, right > 0
        sides = (s.astype(np.longdouble)[None] for s in (u[i], v[j]))
        with np.errstate(over="ignore", under="ignore"):
            if made is None:
                C = ground("euclidean", *sides, p)[0]
            else:
                tables = None if made.tables is None else [made.tables[k]]
                C = ground(made.cost, *sides, p, tables, (made.library, made.dtype))[0]
        means.append(left[i] @ C @ right[j])
    return np.array(means, dtype=np.longdouble)


def _options(rng: Rng, made: Case, p: float, tame: bool) -> dict[str, Any]:
    function, count = made.function, len(made)
    if function in {"kl", "js", "tv"}:
        return _estimator(rng, made)
    options: dict[str, Any] = {"p": p}
    if function == "emd":
        return options
    if function == "exact":
        return {**options, "backend": _exact_backend(rng, made)}
    mean = mean_costs(made.x, made.y, made.a, made.b, p, made)
    mean = np.where(mean > 0, mean, 1)
    powers = (
        rng.uniform(-2.5, 1, count)
        if tame
        else rng.choice(
            [-12, -6, -4, -3, -2, -1, 0, 1, 3, 6, 12, 18],
            count,
            p=[0.01, 0.02, 0.06, 0.12, 0.21, 0.2, 0.14, 0.08, 0.06, 0.04, 0.03, 0.03],
        )
    )
    with np.errstate(over="ignore", under="ignore"):
        strength = (mean * np.longdouble(10) ** powers).astype(float)
    tiny, top = np.finfo(float).tiny, np.finfo(float).max
    kinds = {"loss": ["epsilon"], "entropic": ["epsilon", "epsilon", "blur"]}
    kind = rng.choice(kinds.get(function, ["epsilon", "epsilon", "blur", "default"]))
    if kind == "blur":
        with np.errstate(over="ignore", under="ignore"):
            strength = ((mean * np.longdouble(10) ** powers / p) ** (1 / np.longdouble(p))).astype(float)
    if kind != "default":
        options[str(kind)] = np.clip(strength, tiny, top)
    # Weights are masses there: totals of 1e±300 times ρ are another matter.
    ordinary = all(w is None or 1e-6 < w.sum() < 1e6 for side in (made.a, made.b) if side for w in side)
    if rng.random() < 0.2 and ordinary:
        with np.errstate(over="ignore", under="ignore"):
            length = (mean ** (1 / np.longdouble(p)) * np.longdouble(10) ** rng.uniform(-2, 2, count)).astype(
                float
            )
        options["reach"] = np.clip(length, tiny, top)
    return {**options, **_way(rng, made, p)}


def _exact_backend(rng: Rng, made: Case) -> str:
    backends = ["auto", "auto", "simplex"]
    if made.x[0].shape[1] == 1 and made.cost in NORMS:
        backends.append("line")
    if made.cost == "circle":
        backends.append("circle")
    sizes = zip(made.x, made.y, strict=True)
    if made.a is None and made.b is None and all(len(u) == len(v) for u, v in sizes):
        backends.append("assignment")
    if len(made) <= 16:
        backends += ["certified"] * 3
    return str(rng.choice(backends))


def _way(rng: Rng, made: Case, p: float) -> dict[str, Any]:
    """Return how an entropic problem is to be solved, and how far."""
    backends = ["auto", "dense", "dense", "streamed", "streamed"]
    if p in {1, 2} and made.cost == "euclidean" and rng.random() < 0.3:
        backends = ["geomloss"]  # which has no other costs
    options: dict[str, Any] = {"backend": str(rng.choice(backends))}
    options["max_iter"] = int(rng.choice([300, 1000])) if len(made) > 16 else 2000
    if made.gradient and made.dtype == "float64":
        options["tol"] = 1e-9
    elif rng.random() < 0.3:
        options["tol"] = float(rng.choice([1e-3, 1e-8]))
    return options


def _estimator(rng: Rng, made: Case) -> dict[str, Any]:
    kinds = ["atoms", "atoms", "histogram"]
    fewest = min(len(v) for v in (*made.x, *made.y))
    if made.function != "tv" and made.a is None and made.b is None and fewest > 1:
        kinds.append("knn")
    kind = str(rng.choice(kinds))
    if kind == "histogram":
        return {"estimator": kind, "bin_width": 2.0 ** int(rng.integers(-3, 4))}
    return (
        {"estimator": kind, "k": int(rng.integers(1, min(4, fewest)))}
        if kind == "knn"
        else {"estimator": kind}
    )
