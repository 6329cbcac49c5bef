"""A matrix of numbers whose entries the ranks of a group share out, each computing some of them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, TypeVar

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray

from otgan.distributed.border import group_of
from otgan.distributed.exchange import Exchange
from otgan.mistakes import WrongValueError

__all__ = ["Sharing"]

Task = TypeVar("Task")


class Sharing:
    """The ranks that fill one matrix, which all of them have at its end.

    Parameters
    ----------
    group : ProcessGroup, True or "world"
    """

    def __init__(self, group: Any) -> None:
        found = group_of(group)
        nccl = dist.get_backend(found) == dist.Backend.NCCL
        self.ranks = Exchange(
            found, torch.device("cuda", torch.cuda.current_device()) if nccl else torch.device("cpu")
        )

    def guarded(self) -> AbstractContextManager[None]:
        """Have what is raised within, on any rank, raised on all."""
        self.ranks.meet()
        return self.ranks.guarded("the matrix")

    def check(self, asked: str) -> None:
        """Raise where ranks ask for different matrices, of which `asked` is a digest."""
        digests = self.ranks.all_of(asked)
        other = next((k for k, digest in enumerate(digests) if digest != digests[0]), None)
        if other is not None:
            raise WrongValueError(
                f"sets and options must be the same on all ranks of a group, got others on rank {other} than on rank 0"
            )

    def known(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what rank 0 knows of the matrix, so that all share out the same rest."""
        found: NDArray[np.float64] = self.ranks.of_first(values)
        return found.copy()

    def own(self, tasks: Sequence[Task]) -> list[Task]:
        """The tasks of this rank, of a list that is the same on all."""
        return list(tasks[self.ranks.rank :: self.ranks.size])

    def joined(self, values: NDArray[np.float64], found: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Put together the entries that the ranks have found; the others are the same on all."""
        mine: NDArray[np.float64] = self.ranks.summed(np.where(found, values, 0.0))
        by: NDArray[np.float64] = self.ranks.summed(found.astype(np.float64))
        return np.where(by > 0, mine, values)

    def all_words(self, words: Sequence[str]) -> list[str]:
        """Return the words of all ranks."""
        return [word for each in self.ranks.all_of(list(words)) for word in each]
