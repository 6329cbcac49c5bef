import numpy as np
import pytest
import torch
from torch import nn

from otgan.gan.datasets.scaling import Scaling
from otgan.gan.errors import DivergedError, OptionError
from otgan.gan.model import Model
from otgan.gan.networks import Space
from otgan.gan.systems.gan import GAN
from otgan.gan.systems.wae import WAEMMD


def model(space=(2,), prior="normal", generator=None, encoder=None):
    """A model whose networks are known: the identity, in units of 10 about 5."""
    space = Space(space)
    scaling = Scaling(torch.tensor(5.0), 10.0)
    networks = {"generator": generator or nn.Unflatten(1, space.shape), "encoder": encoder or nn.Flatten()}
    return Model(WAEMMD(latent=space.dim, prior=prior), space, scaling, networks, step=3)


def test_samples_are_in_the_units_of_the_data_and_follow_the_prior():
    for prior, mean, deviation in (("normal", 5, 10), ("uniform", 10, 10 / 12**0.5)):
        found = model(prior=prior).sample(4321, seed=0)
        assert found.shape == (4321, 2)
        assert found.dtype == np.float32
        assert found.mean() == pytest.approx(mean, abs=0.5)
        assert found.std() == pytest.approx(deviation, rel=0.05)
    one = model()
    assert np.array_equal(one.sample(2500, seed=1), one.sample(2500, seed=1))
    assert not np.array_equal(one.sample(3), one.sample(3))


def test_codes_are_in_the_units_of_the_networks_and_decode_to_the_samples():
    rows = np.random.default_rng(0).normal(size=(1500, 4)).astype(np.float32)
    for shape in ((4,), (1, 2, 2)):
        one = model(shape)
        codes = one.encode(rows)
        assert np.allclose(codes, (rows - 5) / 10, atol=1e-6)
        assert np.array_equal(codes, one.encode(rows.reshape(1500, *shape)))
        assert one.decode(codes).shape == (1500, *shape)
        assert np.allclose(one.reconstruct(rows).reshape(1500, 4), rows, atol=1e-5)


@pytest.mark.parametrize(("prior", "middle", "deviation"), [("normal", 0, 1), ("uniform", 0.5, 12**-0.5)])
def test_a_traversal_moves_one_coordinate_after_the_other_across_the_prior(prior, middle, deviation):
    x = np.array([1.0, 2.0, 3.0])
    found = (model((3,), prior).traverse(x, steps=5, reach=1.5) - 5) / 10
    assert found.shape == (3, 5, 3)
    for k in range(3):
        assert np.allclose(found[k, :, k], middle + deviation * np.linspace(-1.5, 1.5, 5), atol=1e-5)
        rest = [j for j in range(3) if j != k]
        assert np.allclose(found[k][:, rest], (x[rest] - 5) / 10, atol=1e-5)


def test_a_long_code_is_traversed_in_its_first_coordinates():
    assert model((20,)).traverse(np.zeros(20), steps=2).shape == (16, 2, 20)


class Broken(nn.Module):
    def forward(self, x):
        return x * float("nan")


def test_numbers_that_are_not_finite_are_told_with_the_step():
    with pytest.raises(DivergedError, match="step 3: the generator makes samples that are not finite"):
        model(generator=Broken()).sample(2)
    with pytest.raises(DivergedError, match="step 3: the encoder makes codes that are not finite"):
        model(encoder=Broken()).encode(np.zeros((2, 2)))


def test_other_shapes_and_systems_are_refused():
    one = model((1, 2, 2))
    for attempt, message in (
        (lambda: one.encode(np.zeros((3, 5))), r"samples must have the shape \(n, 1, 2, 2\), got \(3, 5\)"),
        (lambda: one.decode(np.zeros((3, 5))), r"codes must have the shape \(n, 4\), got \(3, 5\)"),
        (lambda: one.traverse(np.zeros((3, 4))), r"x must be one sample of shape \(1, 2, 2\)"),
    ):
        with pytest.raises(OptionError, match=message):
            attempt()
    plain = Model(GAN(latent=2), Space((2,)), one.scaling, {"generator": nn.Identity()})
    with pytest.raises(OptionError, match="gan has no encoder; wae-gan, wae-mmd, aae, vae, avb have one"):
        plain.encoding()
    assert plain.decode(np.zeros((3, 2))).shape == (3, 2)
