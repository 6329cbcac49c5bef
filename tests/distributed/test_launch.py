"""The group of torchrun's processes is joined and left; without torchrun there is none."""

import socket

import pytest
import torch.distributed as dist

from otgan.distributed.launch import launched
from otgan.mistakes import WrongValueError

VARIABLES = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", "LOCAL_RANK")

pytestmark = pytest.mark.skipif(not dist.is_available(), reason="this build of torch has no process groups")


@pytest.fixture
def started(monkeypatch):
    """Return a function that sets what torchrun sets for a process."""

    def of(**changed):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        told = dict(zip(VARIABLES, ("0", "1", "127.0.0.1", str(port), "0"), strict=True)) | changed
        for name, value in told.items():
            monkeypatch.setenv(name, value)

    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    return of


@pytest.mark.parametrize("some", [(), ("RANK", "WORLD_SIZE")])
def test_without_torchrun_there_is_no_group(started, monkeypatch, some):
    for name in some:
        monkeypatch.setenv(name, "1")
    with launched("cpu") as group:
        assert group is None
        assert not dist.is_initialized()


def test_the_group_of_torchrun_is_joined_and_left(started):
    started()
    with launched("cpu") as group:
        assert group is dist.group.WORLD
        assert (dist.get_backend(group), dist.get_rank(group), dist.get_world_size(group)) == ("gloo", 0, 1)
        with launched("cpu") as same:  # stays, as it is not its own
            assert same is group
        assert dist.is_initialized()
    assert not dist.is_initialized()


def test_the_group_is_left_after_an_error(started):
    started()
    with pytest.raises(KeyError), launched("cpu"):
        raise KeyError
    assert not dist.is_initialized()


def test_variables_of_something_else_are_refused(started):
    started(WORLD_SIZE="many")
    with (
        pytest.raises(WrongValueError, match=r"WORLD_SIZE=many.*expected what torchrun sets"),
        launched("cpu"),
    ):
        pass
    assert not dist.is_initialized()
