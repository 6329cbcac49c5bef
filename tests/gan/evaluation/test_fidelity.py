import numpy as np
import ot
import pytest

from otgan.gan.evaluation.fidelity import class_tv, frechet, kernel_distance, neighborhoods, sharpness


def test_frechet_is_the_bures_wasserstein_distance(rng):
    x, y = rng.normal(size=(200, 5)), rng.normal(size=(300, 5)) @ rng.normal(size=(5, 5)) + 1
    expected = ot.gaussian.bures_wasserstein_distance(
        x.mean(0), y.mean(0), np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    )
    assert frechet(x, y) == pytest.approx(float(expected) ** 2, rel=1e-8)


def test_frechet_of_few_samples_is_real_and_finite(rng):
    x = rng.normal(size=(6, 40))
    assert frechet(x, x) == pytest.approx(0, abs=1e-9)
    assert 0 < frechet(x, rng.normal(size=(5, 40))) < np.inf
    # A shift alone is its squared length.
    assert frechet(x, x + 0.5) == pytest.approx(40 * 0.25)


def test_kernel_distance_is_unbiased_and_written_out(rng):
    x, y = rng.normal(size=(4, 3)), rng.normal(size=(5, 3))

    def k(u, v):
        return (u @ v / 3 + 1) ** 3

    expected = (
        sum(k(x[i], x[j]) for i in range(4) for j in range(4) if i != j) / 12
        + sum(k(y[i], y[j]) for i in range(5) for j in range(5) if i != j) / 20
        - 2 * sum(k(u, v) for u in x for v in y) / 20
    )
    assert kernel_distance(x, y) == pytest.approx(expected)
    draws = [kernel_distance(rng.normal(size=(30, 2)), rng.normal(size=(30, 2))) for _ in range(400)]
    assert abs(np.mean(draws)) < 4 * np.std(draws) / 20


def test_neighborhoods_of_known_arrangements(rng):
    real = rng.normal(size=(300, 2))
    same = neighborhoods(real, real)
    assert same["precision"] == same["recall"] == same["coverage"] == 1
    far = neighborhoods(real, real + 100)
    assert far == {"precision": 0, "recall": 0, "density": 0, "coverage": 0}
    # One good sample, repeated: precise, but it recalls and covers little.
    collapsed = neighborhoods(real, np.repeat(real[:1], 300, axis=0))
    assert collapsed["precision"] == 1
    assert collapsed["recall"] < 0.02
    assert collapsed["coverage"] < 0.1
    # Of independent draws of one distribution the density is 1 in expectation.
    assert neighborhoods(real, rng.normal(size=(300, 2)))["density"] == pytest.approx(1, abs=0.2)


def test_class_tv():
    assert class_tv(np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1]), 3) == 0
    assert class_tv(np.array([0, 0]), np.array([2, 2]), 3) == 1
    assert class_tv(np.array([0, 0, 1, 1]), np.array([0, 0, 0, 2]), 3) == pytest.approx(0.5)


def test_sharpness_falls_with_blur(rng):
    images = (rng.uniform(size=(20, 1, 16, 16)) > 0.5).astype(np.float32)
    blurred = sum(np.roll(images, k, 2) for k in (-1, 0, 1)) / 3
    assert sharpness(blurred) < 0.5 * sharpness(images)
    ramp = np.broadcast_to(np.arange(16.0), (2, 3, 16, 16))
    assert sharpness(ramp) == 0
    spike = np.zeros((1, 1, 5, 5))
    spike[0, 0, 2, 2] = 1
    assert sharpness(np.ones((3, 1, 2, 2))) == 0
    assert sharpness(spike) == pytest.approx(np.var([-4, 1, 1, 1, 1, 0, 0, 0, 0]))
