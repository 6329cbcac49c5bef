"""What the ranks of a group send each other: rows that are put together, columns that are combined, plain values.

All of it goes all-to-all: every number is combined by one rank, and sent by it to all, so that all have the same one to the
last bit.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from otgan.mistakes import RankError
from otgan.namespace import Array, as_tensor, beside, detached

__all__ = ["Collectives", "Combine", "combined_log_sum_exp", "combined_min", "combined_sum"]

Combine = Callable[[Tensor], Tensor]

_FEW = 2**13
"""Numbers that are sent to all at once: more go by way of the others, which share in the sending."""


def combined_sum(parts: Tensor) -> Tensor:
    """Sum what every rank has, in their order."""
    return parts.sum(0)


def combined_min(parts: Tensor) -> Tensor:
    """The least of what every rank has."""
    return parts.amin(0)


def combined_log_sum_exp(parts: Tensor) -> Tensor:
    """Log Σ exp of what every rank has, which does not overflow."""
    return parts.logsumexp(0)


class Collectives:
    """What is sent among the ranks of a group.

    Parameters
    ----------
    group : ProcessGroup
    device : torch.device
        Where what is exchanged lies.

    Attributes
    ----------
    rank, size : int
    over : bool
        Whether something went wrong that all ranks know of, or that cut them off.
    sent : int
        Bytes of numbers that this rank has sent to others.
    """

    def __init__(self, group: Any, device: Any) -> None:
        self.group, self.device = group, device
        self.rank, self.size = dist.get_rank(group), dist.get_world_size(group)
        self.over, self.sent = False, 0

    # Every exchange is this one.
    def _exchanged(self, parts: Tensor) -> Tensor:
        """Give each rank its part, of shape (K, ...), and return what the ranks gave this one."""
        parts = parts.contiguous()
        found = torch.empty_like(parts)
        self.sent += parts.element_size() * (parts.numel() - parts[0].numel())
        try:
            dist.all_to_all_single(found, parts, group=self.group)
        except RuntimeError as error:
            raise self._lost(error) from error
        return found

    def _lost(self, error: Exception, other: int | None = None) -> RankError:
        self.over = True
        who = "a rank of the group" if other is None else f"rank {other}"
        reason = str(error).split(" This is typically", maxsplit=1)[0][:200]
        return RankError(
            f"rank {self.rank} of {self.size}: {who} ended, or did not answer within the timeout of the group ({reason}): look "
            "at the output of the other ranks; all must make the same calls, and init_process_group(timeout=...) says "
            "how long to wait"
        )

    def meet(self) -> None:
        """Hear from every rank, one by one, so that a missing one can be named; where the group can do so cheaply."""
        if dist.get_backend(self.group) != dist.Backend.GLOO:
            return
        word = torch.zeros(1, dtype=torch.uint8)
        others = [(k, dist.get_global_rank(self.group, k)) for k in range(self.size) if k != self.rank]
        works: list[tuple[int, Any]] = []
        for exchange, what in ((dist.irecv, torch.zeros_like(word)), (dist.isend, word)):
            for k, place in others:
                try:
                    works.append((k, exchange(what, place, self.group)))
                except RuntimeError as error:
                    raise self._lost(error, k) from error
        for k, work in works:
            try:
                work.wait()
            except RuntimeError as error:
                raise self._lost(error, k) from error

    def all_of(self, value: Any) -> list[Any]:
        """Return what plain values, such as JSON has, all ranks gave."""
        text = json.dumps(value).encode()
        size = torch.tensor([len(text)], dtype=torch.int64, device=self.device)
        sizes = self._exchanged(size.expand(self.size, 1))[:, 0].tolist()
        own = torch.zeros(max(sizes), dtype=torch.uint8)
        own[: len(text)] = torch.frombuffer(bytearray(text), dtype=torch.uint8)
        texts = self._exchanged(own.to(self.device).expand(self.size, -1)).cpu()
        return [json.loads(bytes(row[:length].tolist())) for row, length in zip(texts, sizes, strict=True)]

    def of_first(self, own: Array) -> Array:
        """Return the numbers that rank 0 has, of the same shape everywhere."""
        tensor = self._tensor(own)
        whole = tensor.reshape(-1)
        if whole.numel() <= _FEW:
            return beside(self._exchanged(whole.expand(self.size, -1))[0].reshape(tensor.shape), own)
        step = -(-whole.numel() // self.size)
        parts = whole.new_zeros(self.size, step)
        if self.rank == 0:
            parts.view(-1)[: whole.numel()] = whole
        piece = self._exchanged(parts)[0]
        found = self._exchanged(piece.expand(self.size, -1)).reshape(-1)[: whole.numel()]
        return beside(found.reshape(tensor.shape), own)

    def rows(self, own: Array, counts: Sequence[int], axis: int = 1) -> Array:
        """Put together the rows that the ranks have, `counts` of them, along an axis."""
        tensor = self._tensor(own).movedim(axis, 0)
        if tensor.shape[0] < max(counts):
            short = tensor.new_zeros(max(counts) - tensor.shape[0], *tensor.shape[1:])
            tensor = torch.cat([tensor, short])
        all_ = self._exchanged(tensor.expand(self.size, *tensor.shape))
        whole = torch.cat([part[:count] for part, count in zip(all_, counts, strict=True)])
        return beside(whole.movedim(0, axis).contiguous(), own)

    def reduced(self, own: Array, combine: Combine) -> Array:
        """Combine what each rank has for all columns, shape (B, m, ...): each rank does it for a part of them."""
        tensor = self._tensor(own).movedim(1, 0)
        m, step = tensor.shape[0], -(-tensor.shape[0] // self.size)
        if m < step * self.size:
            tensor = torch.cat([tensor, tensor.new_zeros(step * self.size - m, *tensor.shape[1:])])
        mine = combine(self._exchanged(tensor.reshape(self.size, step, *tensor.shape[1:])))
        whole = self._exchanged(mine.expand(self.size, *mine.shape))
        whole = whole.reshape(self.size * step, *mine.shape[1:])[:m]
        return beside(whole.movedim(0, 1).contiguous(), own)

    def summed(self, own: Array) -> Array:
        """Sum a few numbers over the ranks."""
        tensor = self._tensor(own)
        return beside(self._exchanged(tensor.expand(self.size, *tensor.shape)).sum(0), own)

    def _tensor(self, own: Array) -> Tensor:
        found: Tensor = as_tensor(detached(own), self.device)
        return found
