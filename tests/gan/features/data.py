"""The data that the maps are tried on, and a state of a system that compares their rows."""

import dataclasses

import torch

from otgan.gan.datasets.training_data import TrainingData
from otgan.gan.systems import SYSTEMS
from otgan.gan.training.state import State

DATA = ("8gaussians", "digits")
SMALL = {"batch": 24, "latent": 2, "width": 8, "depth": 1, "code_width": 8, "code_depth": 1}


def start(name, system="sinkhorn", **options):
    data, kind = TrainingData.of(name, 0), SYSTEMS[system]
    small = {field.name: SMALL[field.name] for field in dataclasses.fields(kind) if field.name in SMALL}
    system = kind.for_data(data.space.kind, {**small, **options})
    return system, State.start(system, data, 0, torch.device("cpu"))
