"""The data that the maps are tried on, and a state of a system that compares their rows."""

import torch

from otgan.gan.datasets.training_data import TrainingData
from otgan.gan.systems import SYSTEMS
from otgan.gan.training.state import State

DATA = ("8gaussians", "digits")
SMALL = {"batch": 24, "latent": 2, "width": 8, "depth": 1, "code_width": 8, "code_depth": 1}


def start(name, **options):
    data = TrainingData.of(name, 0)
    system = SYSTEMS["sinkhorn"].for_data(data.space.kind, {**SMALL, **options})
    return system, State.start(system, data, 0, torch.device("cpu"))
