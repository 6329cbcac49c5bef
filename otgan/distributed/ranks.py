"""What a solver asks of the ranks of a group: a geometry, a mean, a time limit, or that one of them solves for all."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace

from otgan.costs import Cost
from otgan.deadline import Progress
from otgan.distributed.deadline import SharedDeadline
from otgan.distributed.exchange import Exchange
from otgan.distributed.geometry import ShardedGeometry
from otgan.entropic.problem import Limits, Problem, Solution
from otgan.geometry import Geometry, make_geometry
from otgan.memory import available
from otgan.namespace import Array, is_tensor, namespace, of_type, zeros

__all__ = ["Ranks"]

_SMALL = 2**20
"""Costs up to which one rank alone is faster: a pass over them takes it less than what ranks tell each other."""

_SMALL_ON_GPU = 2**27
"""The same on a GPU."""

_FEWEST = 64
"""Rows that a rank must have for its share to be worth it."""

_COPIES = 3.0
"""Matrices of float64 that a stored solve holds at once."""


class Ranks(Exchange):
    """The ranks that solve one problem together."""

    def deadline(self, seconds: float | None, progress: Progress | None = None) -> SharedDeadline:
        """Return the deadline that is so many seconds away, which passes on all ranks at once."""
        return SharedDeadline.of(seconds, self, progress)

    def is_worth(self, x: Array, y: Array) -> bool:
        """Whether a problem between these points is large enough to be shared."""
        batch, n, m = x.shape[0], x.shape[1], y.shape[1]
        small = _SMALL_ON_GPU if is_tensor(x) and x.is_cuda else _SMALL
        return batch * n * m > small and n >= _FEWEST * self.size

    def geometry(self, backend: str, x: Array, y: Array, rule: Cost, direct: bool = False) -> Geometry:
        """Return the geometry of a backend, with the rows among the ranks where that is worth it."""
        if not self.is_worth(x, y):
            return make_geometry(backend, x, y, rule, direct)
        chosen = self._backend(backend, x, y)
        return ShardedGeometry.over(self, x, y, rule, direct, lambda *part: make_geometry(chosen, *part))

    def _backend(self, backend: str, x: Array, y: Array) -> str:
        """What "auto" stands for: "streamed" for all where one has no room to store its costs.

        The ranks of a machine share its memory.
        """
        if backend != "auto":
            return backend
        gpu = is_tensor(x) and x.is_cuda
        near = 1 if gpu else int(os.environ.get("LOCAL_WORLD_SIZE", self.size))
        need = _COPIES * 8 * x.shape[0] * -(-x.shape[1] // self.size) * y.shape[1]
        short = near * need >= 0.5 * available(near * need, x.device if is_tensor(x) else None)
        anywhere = self.together("choice of a backend", lambda: short, note=int)[1]
        return "streamed" if any(anywhere) and not gpu else "auto"

    def mean_cost(self, rule: Cost, x: Array, y: Array, a: Array, b: Array) -> Array:
        """Mean cost of independent draws, of whose rows each rank takes its part where the mean needs a look at all."""
        if rule.has_moments or not self.is_worth(x, y):
            return rule.mean(x, y, a, b)
        shared = ShardedGeometry.over(self, x, y, rule, False, lambda *part: make_geometry("streamed", *part))
        return shared.mean_cost(a, b)

    def solved(
        self, solve: Callable[..., Solution], problem: Problem, limits: Limits, init: Array | None
    ) -> Solution:
        """Solve a problem on all ranks, or on the first one for all where it is not shared."""
        if isinstance(problem.geometry, ShardedGeometry):
            return solve(problem, limits, init)
        deadline = limits.deadline
        alone = replace(
            limits, deadline=deadline.alone() if isinstance(deadline, SharedDeadline) else deadline
        )

        def solution() -> Solution | None:
            return solve(problem, alone, init) if self.rank == 0 else None

        found, _ = self.together("solution of rank 0", solution)
        xp, n = namespace(problem.a), problem.a.shape[1]
        end = n + problem.b.shape[1]
        if found is None:
            parts = zeros((len(problem.a), end + 3), problem.a)
        else:
            numbers = (found.excess, found.error, of_type(found.iterations, xp.float64))
            parts = xp.concat([found.f, found.g, xp.stack(numbers, axis=1)], axis=1)
        parts = self.of_first(parts)
        f, g, (excess, error, passes) = parts[:, :n], parts[:, n:end], parts[:, end:].T
        return Solution(f, g, excess, error, of_type(passes, xp.int64))
