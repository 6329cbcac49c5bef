import pytest
import torch
from torch import nn
from torch.distributions import Bernoulli, Independent

from otgan.gan.errors import OptionError
from otgan.gan.networks import Space, initialize
from otgan.gan.systems.aae import AAE
from otgan.gan.systems.autoencoder import Encoder
from otgan.gan.systems.wae import WAEGAN

CPU = torch.device("cpu")
SMALL = {"latent": 3, "width": 8, "depth": 1, "critic_width": 8}


def nets_of(system, shape=(2,)):
    rng = torch.Generator().manual_seed(0)
    with torch.device("meta"):
        made = system.networks(Space(shape))
    return {name: initialize(net, rng, CPU) for name, net in made.items()}


@pytest.mark.parametrize("encoder", Encoder)
def test_codes_are_drawn_by_noise_and_the_code_of_a_sample_is_always_the_same(encoder):
    system = WAEGAN(**SMALL, encoder=encoder)
    nets, x = nets_of(system), torch.randn(50, 2)
    rng = torch.Generator().manual_seed(1)
    one, other = (system.encode(nets, x, system.encoder_noise(50, rng)) for _ in range(2))
    assert one.shape == (50, 3)
    assert torch.equal(one, other) == (encoder == "deterministic")
    assert torch.equal(system.code(nets, x), system.code(nets, x))
    # It does not depend on what else is encoded.
    assert torch.allclose(system.code(nets, x)[:7], system.code(nets, x[:7]), atol=1e-6)
    noise = system.encoder_noise(50, rng)
    assert system.encoder_rows(nets["encoder"], x, noise).shape == (50, system.row_length)


@pytest.mark.parametrize("encoder", ["gaussian", "implicit"])
def test_posterior_has_the_moments_of_the_codes(encoder):
    system = WAEGAN(**SMALL, encoder=encoder)
    nets, x = nets_of(system), torch.randn(4, 2)
    rng = torch.Generator().manual_seed(1)
    many = x.repeat_interleave(4000, 0)
    codes = system.encode(nets, many, system.encoder_noise(len(many), rng)).unflatten(0, (4, 4000))
    mean, log_variance = system.posterior(nets, x)
    assert torch.allclose(mean, codes.mean(1), atol=0.15)
    assert torch.allclose(log_variance, codes.var(1).log(), atol=0.25)
    if encoder == "gaussian":
        assert torch.equal(system.code(nets, x), mean)


def test_prior_variance():
    assert WAEGAN().prior_variance == 1
    assert WAEGAN(prior="uniform").prior_variance == pytest.approx(1 / 12)


def test_the_adversary_descends_its_cross_entropy_and_the_encoder_the_other_side():
    system = WAEGAN(**SMALL)
    logits = torch.tensor([0.3, -1.2, 2.0])
    found = system.latent_penalty({"critic": nn.Identity()}, logits)
    assert float(found) == pytest.approx(-float(logits.sigmoid().log().mean()), rel=1e-6)


def test_decoders_have_the_likelihood_that_they_name():
    system = AAE(**SMALL, likelihood="bernoulli")
    nets, x = nets_of(system, (1, 4, 4)), (torch.rand(5, 1, 4, 4) < 0.5).float()
    z = torch.randn(5, 3)
    expected = Independent(Bernoulli(nets["generator"](z)), 3).log_prob(x)
    assert torch.allclose(system.log_likelihood(nets, x, z), expected, rtol=1e-4)


def test_one_optimizer_trains_all_that_encodes_and_decodes():
    system = AAE(**SMALL, learn_variance=True)
    nets = nets_of(system)
    optimizers = system.optimizers(nets)
    assert set(optimizers) == {"autoencoder", "critic"}
    wanted = {id(p) for name in ("generator", "encoder", "likelihood") for p in nets[name].parameters()}
    assert {id(p) for p in optimizers["autoencoder"].param_groups[0]["params"]} == wanted
    assert {id(p) for p in optimizers["critic"].param_groups[0]["params"]} == {
        id(p) for p in nets["critic"].parameters()
    }


def test_options_are_checked():
    with pytest.raises(OptionError, match="noise must be at least 1, got 0"):
        WAEGAN(noise=0)
    with pytest.raises(OptionError, match="likelihood must be one of gaussian, bernoulli, got 'laplace'"):
        AAE(likelihood="laplace")
