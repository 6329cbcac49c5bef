"""The ranks of a group: what they exchange, and how they fail together.

Each step is one :meth:`Exchange.together`: every rank computes its part, and then all tell each other what they did, with which
numbers, whether it went well and whether their time is over. So none waits for one that has failed, and none goes on with
other numbers than the rest.
"""

from __future__ import annotations

import contextlib
import math
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar, cast

import torch
from torch import Tensor

from otgan.distributed.collectives import Collectives
from otgan.mistakes import OtganError, RankError
from otgan.namespace import Array, as_tensor, beside, detached

__all__ = ["Exchange"]

Found = TypeVar("Found")

_HEAD = 6
"""Numbers that a rank tells of a step: which, how many before it, its vectors, late, failed, and a note."""


class Exchange(Collectives):
    """The ranks of a group, in one call of all of them.

    Parameters
    ----------
    group : ProcessGroup
    device : torch.device
        Where what is exchanged lies.

    Attributes
    ----------
    late : bool
        Whether the time of one of them was over at the last step: all of them see it at the same one.
    """

    def __init__(self, group: Any, device: Any) -> None:
        super().__init__(group, device)
        self.until, self.late, self.steps = math.inf, False, 0

    def together(
        self,
        name: str,
        compute: Callable[..., Found],
        *vectors: Array,
        note: Callable[[Found], int] | None = None,
    ) -> tuple[Found, list[int]]:
        """Compute on every rank, and go on where all did the same with the same vectors.

        Vectors that differ, as they may where processors round in their own ways, become those of rank 0.

        Parameters
        ----------
        name : str
            What is done.
        compute : callable
            Given the vectors.
        note : callable, optional
            What the others are to know of the result.

        Returns
        -------
        found, notes
            What was computed here, and the notes of all.

        Raises
        ------
        RankError
            If a rank ended, did not answer, or did something else.
        Exception
            What a rank raised; on the others an error of its class, if it is one of otgan's, that names the rank.
        """
        error, found = None, None
        try:
            found = compute(*vectors)
        except BaseException as raised:  # the others wait to be told
            error = raised
        noted = note(found) if note is not None and error is None and found is not None else 0
        own = self._head(name, vectors, error, noted)
        heads = self._exchanged(own.expand(self.size, _HEAD)).tolist()
        if not self._agreed(name, heads, error):
            return self.together(name, compute, *map(self.of_first, vectors), note=note)
        return cast(Found, found), [head[5] for head in heads]

    def product(
        self,
        name: str,
        compute: Callable[..., tuple[Array | None, Array | None]],
        *vectors: Array,
        counts: Sequence[int] | None,
        columns: int | None,
    ) -> tuple[Array | None, Array | None]:
        """Compute on every rank as :meth:`together` does, and put together the sums of rows and add those of columns.

        One exchange less than by :meth:`together` and what follows it: what is told of a step goes with its numbers.

        Parameters
        ----------
        name, compute
            Computed are the sums of the rows that are here, shape (B, counts[rank]), and what they add to those of columns, shape
            (B, columns), in the type of the first vector; None for what is not asked for.
        counts : sequence of int, optional
            Rows of each rank.
        columns : int, optional
        """
        error, found = None, (None, None)
        try:
            found = compute(*vectors)
        except BaseException as raised:  # the others wait to be told
            error = raised
        like = self._tensor(vectors[0])
        most, step = max(counts or [0]), -(-(columns or 0) // self.size)
        own = self._head(name, vectors, error, 0).view(like.dtype)
        message = like.new_zeros(self.size, len(own) + len(like) * (most + step))
        message[:, : len(own)] = own
        of_rows, of_columns = message[:, len(own) :].split([len(like) * most, len(like) * step], 1)
        if found[0] is not None:
            rows = self._tensor(found[0])
            of_rows.view(self.size, len(like), most)[:, :, : rows.shape[1]] = rows
        if found[1] is not None:
            parts = like.new_zeros(len(like), self.size * step)
            parts[:, :columns] = self._tensor(found[1])
            of_columns.view(self.size, len(like), step)[:] = parts.view(len(like), self.size, step).movedim(
                1, 0
            )
        got = self._exchanged(message)
        if not self._agreed(name, got[:, : len(own)].contiguous().view(torch.int64).tolist(), error):
            return self.product(name, compute, *map(self.of_first, vectors), counts=counts, columns=columns)
        of_rows, of_columns = got[:, len(own) :].split([len(like) * most, len(like) * step], 1)
        sums = back = None
        if counts is not None:
            parts = of_rows.reshape(self.size, len(like), most)
            sums = torch.cat([part[:, :count] for part, count in zip(parts, counts, strict=True)], 1)
        if columns is not None:
            mine = of_columns.reshape(self.size, len(like), step).sum(0)
            whole = self._exchanged(mine.expand(self.size, len(like), step))
            back = whole.movedim(0, 1).reshape(len(like), -1)[:, :columns].contiguous()
        first, second = (None if each is None else beside(each, vectors[0]) for each in (sums, back))
        return first, second

    def told(self, name: str, compute: Callable[[], Found]) -> Found:
        """Return plain values, such as JSON has, as rank 0 computes them."""
        own, _ = self.together(name, lambda: compute() if self.rank == 0 else None)
        return cast(Found, self.all_of(own)[0])

    def _head(self, name: str, vectors: Sequence[Array], error: BaseException | None, noted: int) -> Tensor:
        """What this rank tells of a step."""
        self.steps += 1
        late = time.monotonic() > self.until
        check = 0 if error is not None else _checksum(vectors)
        head = [zlib.crc32(name.encode()), self.steps, check, late, error is not None, noted]
        return torch.tensor(head, dtype=torch.int64, device=self.device)

    def _agreed(self, name: str, heads: list[list[int]], error: BaseException | None) -> bool:
        """Whether all ranks did one thing with the same vectors; what they cannot go on from is raised."""
        self.late = self.late or any(head[3] for head in heads)
        if any(head[4] for head in heads):
            raise self._failure(error) from error
        if len({tuple(head[:2]) for head in heads}) > 1:
            self.over = True
            raise RankError(
                f"rank {self.rank} of {self.size} is at step {self.steps} ({name}), and another rank at another one: all "
                "must make the same calls with the same arguments, one after the other"
            )
        return len({head[2] for head in heads}) == 1

    def _failure(self, error: BaseException | None) -> BaseException:
        """Tell the others of an error, or hear of theirs; return what is to be raised here."""
        self.over = True
        told = None if error is None else [type(error).__name__, str(error)]
        reasons = self.all_of(told)
        if error is not None:
            return error
        which = next(k for k, reason in enumerate(reasons) if reason is not None)
        kind, text = reasons[which]
        known = next((each for each in _kinds(OtganError) if each.__name__ == kind), None)
        if known is not None:
            return known(f"on rank {which}: {text}")
        return RankError(f"rank {which} stopped at {kind}: {text}")

    @contextlib.contextmanager
    def guarded(self, name: str) -> Iterator[None]:
        """Have what is raised within, on any rank, raised on all, and let none leave before all have come to the end."""
        self.over = False
        try:
            yield
        except BaseException as error:
            # One that is lost, or elsewhere, is known to all by itself.
            if not self.over and not isinstance(error, RankError):
                with contextlib.suppress(RankError):
                    own = self._head(name, (), error, 0)
                    self._exchanged(own.expand(self.size, _HEAD))
                    self._failure(error)
            raise
        self.together(f"the end of {name}", lambda: True)


def _kinds(base: type[OtganError]) -> Iterator[type[OtganError]]:
    """Yield the classes of errors that are raised on purpose, those of data and of solvers included."""
    for each in base.__subclasses__():
        yield each
        yield from _kinds(each)


def _checksum(vectors: Sequence[Array]) -> int:
    """A number that tells vectors apart that differ in a bit."""
    total = torch.zeros((), dtype=torch.int64)
    for vector in vectors:
        bits = as_tensor(detached(vector)).contiguous().reshape(-1)
        bits = bits.view(torch.int64 if bits.element_size() == torch.int64.itemsize else torch.int32)
        total = 31 * total.to(bits.device) + bits.sum(dtype=torch.int64)
    return int(total)
