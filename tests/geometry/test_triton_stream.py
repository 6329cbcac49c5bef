import math

import pytest
import torch

from otgan.costs.squares import cost_matrix

pytest.importorskip("triton", reason="needs triton, which there is for Linux")

from otgan.geometry.triton import stream
from otgan.geometry.triton.device import INTERPRETED
from otgan.geometry.triton.points import DOUBLE, SINGLE, Points, Precision

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
pytestmark = pytest.mark.skipif(
    DEVICE == "cpu" and not INTERPRETED,
    reason="triton was imported without its interpreter, and there is no GPU",
)

LN2 = math.log(2)
CASES = [
    *((d, p, precision) for d, p in ((1, 2.0), (3, 1.0), (2, 1.5)) for precision in (SINGLE, DOUBLE)),
    *((20, 2.0, Precision(torch.float32, dot)) for dot in ("ieee", "tf32x3", "bf16x3", "tf32")),
]
# Error of an exponent of about 50, by arithmetic.
ACCURACY = {"": 2e-5, "ieee": 1e-4, "tf32x3": 1e-4, "bf16x3": 1e-2, "tf32": 0.2}


def clouds(n, m, d, batch=2):
    generator = torch.Generator().manual_seed(n + m + d)
    x = torch.randn(batch, n, d, generator=generator)
    y = torch.randn(batch, m, d, generator=generator) + 0.5
    y[:, : min(n, m, 3)] = x[:, : min(n, m, 3)]
    return x.double().to(DEVICE), y.double().to(DEVICE)


def vectors(*shape):
    generator = torch.Generator().manual_seed(sum(shape))
    return torch.randn(*shape, generator=generator, dtype=torch.float64).to(DEVICE)


def accuracy(precision):
    return 1e-12 if precision == DOUBLE else ACCURACY[precision.dot]


@pytest.mark.parametrize(
    ("size", "d", "p", "precision"),
    [
        *(((9, 33), *case) for case in CASES),
        *((size, 1, 2.0, SINGLE) for size in ((1, 1), (64, 64), (70, 130))),
        ((65, 66), 20, 2.0, Precision(torch.float32, "bf16x3")),
    ],
)
def test_reductions_are_those_of_the_matrix(size, d, p, precision):
    x, y = clouds(*size, d)
    points, cost = Points.of(x, y, p, precision), cost_matrix(x, y, p, exact=True)
    row, column = vectors(2, size[0]), vectors(2, size[1])
    error = accuracy(precision)
    sums = torch.logsumexp((column[:, None] - cost) * LN2, 2) / LN2
    torch.testing.assert_close(stream.log_sums(points, column, 1), sums, atol=error, rtol=0)
    sums = torch.logsumexp((row[..., None] - cost) * LN2, 1) / LN2
    torch.testing.assert_close(stream.log_sums(points, row, 0), sums, atol=error, rtol=0)
    least = (cost - column[:, None]).amin(2)
    torch.testing.assert_close(stream.smallest(points, column, 1).double(), least, atol=error, rtol=0)

    kernel = torch.exp2(row[..., None] + column[:, None] - cost)
    for axis, v in ((1, vectors(2, size[1])), (0, vectors(2, size[0]))):
        matrix = kernel if axis == 1 else kernel.mT
        got = stream.product(points, row, column, v, axis).double()
        expected = (matrix @ v[..., None])[..., 0]
        # Relative to the sum of what is added, each of whose terms has the error of its exponent.
        size_of_terms = (matrix @ v.abs()[..., None])[..., 0]
        assert ((got - expected).abs() <= error * size_of_terms).all()


@pytest.mark.parametrize(("d", "p", "precision"), CASES)
def test_a_matrix_is_filled_with_costs_or_kernel(d, p, precision):
    x, y = clouds(17, 70, d)
    points, cost = Points.of(x, y, p, precision), cost_matrix(x, y, p, exact=True)
    row, column = vectors(2, 17), vectors(2, 70)
    error = accuracy(precision)
    torch.testing.assert_close(
        stream.fill(points, None, precision.dtype).double(), cost, atol=error * max(1, d), rtol=0
    )
    kernel = stream.fill(points, (row, column), precision.dtype).double()
    torch.testing.assert_close(
        kernel, torch.exp2(row[..., None] + column[:, None] - cost), atol=0, rtol=error
    )
    padded = stream.fill(points, None, precision.dtype, padded=(32, 128))
    assert padded.shape == (2, 32, 128)
    assert padded.isfinite().all()
    torch.testing.assert_close(padded[:, :17, :70].double(), cost, atol=error * max(1, d), rtol=0)


@pytest.mark.parametrize(("p", "k"), [(1.0, 5), (1.5, 1), (2.0, 3), (3.0, 70)])
def test_rows_are_multiplied_with_the_force_between_points(p, k):
    x, y = clouds(33, 70, 2)
    distance = cost_matrix(x, y, 1, exact=True)
    row, column = vectors(2, 33), vectors(2, 70)
    kernel = torch.exp2(row[..., None] + column[:, None] - distance**p)
    force = torch.where(distance > 0, distance ** (p - 2), 1.0 if p == 2 else 0.0) * kernel
    points = Points.of(x, y, p, SINGLE)
    v = vectors(2, 70, k)
    for weight, flag in ((force, True), (kernel, False)):
        got = stream.multiply(points, row, column, v, 1, force=flag).double()
        assert ((got - weight @ v).abs() <= 1e-4 * (weight @ v.abs())).all()
    v = vectors(2, 33, k)
    got = stream.multiply(points, row, column, v, 0, force=True).double()
    assert ((got - force.mT @ v).abs() <= 1e-4 * (force.mT @ v.abs())).all()


@pytest.mark.parametrize("precision", [SINGLE, DOUBLE])
def test_splitting_the_columns_changes_only_rounding(precision, monkeypatch):
    x, y = clouds(17, 200, 2)
    points = Points.of(x, y, 2.0, precision)
    row, column, v = vectors(2, 17), vectors(2, 200), vectors(2, 200)
    column[0, :100] = -torch.inf  # a part may have nothing in it
    shapes = []
    split = stream._split

    def watched(*arguments):
        parts = split(*arguments)
        shapes.append(len(parts))
        return parts

    monkeypatch.setattr(stream, "_split", watched)
    results = []
    for waves in (1, 100):
        monkeypatch.setattr(stream, "_WAVES", waves)
        results.append(
            [
                stream.log_sums(points, column, 1),
                stream.smallest(points, column, 1),
                stream.product(points, row, column, v, 1),
            ]
        )
    assert shapes == [1, 1, 1, 4, 4, 4]
    for whole, parts in zip(*results, strict=True):
        torch.testing.assert_close(whole, parts, rtol=1e-5 if precision == SINGLE else 1e-12, atol=1e-5)


def test_a_side_that_is_left_out_altogether_has_no_logarithm_and_no_nan():
    x, y = clouds(3, 70, 2)
    points = Points.of(x, y, 2.0, SINGLE)
    nothing = torch.full((2, 70), -torch.inf, dtype=torch.float64, device=DEVICE)
    assert (stream.log_sums(points, nothing, 1) == -torch.inf).all()
    assert (stream.product(points, vectors(2, 3), nothing, vectors(2, 70), 1) == 0).all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_a_stored_matrix_is_multiplied_in_float32(dtype):
    matrix = vectors(2, 33, 300).to(dtype)
    for axis, length in ((1, 300), (0, 33)):
        v = vectors(2, length)
        side = matrix.double() if axis == 1 else matrix.double().mT
        got = stream.stored_product(matrix, v, axis)
        torch.testing.assert_close(got.double(), (side @ v[..., None])[..., 0], rtol=1e-4, atol=1e-4)


def test_problems_are_taken_and_sides_exchanged():
    x, y = clouds(17, 33, 3)
    points = Points.of(x, y, 2.0, SINGLE)
    column = vectors(2, 33)
    one = stream.log_sums(points.take(torch.tensor([1], device=DEVICE)), column[1:], 1)
    torch.testing.assert_close(one, stream.log_sums(points, column, 1)[1:])
    torch.testing.assert_close(stream.log_sums(points.swapped, column, 0), stream.log_sums(points, column, 1))
