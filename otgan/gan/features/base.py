"""What a map of samples to features is: its network, its rows, and how it learns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from torch import Tensor, nn

from otgan.gan.networks import Networks, Space

__all__ = ["Features", "Learning", "Maker", "Sloped"]

Maker = Callable[[int], nn.Module]
"""Makes a network of a system's own kind that has so many outputs for a sample."""


class Learning(StrEnum):
    """When a map learns."""

    NEVER = "never"
    FIRST = "first"
    AGAINST = "against"


@dataclass(frozen=True)
class Features(ABC):
    """A map of samples to rows, between which costs are taken.

    Parameters
    ----------
    size : int
        Numbers in a row, where the map has a choice; 0 where it has none.
    """

    size: int = 0

    name: ClassVar[str]
    least: ClassVar[int] = 1
    """The smallest size."""
    default: ClassVar[int] = 0
    """The size of a map that is asked for without one; 0 of maps without a choice."""
    learning: ClassVar[Learning] = Learning.NEVER
    """Whether the map stays as it is; learns before the generator does; or beside it, to ascend what that descends."""
    network_name: ClassVar[str] = ""
    """The name of its network, of those that have one."""

    def network(self, space: Space, make: Maker) -> nn.Module | None:
        """Make its network, unfilled, where it has one."""
        del space, make
        return None

    @abstractmethod
    def rows(self, nets: Networks, x: Tensor) -> Tensor:
        """Return the features of n samples, shape (n, k), in single precision."""


class Sloped(Features):
    """A map that is charged for the slope of its rows while it learns."""

    @abstractmethod
    def steepness(self, nets: Networks, x: Tensor, directions: Tensor) -> Tensor:
        """Return the charge at samples, along directions of N(0, I) of its rows, shape (n, k)."""
