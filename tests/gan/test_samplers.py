import numpy as np
import pytest
import torch
from scipy.stats import kstest

import otgan
from otgan.gan import OptionError, Run, RunError, train
from otgan.gan.networks import Prior
from otgan.gan.samplers import SAMPLERS, check_sampler, laws_of

SMALL = {"batch": 32, "width": 16, "depth": 2, "latent": 2}


def test_the_codes_of_a_gaussian_make_a_mixture_that_is_it():
    rng = np.random.default_rng(0)
    root = np.array([[2.0, 0.0], [-1.0, 0.5]])
    codes = (np.array([5.0, -3.0]) + rng.normal(size=(4000, 2)) @ root.T).astype(np.float32)
    drawn = SAMPLERS["mixture"](codes, Prior.NORMAL).draw(20000, rng)
    assert drawn.dtype == np.float32
    whitened = np.linalg.solve(root, (drawn - [5.0, -3.0]).T)
    for row in (*whitened, (whitened[0] + whitened[1]) / np.sqrt(2)):
        assert kstest(row, "norm").statistic < 0.03


@pytest.mark.parametrize("prior", Prior)
def test_noise_is_carried_to_the_codes_in_order(prior):
    """On the line an optimal map keeps the order: where half the codes are at −4 and half at 4, low noise goes to −4."""
    codes = np.repeat([[-4.0], [4.0]], 500, 0).astype(np.float32)
    drawn = SAMPLERS["transport"](codes, prior).draw(400, np.random.default_rng(0))
    assert drawn.shape == (400, 1)
    assert np.mean(np.abs(np.abs(drawn) - 4) < 0.5) > 0.8
    assert 0.4 < np.mean(drawn > 0) < 0.6


@pytest.mark.parametrize(("shift", "width"), [(1e3, 1.0), (0.0, 1e6), (0.0, 1e-6), (5.0, 1e-3)])
@pytest.mark.parametrize("name", SAMPLERS)
def test_codes_far_from_the_prior_and_of_any_width_keep_their_spread(name, shift, width):
    codes = (shift + width * np.random.default_rng(1).normal(size=(500, 3))).astype(np.float32)
    drawn = SAMPLERS[name](codes, Prior.NORMAL).draw(500, np.random.default_rng(0)).astype(np.float64)
    assert np.allclose(drawn.mean(0), codes.mean(0), atol=0.3 * width)
    assert np.allclose(drawn.std(0), codes.std(0), rtol=0.25)


def test_coordinates_of_a_mixture_may_have_any_units():
    widths = np.array([1e-4, 1.0, 1e4])
    codes = (widths * np.random.default_rng(1).normal(size=(2000, 3))).astype(np.float32)
    drawn = SAMPLERS["mixture"](codes, Prior.NORMAL).draw(4000, np.random.default_rng(0)).astype(np.float64)
    assert np.allclose(drawn.std(0), widths, rtol=0.1)


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("codes", [np.zeros((1, 2)), np.ones((30, 2)), np.eye(3)])
def test_few_codes_and_equal_ones_make_a_law(name, codes):
    drawn = SAMPLERS[name](codes.astype(np.float32), Prior.NORMAL).draw(5, np.random.default_rng(0))
    assert drawn.shape == (5, codes.shape[1])
    assert np.abs(drawn - codes.mean(0)).max() < 5


def test_the_law_has_both_of_two_clusters():
    rng = np.random.default_rng(0)
    codes = np.concatenate([rng.normal(at, 0.1, (500, 2)) for at in (-2, 2)]).astype(np.float32)
    for name, fit in SAMPLERS.items():
        drawn = fit(codes, Prior.NORMAL).draw(1000, rng)
        assert otgan.emd(drawn, codes) < 0.5, name


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    return train("wae-mmd", "8gaussians", 40, 0, folder / "run", options=SMALL)


@pytest.mark.parametrize("sampler", ["prior", *SAMPLERS])
def test_runs_draw_by_any_law_and_repeatably(run, sampler):
    samples = run.sample(30, seed=1, sampler=sampler)
    assert samples.shape == (30, 2)
    assert np.array_equal(run.sample(30, seed=1, sampler=sampler), samples)
    assert not np.array_equal(run.sample(30, seed=2, sampler=sampler), samples)
    assert np.array_equal(Run.load(run.folder.path).sample(30, seed=1, sampler=sampler), samples)
    assert run.evaluate(n=100, sampler=sampler)["n"] == 100


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_runs_by_class_draw_each_class_by_its_own_law(sampler):
    rng = np.random.default_rng(0)
    label = np.arange(400) % 2
    points = rng.normal(8 * label[:, None], 1.0, (400, 2)).astype(np.float32)
    run = train(
        "wae-mmd", points, 1, 0, labels=np.array(["low", "high"])[label], conditional=True, options=SMALL
    )
    codes = {name: run.encode(points[label == k]) for k, name in enumerate(("low", "high"))}
    assert otgan.emd(codes["low"], codes["high"]) > 0.2
    laws = laws_of(sampler, run.model, lambda: run.judge().train, by_class=True)
    names = run.model.classes.names
    drawn = laws.draw(600, rng, np.arange(600) % 3 // 2)
    for k, name in enumerate(names):
        mine = drawn[np.arange(600) % 3 // 2 == k]
        other = codes[names[1 - k]]
        assert otgan.emd(mine, codes[name]) < otgan.emd(mine, other) / 2
    assert run.sample(5, seed=0, sampler=sampler, label="high").shape == (5, 2)
    assert run.sample(5, seed=0, sampler=sampler).shape == (5, 2)


def test_laws_that_are_none_and_systems_without_codes_are_refused(run):
    for wrong in ("gmm", None, 3):
        with pytest.raises(OptionError, match="sampler must be one of prior, mixture, transport, got"):
            run.sample(2, sampler=wrong)
    assert check_sampler("mixture") == "mixture"
    other = train("gan", "8gaussians", 1, options=SMALL)
    with pytest.raises(OptionError, match="gan has no encoder"):
        other.sample(2, sampler="mixture")


def test_the_data_of_a_run_must_be_there(tmp_path):
    points = np.random.default_rng(0).normal(size=(200, 2))
    run = train("wae-mmd", points, 2, 0, tmp_path / "run", options=SMALL)
    assert run.sample(3, sampler="mixture").shape == (3, 2)
    with pytest.raises(RunError, match="trained on an array"):
        Run.load(tmp_path / "run").sample(3, sampler="mixture")


def test_no_global_state_is_touched(run):
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    run.sample(3, seed=0, sampler="mixture")
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002
