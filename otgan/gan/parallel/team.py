"""The ranks that train together: what they tell each other of their steps, and the numbers that they exchange.

What is told is small, lies on the CPU and goes before the numbers, so that a rank that failed is heard of where its numbers
are waited for.
"""

from __future__ import annotations

import io
import threading
import zlib
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from otgan.distributed.collectives import Collectives, combined_sum
from otgan.distributed.exchange import Exchange
from otgan.mistakes import RankError

__all__ = ["Team"]

Found = TypeVar("Found")

_PULSE = 0.5
"""Seconds after which rank 0 says again that it is at work for all."""


_FEW = 2**14
"""Numbers, those for all ranks together, that are sent to all at once: of more each rank adds up its part."""


class Team(Exchange):
    """The ranks of a group that train together.

    Parameters
    ----------
    group : ProcessGroup
        Of gloo, of NCCL, or of both ("cpu:gloo,cuda:nccl"). With NCCL alone a group of gloo is made beside it for what is told.

    Attributes
    ----------
    data : Collectives
        What exchanges the numbers.
    """

    def __init__(self, group: Any) -> None:
        config = str(dist.get_backend_config(group))
        self._beside = None
        if "cpu:gloo" not in config:
            ranks = dist.get_process_group_ranks(group)
            self._beside = dist.new_group(
                ranks, backend=dist.Backend.GLOO, timeout=_timeout(group), use_local_synchronization=True
            )
        super().__init__(self._beside or group, torch.device("cpu"))
        self._members, self._on_gpus = group, "cuda:nccl" in config
        self.data = Collectives(self.group, self.device)

    def place(self, device: torch.device) -> None:
        """Say where the numbers lie: on a GPU they stay there if the group can send them from it."""
        if self._on_gpus and device.type == "cuda":
            self.data = Collectives(self._members, device)

    def close(self) -> None:
        """End what was made beside the group."""
        if self._beside is not None:
            dist.destroy_process_group(self._beside)

    def noted(self, name: str, value: int) -> list[int]:
        """Return the whole numbers that all ranks gave; all of them must be at what is named."""
        return self.together(name, lambda: value, note=int)[1]

    def gathered(self, name: str, own: Tensor, counts: Sequence[int]) -> Tensor:
        """Put together the rows that the ranks have, of one shape and type everywhere."""
        self.noted(f"{name}: {list(counts)} rows of {list(own.shape[1:])} in {own.dtype}", 0)
        found: Tensor = self.data.rows(own, counts, axis=0)
        return found

    def added(self, own: Tensor, name: str | None = None) -> Tensor:
        """Add up numbers of the same shape, in the order of the ranks, to the same bits on all.

        Parameters
        ----------
        own : Tensor
        name : str, optional
            What they are, which all ranks tell each other before; it is left out right after something else was told.
        """
        if name is not None:
            self.noted(f"{name}: {list(own.shape)} in {own.dtype}", 0)
        found: Tensor
        if self.size * own.numel() <= _FEW:  # one exchange, in which each number is sent to all
            found = self.data.summed(own)
        else:
            found = self.data.reduced(own.reshape(1, -1), combined_sum).reshape(own.shape)
        return found

    def by_first(self, name: str, compute: Callable[[], Found]) -> Found | None:
        """Have rank 0 compute something while the others wait, however long that takes; None on the others.

        Rank 0 says twice a second that it is alive, in a thread beside, so that no timeout of the group is over.

        Raises
        ------
        Exception
            What rank 0 raised, on all ranks.
        RankError
            If a rank ends meanwhile; rank 0 sees it when it is done.
        """
        waiting = f"wait for {name}"
        if self.rank:
            while not self.noted(waiting, 0)[0]:
                pass
            return self.together(name, lambda: None)[0]
        done, lost = threading.Event(), []

        def pulse() -> None:
            over = False
            try:
                while not over:
                    over = done.wait(_PULSE)
                    self.noted(waiting, over)
            except BaseException as error:
                lost.append(error)

        beside = threading.Thread(target=pulse, name="otgan-pulse", daemon=True)
        beside.start()
        found, raised = None, None
        try:
            found = compute()
        except BaseException as error:  # the others wait to be told
            raised = error
        done.set()
        beside.join()
        if lost:
            raise lost[0] from raised

        def outcome() -> Found | None:
            if raised is not None:
                raise raised
            return found

        return self.together(name, outcome)[0]

    def content_of_first(self, content: Any) -> Any:
        """Return what rank 0 gives: tensors, plain values, and dicts and lists of them; they come on the CPU."""
        buffer = io.BytesIO()
        if self.rank == 0:
            torch.save(content, buffer)
        own = torch.frombuffer(bytearray(buffer.getvalue() or b" "), dtype=torch.uint8)
        size = self.all_of(len(own))[0]
        found = self.of_first(own if self.rank == 0 else own.new_zeros(size))
        if self.rank == 0:
            return content
        return torch.load(io.BytesIO(found.numpy().tobytes()), map_location="cpu", weights_only=True)

    def check_same_bits(self, name: str, values: Sequence[Tensor]) -> None:
        """Raise where ranks hold other numbers than the first.

        Raises
        ------
        RankError
        """
        total = 0
        for value in values:
            whole = value.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
            total = zlib.crc32(whole.numpy().data, total)
        found = self.all_of(total)
        other = next((k for k, each in enumerate(found) if each != found[0]), None)
        if other is not None:
            self.over = True
            raise RankError(
                f"{name} on rank {other} are no longer those on rank 0: train on processors of one kind, with networks that do "
                "the same on all ranks"
            )


def _timeout(group: Any) -> Any:
    """Return how long a group waits, where torch says so."""
    try:
        return group._get_backend(torch.device("cuda")).options._timeout
    except (AttributeError, RuntimeError):
        return None
