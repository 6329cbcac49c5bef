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


def labelled(n=60, size=12, seed=0):
    """Samples that say their class: 0, 1 or 2 in their last digit, in proportions 3 : 2 : 1."""
    label = torch.tensor([0, 0, 0, 1, 1, 2]).repeat(n // 6)
    points = 10 * torch.arange(n) + label
    return Batches(points, size, 4, "normal", seed, label, 3), label


def test_labels_belong_to_the_rows_of_the_batch():
    batches, _ = labelled()
    first = batches.label
    assert torch.equal(batches.real() % 10, first)  # those of the first batch before there is any
    for _ in range(20):
        rows = batches.real()
        assert torch.equal(rows % 10, batches.label)
        before = batches.label
        batches.noise()
        assert torch.equal(batches.label, before)


def test_labels_go_with_the_position():
    ahead, _ = labelled()
    for _ in range(7):
        ahead.real()
    behind, _ = labelled()
    behind.load_state_dict(ahead.state_dict())
    assert torch.equal(behind.label, ahead.label)
    behind.go_on()
    assert torch.equal(ahead.real() % 10, behind.label)
    other = ahead.apart(3)
    assert torch.equal(other.real() % 10, other.label)


def test_more_of_a_batch_is_of_its_classes_and_of_all_samples_of_them():
    batches, label = labelled()
    seen = set()
    for _ in range(300):
        batches.real()
        rows = batches.more()
        assert torch.equal(label[rows], batches.label)
        seen |= set(rows.tolist())
    assert seen == set(range(60))


def test_without_labels_more_is_the_next_batch():
    batches, other = make(), make()
    assert batches.label is None
    batches.go_on()
    assert torch.equal(batches.points[batches.more()], other.real())
    assert torch.equal(batches.rng.get_state(), other.rng.get_state())
