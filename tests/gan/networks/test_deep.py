"""Deep residual networks: their weights, and the least images."""

import torch

from otgan.gan.networks import Space, critic, generator
from tests.gan.networks.made import filled

CIFAR = Space((3, 32, 32))


def test_they_have_the_weights_that_their_blocks_add_up_to():
    with torch.device("meta"):
        made = [
            generator(CIFAR, "deep-resnet", latent=128, width=128, depth=1),
            critic(CIFAR, "deep-resnet", width=128, depth=1),
        ]
    # By hand: a linear layer to 4 x 4 pixels, three blocks of two convolutions and two norms, a norm, the last convolution;
    # and the first convolution, four blocks, a linear layer.
    convolution = 128 * 128 * 9 + 128
    first, last = 128 * 2048 + 2048, 128 * 3 * 9 + 3
    assert sum(p.numel() for p in made[0].parameters()) == first + 3 * (2 * convolution + 512) + 256 + last
    assert sum(p.numel() for p in made[1].parameters()) == 3 * 128 * 9 + 128 + 8 * convolution + 129


def test_an_encoder_takes_images_that_are_as_small_as_they_get():
    network = filled(critic, Space((1, 4, 20)), "deep-resnet", width=4, depth=1)
    assert network(torch.rand(2, 1, 4, 20)).shape == (2,)
