"""The border: what comes in, in whatever form, and what is refused, with words that say what to do."""

import math
import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import torch
from hypothesis import given
from hypothesis import strategies as st

import otgan
from otgan.measure import Measure

ROWS = [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]
X = np.array(ROWS)


def masked(*, mask):
    return np.ma.MaskedArray(X, mask=mask)


# ---------------------------------------------------------------------------------------------- what is accepted


def read_only():
    array = X.copy()
    array.flags.writeable = False
    return array


ACCEPTED = {
    "list": ROWS,
    "tuple": tuple(map(tuple, ROWS)),
    "list of arrays": list(X),
    "float64": X,
    "float32": X.astype(np.float32),
    "float16": X.astype(np.float16),
    "long double": X.astype(np.longdouble),
    "int": X.astype(int),
    "uint8": X.astype(np.uint8),
    "big endian": X.astype(">f8"),
    "big endian int": X.astype(">i4"),
    "read-only": read_only(),
    "broadcast": np.broadcast_to(X, (1, 3, 2))[0],
    "transposed": np.asfortranarray(X),
    "reversed": X[::-1][::-1],
    "unmasked": masked(mask=False),
    "matrix of an object with __array__": type("Like", (), {"__array__": lambda self, *a, **k: X})(),
    "frame": pd.DataFrame(X),
    "frame of ints": pd.DataFrame(X.astype(int), columns=["u", "v"], index=list("abc")),
    "frame of nullable floats": pd.DataFrame(X).astype("Float64"),
}


@pytest.mark.parametrize("points", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_numpy_likes_become_float64(points):
    m = Measure.of(points)
    assert (m.numpy, m.batched, m.weighted, m.sizes) == (True, False, False, None)
    assert (m.dtype, m.points.shape) == (np.float64, (1, 3, 2))
    assert m.points[0].tolist() == ROWS
    assert m.weights.tolist() == [pytest.approx([1 / 3] * 3)]
    assert m.mass.tolist() == [1]


@pytest.mark.parametrize("line", [[3, 1, 2], np.array([3, 1, 2]), pd.Series([3, 1, 2]), (3.0, 1.0, 2.0)])
def test_one_dimension_is_points_on_the_line(line):
    assert Measure.of(line).points.tolist() == [[[3], [1], [2]]]


def test_nothing_given_is_written_to_and_memory_is_shared_where_it_can_be():
    array = X.copy()
    m = Measure.of(array, [1, 2, 3])
    assert np.shares_memory(m.points, array)
    assert (array == X).all()
    tensor = torch.tensor(X)
    assert Measure.of(tensor).points.data_ptr() == tensor.data_ptr()


@pytest.mark.parametrize(
    ("given", "computed"),
    [
        (torch.float64, torch.float64),
        (torch.float32, torch.float32),
        (torch.float16, torch.float32),
        (torch.bfloat16, torch.float32),
        (torch.float8_e4m3fn, torch.float32),
        (torch.int64, torch.float64),
        (torch.uint8, torch.float64),
        (torch.bool, torch.float64),
    ],
)
def test_types_of_tensors(given, computed):
    m = Measure.of(torch.ones(3, 2).to(given))
    assert (m.dtype, m.numpy, m.weights.dtype) == (computed, False, torch.float64)
    assert m.points.tolist() == [[[1, 1]] * 3]


def test_lists_of_tensors_are_stacked():
    assert Measure.of([torch.tensor(1.0), torch.tensor(2.0)]).points.shape == (1, 2, 1)
    assert Measure.of([torch.zeros(4), torch.ones(4)]).points.shape == (1, 2, 4)
    assert not Measure.of([torch.zeros(4), torch.ones(4)]).numpy


def test_gradients_pass_the_border():
    points = torch.rand(3, 2, requires_grad=True)
    weights = torch.tensor([1.0, 2.0, 5.0], requires_grad=True)
    m = Measure.of(points, weights)
    assert m.points.requires_grad
    assert torch.autograd.grad(m.points.sum(), points)[0].tolist() == [[1, 1]] * 3
    # Those of the normalized weights: aᵢ/Σa has derivative (δᵢⱼ − aᵢ/Σa)/Σa.
    gradient = torch.autograd.grad(m.weights[0, 2], weights)[0]
    assert gradient.tolist() == pytest.approx([-5 / 64, -5 / 64, 3 / 64])


def test_a_measure_is_itself():
    m = Measure.of(X, [1, 2, 3])
    assert Measure.of(m) is m
    assert otgan.tv(m, X, None, [1, 2, 3]) == 0
    with pytest.raises(ValueError, match="x is a Measure, which has its own weights"):
        Measure.of(m, [1, 1, 1])


# ------------------------------------------------------------------------------------------------------- batches


def test_three_dimensions_are_a_batch():
    m = Measure.of(np.stack([X, X + 1]))
    assert (m.batched, m.sizes, m.points.shape) == (True, None, (2, 3, 2))
    assert repr(m) == "Measure(B=2, n=3, d=2, float64, cpu)"
    assert repr(Measure.of(X)) == "Measure(n=3, d=2, float64, cpu)"


@pytest.mark.parametrize("kind", [np.array, torch.tensor, pd.DataFrame])
def test_lists_of_matrices_are_a_ragged_batch(kind):
    m = Measure.of([kind(ROWS), kind(ROWS[:1])])
    assert (m.batched, m.sizes, m.numpy) == (True, (3, 1), kind is not torch.tensor)
    assert m.points.tolist() == [ROWS, [ROWS[0]] * 3]
    assert m.weights.tolist() == [pytest.approx([1 / 3] * 3), [1, 0, 0]]


def test_matrices_of_one_size_are_a_batch_that_is_not_ragged():
    m = Measure.of([X, X])
    assert (m.batched, m.sizes) == (True, None)


def test_weights_broadcast_over_the_batch():
    batch = np.stack([X, X + 1])
    for weights in ([1, 1, 2], [[1, 1, 2]], [[1, 1, 2], [1, 1, 2]]):
        m = Measure.of(batch, weights)
        assert m.weights.tolist() == [[0.25, 0.25, 0.5]] * 2
        assert m.mass.tolist() == [4, 4]


@pytest.mark.parametrize("rows", [[[1, 1, 2], [3]], [np.array([1, 1, 2]), np.array([3])], ([1, 1, 2], [3])])
def test_weights_of_ragged_problems(rows):
    m = Measure.of([X, X[:1]], rows)
    assert m.weights.tolist() == [[0.25, 0.25, 0.5], [1, 0, 0]]
    assert m.mass.tolist() == [4, 3]
    tensors = Measure.of([torch.tensor(X), torch.tensor(X[:1])], [torch.tensor(row) for row in rows])
    assert tensors.weights.tolist() == m.weights.tolist()


# ------------------------------------------------------------------------------------------------------- weights


@pytest.mark.parametrize(
    "weights",
    [
        [1, 1, 2],
        np.array([1, 1, 2]),
        np.array([1, 1, 2], dtype=">f4"),
        pd.Series([1, 1, 2]),
        (0.25, 0.25, 0.5),
    ],
)
def test_weights_are_normalized(weights):
    m = Measure.of(X, weights)
    assert (m.weighted, m.weights.dtype) == (True, np.float64)
    assert m.weights.tolist() == [[0.25, 0.25, 0.5]]
    assert m.mass.item() == sum(np.asarray(weights, dtype=float))


@given(st.lists(st.floats(0, 1e308), min_size=3, max_size=3).filter(any))
def test_normalizing_survives_every_magnitude(weights):
    m = Measure.of(X, weights)
    assert np.isfinite(m.weights).all()
    assert m.weights.sum().item() == pytest.approx(1)
    # Shares next to the least number there is may be rounded to 0, and no others.
    shares = [(share, w / max(weights)) for share, w in zip(m.weights[0].tolist(), weights, strict=True)]
    assert all(share > 0 if part > 1e-322 else share <= 1e-322 for share, part in shares)
    assert all(share == 0 for share, w in zip(m.weights[0].tolist(), weights, strict=True) if w == 0)


def test_regression_normalizing_rounds_a_share_next_to_nothing():
    m = Measure.of(X, [2.9961552247705263e307, 2.996155224770527e307, 2.220446049250313e-16])
    assert m.weights[0].tolist() == pytest.approx([0.5, 0.5, 0.0])


@pytest.mark.parametrize("scale", [1e-320, 1e-300, 1e-30, 1e30, 4e307])
def test_the_unit_of_weights_is_irrelevant(scale):
    m = Measure.of(X, np.array([1.0, 1.0, 2.0]) * scale)
    assert m.weights[0].tolist() == pytest.approx([0.25, 0.25, 0.5], rel=1e-3 if scale < 1e-310 else 1e-12)
    assert m.mass.item() == pytest.approx(4 * scale, rel=1e-3)


def test_float32_weights_are_normalized_in_float64():
    weights = torch.full((10_000,), 1e-4, dtype=torch.float32)
    m = Measure.of(torch.zeros(10_000, 1), weights)
    assert m.weights.sum().item() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("size", [1.0, 1e-300, 1e300])
def test_weights_of_zero_change_no_bit_of_the_others(size):
    rng = np.random.default_rng(0)
    for n in range(1, 80):
        w = size * 10.0 ** rng.uniform(-16, 0, n)
        zeros = rng.integers(0, n + 1, rng.integers(1, 2 * n + 1))
        mixed = np.insert(w, zeros, 0.0)
        alone, masked = (Measure.of(np.zeros(len(v)), v) for v in (w, mixed))
        assert masked.weights[0, mixed > 0].tolist() == alone.weights[0].tolist()
        assert masked.mass.tolist() == alone.mass.tolist()


@pytest.mark.parametrize("n", [3, 1000, 300_000])
def test_totals_are_accurate(n):
    w = 10.0 ** np.random.default_rng(n).uniform(-20, 0, n)
    assert Measure.of(np.zeros(n), w).mass.item() == pytest.approx(math.fsum(w), rel=1e-15)


def test_masks_are_weights():
    assert Measure.of(X, np.array([True, False, True])).weights.tolist() == [[0.5, 0, 0.5]]


# --------------------------------------------------------------------------------------------- what is refused


def frame_with_words():
    return pd.DataFrame({"u": [1.0, 2.0], "word": ["a", "b"]})


def sparse_csr():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the layout is in beta
        return torch.eye(2).to_sparse_csr()


REFUSED = {
    "words": (
        ["a", "b"],
        TypeError,
        r"x must hold real numbers, got an array of dtype <U1: .*astype\(float\)",
    ),
    "one word": ("digits", TypeError, "x must be numbers in an array, .*got 'digits'"),
    "None": (None, TypeError, "x must be numbers in an array, .*got None: pass"),
    "objects": (np.array([1, None]), TypeError, "x must hold real numbers, got an array of dtype object"),
    "dict": ({"x": 1}, TypeError, r"x must be numbers in an array, .*got {'x': 1} \(dict\)"),
    "generator": ((k for k in range(3)), TypeError, r"\(generator\): pass .*list\(...\) of a generator"),
    "frame with words": (
        frame_with_words(),
        TypeError,
        "x must hold real numbers, got an array of dtype object",
    ),
    "dates": (np.array(["2020-01-01"], dtype="datetime64[D]"), TypeError, "dtype datetime64"),
    "complex": (X + 1j, TypeError, "x must hold real numbers, got an array of dtype complex128"),
    "complex tensor": (
        torch.zeros(2, 2, dtype=torch.complex64),
        TypeError,
        "x must be a dense tensor of real numbers, got complex64, strided: convert",
    ),
    "sparse": (
        scipy.sparse.eye_array(3).tocsr(),
        TypeError,
        r"x must be dense, got a sparse matrix: pass x.toarray\(\)",
    ),
    "sparse tensor": (
        torch.eye(2).to_sparse(),
        TypeError,
        "dense tensor of real numbers, got float32, sparse_coo",
    ),
    "sparse CSR tensor": (sparse_csr(), TypeError, "dense tensor of real numbers, got float32, sparse_csr"),
    "masked": (
        masked(mask=[[1, 0], [0, 0], [0, 0]]),
        ValueError,
        "x has masked entries: drop those rows or fill them",
    ),
    "uneven rows": (
        [[1.0], [1.0, 2.0]],
        ValueError,
        "x must be a rectangular array, got .*: give equal rows, or a list of 2-D",
    ),
    "uneven tensors": (
        [torch.zeros(2), torch.zeros(3)],
        ValueError,
        "x must be rectangular, got tensors of shapes .*one 2-D tensor",
    ),
    "two libraries in one list": (
        [torch.zeros(2, 2), np.zeros((2, 2))],
        TypeError,
        "NumPy arrays and torch tensors",
    ),
    "a number": (1.0, TypeError, "x must be numbers in an array, .*got 1.0: pass"),
    "an array without dimensions": (np.array(1.0), ValueError, r"\(n, d\) or \(B, n, d\), got \(\): "),
    "images": (np.zeros((2, 3, 4, 5)), ValueError, r"got \(2, 3, 4, 5\): flatten each sample to a row"),
    "no samples": ([], ValueError, r"x has no samples \(shape \(0, 1\)\): give at least one"),
    "no rows": (np.zeros((0, 5)), ValueError, r"x has no samples \(shape \(0, 5\)\)"),
    "no coordinates": (np.zeros((5, 0)), ValueError, r"x has samples of dimension 0 \(shape \(5, 0\)\)"),
    "no problems": (np.zeros((0, 5, 2)), ValueError, r"x is an empty batch \(shape \(0, 5, 2\)\)"),
    "an empty problem": ([X, X[:0]], ValueError, "problem 1 of x has no samples"),
    "problems of unlike dimension": (
        [X, X[:, :1]],
        ValueError,
        r"problems of x must have one dimension d, got d = \[1, 2\]",
    ),
    "problems on two devices": (
        [torch.zeros(2, 2), torch.zeros(3, 2, device="meta")],
        ValueError,
        r"problems of x must be on one device, got \['cpu', 'meta'\]",
    ),
    "NaN": (
        [[0, 1], [2, np.nan]],
        ValueError,
        "got 1 NaN or infinite value, the first at sample 1, coordinate 1: drop",
    ),
    "infinity": (
        [0, np.inf, -np.inf],
        ValueError,
        "got 2 NaN or infinite values, the first at sample 1, coordinate 0",
    ),
    "NaN in a batch": ([X, np.full((1, 2), np.nan)], ValueError, "sample 0, coordinate 0 of problem 1"),
    "NaN tensor": (torch.tensor([1.0, np.nan]), ValueError, "x must be finite"),
    "frame of nullable words": (
        pd.DataFrame({"u": ["1", "2"]}).astype("string"),
        TypeError,
        "must hold real numbers",
    ),
    "missing nullable value": (
        pd.DataFrame({"u": [1, None]}).astype("Int64"),
        ValueError,
        "x must be finite",
    ),
    "missing values of a frame": (pd.DataFrame({"u": [1.0, None]}), ValueError, "x must be finite"),
    "beyond float64": (np.array([np.longdouble("1e4000")]), ValueError, "x must be finite"),
}


@pytest.mark.parametrize(("points", "error", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_samples_that_are_refused(points, error, message):
    with pytest.raises(error, match=message):
        Measure.of(points)


BATCH = np.stack([X, X])
REFUSED_WEIGHTS = {
    "too few": (X, [1, 1], ValueError, r"a must have one weight a sample, shape \(3,\), got \(2,\)"),
    "a column": (X, [[1], [1], [1]], ValueError, r"shape \(3,\), got \(3, 1\)"),
    "a number": (X, 1.0, TypeError, "a must be numbers in an array, .*got 1.0: pass"),
    "too few for a batch": (BATCH, [1, 1], ValueError, r"shape \(3,\) or \(2, 3\), got \(2,\)"),
    "negative": (X, [1, -0.5, 1], ValueError, "a must be nonnegative, got a smallest weight of -0.5"),
    "NaN": (X, [1, np.nan, 1], ValueError, "a must be finite, got NaN or infinite weights"),
    "infinite": (X, [1, np.inf, 1], ValueError, "a must be finite"),
    "all zero": (X, [0, 0, 0], ValueError, "a must have a positive total, got all zeros$"),
    "all zero in a batch": (BATCH, [[0, 0, 1], [0, 0, 0]], ValueError, "all zeros in problem 1"),
    "words": (X, ["a", "b", "c"], TypeError, "a must hold real numbers"),
    "complex": (X, [1j, 1, 1], TypeError, "a must hold real numbers, got an array of dtype complex128"),
    "torch for NumPy": (
        X,
        torch.ones(3),
        TypeError,
        "a is a torch tensor and the samples are NumPy: use one library",
    ),
    "NumPy for torch": (
        torch.tensor(X),
        np.ones(3),
        TypeError,
        "a is NumPy and the samples are a torch tensor",
    ),
    "elsewhere": (
        torch.tensor(X),
        torch.ones(3, device="meta"),
        ValueError,
        r"a is on meta and the samples on cpu: use .to",
    ),
    "one for ragged": ([X, X[:1]], [1, 1, 1], ValueError, r"list of 2 1-D arrays of lengths \(3, 1\)"),
    "padded for ragged": ([X, X[:1]], np.ones((2, 3)), ValueError, "one for each problem, got ndarray"),
    "unlike ragged": ([X, X[:1]], [[1, 1, 1], [1, 1]], ValueError, r"got shapes \[\(3,\), \(2,\)\]"),
}


@pytest.mark.parametrize(
    ("points", "weights", "error", "message"), REFUSED_WEIGHTS.values(), ids=REFUSED_WEIGHTS.keys()
)
def test_weights_that_are_refused(points, weights, error, message):
    with pytest.raises(error, match=message):
        Measure.of(points, weights)


def test_errors_call_things_by_the_names_of_the_caller():
    for name, weights in (("x", "a"), ("y", "b"), ("real", "the weights of real")):
        with pytest.raises(ValueError, match=f"^{name} must be finite"):
            Measure.of([np.nan], name=name)
        with pytest.raises(ValueError, match=f"^{weights} must be nonnegative"):
            Measure.of([1], [-1], name=name)


# ------------------------------------------------------------------------------------------- every function


@pytest.mark.parametrize(
    "function",
    [otgan.emd, otgan.sinkhorn, otgan.sinkhorn_divergence, otgan.transport, otgan.kl, otgan.js, otgan.tv],
)
def test_every_function_has_this_border(function):
    with pytest.raises(ValueError, match="x must be finite"):
        function([np.nan], [0.0])
    with pytest.raises(ValueError, match="y has no samples"):
        function([0.0], [])
    with pytest.raises(ValueError, match="same dimension"):
        function(X, X[:, :1])
    with pytest.raises(ValueError, match="b must be nonnegative"):
        function(X, X, None, [1, 1, -1])
    with pytest.raises(TypeError, match="x is NumPy and y is torch"):
        function(X, torch.tensor(X))


@pytest.mark.parametrize("function", [otgan.emd, otgan.sinkhorn, otgan.kl, otgan.js, otgan.tv])
def test_every_form_gives_the_same_number(function):
    x, y, a = ROWS, [*ROWS[1:], *ROWS], [1.0, 2.0, 3.0]
    expected = function(np.array(x), np.array(y), np.array(a))
    assert type(expected) is float
    assert function(x, y, a) == expected
    assert function(pd.DataFrame(x), pd.DataFrame(y), pd.Series(a)) == expected
    assert function(read_only(), np.array(y, dtype=">f8"), a) == expected
    tensor = function(
        torch.tensor(x, dtype=torch.float64), torch.tensor(y, dtype=torch.float64), torch.tensor(a)
    )
    assert tensor.item() == pytest.approx(expected, rel=1e-12)
    assert function(x, y, np.array(a) * 1e300) == pytest.approx(expected, rel=1e-12)
    for dtype in (torch.float16, torch.bfloat16, torch.float32):
        half = function(
            torch.tensor(x, dtype=dtype), torch.tensor(y, dtype=dtype), torch.tensor(a, dtype=dtype)
        )
        assert half.dtype == torch.float32
        assert half.item() == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("n", [1, 2])
def test_regression_arrays_that_run_backwards(n):
    # Of one entry an array counts as contiguous whatever its strides are, and torch takes no negative ones.
    x, a = np.arange(2.0 * n).reshape(n, 2)[::-1, ::-1], np.arange(1.0, n + 1)[::-1]
    measure = Measure.of(x, a)
    assert measure.points[0].tolist() == x.tolist()
    assert measure.weights[0].tolist() == (a / a.sum()).tolist()
    assert Measure.of(np.array([[3.0]])[::-1, ::-1]).points.tolist() == [[[3.0]]]
