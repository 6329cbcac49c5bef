import io

import numpy as np
import pytest
import torch

from otgan.gan.datasets.training_data import TrainingData
from otgan.gan.errors import DivergedError, RunError
from otgan.gan.systems.gan import GAN
from otgan.gan.training.state import State, lr_schedule
from tests.gan.runs import assert_same

CPU = torch.device("cpu")
SYSTEM = GAN(batch=8, width=4, depth=1, latent=2, lr=0.1)
POINTS = np.random.default_rng(0).normal(size=(60, 2))


def start(**options):
    return State.start(
        GAN(batch=8, width=4, depth=1, latent=2, **options), TrainingData.of(POINTS, 0), 0, CPU
    )


def step(state):
    SYSTEM.step(state.nets, state.optimizers, state.batches)
    state.update_averages()
    state.step += 1


def through_a_file(content):
    file = io.BytesIO()
    torch.save(content, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


def test_a_state_goes_on_from_what_it_returned_to_the_bit():
    ahead, behind = start(), start()
    for _ in range(3):
        step(ahead)
    step(behind)
    behind.load_state_dict(through_a_file({"step": ahead.step, **ahead.state_dict()}))
    for _ in range(9):  # beyond an epoch
        step(ahead)
        step(behind)
    assert behind.step == 12
    assert_same(behind.state_dict(), ahead.state_dict())


def test_the_model_in_training_is_that_of_the_averages():
    state = start()
    model = state.model(SYSTEM, TrainingData.of(POINTS, 0).space)
    before = model.sample(3, seed=0)
    step(state)
    assert not np.array_equal(model.sample(3, seed=0), before)
    assert model.networks["generator"] is state.averages["generator"].module
    assert not model.networks["generator"].training
    assert not any(p.requires_grad for p in model.networks["generator"].parameters())


def test_rates_follow_their_schedule():
    assert [lr_schedule(0.1, at, 10) for at in (0, 10, 20, 30)] == pytest.approx([0.1, 0.05, 0.1 / 3, 0.025])
    state = start(lr=0.1)
    for at, rate in ((0, 0.1), (10, 0.05), (30, 0.025)):
        state.step = at
        state.follow_lr_schedule(10)
        for optimizer in state.optimizers.values():
            assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([rate])
    state.step = 90
    state.follow_lr_schedule(0)
    assert state.optimizers["generator"].param_groups[0]["lr"] == pytest.approx(0.025)


def test_weights_that_are_not_finite_are_named():
    state = start()
    state.nets["critic"].register_buffer("mask", torch.tensor([-float("inf"), 0.0]))  # as attention has one
    state.check_finite()
    with torch.no_grad():
        state.nets["critic"][0].weight[1, 1] = float("inf")
    with pytest.raises(DivergedError, match=r"step 7: weights 0\.weight of the critic are not finite"):
        state.check_finite(7)


def test_a_state_of_something_else_is_one_sentence():
    with pytest.raises(RunError, match="the checkpoint does not fit the networks"):
        start().load_state_dict({"step": 3})
    wider = State.start(GAN(batch=8, width=5, depth=1, latent=2), TrainingData.of(POINTS, 0), 0, CPU)
    with pytest.raises(RunError, match=r"does not fit the networks: .*size mismatch"):
        start().load_state_dict({"step": 3, **wider.state_dict()})
