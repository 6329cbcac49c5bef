import math

import numpy as np
import pytest
from scipy.stats import chisquare, kstest
from sklearn.datasets import make_swiss_roll

from otgan.data import SpecError, load, modes, open_spec
from otgan.data.toy import TOY_ROWS, SwissRoll, build


def test_eight_gaussians_are_those_of_the_papers():
    data = open_spec("8gaussians", n=40_000, seed=1)
    centers = data.modes.centers
    assert np.allclose(np.linalg.norm(centers, axis=1), 2 / 1.414)
    assert np.allclose(centers[1], [math.sqrt(2) / 1.414] * 2)
    assert data.modes.std == pytest.approx(0.02 / 1.414)
    noise = (data.points - centers[data.labels]) / data.modes.std
    assert kstest(noise.ravel(), "norm").pvalue > 1e-3
    assert chisquare(np.bincount(data.labels, minlength=8)).pvalue > 1e-3


def test_twenty_five_gaussians_are_those_of_the_papers():
    data = open_spec("25gaussians", n=40_000, seed=1)
    grid = {(2 * i / 2.828, 2 * j / 2.828) for i in range(-2, 3) for j in range(-2, 3)}
    assert {tuple(center) for center in data.modes.centers} == grid
    noise = (data.points - data.modes.centers[data.labels]) * 2.828 / 0.05
    assert kstest(noise.ravel(), "norm").pvalue > 1e-3
    assert chisquare(np.bincount(data.labels, minlength=25)).pvalue > 1e-3


def test_swiss_roll_is_that_of_scikit_learn():
    points, t = make_swiss_roll(500, noise=0.0, random_state=0)
    assert np.allclose(SwissRoll().curve(t), points[:, [0, 2]] / 7.5)
    noisy, _ = make_swiss_roll(20_000, noise=0.25, random_state=0)
    ours = load("swissroll", n=20_000)
    for axis, reference in zip(ours.T, noisy[:, [0, 2]].T / 7.5, strict=True):
        assert kstest(axis, reference).pvalue > 1e-3


def test_swiss_roll_noise_has_its_standard_deviation():
    rng = np.random.default_rng(0)
    points, _ = SwissRoll().sample(50_000, rng)
    angle = np.random.default_rng(0).uniform(1.5 * math.pi, 4.5 * math.pi, 50_000)
    assert (points - SwissRoll().curve(angle)).std() * 7.5 == pytest.approx(0.25, rel=0.02)


def test_lines_stand_at_theta():
    points = load("lines@0.5", n=2000, seed=3)
    assert np.all(points[:, 0] == 0.5)
    assert kstest(points[:, 1], "uniform").pvalue > 1e-3


def test_lines_are_one_distribution_however_theta_is_written():
    assert np.array_equal(load("lines@0.5"), load("lines@.50"))
    assert np.array_equal(load("lines@0"), load("lines@-0.0"))
    third = 1 / 3
    assert load(f"lines@{third!r}")[0, 0] == third


def test_different_specs_and_splits_are_independent_draws_at_one_seed():
    noise = [load(f"lines@{theta}", n=2000)[:, 1] for theta in (0, 1)]
    noise.append(load("lines@0", n=2000, split="test")[:, 1])
    correlation = np.corrcoef(noise)[np.triu_indices(3, 1)]
    assert np.abs(correlation).max() < 0.1


@pytest.mark.parametrize("spec", ["8gaussians", "25gaussians:7", "swissroll", "lines@-2"])
def test_a_draw_is_a_function_of_spec_size_and_seed(spec):
    assert load(spec).shape == (TOY_ROWS, 2)
    assert np.array_equal(load(spec, n=50, seed=4), load(spec, n=50, seed=4))
    assert not np.array_equal(load(spec, n=50, seed=4), load(spec, n=50, seed=5))


def test_one_mode_keeps_its_number_and_its_center():
    data = open_spec("8gaussians:2", n=100)
    assert set(data.labels) == {2}
    assert len(data.classes) == 8
    assert np.allclose(data.points, modes("8gaussians").centers[2], atol=6 * data.modes.std)
    assert np.array_equal(data.modes.centers, modes("8gaussians").centers[2:3])


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("8gaussians:8", "modes are 0 to 7"),
        ("25gaussians:25", "modes are 0 to 24"),
        ("8gaussians:-1", "no class '-1'"),
        ("8gaussians:", "no class ''"),
        ("8gaussians@2", "takes no argument"),
        ("swissroll:0", "no classes"),
        ("lines@1:0", "no classes"),
        ("lines", "like lines@0.5"),
        ("lines@", "like lines@0.5"),
        ("lines@nan", "finite"),
        ("lines@x", "finite"),
    ],
)
def test_what_a_toy_does_not_have_is_wrong_usage(spec, message):
    with pytest.raises(SpecError, match=message):
        load(spec)


def test_only_mixtures_have_modes():
    assert len(modes("25gaussians")) == 25
    for spec in ("swissroll", "digits", "nothing"):
        with pytest.raises(SpecError, match="no mixture"):
            modes(spec)


def test_global_random_state_is_left_alone():
    before = np.random.get_state()[1].copy()  # noqa: NPY002 - the state that must not move
    build("8gaussians").sample(10, np.random.default_rng(0))
    load("swissroll")
    assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002
