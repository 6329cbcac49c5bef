"""When a training logs, saves and evaluates, and when it ends."""

from __future__ import annotations

from dataclasses import dataclass, replace

__all__ = ["Schedule"]

LOG_EVERY = 20
"""Steps between rows of terms."""
SAVE_EVERY = 100
"""Steps between checkpoints."""
EVALUATIONS = 25
"""Evaluations of a run, about; each costs as much as tens of steps."""
QUICK, FULL = 512, 2000
"""Samples that are evaluated on the way and at the end."""


@dataclass(frozen=True)
class Schedule:
    """When what is done, in generator updates.

    Attributes
    ----------
    steps : int
        In all, those before a resumption included.
    log_every, save_every, evaluate_every : int
        Steps between rows, checkpoints and evaluations. All three are done at the last step too.
    """

    steps: int
    log_every: int = LOG_EVERY
    save_every: int = SAVE_EVERY
    evaluate_every: int = SAVE_EVERY

    @classmethod
    def choose(
        cls,
        steps: int | None,
        save_every: int | None,
        evaluate_every: int | None,
        *,
        default: int,
        before: Schedule | None = None,
    ) -> Schedule:
        """Return how many steps there are and how often what is done: as asked for, else as the run before had it, else by default."""
        if before is not None:
            steps = before.steps if steps is None else steps
            save_every = save_every or before.save_every
            evaluate_every = evaluate_every or before.evaluate_every
        steps = default if steps is None else steps
        save_every = save_every or SAVE_EVERY
        by_default = max(1, round(steps / EVALUATIONS / save_every)) * save_every
        return cls(steps, LOG_EVERY, save_every, evaluate_every or by_default)

    def until(self, step: int, *, asked: bool) -> Schedule:
        """Return the schedule that ends at a step where that is asked for, and no later than before."""
        return replace(self, steps=min(self.steps, step)) if asked else self

    def last(self, step: int) -> bool:
        """Whether it is the last step."""
        return step == self.steps

    def saves(self, step: int) -> bool:
        """Whether a checkpoint follows a step."""
        return self.last(step) or step % self.save_every == 0

    def evaluates(self, step: int) -> bool:
        """Whether an evaluation follows a step."""
        return self.last(step) or step % self.evaluate_every == 0

    def logs(self, step: int) -> bool:
        """Whether a row follows a step."""
        return self.saves(step) or self.evaluates(step) or step % self.log_every == 0

    def evaluated(self, step: int) -> int:
        """Return how many samples are evaluated after a step, at most."""
        return FULL if self.last(step) else QUICK
