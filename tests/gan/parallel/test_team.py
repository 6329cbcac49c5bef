import time

import pytest
import torch

from otgan.gan.errors import RunError
from otgan.gan.parallel import team as module
from otgan.mistakes import RankError
from tests.gan.parallel.threads import ranks


@pytest.mark.parametrize("n", [3, 5000])
def test_numbers_are_added_up_to_the_same_bits(n):
    whole = torch.randn(3, n, 2, generator=torch.Generator().manual_seed(0))
    found = ranks(3, lambda team: team.added(whole[team.rank], "numbers"))
    assert all(torch.equal(each, found[0]) for each in found)
    assert torch.allclose(found[0], whole.sum(0), atol=1e-6)


def test_ranks_that_do_different_things_are_told():
    for found in ranks(2, lambda team: team.added(torch.ones(2 + team.rank), "numbers")):
        assert isinstance(found, RankError)
        assert "another rank at another one" in str(found)


def test_rank_0_works_while_the_others_wait(monkeypatch):
    monkeypatch.setattr(module, "_PULSE", 0.01)
    found = ranks(3, lambda team: team.by_first("work", lambda: time.sleep(0.1) or [team.rank]))
    assert found == [[0], None, None]


def test_what_rank_0_raises_is_raised_on_all():
    def fail():
        raise RunError("no space")

    first, second = ranks(2, lambda team: team.by_first("work", fail))
    assert (type(first), str(first)) == (RunError, "no space")
    assert (type(second), str(second)) == (RunError, "on rank 0: no space")


def test_tensors_and_plain_values_come_from_rank_0():
    given = {"weights": torch.arange(5.0), "rows": [{"step": 1}, 0.1, None]}
    for found in ranks(2, lambda team: team.content_of_first(given if team.rank == 0 else None)):
        assert torch.equal(found["weights"], given["weights"])
        assert found["rows"] == given["rows"]


def test_a_bit_that_differs_is_found():
    def act(team, other):
        values = [torch.ones(3), torch.tensor(2)]
        values[0][1] += other * team.rank * torch.finfo().eps
        return team.check_same_bits("numbers", values)

    assert ranks(2, lambda team: act(team, 0)) == [None, None]
    for found in ranks(2, lambda team: act(team, 1)):
        assert isinstance(found, RankError)
        assert str(found).startswith("numbers on rank 1 are no longer those on rank 0")
