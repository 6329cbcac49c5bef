import pytest
import torch

from otgan.gan.losses.potentials import Potentials


def table_of(n):
    table = Potentials()
    table.reset_parameters()
    table.fit(n)
    return table


def test_steps_add_up_without_their_constant():
    table = table_of(4)
    table.ascend(torch.tensor([1.0, 2, 3, 4]))
    table.ascend(torch.tensor([1.0, 0, 0, 0]))
    assert table.current.tolist() == pytest.approx([-0.75, -0.75, 0.25, 1.25])
    assert table.average.tolist() == pytest.approx([-1.125, -0.625, 0.375, 1.375])


def test_table_is_read_back_whatever_its_size():
    table = table_of(5)
    table.ascend(torch.tensor([-0.5, 0.5, 0, 0, 0]))
    other = Potentials()
    other.reset_parameters()
    other.load_state_dict(table.state_dict())
    assert torch.equal(other.current, torch.tensor([-0.5, 0.5, 0, 0, 0]))
    assert torch.equal(other.average, other.current)
    assert int(other.ascents) == 1
    other.fit(5)
    assert int(other.ascents) == 1  # it stays
    other.fit(6)
    assert int(other.ascents) == 0
