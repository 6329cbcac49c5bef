import numpy as np
import pytest
import torch
from torch import nn

from otgan.gan.datasets.training_data import TrainingData
from otgan.gan.errors import RunError
from otgan.gan.systems.gan import GAN
from otgan.gan.systems.wae import WAEMMD
from otgan.gan.training.own_modules import check_encoder, check_generator, watch_critic
from otgan.gan.training.state import State

DATA = TrainingData.of(np.random.default_rng(0).normal(size=(60, 2)), 0)
SMALL = {"batch": 8, "latent": 3, "width": 4, "depth": 1}


def batches(system):
    return State.start(system, DATA, 0, torch.device("cpu")).batches


def test_a_generator_makes_samples_like_the_datas():
    given = batches(GAN(**SMALL))
    own = {"generator": nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))}
    before = own["generator"][1].running_mean.clone()
    check_generator(own, given, (2,), own)
    assert own["generator"].training
    assert torch.equal(own["generator"][1].running_mean, before)
    with pytest.raises(RunError, match=r"makes samples of shape \(4,\); those of the data have \(2,\)"):
        check_generator({"generator": nn.Linear(3, 4)}, given, (2,), {"generator": None})
    with pytest.raises(RunError, match=r"your generator cannot take rows of shape \(3,\)"):
        check_generator({"generator": nn.Linear(2, 2)}, given, (2,), {"generator": None})
    check_generator({"generator": nn.Linear(9, 9)}, given, (2,), {})  # it is the system's


@pytest.mark.parametrize(("kind", "length"), [("deterministic", 3), ("gaussian", 6)])
def test_an_encoder_makes_rows_of_the_length_of_its_kind(kind, length):
    system = WAEMMD(**SMALL, encoder=kind)
    given = batches(system)
    check_encoder(system, {"encoder": nn.Linear(2, length)}, given, {"encoder": None})
    with pytest.raises(RunError, match=rf"encoder={kind} with latent=3 makes rows of shape \({length},\)"):
        check_encoder(system, {"encoder": nn.Linear(2, length + 1)}, given, {"encoder": None})
    with pytest.raises(RunError, match=r"your encoder cannot take rows of shape \(2,\)"):
        check_encoder(system, {"encoder": nn.Linear(5, length)}, given, {"encoder": None})


def test_systems_without_an_encoder_have_nothing_to_check():
    check_encoder(GAN(**SMALL), {}, batches(GAN(**SMALL)), {"encoder": None})


@pytest.mark.parametrize("made", [(2,), ()])
def test_a_critic_makes_one_number_a_row(made):
    critic = Making(made)
    watch_critic({"critic": critic, "generator": nn.Linear(2, 2)})
    with pytest.raises(
        RunError, match=r"your critic must make one number a row, shape \(8,\) or \(8, 1\), got"
    ):
        critic(torch.zeros(8, 2))


def test_a_critic_is_looked_at_once():
    critic = Making((1,))
    watch_critic({"critic": critic})
    critic(torch.zeros(8, 2))
    critic.made = (2,)
    critic(torch.zeros(8, 2))


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_a_compiled_critic_takes_no_hooks():
    critic = torch.jit.trace(nn.Linear(2, 1), torch.zeros(8, 2))
    watch_critic({"critic": critic})
    assert critic(torch.zeros(8, 2)).shape == (8, 1)


class Making(nn.Module):
    """Makes numbers of a shape for each row, of () one in all."""

    def __init__(self, made):
        super().__init__()
        self.made = made

    def forward(self, x):
        return x.new_zeros(len(x), *self.made) if self.made else x.sum()
