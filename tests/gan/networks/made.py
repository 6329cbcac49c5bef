"""Networks with weights, of every architecture on every kind of data that it takes."""

import torch

from otgan.gan.networks import initialize

CPU = torch.device("cpu")
CASES = [
    ((2,), "mlp"),
    ((1, 8, 8), "mlp"),
    ((1, 28, 28), "mlp"),
    ((1, 28, 28), "dcgan"),
    ((3, 32, 32), "dcgan"),
    ((1, 28, 28), "resnet"),
    ((3, 32, 32), "resnet"),
    ((1, 28, 28), "deep-resnet"),
    ((3, 32, 64), "deep-resnet"),
]


def filled(make, *args, seed=0, **options):
    with torch.device("meta"):
        network = make(*args, **options)
    return initialize(network, torch.Generator().manual_seed(seed), CPU)
