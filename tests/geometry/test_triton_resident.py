import pytest
import torch

from otgan.costs import Euclidean
from otgan.entropic import balanced
from otgan.entropic.problem import Limits, Problem
from otgan.geometry.dense import DenseGeometry

pytest.importorskip("triton", reason="needs triton, which there is for Linux")

from otgan.geometry.triton import resident
from otgan.geometry.triton.device import INTERPRETED
from otgan.geometry.triton.points import SINGLE, Points
from otgan.geometry.triton.resident import solve_resident

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
pytestmark = pytest.mark.skipif(
    DEVICE == "cpu" and not INTERPRETED,
    reason="triton was imported without its interpreter, and there is no GPU",
)


def problem(n, m, d=2, batch=1, seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(batch, n, d, generator=generator, dtype=torch.float64).to(DEVICE)
    y = 0.5 + 1.3 * torch.randn(batch, m, d, generator=generator, dtype=torch.float64).to(DEVICE)
    a = torch.full((batch, n), 1 / n, dtype=torch.float64, device=DEVICE)
    b = torch.full((batch, m), 1 / m, dtype=torch.float64, device=DEVICE)
    return x, y, a, b


def weights(batch, n, seed=0, power=1):
    generator = torch.Generator().manual_seed(seed)
    w = torch.rand(batch, n, generator=generator, dtype=torch.float64).to(DEVICE) ** power
    return w / w.sum(1, keepdim=True)


def solved(x, y, a, b, p, share, tol, **options):
    """Solve with ε a share of the mean cost; return the launch's result and the float64 marginal errors."""
    mean = Euclidean(p).mean(x, y, a, b)
    epsilon = share * mean
    result = solve_resident(Points.of(x, y, p, SINGLE), a, b, epsilon, start=mean, tol=tol, **options)
    geometry = DenseGeometry(x, y, Euclidean(p))
    f = geometry.softmin(epsilon, result.g + epsilon[:, None] * b.log(), 1)
    rows, columns = geometry.marginals(epsilon, f, result.g, a, b)
    return result, (rows - a).abs().sum(1) + (columns - b).abs().sum(1)


@pytest.mark.parametrize(
    ("n", "m", "p", "share", "tol"),
    [
        (1, 1, 2.0, 0.1, 1e-5),
        (1, 20, 1.0, 0.1, 1e-5),
        (20, 1, 2.0, 0.1, 1e-5),
        (17, 33, 2.0, 0.1, 1e-5),
        (64, 64, 2.0, 0.05, 1e-3),
        (33, 17, 1.0, 0.05, 1e-5),
        (30, 30, 1.5, 0.02, 1e-4),
        (100, 128, 2.0, 0.05, 1e-3),
        (130, 40, 2.0, 0.05, 1e-4),
        (40, 130, 1.0, 0.05, 1e-4),
    ],
)
def test_the_marginals_are_met_to_the_tolerance(n, m, p, share, tol):
    result, error = solved(*problem(n, m), p, share, tol)
    assert float(error) <= tol
    # What the kernel says of itself is what float64 finds, up to float32's rounding.
    torch.testing.assert_close(result.error.double(), error, atol=3e-6, rtol=0.1)
    assert 0 < int(result.passes) < resident._PASSES


def test_the_potentials_are_those_of_the_reference():
    x, y, a, b = problem(40, 50)
    mean = Euclidean(2.0).mean(x, y, a, b)
    result, _ = solved(x, y, a, b, 2.0, 0.05, 1e-5)
    dense = Problem(DenseGeometry(x, y, Euclidean(2.0)), a, b, 0.05 * mean)
    reference = balanced.solve(dense, Limits(1e-10, 5000), first=mean).g
    # Potentials are unique up to a constant.
    torch.testing.assert_close(
        result.g - result.g.mean(), reference - reference.mean(), rtol=0, atol=1e-3 * float(mean)
    )


@pytest.mark.parametrize("sizes", [(40, 30), (140, 30)])
def test_weights_may_be_zero_or_range_over_many_orders(sizes):
    n, m = sizes
    x, y, _, _ = problem(n, m, batch=2)
    a, b = weights(2, n, power=8), weights(2, m, seed=1)
    a[0, n // 2 :] = 0  # what a ragged batch looks like
    b[0, m - 5 :] = 0
    b[1, 3] = 0  # a zero inside
    a, b = a / a.sum(1, keepdim=True), b / b.sum(1, keepdim=True)
    result, error = solved(x, y, a, b, 2.0, 0.05, 1e-4)
    assert (error <= 1e-4).all()
    assert result.g.isfinite().all()
    # A point without weight has the potential that its column sum defines.
    epsilon = 0.05 * Euclidean(2.0).mean(x, y, a, b)
    geometry = DenseGeometry(x, y, Euclidean(2.0))
    f = geometry.softmin(epsilon, result.g + epsilon[:, None] * b.log(), 1)
    g = geometry.softmin(epsilon, f + epsilon[:, None] * a.log(), 0)
    nothing = b == 0
    torch.testing.assert_close(result.g[nothing], g[nothing], rtol=1e-3, atol=1e-3)


def test_every_problem_has_its_own_epsilon_and_its_own_stop():
    x, y, a, b = problem(12, 15, batch=3)
    mean = Euclidean(2.0).mean(x, y, a, b)
    epsilon = torch.tensor([1.0, 0.1, 0.02], dtype=torch.float64, device=DEVICE) * mean
    points = Points.of(x, y, 2.0, SINGLE)
    together = solve_resident(points, a, b, epsilon, start=mean, tol=1e-4)
    assert together.passes[0] < together.passes[1] < together.passes[2]
    for k in range(3):
        one = torch.tensor([k], device=DEVICE)
        alone = solve_resident(points.take(one), a[one], b[one], epsilon[one], start=mean[one], tol=1e-4)
        torch.testing.assert_close(alone.g[0], together.g[k])
        assert alone.passes[0] == together.passes[k]


def test_a_batch_beyond_one_launch_is_solved_in_several(monkeypatch):
    args = problem(5, 7, batch=3)
    whole, _ = solved(*args, 2.0, 0.1, 1e-4)
    monkeypatch.setattr(resident, "_SLICE", 2 * 5 * 7)
    parts, _ = solved(*args, 2.0, 0.1, 1e-4)
    torch.testing.assert_close(parts.g, whole.g)
    assert parts.passes.tolist() == whole.passes.tolist()


def test_identical_clouds_and_duplicated_points_are_ordinary():
    x, _, a, _ = problem(20, 20)
    x[:, 10:] = x[:, :10]
    for p in (1.0, 2.0):
        _, error = solved(x, x, a, a, p, 0.05, 1e-4)
        assert float(error) <= 1e-4


def test_a_problem_without_extent_is_solved_at_once():
    x = torch.zeros(1, 5, 2, dtype=torch.float64, device=DEVICE)
    a = weights(1, 5)
    one = torch.ones(1, dtype=torch.float64, device=DEVICE)
    result = solve_resident(Points.of(x, x, 2.0, SINGLE), a, a, one, start=one, tol=1e-5)
    torch.testing.assert_close(result.g, torch.zeros_like(result.g), atol=1e-6, rtol=0)


def test_the_limit_on_passes_is_kept_and_leaves_numbers():
    x, y, a, b = problem(30, 30)
    mean = Euclidean(2.0).mean(x, y, a, b)
    result = solve_resident(Points.of(x, y, 2.0, SINGLE), a, b, 1e-3 * mean, start=mean, tol=1e-6, limit=20)
    # A Newton step that has begun is finished.
    assert 20 <= int(result.passes) <= 20 + 70
    assert result.g.isfinite().all()
    assert float(result.error) > 1e-6
