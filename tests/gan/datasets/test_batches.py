import pytest
import torch

from otgan.gan.datasets.batches import Batches
from otgan.gan.errors import RunError
from otgan.gan.networks import draw_noise
from otgan.gan.streams import seeded


def make(n=10, size=3, seed=0):
    return Batches(torch.arange(n), size, 4, "normal", seed)


def test_epoch_is_without_replacement_and_leaves_out_what_fills_no_batch():
    batches = make()
    first = torch.cat([batches.real() for _ in range(3)])
    assert len(first.unique()) == 9
    assert batches.epoch == 0
    second = torch.cat([batches.real() for _ in range(3)])
    assert batches.epoch == 1
    assert len(second.unique()) == 9
    assert not torch.equal(first, second)


def test_position_is_restored_to_the_bit():
    ahead, behind = make(), make(seed=0)
    for _ in range(5):
        ahead.real(), ahead.noise(), ahead.uniform(2)
    state = ahead.state_dict()
    expected = [(ahead.real(), ahead.noise(), ahead.uniform(3, 1)) for _ in range(4)]
    behind.load_state_dict(state)
    for x, z, u in expected:
        assert torch.equal(behind.real(), x)
        assert torch.equal(behind.noise(), z)
        assert torch.equal(behind.uniform(3, 1), u)


def test_seeds_and_streams_differ():
    assert not torch.equal(make(seed=0).noise(), make(seed=1).noise())
    cpu = torch.device("cpu")
    assert not torch.equal(
        torch.rand(3, generator=seeded(cpu, 0, 1)), torch.rand(3, generator=seeded(cpu, 0, 2))
    )


def test_too_few_samples_for_a_batch():
    with pytest.raises(RunError, match=r"10 samples .* too few for a batch of 11"):
        make(size=11)


def test_priors():
    rng = seeded(torch.device("cpu"), 0)
    uniform = draw_noise(1000, 2, "uniform", rng)
    assert uniform.min() >= 0
    assert uniform.max() <= 1
    assert abs(float(draw_noise(10000, 2, "normal", rng).std()) - 1) < 0.02
