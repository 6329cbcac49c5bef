"""Every argument of every public function, given every wrong kind of value, ends in one sentence of our own.

The calls are generated: from the signatures, so that a parameter that nobody thought of fails here, and from lists of
wrong values, one for each kind of parameter.
"""

import datetime
import decimal
import inspect
import linecache
import math
import pathlib
import re
import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import torch
from click.testing import CliRunner

import otgan
import otgan.plot
import otgan.teach
from otgan.cli import root
from otgan.distances import METRICS as REGISTRY
from otgan.distances import metric_of
from otgan.measure import Measure
from otgan.teach import parallel_lines

LONGEST = 400
"""Characters that a sentence may take."""

RAW = re.compile(
    r"aten::|object at 0x|unsupported operand|not supported between|argument must be|argument '|cannot convert|"
    r"could not convert|can't convert|has no attribute|not iterable|not subscriptable|unhashable|invalid literal|"
    r"has no len|unexpected keyword|ambiguous|inhomogeneous|ufunc|not callable|NoneType|Traceback|setting an array"
)
"""What errors say that come from within Python, NumPy or torch."""


class Opaque:
    """An object of a user's own, which looks like nothing."""


class Hostile:
    """An object that cannot even be shown."""

    def __repr__(self):
        raise RuntimeError("no repr")


X = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]])
Y = np.array([[0.5, 0.0], [1.0, 1.0], [2.0, 2.0], [0.0, 1.0]])
A, B = np.ones(3), np.ones(4)

NO_NUMBERS = {
    "word": "0.1",
    "bytes": b"1",
    "flag": True,
    "numpy flag": np.bool_(True),
    "complex": 1j,
    "dict": {1: 2},
    "set": {1.0},
    "object": object(),
    "own object": Opaque(),
    "hostile": Hostile(),
    "function": lambda: 1.0,
    "type": float,
    "generator": (k for k in [1.0]),
    "nested": [[1.0]],
    "matrix": np.ones((2, 2)),
    "array of words": np.array(["x"]),
    "word of NumPy": np.array("x"),
    "date": np.datetime64("2020-01-01T00:00:00", "ns"),
    "span": np.timedelta64(5, "ns"),
    "day": datetime.date(2020, 1, 1),
    "decimal": decimal.Decimal("0.1"),
    "complex tensor": torch.tensor(1j),
    "flag tensor": torch.tensor(True),
    "meta tensor": torch.ones((), device="meta"),
    "sparse tensor": torch.ones(2).to_sparse(),
    "frame": pd.DataFrame({"u": [1.0]}),
}
SEVERAL = {
    "list": [1.0, 2.0],
    "empty": [],
    "tuple": (1.0, 2.0),
    "array": np.array([1.0, 2.0]),
    "tensor": torch.ones(2),
}
LISTS_OF_NO_NUMBERS = {
    "list of words": ["a", "b"],
    "list of None": [None, 1.0],
    "list of flags": [True],
    "array of dates": np.array(["2020-01-01"], dtype="M8[D]"),
    "complex array": np.array([1j]),
    "meta vector": torch.ones(2, device="meta"),
}
NOT_FINITE = {"nan": math.nan, "inf": math.inf, "minus inf": -math.inf, "huge": 10**400, "longest": 10**5000}
NOT_POSITIVE = {**NOT_FINITE, "zero": 0, "negative": -1.5, "negative tensor": torch.tensor(-1.0)}
FRACTION = {"fraction": 1.5}
KIND, VALUE = TypeError, ValueError


def wrong(kinds, values):
    """Every wrong value with the class of its error."""
    return {**{k: (v, KIND) for k, v in kinds.items()}, **{k: (v, VALUE) for k, v in values.items()}}


def one_positive(**extra):
    return wrong({**NO_NUMBERS, **SEVERAL, **LISTS_OF_NO_NUMBERS}, NOT_POSITIVE | extra)


def several_positive():
    """Numbers of which there may be one a problem: here, for one problem, neither two nor none."""
    kinds = {**NO_NUMBERS, **LISTS_OF_NO_NUMBERS}
    values = {**NOT_POSITIVE, "empty": [], "two": [0.1, 0.2], "negative array": np.array([-1.0])}
    return wrong(kinds, values)


def whole(*, least=1, most_wrong=None):
    values = {**NOT_FINITE, **FRACTION, "below": least - 1} | (most_wrong or {})
    return wrong({**NO_NUMBERS, **SEVERAL, **LISTS_OF_NO_NUMBERS}, values)


def word(*, required=True):
    kinds = {
        "number": 3,
        "bytes": b"auto",
        "list": ["auto"],
        "object": object(),
        "hostile": Hostile(),
        "set": {"a"},
    }
    kinds |= {"flag": True, "array": np.array(["auto"]), "nan": math.nan, "dict": {}, "tensor": torch.ones(2)}
    return wrong(
        kinds | ({"None": None} if required else {}), {"other": "nonsense", "empty": "", "long": "x" * 9999}
    )


def or_none(values):
    return values | {"None": (None, KIND)}


FLAG = wrong(
    {"word": "no", "None": None, "number": 2, "one": 1, "list": [], "tensor": torch.tensor(True)}, {}
)

SAMPLES = wrong(
    {
        "None": None,
        "number": 5,
        "flag": True,
        "word": "abc",
        "bytes": b"abc",
        "dict": {1: 2},
        "empty dict": {},
        "set": {1.0, 2.0},
        "frozen set": frozenset({1.0}),
        "object": object(),
        "own object": Opaque(),
        "hostile": Hostile(),
        "function": lambda: X,
        "type": list,
        "path": pathlib.Path("x.npy"),
        "generator": (row for row in X),
        "map": map(float, "12"),
        "objects": [object()],
        "words": ["a", "b"],
        "numbers as words": ["1", "2"],
        "None among numbers": [None, 1.0],
        "array of objects": np.array([1, None]),
        "frame with words": pd.DataFrame({"u": ["a", "b"]}),
        "frame with dates": pd.DataFrame({"u": pd.to_datetime(["2020-01-01"])}),
        "categories": pd.Series(["a", "b"], dtype="category"),
        "dates": np.array(["2020-01-01"], dtype="M8[D]"),
        "spans": np.array([5], dtype="m8[s]"),
        "records": np.zeros(2, dtype=[("a", float), ("b", float)]),
        "complex": X + 1j,
        "complex list": [1j, 2.0],
        "complex tensor": torch.zeros(2, 2, dtype=torch.complex64),
        "sparse": scipy.sparse.eye_array(3).tocsr(),
        "sparse COO": scipy.sparse.coo_matrix(X),
        "sparse tensor": torch.eye(2).to_sparse(),
        "meta tensor": torch.ones(3, 2, device="meta"),
        "tensors and numbers": [torch.ones(2), 1.0],
        "tensors and None": [torch.ones(2), None],
    },
    {
        "no dimensions": np.array(1.0),
        "no dimensions of a tensor": torch.tensor(1.0),
        "four dimensions": np.zeros((2, 2, 2, 2)),
        "four dimensions of a tensor": torch.zeros(2, 2, 2, 2),
        "no rows": np.zeros((0, 2)),
        "no columns": np.zeros((3, 0)),
        "empty": [],
        "uneven": [[1.0], [1.0, 2.0]],
        "uneven tensors": [torch.ones(2), torch.ones(3)],
        "masked": np.ma.masked_array([1.0, 2.0], mask=[True, False]),
        "nan": [math.nan, 0.0],
        "inf": np.array([[math.inf, 0.0]]),
        "missing": pd.DataFrame({"u": [1.0, None]}),
        "huge": np.array([np.longdouble("1e4000")]),
        "dimension": np.zeros((3, 5)),
        "tensors that are to be differentiated, in a table": [[torch.ones(1, requires_grad=True), 1.0]],
    },
)

WEIGHTS = wrong(
    {
        "number": 5.0,
        "flag": True,
        "word": "uniform",
        "bytes": b"abc",
        "dict": {0: 1.0},
        "set": {1.0},
        "object": object(),
        "hostile": Hostile(),
        "function": len,
        "generator": (1.0 for _ in range(3)),
        "words": ["a", "b", "c"],
        "None among them": [1.0, None, 1.0],
        "dates": np.array(["2020-01-01"] * 3, dtype="M8[D]"),
        "complex": np.ones(3) + 1j,
        "sparse": scipy.sparse.eye_array(3).tocsr(),
        "tensor": torch.ones(3),
        "measure": Measure.of(X),
        "tensors and numbers": [torch.ones(()), 1.0, 1.0],
    },
    {
        "empty": [],
        "too few": [1.0, 1.0],
        "too many": np.ones(9),
        "a column": np.ones((3, 1)),
        "uneven": [[1.0], [1.0, 2.0]],
        "three, of which one is negative": [1.0, -1.0, 1.0],
        "four, of which one is negative": [1.0, -1.0, 1.0, 1.0],
        "nan": np.full(4, math.nan),
        "zero": np.zeros(4),
        "masked": np.ma.masked_array(np.ones(4), mask=[True, False, False, False]),
    },
)

BINS = wrong(
    {k: v for k, v in NO_NUMBERS.items() if k not in {"word", "nested", "matrix", "frame"}}
    | {"list of words": ["a", "b"], "list of None": [None, 1.0], "complex array": np.array([1j, 2.0])}
    | {"meta tensor": torch.ones(2, device="meta"), "edges of words": [["a", "b"], ["c", "d"]]},
    {
        **NOT_FINITE,
        **FRACTION,
        "word": "doane",
        "empty word": "",
        "zero": 0,
        "negative": -3,
        "too many to number": 2**60,
        "empty": [],
        "one edge": [1.0],
        "decreasing": [3.0, 2.0, 1.0],
        "equal": [1.0, 1.0],
        "nan among edges": [0.0, math.nan, 9.0],
        "endless edges": [-math.inf, 0.0, math.inf],
        "three dimensions": np.zeros((2, 2, 2)),
        "edges for three dimensions": [[-9.0, 9.0]] * 3,
        "edges for two, one of them empty": [[-9.0, 9.0], []],
        "outside the edges": [0.0, 1.0],
    },
)
BIN_WIDTH = wrong(
    {**NO_NUMBERS, **LISTS_OF_NO_NUMBERS}, {**NOT_POSITIVE, "empty": [], "three": [1.0, 1.0, 1.0]}
)
OUTSIDE = word(required=False)
K = whole(most_wrong={"more than there are": 7})
NAMES = wrong(
    {"None": None, "word": "ab", "number": 3, "numbers": (1, 2), "dict": {"a": 1, "b": 2}, "object": object()}
    | {"set": {"a", "b"}, "None among them": ("a", None), "hostile": (Hostile(), Hostile())},
    {"one": ("a",), "three": ("a", "b", "c"), "none": ()},
)
METRICS = wrong(
    {"None": None, "number": 3, "bytes": b"emd", "a number among them": ["emd", 3], "dict": {"emd": 1}}
    | {
        "object": object(),
        "hostile": Hostile(),
        "function": len,
        "flag": True,
        "no dimensions": np.array("emd"),
    }
    | {"numbers": np.ones(2), "list in it": [["emd"]], "no dimensions, a tensor": torch.tensor(1.0)},
    {"empty": [], "empty word": "", "other": "wasserstein", "blank": "emd,,js", "long": "x" * 9999}
    | {"an estimator for transport": "emd:knn", "no such estimator": "js:kde"},
)
OF_ONE = wrong({"word": "a", "number": 3, "list": [1]}, {"other": {"nonsense": 1}})
SEVERAL_SETS = wrong(
    {"number": 3, "word": "ab", "object": object(), "flag": True}, {"none": [], "batch": [np.ones((2, 3, 2))]}
)
WEIGHTS_OF_SETS = wrong({"number": 3, "word": "ab", "too few": [], "set": {1}}, {})
TEST = wrong(
    {"number": 3, "bytes": b"emd", "list": ["emd"], "object": object(), "flag": True},
    {
        "several": "emd,js",
        "other": "wasserstein",
        "empty word": "",
        "long": "x" * 9999,
        "no such estimator": "js:kde",
    },
)
OWN = wrong(
    {
        "number": 3,
        "word": "mmd",
        "list": [("mmd", {})],
        "object": object(),
        "hostile": Hostile(),
        "flag": True,
    }
    | {"no options": {"mmd": 3}, "a number as a metric": {3: {}}, "a number as an option": {"mmd": {3: 1}}}
    | {"kind": {"mmd": {"bandwidth": "wide"}}},
    {"no metric": {"nonsense": {}}, "no option": {"mmd": {"nonsense": 1}}, "none": {"emd": {"p": 1}}}
    | {
        "value": {"mmd": {"kernel": "nonsense"}},
        "not measured": {"sliced": {"seed": 1}},
        "long": {"x" * 9999: {}},
    },
)
SEED = whole(least=0)
GENERATOR_SEED = SEED | wrong({"old generator": np.random.RandomState(0), "None": None}, {})
INIT = wrong(
    {"number": 3, "word": "a", "tensor": torch.ones(2), "array": np.ones(4), "list": [1], "object": object()}
    | {"exact": otgan.transport(X, Y)},
    {"another dimension": otgan.transport([0.0, 1.0], [2.0], epsilon=1.0)},
)

TELL = wrong({"number": 3, "word": "a", "flag": True, "list": [1], "object": object()}, {})

GROUP = wrong(
    {
        "number": 3,
        "flag": False,
        "list": [0, 1],
        "object": object(),
        "hostile": Hostile(),
        "array": np.ones(2),
    },
    {"other": "nonsense", "empty": "", "none yet": True, "none yet by name": "world"},
)
"""No process group is there in these tests."""

POWER = one_positive(below=0.99)
STRENGTH, TOL, MAX_ITER, TIME_LIMIT = several_positive(), one_positive(), whole(), one_positive()
BASE = one_positive(one=1.0)
PERMUTATIONS = or_none(whole(least=0))
SOLVER = {
    "cost": word(),
    "p": POWER,
    "epsilon": STRENGTH,
    "blur": STRENGTH,
    "reach": STRENGTH,
    "tol": TOL,
    "max_iter": MAX_ITER,
    "time_limit": TIME_LIMIT,
    "backend": word(),
    "on_failure": word(),
}
SETS = {"x": SAMPLES, "y": SAMPLES, "a": WEIGHTS, "b": WEIGHTS}
BINNED = {"bins": BINS, "bin_width": BIN_WIDTH, "outside": OUTSIDE}
ESTIMATED = {"estimator": word(), "base": BASE, **BINNED, "k": K}


SOLVED = otgan.transport(torch.tensor(X), torch.tensor(Y), epsilon=1.0)
RAGGED = otgan.transport([X, X[:2]], [Y, Y], epsilon=1.0)
REPORT = otgan.compare(X, Y)
TESTED = otgan.two_sample_test(X, Y, permutations=3)
REFERENCE = otgan.Reference(X, draws=3)
SEVERAL_TESTED = otgan.pairwise_tests([X, Y], permutations=3)
TABLE = parallel_lines.table([0.0, 0.5], n=2)
LOSS = otgan.SinkhornLoss(blur=1.0)


def with_sets(function, needs=lambda name: {}):
    """A function of two sets of samples, given what else the argument that is wrong needs to be looked at."""

    def call(name, value):
        return function(**{"x": X, "y": Y, **needs(name), name: value})

    return call


def options_of_estimators(name):
    """Options are those of one estimator; whichever is tried gets its own."""
    edges = {"bins": [-9.0, 9.0]} if name == "outside" else {}
    return (
        {"estimator": "histogram", **edges} if name in BINNED else {"estimator": "knn"} if name == "k" else {}
    )


def options_of_reports(name):
    named = {"metrics": "js"} if name in {*BINNED, "k", "estimator"} else {"metrics": "emd"}
    return {"metrics": "mmd"} if name == "options" else named | options_of_estimators(name)


def options_of_tests(name):
    if name in {*BINNED, "k"}:
        return {"distance": "js"} | {
            ("distance" if key == "estimator" else key): (f"js:{value}" if key == "estimator" else value)
            for key, value in options_of_estimators(name).items()
        }
    return {"distance": "mmd"} if name == "options" else {} if name == "distance" else {"distance": "emd"}


def with_epsilon(name):
    return {} if name in {"epsilon", "blur"} else {"epsilon": 1.0}


VECTORS = wrong(
    {k: v for k, (v, error) in SAMPLES.items() if error is KIND},
    {
        "too few": np.ones(2),
        "no dimensions": np.array(1.0),
        "three dimensions": np.ones((4, 1, 1)),
        "empty": [],
    }
    | {"uneven": [[1.0], [1.0, 2.0]]},
)
THETA = wrong({**NO_NUMBERS, **SEVERAL, "None": None}, NOT_FINITE)
THETAS = wrong(
    {
        "None": None,
        "number": 0.5,
        "word": "0.5",
        "bytes": b"1",
        "dict": {0.5: 1},
        "words": ["a"],
        "flags": [True],
    }
    | {"None in it": [None], "nested": [[0.5]], "object": object(), "no dimensions": np.array(0.5)}
    | {"hostile": Hostile()},
    {"nan": [math.nan], "inf": (0.0, math.inf), "array": np.array([math.nan])},
)
COUNT, LENGTH = or_none(whole()), or_none(one_positive())
IMAGES = wrong(
    {"number": 5, "word": "rgb", "words": ("a", "b", "c"), "object": object(), "dict": {1: 2}, "array": X},
    {
        "other size": (1, 100, 1),
        "two": (1, 2),
        "two channels": (2, 1, 1),
        "negative": (1, -1, -2),
        "none": (),
    },
)
PATHS = wrong(
    {"None": None, "number": 5, "list": ["a"], "bytes": b"x.html", "object": object(), "flag": True}, {}
)
DEVICE = wrong(
    {"number": 3, "list": ["cpu"], "object": object(), "bytes": b"cpu", "flag": True, "type": torch.float64},
    {"other": "nonsense", "empty": "", "absent": "cuda:99", "without numbers": "meta", "number": "cpu:x"},
)
DTYPE = wrong(
    {"word": "float64", "NumPy's": np.float64, "number": 3, "type": float, "object": object()},
    {
        "whole": torch.int32,
        "flags": torch.bool,
        "complex": torch.complex64,
        "eight bits": torch.float8_e4m3fn,
    },
)
NOT_NAMES = {
    "word": "ab",
    "number": 3,
    "numbers": [1, 2],
    "bytes": [b"a", b"b"],
    "object": object(),
    "set": {"a", "b"},
}
LENGTHY = {"way": word(), "distance": word()}

FUNCTIONS = {
    "emd": (
        otgan.emd,
        with_sets(otgan.emd),
        {**SETS, "cost": word(), "p": POWER, "time_limit": TIME_LIMIT, "group": GROUP},
    ),
    "transport": (
        otgan.transport,
        with_sets(otgan.transport, with_epsilon),
        {**SETS, **SOLVER, "init": INIT, "progress": TELL, "group": GROUP},
    ),
    "exact transport": (
        otgan.transport,
        with_sets(otgan.transport),
        {
            **SETS,
            **{name: SOLVER[name] for name in SOLVER if name not in {"epsilon", "blur", "reach"}},
            "progress": TELL,
            "group": GROUP,
        },
    ),
    "sinkhorn": (
        otgan.sinkhorn,
        with_sets(otgan.sinkhorn, with_epsilon),
        SETS | SOLVER | {"group": GROUP},
    ),
    "sinkhorn_divergence": (
        otgan.sinkhorn_divergence,
        with_sets(otgan.sinkhorn_divergence, with_epsilon),
        SETS | SOLVER | {"group": GROUP},
    ),
    "SinkhornLoss": (
        otgan.SinkhornLoss,
        # Of how many problems there will be the constructor knows nothing.
        lambda name, value: otgan.SinkhornLoss(**{name: value})(X, Y),
        {**SOLVER, "debias": FLAG, "group": GROUP},
    ),
    "SinkhornLoss()": (LOSS.forward, with_sets(LOSS), SETS),
    "kl": (otgan.kl, with_sets(otgan.kl, options_of_estimators), SETS | ESTIMATED),
    "js": (otgan.js, with_sets(otgan.js, options_of_estimators), SETS | ESTIMATED),
    "tv": (
        otgan.tv,
        with_sets(otgan.tv, options_of_estimators),
        {k: v for k, v in {**SETS, **ESTIMATED}.items() if k not in {"base", "k"}},
    ),
    "compare": (
        otgan.compare,
        with_sets(otgan.compare, options_of_reports),
        {
            **SETS,
            **{
                name: SOLVER[name]
                for name in ("cost", "p", "epsilon", "blur", "tol", "max_iter", "time_limit")
            },
            **{name: ESTIMATED[name] for name in ("bins", "bin_width", "outside", "k")},
            "estimator": word(required=False),
            "metrics": {label: values for label, values in METRICS.items() if label != "None"},
            "options": OWN,
            "permutations": PERMUTATIONS,
            "seed": GENERATOR_SEED,
            "names": NAMES,
            "progress": FLAG,
            "test": TEST,
            "group": GROUP,
        },
    ),
    "two_sample_test": (
        otgan.two_sample_test,
        with_sets(otgan.two_sample_test, options_of_tests),
        {
            **{name: values for name, values in SETS.items() if name != "y"},
            "y": {label: values for label, values in SAMPLES.items() if label != "None"},
            **{
                name: SOLVER[name]
                for name in ("cost", "p", "epsilon", "blur", "tol", "max_iter", "time_limit")
            },
            **{name: ESTIMATED[name] for name in ("bins", "bin_width", "outside", "k")},
            "distance": TEST | wrong({"None": None}, {}),
            "options": OF_ONE,
            "permutations": whole(),
            "strata": wrong(
                {"word": "ab", "number": 3, "object": object(), "three": ([1], [1], [1])},
                {"too few": ([1], [1])},
            ),
            "paired": FLAG,
            "n_jobs": wrong({"zero": 0, "word": "a", "fraction": 1.5, "flag": True}, {}),
            "group": GROUP,
            "sizes": wrong({}, {"of no matrix": (3, 4), "word": "ab"}),
            "seed": GENERATOR_SEED,
            "names": NAMES,
            "progress": FLAG,
        },
    ),
    "pairwise": (
        otgan.pairwise,
        lambda name, value: otgan.pairwise(
            **{
                "sets": [X, Y],
                **({"other": [X]} if name == "other_weights" else {}),
                **options_of_tests(name),
                name: value,
            }
        ),
        {
            "sets": SEVERAL_SETS,
            "other": SEVERAL_SETS,
            "weights": WEIGHTS_OF_SETS,
            "other_weights": WEIGHTS_OF_SETS,
            **{
                name: SOLVER[name]
                for name in ("cost", "p", "epsilon", "blur", "tol", "max_iter", "time_limit")
            },
            **{name: ESTIMATED[name] for name in ("bins", "bin_width", "outside", "k")},
            "distance": TEST | wrong({"None": None}, {}),
            "options": OF_ONE,
            "n_jobs": wrong({"zero": 0, "word": "a", "fraction": 1.5, "flag": True}, {}),
            "store": wrong({"number": 3, "list": ["a"], "object": object(), "flag": True}, {}),
            "progress": FLAG,
            "group": GROUP,
        },
    ),
    "pairwise_tests": (
        otgan.pairwise_tests,
        lambda name, value: otgan.pairwise_tests(
            **{"sets": [X, Y], "permutations": 3, **options_of_tests(name), name: value}
        ),
        {
            "sets": SEVERAL_SETS,
            "weights": WEIGHTS_OF_SETS,
            **{name: SOLVER[name] for name in ("cost", "p")},
            "n_jobs": wrong({"zero": 0, "word": "a", "fraction": 1.5, "flag": True}, {}),
            "store": wrong({"number": 3, "list": ["a"], "object": object(), "flag": True}, {}),
            "group": GROUP,
            "distance": TEST | wrong({"None": None}, {}),
            "options": OF_ONE,
            "permutations": whole(),
            "seed": GENERATOR_SEED,
            "progress": FLAG,
        },
    ),
    "PairwiseTests.different": (
        SEVERAL_TESTED.different,
        lambda name, value: SEVERAL_TESTED.different(**{name: value}),
        {"level": one_positive()},
    ),
    "Transport.plot": (
        SOLVED.plot,
        lambda name, value: SOLVED.plot(**{name: value}),
        {"arcs": or_none(whole(least=0)), "points": COUNT, "seed": or_none(SEED), "names": NAMES},
    ),
    "Reference": (
        otgan.Reference,
        lambda name, value: otgan.Reference(**{"x": X, **options_of_tests(name), name: value}),
        {
            "x": {label: values for label, values in SAMPLES.items() if label != "dimension"},
            "a": WEIGHTS,
            **{
                name: SOLVER[name]
                for name in ("cost", "p", "epsilon", "blur", "tol", "max_iter", "time_limit")
            },
            "distance": TEST | wrong({"None": None}, {}),
            "options": OF_ONE,
            "draws": whole(),
            "seed": GENERATOR_SEED,
        },
    ),
    "Reference.measure": (
        REFERENCE.measure,
        lambda name, value: REFERENCE.measure(**{"y": Y[:1], name: value}),
        {"y": SAMPLES, "b": WEIGHTS},
    ),
    "Reference.null": (
        REFERENCE.null,
        lambda name, value: REFERENCE.null(**{name: value}),
        {"size": whole(most_wrong={"more than there are": 9})},
    ),
    "confidence_interval": (
        otgan.confidence_interval,
        lambda name, value: otgan.confidence_interval(
            **{"x": np.arange(6.0), "y": np.arange(7.0), **options_of_tests(name), name: value}
        ),
        {
            "x": {label: values for label, values in SAMPLES.items() if label != "dimension"},
            "y": {label: values for label, values in SAMPLES.items() if label != "dimension"},
            "a": WEIGHTS,
            "b": WEIGHTS,
            **{name: SOLVER[name] for name in ("cost", "epsilon", "blur", "tol", "max_iter")},
            "p": SOLVER["p"],
            "distance": TEST | wrong({"None": None}, {"without one": "tv"}),
            "options": OF_ONE,
            "level": one_positive(),
            "method": word(required=False),
            "draws": whole(),
            "seed": GENERATOR_SEED,
        },
    ),
    "plot.pairwise": (
        otgan.plot.pairwise,
        lambda name, value: otgan.plot.pairwise(**{"matrix": np.ones((2, 2)), name: value}),
        {
            "matrix": wrong(
                {"word": "a", "object": object(), "ragged": [[1.0], [1.0, 2.0]]},
                {
                    "not square": np.ones((2, 3)),
                    "number": 3.0,
                    "one": [[0.0]],
                    "nan": np.full((2, 2), math.nan),
                },
            ),
            "names": wrong({}, {"too few": ["a"]}),
        },
    ),
    "TwoSampleTest.rejects": (
        TESTED.rejects,
        lambda name, value: TESTED.rejects(**{name: value}),
        {"level": one_positive()},
    ),
    "Report.plot": (
        REPORT.plot,
        lambda name, value: REPORT.plot(**{name: value}),
        {"arcs": or_none(whole(least=0)), "points": COUNT, "seed": or_none(SEED), "images": IMAGES},
    ),
    "Report.to_json": (REPORT.to_json, lambda _, value: REPORT.to_json(value), {"indent": whole(least=0)}),
    "Measure.of": (
        Measure.of,
        lambda name, value: Measure.of(**{"points": X, name: value}),
        {
            "points": {k: v for k, v in SAMPLES.items() if k != "dimension"},
            "weights": WEIGHTS,
            "name": wrong({"number": 3, "None": None, "list": ["x"]}, {}),
            "columns": wrong(NOT_NAMES, {"too many": ["a", "b", "c"]}),
        },
    ),
    "Measure.named": (
        Measure.of(X).named,
        lambda name, value: Measure.of(X).named(**{name: value}),
        {"columns": wrong({"None": None, **NOT_NAMES}, {"none": [], "too few": ["a"]})},
    ),
    "Measure.take": (
        Measure.of(X).take,
        lambda name, value: Measure.of(np.stack([X, X])).take(**{name: value}),
        {
            "problems": wrong(
                {
                    "None": None,
                    "number": 1,
                    "list": [0],
                    "array": np.array([0.0]),
                    "word": "0",
                    "hostile": Hostile(),
                }
                | {
                    "flags": torch.tensor([True, False]),
                    "floats": torch.ones(1),
                    "meta": torch.ones(1, device="meta"),
                },
                {"beyond": torch.tensor([0, 2]), "below": torch.tensor([-1]), "matrix": torch.tensor([[0]])}
                | {"no dimensions": torch.tensor(0)},
            )
        },
    ),
    "Transport.apply": (
        SOLVED.apply,
        lambda name, value: SOLVED.apply(**{"v": B, name: value}),
        {"v": VECTORS, "axis": or_none(whole(least=0, most_wrong={"two": 2}))},
    ),
    "Transport.apply of a ragged batch": (
        RAGGED.apply,
        lambda name, value: RAGGED.apply(
            **{"v": B, "axis": 0, name: value} | ({"v": value} if name == "v" else {})
        ),
        {
            "v": VECTORS | wrong({"array": A}, {"one": [A], "vector and matrix": [A, np.ones((2, 2))]}),
            "axis": or_none(whole(least=0, most_wrong={"two": 2})),
        },
    ),
    "Transport.to": (
        SOLVED.to,
        lambda name, value: SOLVED.to(**{name: value}),
        {"device": DEVICE, "dtype": DTYPE},
    ),
    "closed_form": (parallel_lines.closed_form, lambda _, v: parallel_lines.closed_form(v), {"theta": THETA}),
    "gradient": (parallel_lines.gradient, lambda _, v: parallel_lines.gradient(v), {"theta": THETA}),
    "table": (
        parallel_lines.table,
        lambda name, value: parallel_lines.table(**{"thetas": [0.5], "n": 2, name: value}),
        {"thetas": THETAS, "n": COUNT, "seed": or_none(SEED), "bin_width": LENGTH},
    ),
    "draw": (
        parallel_lines.draw,
        lambda name, value: parallel_lines.draw(
            **{"theta": 0.5, "n": 2, "seed": 0, "stream": 0, name: value}
        ),
        {"theta": THETA, "n": COUNT, "seed": or_none(SEED), "stream": or_none(SEED)},
    ),
    "Table.column": (
        TABLE.column,
        lambda name, value: TABLE.column(**{"way": "bins", "distance": "js", name: value}),
        LENGTHY,
    ),
    "Table.label": (TABLE.label, lambda _, value: TABLE.label(value), {"way": word()}),
    "page": (
        otgan.teach.page,
        lambda name, value: otgan.teach.page(**{"path": "/nowhere/page.html", name: value}),
        {"path": PATHS, "n": COUNT, "seed": or_none(SEED), "bin_width": LENGTH},
    ),
    "plot.report": (
        otgan.plot.report,
        lambda name, value: otgan.plot.report(**{"found": REPORT, name: value}),
        {
            "found": wrong({"None": None, "number": 5, "table": TABLE, "word": "report", "array": X}, {}),
            "arcs": or_none(whole(least=0)),
            "points": COUNT,
            "seed": or_none(SEED),
            "images": IMAGES,
        },
    ),
    "plot.parallel_lines": (
        otgan.plot.parallel_lines,
        lambda _, value: otgan.plot.parallel_lines(value),
        {"table": wrong({"None": None, "number": 5, "report": REPORT, "word": "table", "array": X}, {})},
    ),
}

KINDS = {
    "word": word(),
    "positive": one_positive(),
    "count": whole(),
    "seed": SEED,
    "flag": FLAG,
}


def arguments_of(metric):
    """The arguments of a metric's function, as the metric declares them, with wrong values of their kinds."""
    own = {
        each.name: KINDS[each.kind]
        if each.default is None or each.kind in {"word", "flag"}
        else or_none(KINDS[each.kind])
        for each in metric.options
    }
    shared = {"p": POWER} if metric.uses_p else {}
    return {**SETS, **shared, **({"cost": word()} if metric.uses_cost else {}), **own}


FUNCTIONS |= {
    name: (metric_of(name).function, with_sets(metric_of(name).function), arguments_of(metric_of(name)))
    for name in REGISTRY
    if name not in FUNCTIONS
}

GIVEN = {("Measure.of", "points"): "x", ("Measure.of", "weights"): "a", ("compare", "metrics"): "metrics?"}
"""What messages call an argument, where it is not its own name."""

MADE = {
    "ConvergenceWarning",
    "Interval",
    "Measure",
    "PairwiseTests",
    "Report",
    "Status",
    "Transport",
    "TwoSampleTest",
    "__version__",
}
"""Public names that are no functions: what is made by functions, not called."""


def calls():
    for label, (_, call, arguments) in FUNCTIONS.items():
        for name, values in arguments.items():
            yield pytest.param(call, name, GIVEN.get((label, name), name), values, id=f"{label}-{name}")


def parameters(function):
    return {
        name
        for name, parameter in inspect.signature(function).parameters.items()
        if name not in {"self", "cls"} and parameter.kind is not parameter.VAR_POSITIONAL
    }


def methods(owner):
    """The public methods of a class that take an argument."""
    found = {name: member for name, member in vars(owner).items() if not name.startswith("_")}
    plain = {name: getattr(member, "__func__", member) for name, member in found.items()}
    return [each for each in plain.values() if inspect.isfunction(each) and parameters(each)]


def test_every_parameter_of_every_public_function_is_given_wrong_values():
    public = [getattr(otgan, name) for name in otgan.__all__ if name not in MADE]
    public += [getattr(otgan.plot, name) for name in otgan.plot.__all__]
    public += [
        each for module in (otgan.teach, parallel_lines) for each in map(vars(module).get, module.__all__)
    ]
    public = [each for each in public if inspect.isfunction(each)] + [otgan.SinkhornLoss, otgan.Reference]
    public += [
        each
        for made in (
            Measure,
            otgan.Report,
            otgan.Transport,
            otgan.TwoSampleTest,
            otgan.PairwiseTests,
            otgan.Reference,
            parallel_lines.Table,
        )
        for each in methods(made)
    ]
    public.append(otgan.SinkhornLoss.forward)
    covered = {}
    for function, _, arguments in FUNCTIONS.values():
        covered.setdefault(getattr(function, "__func__", function), set()).update(arguments)
    assert {each.__qualname__: parameters(each) for each in public} == {
        each.__qualname__: names for each, names in covered.items()
    }


def complaint(call, name, value, error, called=None):
    """What is wrong with how a call complains of an argument; None if nothing is."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            call(name, value)
    except Exception as caught:
        return _trouble(caught, called or name, error)
    return "it was taken in silence"


def _trouble(caught, name, error):
    message = str(caught)
    if not isinstance(caught, error):
        return f"{type(caught).__name__}, not {error.__name__}: {message}"
    frame = caught.__traceback__
    while frame.tb_next is not None:
        frame = frame.tb_next
    raised = linecache.getline(frame.tb_frame.f_code.co_filename, frame.tb_lineno).strip()
    if not frame.tb_frame.f_globals.get("__name__", "").startswith("otgan.") or not raised.startswith(
        "raise "
    ):
        return f"it comes from within, at {raised!r}: {message}"
    if "\n" in message or len(message) >= LONGEST or RAW.search(message):
        return f"it is no plain sentence: {message}"
    named = rf"^(x and )?{name}\b" if len(name) == 1 else rf"(?<![\w-]){name}\b"
    if not re.search(named, message):
        return f"it does not name {name}: {message}"
    return None


@pytest.mark.parametrize(("call", "name", "called", "values"), list(calls()))
def test_a_wrong_value_ends_in_one_sentence(call, name, called, values):
    found = {label: complaint(call, name, value, error, called) for label, (value, error) in values.items()}
    assert {label: trouble for label, trouble in found.items() if trouble is not None} == {}


def test_the_judge_condemns():
    """What the test above is to find, it finds."""

    def ours(message, error=ValueError):
        def call(name, value):
            exec(
                compile(f"raise {error.__name__}({message!r})", "otgan_words", "exec"),
                {"__name__": "otgan.x"},
            )

        return call

    linecache.cache["otgan_words"] = (1, None, ["raise ValueError()"], "otgan_words")
    judged = lambda call, error=ValueError: complaint(call, "bins", 1, error)  # noqa: E731
    assert judged(ours("bins must be edges, got 1")) is None
    assert "does not name bins" in judged(ours("epsilon must be positive"))
    assert "no plain sentence" in judged(ours("bins: '<' not supported between instances of 'a' and 'b'"))
    assert "no plain sentence" in judged(ours("bins\nare wrong"))
    assert "no plain sentence" in judged(ours("bins are " + "x" * 400))
    assert "not TypeError" in judged(ours("bins must be edges"), TypeError)
    assert "from within" in judged(lambda name, value: np.zeros(3).reshape(2, 2))
    assert judged(lambda name, value: None) == "it was taken in silence"


def test_a_name_that_a_report_does_not_have():
    for name in ("wd", 3, None, ["emd"], Hostile()):
        with pytest.raises(
            KeyError, match=r"no distance .* in this report: it has emd, sinkhorn_divergence, energy"
        ):
            REPORT[name]


def test_the_module_takes_weights_by_name_only():
    with pytest.raises(
        TypeError, match=r"^SinkhornLoss takes \(x, y, a=..., b=...\), got 4 positional arguments"
    ):
        LOSS(A, X, B, Y)


def test_more_bins_than_samples_are_bins():
    """That many bins cost nothing, and tell all samples apart that are not equal."""
    for measure in (otgan.kl, otgan.js, otgan.tv):
        assert measure(X, Y, estimator="histogram", bins=10**12) == measure(X, Y)


NO_COUNT = ("x", "1.5", "-1", "nan", "1e3", "", "0x2")
NO_LENGTH = ("x", "-1", "0", "nan", "inf", "1e400", "", "1,2")
OPTIONS = {
    "measure": {
        "metrics": ("x", "", "emd,,js", "emd:knn", "js:kde"),
        "option": (
            "",
            *[
                "x",
                "mmd.kernel",
                "=1",
                "mmd=1",
                "nonsense.k=1",
                "mmd.nonsense=1",
                "mmd.kernel=x",
                "emd.p=1",
                "mmd.bandwidth=1",
            ],
            *[
                "mmd.bandwidth=x",
                "mmd.bandwidth=-1",
                "mmd.biased=2",
                "sliced.seed=1.5",
                "sliced.projections=0",
            ],
        ),
        "n": (*NO_COUNT, "0"),
        "seed": NO_COUNT,
        "seed_b": NO_COUNT,
        "cost": ("unheard-of", ""),
        "p": ("x", "0.5", "nan", "inf", ""),
        "epsilon": NO_LENGTH,
        "blur": NO_LENGTH,
        "tol": NO_LENGTH,
        "max_iter": (*NO_COUNT, "0"),
        "time_limit": NO_LENGTH,
        "memory": ["lots", "-1", "0", "nan", ""],
        "estimator": ("x", "", "kde"),
        "bins": ("x", "0", "-1", "1.5", "nan", "", str(2**60), "²"),
        "bin_width": NO_LENGTH,
        "k": (*NO_COUNT, "0"),
        "weights_a": ("nowhere.npy", "column"),
        "weights_b": ("nowhere.npy", "column"),
        "permutations": NO_COUNT,
        "test": ("x", "", "emd,js"),
        "device": ("", "tpu", "cuda:x"),
        "data_dir": ("nowhere", "a.npy", ""),
        "plot": ("x", "x.gif", "nowhere/x.png", ""),
    },
    "lines": {
        "thetas": ("x", "nan", "0,inf", "", "0,,1", "1e400"),
        "n": (*NO_COUNT, "0"),
        "seed": NO_COUNT,
        "bin_width": NO_LENGTH,
        "plot": ("x", "x.gif", "nowhere/x.png", ""),
        "page": ("x", "x.png", "nowhere/x.html", ""),
    },
}
NEEDS = {"bins": ("--estimator", "histogram"), "bin_width": ("--estimator", "histogram")}
NEEDS |= {"k": ("--metrics", "js:knn")}


@pytest.mark.parametrize("name", OPTIONS)
def test_every_option_of_the_command_that_takes_a_value_is_given_wrong_ones(name):
    command = root.get_command(None, name)
    valued = {each.name for each in command.params if each.param_type_name == "option" and not each.is_flag}
    assert valued == OPTIONS[name].keys()


@pytest.mark.parametrize(
    ("name", "option"), [(name, option) for name, options in OPTIONS.items() for option in options]
)
def test_a_wrong_option_is_wrong_usage_in_one_line(name, option, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("a.npy", X)
    np.save("b.npy", Y)
    for value in OPTIONS[name][option]:
        flag = f"--{option.replace('_', '-')}"
        needs = NEEDS.get(option, ()) if name == "measure" else ()
        sets = ("a.npy", "b.npy") if name == "measure" else ()
        ended = CliRunner().invoke(root, [name, *sets, *needs, flag, value], prog_name="otgan")
        said = ended.stderr
        assert ended.exit_code == 2, (value, said, ended.exception)
        assert ended.stdout == ""
        assert said.count("\n") == 1, said
        assert len(said) < LONGEST, said
        assert not RAW.search(said), said
        # A missing file of weights is known by its name.
        named = re.escape(value) if option.startswith("weights") else option.replace("_", "[-_ ]")
        assert re.search(named, said), said
