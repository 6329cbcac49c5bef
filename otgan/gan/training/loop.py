"""The loop: one for every system."""

from __future__ import annotations

import contextlib
import logging
import math
import time
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from otgan.gan.callbacks import Callbacks
from otgan.gan.errors import DivergedError, Interrupted, RunError, Terminated, reason
from otgan.gan.files import write_json
from otgan.gan.model import Model
from otgan.gan.parallel.members import Alone
from otgan.gan.systems.base import Precision
from otgan.gan.training import checkpoint
from otgan.gan.training.folder import Folder
from otgan.gan.training.interrupts import Interrupts
from otgan.gan.training.records import Records
from otgan.gan.training.schedule import Schedule
from otgan.gan.training.state import State
from otgan.mistakes import RankError

__all__ = ["Clock", "Trainee", "fit", "stopped"]

_DOUBTED = 5
"""Rows of terms by which an estimate is doubted."""

_log = logging.getLogger("otgan")


class Trainee(Protocol):
    """What the loop asks of the run that it trains."""

    model: Model
    folder: Folder | None

    def evaluate(self, *, n: int) -> dict[str, Any]:
        """Compare samples of the model with held-out data."""

    def real_samples(self) -> NDArray[np.float32]:
        """Return held-out samples."""

    def real_labels(self) -> NDArray[np.int64] | None:
        """Return their classes, where they have any."""


def fit(
    state: State,
    run: Trainee,
    records: Records,
    bar: tqdm[Any],
    schedule: Schedule,
    *,
    own: Sequence[str] = (),
    interrupts: Interrupts | None = None,
    callbacks: Callbacks | None = None,
    members: Alone | None = None,
) -> None:
    """Step to the end of the schedule, writing down and evaluating on the way, a checkpoint being the last thing done.

    Nothing here draws a random number that the training would miss. Terms stay on the device until a row is written; what
    a step of the system waits for is its own, and the moving averages read their count from the device.

    Parameters
    ----------
    state, run, records
        What is trained, its run, and where its numbers go.
    bar : tqdm
    schedule : Schedule
    own : sequence of str
        The networks that are the user's own, for messages.
    interrupts : Interrupts, optional
        Where signals are heard; by default none are.
    callbacks : Callbacks, optional
        Who is told of steps and evaluations, and may end the training.
    members : Alone, optional
        Who trains: by default this process alone.
    """
    members = members or Alone()
    callbacks = callbacks or Callbacks()
    interrupts = interrupts or Interrupts()  # outside of its context, it hears nothing
    system, clock = run.model.system, Clock(records.history)
    if state.step == 0:
        _evaluate(state, run, records, clock, schedule, own, members)
    if members.heard(interrupts):
        raise stopped(interrupts, run, members)
    while state.step < schedule.steps:
        step = state.step + 1
        state.follow_lr_schedule(system.decay)
        with _explained(state, step, own), _mixed_precision(state, run.model), members.step():
            terms = system.step(state.nets, state.optimizers, state.batches)
        state.update_averages()
        records.add(terms)
        run.model.step = state.step = step
        schedule = schedule.until(step, asked=members.any_of(callbacks.on_step(run, terms)))

        if schedule.logs(step):
            records.flush(step, seconds=clock.seconds())
            bar.update(step - bar.n)
        if schedule.evaluates(step):
            result = _evaluate(state, run, records, clock, schedule, own, members)
            bar.set_postfix_str(f"EM {result['em']:.3f}")
            # It ends a step later, as a step has one evaluation.
            asked = members.any_of(callbacks.on_evaluation(run, result))
            schedule = schedule.until(step + 1, asked=asked)
        # What came while the step was made, or its evaluation, is answered by the checkpoint that the step ends with.
        save = members.heard(interrupts) or schedule.saves(step)
        if save:
            _save(state, run, records, members)
        if save and members.heard(interrupts):  # while it was saved, too
            raise stopped(interrupts, run, members)


def _mixed_precision(state: State, model: Model) -> torch.autocast:
    """Compute steps in bfloat16 where that is asked for, or on images where it is fast."""
    device, asked = state.batches.points.device, model.system.precision
    fast = device.type == "cuda" and model.space.large
    mixed = asked is Precision.BFLOAT16 or (asked is Precision.AUTO and fast)
    # Weights change within a step, so bfloat16 copies of them must not be kept.
    return torch.autocast(device.type, torch.bfloat16, enabled=mixed, cache_enabled=False)


@contextlib.contextmanager
def _explained(state: State, step: int, own: Sequence[str]) -> Iterator[None]:
    """Turn what a step ends in, whose numbers are no longer finite or whose networks do not fit, into one sentence."""
    try:
        yield
    except (RunError, RankError):
        raise
    except (ValueError, OverflowError, RuntimeError, TypeError, AttributeError) as error:
        state.check_finite(step)
        words = str(error).lower()
        if isinstance(error, (ValueError, OverflowError)) and ("finite" in words or "overflow" in words):
            raise DivergedError(f"step {step}: numbers are too large to go on: {reason(error)}") from error
        if own and state.step == 0:
            raise RunError(
                f"your {' and '.join(own)} cannot be trained with this system: {reason(error)}"
            ) from error
        raise


def _save(state: State, run: Trainee, records: Records, members: Alone) -> None:
    """Write a checkpoint, of what is finite alone."""
    state.check_finite()
    records.check(state.step)
    members.check_same(state.nets)

    def write() -> None:
        if run.folder is not None:
            checkpoint.save(run.folder.path, state.step, state.state_dict(), records.state_dict())

    members.by_first("the checkpoint", write)


def _evaluate(
    state: State,
    run: Trainee,
    records: Records,
    clock: Clock,
    schedule: Schedule,
    own: Sequence[str],
    members: Alone,
) -> dict[str, Any]:
    """Evaluate the run, write the numbers and the pictures, and warn of an estimate that cannot be one."""
    start, step, system = clock.seconds(), run.model.step, run.model.system
    result: dict[str, Any] = members.plain_by_first(
        "an evaluation", lambda: _evaluation(state, run, schedule, own)
    )
    doubt = system.doubt([row for row in records.history if "evaluation" not in row][-_DOUBTED:])
    if doubt is not None:
        _log.warning("step %d: %s", step, doubt)
    took = round(clock.seconds() - start, 3)
    records.write({"step": step, "evaluation": result, "seconds": clock.seconds(), "took": took})
    if run.folder is not None:
        from otgan.gan.evaluation import figures

        figures.curves(run.folder.curves_file, records.history, system.estimate)
    return result


def _evaluation(state: State, run: Trainee, schedule: Schedule, own: Sequence[str]) -> dict[str, Any]:
    """Return what an evaluation finds, with its pictures drawn."""
    step, system = run.model.step, run.model.system
    result = run.evaluate(n=schedule.evaluated(step))
    with _explained(state, step, own):
        result |= state.assess(system)
    for name, value in result.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise DivergedError(f"step {step}: {name} of the evaluation became {value}")
    if run.folder is not None:
        from otgan.gan.evaluation import figures  # matplotlib takes long to import

        figures.draw(run.model, run.real_samples(), run.folder.picture, run.real_labels())
        if schedule.last(step):
            write_json(run.folder.evaluation_file, result)
    return result


def stopped(interrupts: Interrupts, run: Trainee, members: Alone) -> Interrupted | Terminated:
    """Return what ends a training that a signal stopped, with where it goes on."""
    assert interrupts.received is not None
    name, step = interrupts.received.name, run.model.step
    if not members.leads:
        message = f"{name}: stopped at step {step}; rank 0 says what is saved"
    elif run.folder is None:
        message = f"{name}: stopped at step {step}; without a folder (out) nothing is saved"
    else:
        saved = "saved" if step else "before anything was to be saved"
        message = f"{name}: stopped at step {step}, {saved}; resume the run in {run.folder.path} to go on"
    return interrupts.ending(message)


class Clock:
    """Seconds of training, those before a resumption included."""

    def __init__(self, history: list[dict[str, Any]]) -> None:
        before = next((row["seconds"] for row in reversed(history) if "seconds" in row), 0.0)
        self._start = time.monotonic() - before

    def seconds(self) -> float:
        """Return the time since the start, to the millisecond."""
        return round(time.monotonic() - self._start, 3)
