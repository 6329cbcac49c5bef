"""What a training tells its owner while it runs, and how the owner ends it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from otgan.gan import arguments
from otgan.gan.errors import OptionError

__all__ = ["Callback", "Callbacks", "EarlyStopping", "TimeLimit"]


class Callback:
    """Override what you want to be told. Where a method returns True, the training ends as if it had no steps left.

    It ends with an evaluation of full size and a checkpoint, and resuming the run goes on. What a callback raises ends the training
    at once.

    See Also
    --------
    otgan.gan.train : Train a system.
    otgan.gan.EarlyStopping : End where nothing gets better.
    otgan.gan.TimeLimit : End after some minutes.

    Examples
    --------
    >>> from otgan.gan import Callback, train
    >>> class Stop(Callback):
    ...     def on_step(self, run, terms):
    ...         return run.step >= 2
    >>> train("sinkhorn", "8gaussians", steps=100, callbacks=Stop()).step
    2
    """

    def on_step(self, run: Any, terms: Mapping[str, Tensor]) -> bool | None:
        """Hear of a step that was made: ``run.step`` counts it.

        Parameters
        ----------
        run : Run
        terms : mapping of str to Tensor
            Its losses and estimates, on the device: to look at one waits for it.
        """

    def on_evaluation(self, run: Any, result: Mapping[str, Any]) -> bool | None:
        """Hear of an evaluation, what :meth:`Run.evaluate` returns; the last row of ``run.history`` is its."""


class EarlyStopping(Callback):
    """End a training whose evaluations no longer get better.

    Parameters
    ----------
    metric : str, default "em"
        What evaluations are compared by; less is better.
    patience : int, default 5
        Evaluations without a new best after which to end.
    least : float, default 0
        By how much, as a share of the size of the best so far, a new best must be below it.

    See Also
    --------
    otgan.gan.train : Train a system.
    otgan.gan.TimeLimit : End after some minutes.

    Examples
    --------
    >>> from otgan.gan import EarlyStopping
    >>> EarlyStopping("em", patience=3).patience
    3
    """

    def __init__(self, metric: str = "em", patience: int = 5, least: float = 0.0) -> None:
        self.metric = metric
        self.patience, self.least = arguments.whole("patience", patience), arguments.real("least", least)

    def on_evaluation(self, run: Any, result: Mapping[str, Any]) -> bool:
        """Compare the evaluations of as many samples so far, those before a resumption included.

        That at the end of a run is of more samples, whose distances are smaller. Before the generator learns nothing is compared.
        """
        if run.step <= run.system.prelude:
            return False
        if self.metric not in result:
            raise OptionError(
                f"EarlyStopping compares {self.metric!r}, which evaluations of this run do not have: choose among "
                f"{', '.join(name for name, value in result.items() if isinstance(value, float))}"
            )
        judged = [
            row["evaluation"]
            for row in run.history
            if "evaluation" in row and row["step"] >= run.system.prelude
        ]
        found = [each[self.metric] for each in judged if each.get("n") == result.get("n")]
        best, since = found[0], 0
        for value in found[1:]:
            better = value < best - self.least * abs(best)
            best, since = (value, 0) if better else (best, since + 1)
        return since >= self.patience


class TimeLimit(Callback):
    """End a training after so many minutes of it by the clock: evaluations do not count, what came before a resumption does.

    Parameters
    ----------
    minutes : float

    See Also
    --------
    otgan.gan.train : Train a system.
    otgan.gan.EarlyStopping : End where nothing gets better.

    Examples
    --------
    >>> from otgan.gan import TimeLimit
    >>> TimeLimit(minutes=2).seconds
    120.0
    """

    def __init__(self, minutes: float) -> None:
        found = arguments.real("minutes", minutes)
        if found <= 0:
            raise OptionError(f"minutes must be above 0, got {arguments.shown(minutes)}")
        self.seconds = 60 * found
        self._run: Any = None
        self._spent = self._last = 0.0

    def on_step(self, run: Any, terms: Mapping[str, Tensor]) -> bool:
        """Count the time since the last step, or evaluation."""
        del terms
        now = time.monotonic()
        if run is not self._run:  # each training has all of the time
            self._run = run
            rows = [row for row in run.history if "seconds" in row]
            before = rows[-1]["seconds"] if rows else 0.0
            self._spent = float(before - sum(row.get("took", 0.0) for row in rows))
        else:
            self._spent += now - self._last
        self._last = now
        return self._spent >= self.seconds

    def on_evaluation(self, run: Any, result: Mapping[str, Any]) -> None:
        """Count anew from here."""
        del run, result
        self._last = time.monotonic()


class Callbacks:
    """Those of one training, asked in turn, all of them each time."""

    def __init__(self, callbacks: Sequence[Callback] = ()) -> None:
        self.callbacks = tuple(callbacks)

    @classmethod
    def checked(cls, callbacks: Any) -> Callbacks:
        """Take what the caller gave: one, several, or None.

        Raises
        ------
        OptionError
            If they are something else.
        """
        if callbacks is None:
            return cls()
        several = [callbacks] if isinstance(callbacks, Callback) else callbacks
        if not isinstance(several, (list, tuple)) or not all(isinstance(each, Callback) for each in several):
            raise OptionError(
                f"callbacks must be a list of otgan.gan.Callback, got {arguments.shown(callbacks)}: derive a class from it"
            )
        return cls(several)

    def on_step(self, run: Any, terms: Mapping[str, Tensor]) -> bool:
        """Whether one of them ends the training."""
        answers = [each.on_step(run, terms) for each in self.callbacks]
        return True in answers

    def on_evaluation(self, run: Any, result: Mapping[str, Any]) -> bool:
        """Whether one of them ends the training."""
        answers = [each.on_evaluation(run, result) for each in self.callbacks]
        return True in answers
