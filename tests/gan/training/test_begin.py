import numpy as np
import torch

from otgan.gan.datasets.training_data import TrainingData
from otgan.gan.parallel.members import Alone, Together
from otgan.gan.systems.gan import GAN
from otgan.gan.training.begin import Begun, shared_begin
from otgan.gan.training.schedule import Schedule
from otgan.gan.training.state import State
from tests.gan.parallel.threads import ranks
from tests.gan.runs import assert_same

DATA = TrainingData.of(np.random.default_rng(0).normal(size=(60, 2)), 0)
SYSTEM = GAN(batch=8, width=4, depth=1, latent=2)
BEGUN = Begun(Schedule(7, 2, 3, 4), [{"step": 2, "js": 0.5}], [{"names": ["js"], "terms": torch.ones(1, 1)}])


def stage(seed):
    return State.start(SYSTEM, DATA, seed, torch.device("cpu"))


def test_one_process_begins_as_it_is():
    assert shared_begin(Alone(), stage(0), lambda: BEGUN) is BEGUN


def test_ranks_begin_as_the_first():
    def act(team):
        state = stage(team.rank)
        state.step = 2 * (team.rank == 0)
        begun = shared_begin(Together(team), state, lambda: BEGUN)
        return state.step, state.state_dict(), begun

    first, second = ranks(2, act)
    assert first[0] == second[0] == 2
    assert_same(first[1], second[1])
    assert second[2].schedule == BEGUN.schedule
    assert second[2].history == BEGUN.history
    assert_same(second[2].pending, BEGUN.pending)
