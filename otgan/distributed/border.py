"""The border of a group: what each rank gives is checked together with the others, and put together for all."""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
import torch.distributed as dist

from otgan.coupling import Coupling
from otgan.distributed.arguments import Rows, read
from otgan.distributed.exchange import Exchange
from otgan.distributed.ranks import Ranks
from otgan.distributed.share import Common, Share
from otgan.measure import Measure
from otgan.mistakes import WrongKindError, WrongValueError
from otgan.namespace import as_numpy, is_tensor
from otgan.options import shown

__all__ = ["Shards", "agreed", "check_group", "check_same", "device_in", "group_of", "joined"]

_MATRIX, _BATCH = 2, 3
"""Dimensions of one set of rows, and of a batch of them."""


_GROUP = "group must be a process group of torch.distributed, or True or 'world' for that of all processes"


def check_group(group: Any) -> None:
    """Raise where a value names no process group.

    Raises
    ------
    TypeError, ValueError
        If it is another kind of value, or another word.
    """
    if not dist.is_available():
        raise WrongValueError(f"{_GROUP}, which this build of torch does not have")
    # torch hands out a number where a process is not in a group that it makes.
    outside = isinstance(group, int) and group == dist.GroupMember.NON_GROUP_MEMBER
    known = isinstance(group, dist.ProcessGroup) or outside or group is True
    if not (known or (isinstance(group, str) and group == "world")):
        kind = WrongValueError if isinstance(group, str) else WrongKindError
        raise kind(f"{_GROUP}, got {shown(group)}")


def group_of(group: Any) -> Any:
    """Return the process group that a call names.

    Raises
    ------
    TypeError, ValueError
        If it names none, or one that this process is not in.
    """
    check_group(group)
    if not dist.is_initialized():
        raise WrongValueError(
            f"{_GROUP}, of which there is none yet: call torch.distributed.init_process_group() first, under torchrun for "
            "instance"
        )
    found = group if isinstance(group, dist.ProcessGroup) else dist.group.WORLD
    if (isinstance(group, int) and group is not True) or dist.get_rank(found) < 0:
        raise WrongValueError(f"{_GROUP}, got one that this process is not in")
    return found


@dataclass(frozen=True, eq=False)
class Shards:
    """A problem put together from what the ranks of a group gave.

    Attributes
    ----------
    ranks : Ranks
    inputs : tuple
        x, y, a and b of all ranks, as one process would give them.
    counts_x, counts_y : list of int
        Rows of each rank; None where every rank has all of them.
    gradients : bool
        Whether a rank asks for gradients.
    """

    ranks: Ranks
    inputs: tuple[Any, Any, Any, Any]
    counts_x: list[int]
    counts_y: list[int] | None
    gradients: bool

    def common(self, whole: Coupling) -> Common:
        """Return a solution of all rows as all ranks have it."""
        # Gradients of an exact solution are those of its arcs, for which nothing is exchanged.
        return Common(whole, self.ranks, gradients=self.gradients and whole.epsilon is not None)

    def share(self, common: Coupling) -> Share:
        """Return the part of it that is this rank's."""
        assert isinstance(common, Common)
        return Share(common, self.counts_x, self.counts_y)


def joined(
    group: Any, x: Any, y: Any, a: Any, b: Any, *, precomputed: bool, asked: Mapping[str, Any]
) -> Shards | None:
    """Put together what the ranks give; None where the group has one rank only.

    Parameters
    ----------
    group : ProcessGroup, True or "world"
    x, y, a, b
        As the public functions have them.
    precomputed : bool
        Whether x holds costs: rows of (n, m), or of (n, m) and (n, n) beside (m, m).
    asked : mapping
        Everything else that the call asks for, which must be the same on all ranks.

    Raises
    ------
    TypeError, ValueError
        On all ranks, where one gives what cannot be used, or something else than the others.
    RankError
        If one does not answer.
    """
    found = group_of(group)
    ranks = Ranks(found, device_in(x, found))
    if ranks.size == 1:
        return None
    ranks.meet()
    with ranks.guarded("the arguments"):
        parts, of, gradients = agreed(ranks, x, y, a, b, precomputed=precomputed, asked=asked)
        whole = {name: part.gathered(ranks, of[name]) for name, part in parts.items()}
    if precomputed:
        return _of_costs(ranks, whole, of["x"], gradients)
    inputs = [_measure(parts[s], whole[s], whole[w], s) for s, w in (("x", "a"), ("y", "b"))]
    return Shards(ranks, (inputs[0], inputs[1], None, None), of["x"], of["y"], gradients)


def agreed(
    ranks: Exchange, x: Any, y: Any, a: Any, b: Any, *, precomputed: bool, asked: Mapping[str, Any]
) -> tuple[dict[str, Rows], dict[str, list[int]], bool]:
    """Return what this rank gives of each argument, how many rows each rank does, and whether one asks for gradients.

    Raises
    ------
    TypeError, ValueError
        As :func:`joined`.
    """
    parts, _ = ranks.together("arguments", lambda: read(x, y, a, b, precomputed))
    needs = torch.is_grad_enabled() and any(
        is_tensor(each.array) and each.array.requires_grad for each in parts.values()
    )
    told = {name: part.told() for name, part in parts.items()}
    counts = {name: part.count for name, part in parts.items()}
    said = {name: _said(value) for name, value in sorted(asked.items())}
    all_ = ranks.all_of({"asked": said, "told": told, "counts": counts, "needs": needs})
    check_same([each["asked"] for each in all_])
    _check_alike([each["told"] for each in all_])
    of = {name: [each["counts"][name] for each in all_] for name in parts}
    return parts, of, any(each["needs"] for each in all_)


def _of_costs(ranks: Ranks, whole: dict[str, Any], counts: list[int], gradients: bool) -> Shards:
    """The problem between the numbers of rows, which the ranks share, and those of columns, which all have."""
    matrices = [whole[name] for name in ("x", "x[1]", "x[2]") if name in whole]
    x = matrices[0] if len(matrices) == 1 else tuple(matrices)
    return Shards(ranks, (x, None, whole["a"], whole["b"]), counts, None, gradients)


def _measure(part: Rows, points: Any, weights: Any, name: str) -> Measure:
    found = Measure.of(points, weights, name=name, columns=part.names)
    return found if part.home is None else replace(found, home=part.home)


def check_same(asked: list[dict[str, str]]) -> None:
    """Raise where ranks ask for different things."""
    known = set(asked[0]).intersection(*asked)
    for name in sorted(known):
        values = [each[name] for each in asked]
        other = next((k for k, value in enumerate(values) if value != values[0]), None)
        if other is not None:
            raise WrongValueError(
                f"{name} must be the same on all ranks, got {values[0]} on rank 0 and {values[other]} on rank {other}"
            )
    other = next((k for k, each in enumerate(asked) if set(each) != set(asked[0])), None)
    if other is not None:
        name = min(set(asked[0]) ^ set(asked[other]))
        raise WrongValueError(
            f"all ranks must call the same function, got one with {name} on rank {0 if name in asked[0] else other} and "
            f"another one on rank {other if name in asked[0] else 0}"
        )


def _check_alike(told: list[dict[str, dict[str, Any]]]) -> None:
    """Raise where ranks give rows that do not go together."""
    if len({tuple(each) for each in told}) > 1:
        raise WrongValueError(
            "x must be of the same kind on all ranks, got a matrix on some and a tuple on others"
        )
    for name in told[0]:
        other = next((k for k, each in enumerate(told) if each[name] != told[0][name]), None)
        if other is not None:
            first, second = (_in_words(told[k][name]) for k in (0, other))
            raise WrongValueError(
                f"{name} must be alike on all ranks but for its rows, got {first} on rank 0 and {second} on rank {other}"
            )


def _in_words(told: dict[str, Any]) -> str:
    return " ".join(str(value) for value in told.values() if value is not None)[:150]


def _said(value: Any) -> str:
    """A value as all ranks say it: the same text for the same value in every process."""
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_said, value))}]"
    if is_tensor(value) or hasattr(value, "__array__"):
        # What is no number is told by the checks of the call, on all ranks.
        with contextlib.suppress(Exception):
            array = np.asarray(as_numpy(value))
            return f"{shown(array)} {zlib.crc32(array.tobytes())}" if array.ndim else repr(array.item())
    if callable(value):
        return str(getattr(value, "__qualname__", type(value).__qualname__))
    return shown(value)


def device_in(x: Any, group: Any) -> Any:
    """Where numbers are exchanged: where the samples are, or on the CPU by gloo, which knows no other place for all of it."""
    if dist.get_backend(group) == dist.Backend.GLOO:
        return torch.device("cpu")
    if isinstance(x, Measure):
        x = x.points
    first = next(
        (each for each in (x, *(x if isinstance(x, (list, tuple)) else ())) if is_tensor(each)), None
    )
    return torch.device("cpu") if first is None else first.device
