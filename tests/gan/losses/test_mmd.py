import numpy as np
import pytest
import torch

from otgan.gan.losses.mmd import SCALES, inverse_multiquadratic, mmd, mmd_by_class, permutation_band
from otgan.gan.streams import seeded

CPU = torch.device("cpu")


def draw(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def kernel(u, v, scale):
    square = float((u - v).square().sum())
    return sum(s * scale / (s * scale + square) for s in SCALES)


def test_kernel_and_statistic_are_their_formulas():
    x, y, scale = draw(0, 5, 3), draw(1, 4, 3), 6.0
    direct = torch.tensor([[kernel(u, v, scale) for v in y] for u in x], dtype=torch.float64)
    assert torch.allclose(inverse_multiquadratic(x, y, scale), direct, rtol=1e-10)
    within_x = sum(kernel(u, v, scale) for i, u in enumerate(x) for j, v in enumerate(x) if i != j)
    within_y = sum(kernel(u, v, scale) for i, u in enumerate(y) for j, v in enumerate(y) if i != j)
    expected = within_x / (5 * 4) + within_y / (4 * 3) - 2 * float(direct.mean())
    assert float(mmd(x, y, scale)) == pytest.approx(expected, rel=1e-10)


def test_statistic_is_unbiased_and_may_be_negative():
    shift, scale = 1.0, 4.0
    small = torch.stack([mmd(draw(3 * k, 4, 2), draw(3 * k + 1, 4, 2) + shift, scale) for k in range(400)])
    large = float(mmd(draw(7001, 1000, 2), draw(7002, 1000, 2) + shift, scale))
    assert abs(float(small.mean()) - large) < 4 * float(small.std()) / 400**0.5
    equal = torch.stack([mmd(draw(3 * k, 4, 2), draw(3 * k + 1, 4, 2), scale) for k in range(400)])
    assert abs(float(equal.mean())) < 4 * float(equal.std()) / 400**0.5
    assert 0.3 < float((equal < 0).double().mean()) < 0.7


def test_gradient_is_finite_where_codes_coincide():
    x = draw(0, 6, 2).requires_grad_()
    (gradient,) = torch.autograd.grad(mmd(x, x.detach(), 4.0), x)
    assert torch.isfinite(gradient).all()


def test_band_is_the_quantile_over_divisions_of_the_pool():
    x, y = draw(0, 7, 2), draw(1, 5, 2)
    pool = torch.cat([x, y])
    order = torch.rand(50, 12, generator=seeded(CPU, 0, 7)).argsort(1)
    found = torch.stack([mmd(pool[row < 7], pool[row >= 7], 4.0) for row in order])
    assert permutation_band(x, y, 4.0, n=50) == pytest.approx(float(found.quantile(0.95)), rel=1e-9)


def test_band_holds_equal_laws_and_not_others():
    rng = np.random.default_rng(0)
    pairs = [torch.from_numpy(rng.normal(size=(2, 40, 3))) for _ in range(100)]
    outside = [float(mmd(x, y, 6.0)) > permutation_band(x, y, 6.0, n=200) for x, y in pairs]
    assert sum(outside) <= 13  # 5 expected; more than 13 once in a thousand times
    assert all(float(mmd(x, y + 1, 6.0)) > permutation_band(x, y + 1, 6.0, n=200) for x, y in pairs[:10])


def test_by_class_it_is_the_mean_over_rows_of_those_within_their_classes():
    label = torch.tensor([0, 1, 0, 2, 1, 0, 1, 0, 3])  # of 2 and 3 there is one row each
    x, y, scale = draw(0, 9, 2), draw(1, 9, 2) + 0.5, 4.0
    expected = sum(
        int((label == k).sum()) / 9 * float(mmd(x[label == k], y[label == k], scale)) for k in (0, 1)
    )
    assert float(mmd_by_class(x, y, label, scale)) == pytest.approx(expected, rel=1e-10)
    same = torch.zeros(9, dtype=torch.long)
    assert float(mmd_by_class(x, y, same, scale)) == pytest.approx(float(mmd(x, y, scale)), rel=1e-10)
