"""A time limit that is over for all ranks at the same step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from otgan.deadline import Deadline, Progress

if TYPE_CHECKING:
    from otgan.distributed.exchange import Exchange

__all__ = ["SharedDeadline"]


@dataclass(frozen=True)
class SharedDeadline(Deadline):
    """A deadline that has passed where a rank said so at the last step that all took together.

    Clocks differ: were each rank to look at its own, one would stop while the others go on.

    Attributes
    ----------
    ranks : Exchange
    """

    ranks: Exchange | None = None

    @classmethod
    def of(cls, seconds: float | None, ranks: Exchange, progress: Progress | None = None) -> SharedDeadline:
        """Return the deadline that is so many seconds away on the clock of each rank."""
        found = cls(Deadline.after(seconds).at, progress, ranks=ranks)
        ranks.until = found.at
        return found

    @property
    def passed(self) -> bool:
        """Whether it is over, as all ranks know."""
        self.report()
        return self.ranks is not None and self.ranks.late

    def alone(self) -> Deadline:
        """Return it as one rank's own, for what that rank does for all."""
        return Deadline(self.at, self.progress)
