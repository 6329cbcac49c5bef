"""Calls of networks that the ranks share out: each rank runs its rows of the batch, and all get the rows of all.

A batch, and all that is computed of whole batches, is the same on every rank, and so is its gradient. A network's call takes
the rank's rows of its arguments, and puts together the rows of all ranks of its value. The gradient of either is the other:
of the rows that were put together each rank keeps its own, and of the rows that were taken all are put together. Both are such
functions themselves, so that derivatives of every order are those of one process. What reaches the parameters is the
part of the rank's rows, and the sum over the ranks is the whole.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from otgan.gan.errors import RunError
from otgan.gan.parallel.team import Team

__all__ = ["Part", "agreed", "divided", "part", "shared_calls", "undivided"]


class Part(NamedTuple):
    """What a network that runs now has of its batch.

    Attributes
    ----------
    team : Team
    idle : bool
        Whether the rank has no rows, and runs one that does not count.
    """

    team: Team
    idle: bool


_TEAM: ContextVar[Team | None] = ContextVar("team", default=None)
_PART: ContextVar[Part | None] = ContextVar("part", default=None)


@contextlib.contextmanager
def divided(team: Team | None, within: Part | None = None) -> Iterator[None]:
    """Have the calls within shared out among the ranks, those of all networks of :func:`shared_calls`."""
    before = _TEAM.set(team), _PART.set(within)
    try:
        yield
    finally:
        _TEAM.reset(before[0])
        _PART.reset(before[1])


def undivided() -> contextlib.AbstractContextManager[None]:
    """Have this rank alone make the calls within, whole; all ranks may."""
    return divided(None)


def part() -> Part | None:
    """Return what the network that runs now has of its batch; None where it has all."""
    return _PART.get()


def agreed(flag: Any) -> bool:
    """Return what rank 0 found, where calls are shared out: what steps depend on must be the same on all ranks."""
    team = _TEAM.get()
    return bool(flag) if team is None else bool(team.noted("a choice", bool(flag))[0])


@contextlib.contextmanager
def shared_calls(nets: dict[str, nn.Module], own_forward: Callable[[nn.Module], Any]) -> Iterator[None]:
    """Prepare networks, so that under :func:`divided` their outermost calls are shared out; in the end they are as before.

    Parameters
    ----------
    nets : dict of str to nn.Module
    own_forward : callable
        Given a module, what it computes of the rank's rows: its own ``forward``, or what stands for it.

    Raises
    ------
    RunError
        If a network is compiled, so that what it computes cannot be looked into.
    """
    before: list[tuple[nn.Module, Any]] = []
    seen: set[int] = set()
    try:
        for name, net in nets.items():
            for place, module in net.named_modules():
                if id(module) in seen:
                    continue
                seen.add(id(module))
                label = f"{name}.{place}" if place else name
                if _is_compiled(module):
                    raise RunError(
                        f"the {label} is compiled: give the network itself where the ranks of a group share its rows"
                    )
                before.append((module, module.__dict__.get("forward")))
                module.forward = _Call(label, own_forward(module))
        yield
    finally:
        for module, forward in before:
            if forward is not None:
                module.forward = forward
            else:
                module.__dict__.pop("forward", None)


class _Call:
    """The forward of a module whose outermost call is shared out."""

    def __init__(self, label: str, forward: Callable[..., Any]) -> None:
        self.label, self.forward = label, forward

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        team = _TEAM.get()
        first = next((each for each in (*args, *kwargs.values()) if _has_rows(each)), None)
        if team is None or first is None:
            return self.forward(*args, **kwargs)
        counts = _shares(len(first), team.size)
        within = Part(team, idle=not counts[team.rank])
        exchange = _Rows(self.label, team, counts)
        own = [self._own(each, len(first), exchange, within) for each in args]
        named = {key: self._own(each, len(first), exchange, within) for key, each in kwargs.items()}
        with divided(None, within):
            found = self.forward(*own, **named)
        count = counts[team.rank]
        if not _has_rows(found) or len(found) != max(count, 1):
            raise RunError(
                f"the {self.label} must return a row for each row that it is given, as the ranks of a group share the rows"
            )
        return _Gathered.apply(found[:count] if within.idle else found, exchange)

    def _own(self, value: Any, n: int, exchange: _Rows, within: Part) -> Any:
        """The rank's rows of an argument that has rows."""
        if not _has_rows(value) or len(value) != n:
            if isinstance(value, Tensor) and value.requires_grad:
                raise RunError(
                    f"the {self.label} is given a tensor without rows, whose gradient no rank has whole"
                )
            return value
        own = _Taken.apply(value, exchange)
        return torch.cat([own, value.detach()[-1:]]) if within.idle else own


class _Rows(NamedTuple):
    """The rows of a call: how many each rank has."""

    label: str
    team: Team
    counts: list[int]

    def own(self, whole: Tensor) -> Tensor:
        """The rows of this rank."""
        rank = self.team.rank
        return whole.narrow(0, sum(self.counts[:rank]), self.counts[rank]).clone()

    def whole(self, own: Tensor) -> Tensor:
        """The rows of all ranks."""
        return self.team.gathered(self.label, own, self.counts)


class _Taken(torch.autograd.Function):
    """The rows of this rank; the gradients of all are put together."""

    @staticmethod
    def forward(ctx: Any, whole: Tensor, rows: _Rows) -> Tensor:
        ctx.rows = rows
        return rows.own(whole)

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, None]:
        return _Gathered.apply(upstream, ctx.rows), None


class _Gathered(torch.autograd.Function):
    """The rows of all ranks; of their gradient, which every rank has whole, each keeps its own."""

    @staticmethod
    def forward(ctx: Any, own: Tensor, rows: _Rows) -> Tensor:
        ctx.rows = rows
        return rows.whole(own)

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, None]:
        return _Taken.apply(upstream, ctx.rows), None


def _is_compiled(module: nn.Module) -> bool:
    compiled = getattr(module, "_compiled_call_impl", None) is not None or hasattr(module, "_orig_mod")
    return compiled or isinstance(module, torch.jit.ScriptModule)


def _has_rows(value: Any) -> bool:
    return isinstance(value, Tensor) and value.ndim > 0 and len(value) > 0


def _shares(n: int, size: int) -> list[int]:
    """Return how many of n rows each rank has: as equal as can be."""
    least, rest = divmod(n, size)
    return [least + (k < rest) for k in range(size)]
