"""What a training begins with: its schedule and its rows so far, which the ranks of a group get from the first."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from otgan.gan.parallel.members import Alone
from otgan.gan.training import checkpoint
from otgan.gan.training.folder import Folder
from otgan.gan.training.history import history_of
from otgan.gan.training.schedule import Schedule
from otgan.gan.training.settings import Settings
from otgan.gan.training.state import State

__all__ = ["Begun", "settle", "shared_begin"]

_log = logging.getLogger("otgan")


@dataclass(frozen=True)
class Begun:
    """What a training begins with, besides its state.

    Attributes
    ----------
    schedule : Schedule
    history : list of dict
        The rows until then.
    pending : list of dict
        The terms that are in none of them yet.
    """

    schedule: Schedule
    history: list[dict[str, Any]]
    pending: list[dict[str, Any]]


def shared_begin(members: Alone, state: State, begin: Callable[[], Begun]) -> Begun:
    """Have the first process begin, and let the others begin with its state: weights, optimizers, random numbers.

    Parameters
    ----------
    members : Alone
    state : State
        Of this process, which becomes that of the first.
    begin : callable
        Reads what there was before into the state of the process.
    """
    begun = members.by_first("the folder", begin)
    told = None
    if begun is not None:
        told = {
            "begun": asdict(begun),
            "state": {"step": state.step, **state.state_dict()},
        }
    heard = members.content_of_first(told)
    if begun is not None:
        return begun
    state.load_state_dict(heard["state"])
    return Begun(**{**heard["begun"], "schedule": Schedule(**heard["begun"]["schedule"])})


def settle(
    folder: Folder | None, settings: Settings, before: Settings | None, state: State
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Make the folder that of this run, going on from its last checkpoint where it was one before.

    Returns
    -------
    history : list of dict
        The rows until then.
    pending : list of dict
        The terms that are in none of them yet.
    """
    history: list[dict[str, Any]] = []
    pending: list[dict[str, Any]] = []
    if folder is None:
        return history, pending
    if before is None:
        folder.start(settings)
        folder.clean()
        return history, pending
    before.check_same(settings, str(folder.path))
    found = checkpoint.newest(folder.path)
    if found is not None:
        state.load_state_dict(found.state)
        history, pending = history_of(found, folder.metrics_file)
    folder.clean()
    if state.step == before.schedule.steps:
        folder.mend_evaluation(history, state.step)
    if state.step > settings.schedule.steps:
        _log.warning(
            "%s holds a run of %d steps, and %d were asked for, those included: nothing is left to do",
            folder.path,
            state.step,
            settings.schedule.steps,
        )
    else:
        folder.write_settings(settings)
    return history, pending
