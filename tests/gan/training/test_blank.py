import pytest
import torch

from otgan.gan.errors import OptionError, RunError
from otgan.gan.networks import Space
from otgan.gan.systems.gan import GAN
from otgan.gan.training.blank import blank_networks, net_size, sized, unknown_network


def test_networks_without_memory_touch_no_random_state():
    before = torch.get_rng_state()
    made = blank_networks(GAN(latent=3, width=4, depth=1), Space((2,)))
    assert torch.equal(torch.get_rng_state(), before)
    assert {p.device.type for net in made.values() for p in net.parameters()} == {"meta"}
    assert net_size(made["generator"]) == 3 * 4 + 4 + 4 * 2 + 2


def test_what_fits_nowhere_is_one_sentence_and_sentences_stay():
    with pytest.raises(RunError, match="width=2147483647, depth=3 and latent=128 ask for too much memory"):
        blank_networks(GAN(width=2**31 - 1, depth=3), Space((2,)))
    for error in (RunError("mine"), OptionError("mine")):
        with pytest.raises(type(error), match=r"^mine$"), sized(GAN()):
            raise error
    with pytest.raises(KeyError), sized(GAN()):
        raise KeyError


def test_an_unknown_network_is_told_the_known_ones():
    found = unknown_network(GAN(), "critics", {"generator": 1, "critic": 2})
    assert str(found) == "gan has no network 'critics'; it has generator, critic"
