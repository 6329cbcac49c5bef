import signal
import types

import pytest
import torch
from torch import nn

from otgan.gan.parallel.members import Alone, Together, members_of
from otgan.mistakes import WrongKindError, WrongValueError
from tests.gan.parallel.threads import ranks


def test_without_a_group_one_process_does_all():
    with members_of(None) as members:
        assert type(members) is Alone
        assert members.leads
        assert members.plain_by_first("work", lambda: 3) == 3
        assert members.content_of_first("all") == "all"


@pytest.mark.parametrize(
    ("group", "kind"), [("all", WrongValueError), (3, WrongKindError), ("world", WrongValueError)]
)
def test_what_is_no_group_is_refused(group, kind):
    with pytest.raises(kind, match="group must be a process group"), members_of(group):
        pass


def test_a_signal_to_one_rank_counts_for_all():
    def act(team):
        received = signal.SIGTERM if team.rank else None
        noted = types.SimpleNamespace(received=received)
        members = Together(team)
        return members.heard(noted), noted.received, members.any_of(False), members.any_of(team.rank)

    assert ranks(2, act) == [(True, signal.SIGTERM, False, True)] * 2
    noted = types.SimpleNamespace(received=None)
    assert not Alone().heard(noted)


def test_what_is_asked_for_must_be_the_same():
    for found in ranks(2, lambda team: Together(team).agree({"steps": 3, "seed": team.rank})):
        assert isinstance(found, WrongValueError)
        assert str(found) == "seed must be the same on all ranks, got 0 on rank 0 and 1 on rank 1"


def test_plain_values_are_those_of_the_first():
    found = ranks(2, lambda team: Together(team).plain_by_first("work", lambda: {"em": 0.1, "n": team.rank}))
    assert found == [{"em": 0.1, "n": 0}] * 2


def test_weights_are_looked_at():
    net = nn.BatchNorm1d(2)
    assert ranks(2, lambda team: Together(team).check_same({"net": net})) == [None, None]


def test_a_place_on_the_cpu_is_taken_as_it_is():
    assert ranks(2, lambda team: Together(team).device(torch.device("cpu"))) == [torch.device("cpu")] * 2
