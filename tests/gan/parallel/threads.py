"""Ranks that are threads of one process: what they exchange lies in a list that all of them see."""

import threading

import torch

from otgan.gan.parallel.team import Team

LONGEST = 60
"""Seconds that a rank waits for another."""


class Threads(Team):
    """A rank that is a thread."""

    def __init__(self, rank, size, barrier, parts):
        self.rank, self.size, self.device, self.data = rank, size, torch.device("cpu"), self
        self.over, self.sent, self.until, self.late, self.steps = False, 0, float("inf"), False, 0
        self._barrier, self._parts, self._beside, self._on_gpus = barrier, parts, None, False

    def _exchanged(self, parts):
        self._parts[self.rank] = parts.clone()
        self._barrier.wait(LONGEST)
        found = torch.stack([each[self.rank] for each in self._parts])
        self._barrier.wait(LONGEST)
        return found


def ranks(size, act):
    """Return what a function of its team returns on each rank, or raises."""
    barrier, parts, found = threading.Barrier(size), [None] * size, [None] * size

    def run(rank):
        team = Threads(rank, size, barrier, parts)
        try:
            found[rank] = act(team)
        except Exception as error:
            found[rank] = error

    threads = [threading.Thread(target=run, args=(rank,), daemon=True) for rank in range(size)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(LONGEST)
    return found
