"""Who trains: one process alone, or the ranks of a group together, of which the first writes down what all have found."""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol, TypeVar

import torch
from torch import nn
from torch.optim import Optimizer

from otgan.distributed.border import check_same, group_of
from otgan.gan.parallel.division import divided, shared_calls
from otgan.gan.parallel.gradients import summed_gradients
from otgan.gan.parallel.normalization import forward_of
from otgan.gan.parallel.team import Team

__all__ = ["Alone", "Together", "members_of"]

Found = TypeVar("Found")


class Signalled(Protocol):
    """What notes the signals that a process is sent, see :mod:`otgan.gan.training.interrupts`."""

    received: signal.Signals | None


class Alone:
    """One process, which does everything itself.

    Attributes
    ----------
    leads : bool
        Whether this process writes down what there is to be written, and speaks.
    """

    leads = True

    def device(self, asked: torch.device) -> torch.device:
        """Return where this process is to train."""
        return asked

    def agree(self, asked: Mapping[str, Any]) -> None:
        """Raise where processes are asked for different things."""

    def by_first(self, name: str, compute: Callable[[], Found]) -> Found | None:
        """Have the first process compute something; None on the others."""
        del name
        return compute()

    def plain_by_first(self, name: str, compute: Callable[[], Any]) -> Any:
        """Have the first process compute plain values, such as JSON has, for all."""
        return self.by_first(name, compute)

    def content_of_first(self, content: Any) -> Any:
        """Return what the first process gives: tensors and plain values."""
        return content

    def any_of(self, flag: Any) -> bool:
        """Whether one of the processes says so."""
        return bool(flag)

    def heard(self, interrupts: Signalled) -> bool:
        """Whether one of the processes was sent a signal."""
        return interrupts.received is not None

    def check_same(self, nets: Mapping[str, nn.Module]) -> None:
        """Raise where processes hold other weights."""

    def training(
        self, nets: Mapping[str, nn.Module], optimizers: Mapping[str, Optimizer]
    ) -> contextlib.AbstractContextManager[None]:
        """Have steps within take their part of what the networks are called for."""
        del nets, optimizers
        return contextlib.nullcontext()

    def step(self) -> contextlib.AbstractContextManager[None]:
        """Make a step."""
        return contextlib.nullcontext()


class Together(Alone):
    """The ranks of a group: all draw the same batches, and share the rows of each call of a network.

    Parameters
    ----------
    team : Team
    """

    def __init__(self, team: Team) -> None:
        self.team, self.leads = team, team.rank == 0

    def device(self, asked: torch.device) -> torch.device:
        """Return a GPU of this rank's own where only the kind is asked for: that of LOCAL_RANK, or the current one."""
        found = asked
        if asked.type == "cuda" and asked.index is None:
            own = os.environ.get("LOCAL_RANK", "")
            index = int(own) if own.isdecimal() else torch.cuda.current_device()
            found = torch.device("cuda", index)
        if found.type == "cuda":
            torch.cuda.set_device(found)
        self.team.place(found)
        return found

    def agree(self, asked: Mapping[str, Any]) -> None:
        """Raise where ranks are asked for different things.

        Raises
        ------
        ValueError
            On all ranks, naming the first that differs.
        """
        self.team.noted("the arguments", 0)
        all_ = self.team.all_of({name: str(value)[:2000] for name, value in asked.items()})
        names = set().union(*all_)
        check_same([{name: each.get(name, "nothing") for name in names} for each in all_])

    def by_first(self, name: str, compute: Callable[[], Found]) -> Found | None:
        """Have rank 0 compute something, however long it takes; None on the others."""
        return self.team.by_first(name, compute)

    def plain_by_first(self, name: str, compute: Callable[[], Any]) -> Any:
        """Have rank 0 compute plain values, such as JSON has, for all."""
        return self.team.all_of(self.by_first(name, compute))[0]

    def content_of_first(self, content: Any) -> Any:
        """Return what rank 0 gives: tensors and plain values."""
        self.team.noted("the content of rank 0", 0)
        return self.team.content_of_first(content)

    def any_of(self, flag: Any) -> bool:
        """Whether one of the ranks says so."""
        return any(self.team.noted("an end", bool(flag)))

    def heard(self, interrupts: Signalled) -> bool:
        """Whether one of the ranks was sent a signal, which then counts for all."""
        own = interrupts.received
        first = next((number for number in self.team.noted("signals", own or 0) if number), None)
        if first is not None and interrupts.received is None:
            interrupts.received = signal.Signals(first)
        return first is not None

    def check_same(self, nets: Mapping[str, nn.Module]) -> None:
        """Raise where ranks hold other weights than the first.

        Raises
        ------
        RankError
        """
        self.team.noted("a look at the weights", 0)
        values = (itertools.chain(net.parameters(), net.buffers()) for net in nets.values())
        self.team.check_same_bits("the weights", list(itertools.chain.from_iterable(values)))

    @contextlib.contextmanager
    def training(self, nets: Mapping[str, nn.Module], optimizers: Mapping[str, Optimizer]) -> Iterator[None]:
        """Have steps within take their part of what the networks are called for."""
        with shared_calls(dict(nets), forward_of), summed_gradients(self.team, optimizers):
            yield

    def step(self) -> contextlib.AbstractContextManager[None]:
        """Make a step, whose calls are shared out."""
        return divided(self.team)


@contextlib.contextmanager
def members_of(group: Any) -> Iterator[Alone]:
    """Name who trains; what one rank raises within is raised on all, and the others than the first are silent.

    Parameters
    ----------
    group : ProcessGroup, True or "world", or None for this process alone

    Raises
    ------
    TypeError, ValueError
        If it names no group, or one that this process is not in.
    RankError
        If a rank does not answer.
    """
    found = None if group is None else group_of(group)
    if found is None or found.size() == 1:
        yield Alone()
        return
    team = Team(found)
    log = logging.getLogger("otgan")
    silence = _Silence()
    try:
        if team.rank:
            log.addFilter(silence)
        team.meet()
        with team.guarded("the training"):
            yield Together(team)
    finally:
        log.removeFilter(silence)
        team.close()


class _Silence(logging.Filter):
    """Lets nothing pass."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Return False."""
        del record
        return False
