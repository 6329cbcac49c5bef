"""Training: one loop for every system."""

from __future__ import annotations

import contextlib
import json
import logging
import math
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import torch
from torch import nn
from tqdm import tqdm

import otgan
from otgan.gan import arguments, checkpoint
from otgan.gan.errors import (
    DivergedError,
    Interrupted,
    OptionError,
    RunError,
    Terminated,
    WriteError,
    reason,
)
from otgan.gan.folder import Folder, write_json
from otgan.gan.interrupts import Interrupts
from otgan.gan.networks import Space
from otgan.gan.records import Records, history_of
from otgan.gan.run import Run
from otgan.gan.samples import Samples
from otgan.gan.state import State
from otgan.gan.systems import SYSTEMS, System
from otgan.spelling import answer_misspelt

__all__ = ["train"]

LOG_EVERY = 20
SAVE_EVERY = 100
EVALUATIONS = 25
"""Evaluations of a run, about; each costs as much as tens of steps."""
QUICK, FULL = 512, 2000
"""Samples that are evaluated on the way and at the end."""

_log = logging.getLogger("otgan")


@answer_misspelt
def train(
    system: str | System = "wgan-gp",
    data: Any = "8gaussians",
    steps: int | None = None,
    seed: int = 0,
    out: str | os.PathLike[str] | None = None,
    *,
    resume: bool = False,
    options: Mapping[str, Any] | None = None,
    modules: Mapping[str, nn.Module] | None = None,
    device: str | torch.device | None = None,
    save_every: int | None = None,
    evaluate_every: int | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    progress: bool = False,
    tensorboard: bool = False,
) -> Run:
    """Train a generative model.

    Parameters
    ----------
    system : str or System
        A name of :data:`otgan.gan.SYSTEMS`, with the library's defaults for the kind of data; or a system made with
        hyperparameters of one's own.
    data : data spec, array, tensor or Dataset
        What :func:`otgan.data.open_spec` opens, or samples: (n, d) points, or n images of shape (C, H, W). What has
        no test split has a fifth of it held out.
    steps : int, optional
        Generator updates in all, those before a resumption included; by default the system's own number.
    seed : int
        Of everything: weights, batches, noise. On one machine with one number of threads, equal seeds give equal bits.
    out : path, optional
        The folder for configuration, metrics, checkpoints and pictures, see :class:`otgan.gan.folder.Folder`.
        Without one nothing is written.
    resume : bool
        Go on with the run in `out` from its last usable checkpoint; an empty folder starts one.
    options : mapping, optional
        Hyperparameters in place of the defaults, by the names of the system's fields.
    modules : mapping of str to nn.Module, optional
        Networks of one's own in place of the system's, by name ("generator", "critic", ...). They are trained in
        place, from the weights they have.
    device : optional
        Where to train; CUDA where there is one.
    save_every : int, default 100
        Steps between checkpoints.
    evaluate_every : int, optional
        Steps between evaluations, besides those at the first and the last step; by default about 25 a run.
    data_dir : path, optional
        Where to look for MNIST and CIFAR-10 first.
    progress : bool
        Show a bar on stderr.
    tensorboard : bool
        Write the rows for TensorBoard too, which ``pip install 'otgan[tensorboard]'`` brings.

    Returns
    -------
    Run

    Raises
    ------
    OptionError
        If a name or an option means nothing.
    SpecError, DataError
        If there is no such data, or they cannot be used.
    RunError
        If the folder holds another run, the run there was configured otherwise, no checkpoint is usable, there is
        less data than a batch, or the networks cannot take its shape; if another process trains in the folder; if a
        file cannot be written, the last good checkpoint being kept.
    DivergedError
        If a loss or a weight stops being finite.
    KeyboardInterrupt, SystemExit
        On SIGINT, and with the status 143 on SIGTERM: the step and what belongs to it are finished, and a checkpoint is
        written, from which `resume` goes on to the same end. A second signal ends at once. Signals that the
        application handles itself, or ignores, are left to it, as are all in other threads than the main one.

    Examples
    --------
    >>> import otgan.data, otgan.gan
    >>> points = otgan.data.load("swissroll", n=400)
    >>> run = otgan.gan.train("wgan-gp", points, steps=2)
    >>> run.sample(5).shape
    (5, 2)
    """
    resume, progress = arguments.flag("resume", resume), arguments.flag("progress", progress)
    tensorboard, seed = arguments.flag("tensorboard", tensorboard), arguments.seed(seed)
    out = None if out is None else arguments.path("out", out)
    data_dir = None if data_dir is None else arguments.path("data_dir", data_dir)
    steps = None if steps is None else arguments.whole("steps", steps)
    save_every = None if save_every is None else arguments.whole("save_every", save_every)
    evaluate_every = None if evaluate_every is None else arguments.whole("evaluate_every", evaluate_every)
    options, modules = arguments.mapping("options", options, "{'batch': 64}"), arguments.modules(modules)
    where = arguments.device(device)
    if out is None and resume:
        raise OptionError("to resume, name the folder of the run: out")
    if out is None and tensorboard:
        raise OptionError("TensorBoard's files need a folder: out")
    check_system(system, options)
    try:
        with contextlib.ExitStack() as stack:
            interrupts = stack.enter_context(Interrupts())
            samples = Samples.of(data, seed, data_dir)
            system = choose_system(system, samples.space, options)
            steps = system.steps.get(samples.space.kind, 1000) if steps is None else steps
            state = State.start(system, samples, seed, where, modules)
            folder = None if out is None else Folder(out)
            if folder is not None:
                stack.enter_context(folder.held())
            going_on = folder if folder is not None and resume and folder.holds_run() else None
            before = {} if going_on is None else going_on.config()
            config = {
                "system": system.name,
                "options": asdict(system),
                "data": samples.describe(),
                "seed": seed,
                "modules": sorted(modules),
                "device": where.type,
                **_schedule(steps, save_every, evaluate_every, before),
                "steps": steps,
                "versions": {"otgan": otgan.__version__, "torch": torch.__version__},
            }
            history: list[dict[str, Any]] = []
            pending: dict[str, Any] | None = None
            if going_on is not None:
                going_on.check_same(config)
                found = checkpoint.newest(going_on.path)
                if found is not None:
                    state.load_state_dict(found.state)
                    history, pending = history_of(found, going_on.metrics_file)
                going_on.clean()
                if state.step == before["steps"]:
                    _mend_evaluation(going_on, history, state.step)
                going_on.write_config(config)
            elif folder is not None:
                folder.start(config)
                folder.clean()
            if resume:
                _log.info("resumed at step %d", state.step)

            records = stack.enter_context(
                contextlib.closing(
                    Records(folder, system.estimate, history, tensorboard=tensorboard, pending=pending)
                )
            )
            run = Run.of(state, system, samples, seed, records.history, folder)
            bar = stack.enter_context(
                tqdm(total=max(steps, state.step), initial=state.step, unit="step", disable=not progress)
            )
            try:
                interrupts.wait()
                fit(state, run, records, bar, config, interrupts)
            except DivergedError as error:
                raise DivergedError(f"{error}; last good checkpoint: {_kept(folder)}") from error
            except WriteError as error:
                raise WriteError(
                    f"{error}; last good checkpoint: {_kept(folder)}: resume the run once it can be"
                ) from error
            except (MemoryError, RuntimeError) as error:
                short = isinstance(error, MemoryError) or "alloc" in str(error) or "memory" in str(error)
                if isinstance(error, RunError) or not short:
                    raise
                raise RunError(
                    f"there is too little memory to train: {reason(error)}; last good checkpoint: {_kept(folder)}: "
                    "choose a smaller batch or width"
                ) from error
        if interrupts.received:
            raise _stopped(interrupts, run)
    except (Interrupted, Terminated) as error:
        _log.warning("%s", error)
        raise
    return run


def fit(
    state: State,
    run: Run,
    records: Records,
    bar: tqdm[Any],
    config: Mapping[str, Any],
    interrupts: Interrupts | None = None,
) -> None:
    """Step until ``config["steps"]``, writing down and evaluating on the way, a checkpoint being the last thing done.

    Nothing on the way waits for the device, or draws a random number that the training would miss.
    """
    interrupts = interrupts or Interrupts()  # outside of its context, it hears nothing
    system, steps = run.system, config["steps"]
    device = state.batches.points.device
    mixed = device.type == "cuda" and run.space.kind == "images"
    clock = Clock(records.history)
    if state.step == 0:
        _evaluate(run, records, clock, QUICK)
    if interrupts.received:
        raise _stopped(interrupts, run)
    for step in range(state.step + 1, steps + 1):
        state.slow_down(system.decay)
        # Weights change within a step, so bfloat16 copies of them must not be kept.
        with (
            _explained(state, step, config["modules"]),
            torch.autocast(device.type, torch.bfloat16, enabled=mixed, cache_enabled=False),
        ):
            terms = system.step(state.nets, state.optimizers, state.batches)
        for name, average in state.averages.items():
            average.update_parameters(state.nets[name])
        records.add(terms)
        run.step = state.step = step

        last = step == steps
        save = last or step % config["save_every"] == 0
        evaluate = last or step % config["evaluate_every"] == 0
        if save or evaluate or step % config["log_every"] == 0:
            records.flush(step, seconds=clock.seconds())
            bar.update(step - bar.n)
        if evaluate:
            result = _evaluate(run, records, clock, FULL if last else QUICK)
            bar.set_postfix_str(f"EM {result['em']:.3f}")
        # What came while the step was made, or its evaluation, is answered by the checkpoint that the step ends with.
        save = save or interrupts.received is not None
        if save:
            state.check_finite()
            records.check(step)
            if run.folder is not None:
                checkpoint.save(run.folder.path, step, state.state_dict(), records.state_dict())
        if save and interrupts.received:  # while it was saved, too
            raise _stopped(interrupts, run)


@contextlib.contextmanager
def _explained(state: State, step: int, own: Sequence[str]) -> Iterator[None]:
    """Turn what a step ends in, whose numbers are no longer finite or whose networks do not fit, into one sentence."""
    try:
        yield
    except RunError:
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


def _stopped(interrupts: Interrupts, run: Run) -> Interrupted | Terminated:
    """Return what ends a training that a signal stopped, with where it goes on."""
    assert interrupts.received is not None
    name = interrupts.received.name
    if run.folder is None:
        message = f"{name}: stopped at step {run.step}; without a folder (out) nothing is saved"
    else:
        saved = "saved" if run.step else "before anything was to be saved"
        message = f"{name}: stopped at step {run.step}, {saved}; resume the run in {run.folder.path} to go on"
    return interrupts.ending(message)


def _kept(folder: Folder | None) -> str:
    kept = [] if folder is None else checkpoint.saved(folder.path)
    return str(kept[-1]) if kept else "none"


class Clock:
    """Seconds of training, those before a resumption included, and how many of them went into evaluations."""

    def __init__(self, history: list[dict[str, Any]]) -> None:
        before = next((row["seconds"] for row in reversed(history) if "seconds" in row), 0.0)
        self._start = time.monotonic() - before

    def seconds(self) -> float:
        """Return the time since the start, to the millisecond."""
        return round(time.monotonic() - self._start, 3)


def _evaluate(run: Run, records: Records, clock: Clock, n: int) -> dict[str, Any]:
    """Evaluate the run, write the numbers and the pictures, and warn of an estimate that cannot be one."""
    start = clock.seconds()
    result = run.evaluate(n=n)
    for name, value in result.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise DivergedError(f"step {run.step}: {name} of the evaluation became {value}")
    recent = [row for row in records.history if "evaluation" not in row][-5:]
    if (
        run.system.estimate == "wasserstein"
        and recent
        and all(row.get("wasserstein", 0) < 0 for row in recent)
    ):
        _log.warning("step %d: the Wasserstein estimate is negative: the critic has not learned", run.step)
    if run.folder is not None:
        from otgan.gan import figures  # matplotlib takes long to import

        figures.draw(run, run.folder)
        if n == FULL:
            write_json(run.folder.evaluation_file, result)
            figures.curves(run.folder.curves_file, records.history, run.system.estimate)
    took = round(clock.seconds() - start, 3)
    records.write({"step": run.step, "evaluation": result, "seconds": clock.seconds(), "took": took})
    return result


def check_system(system: str | System, options: Mapping[str, Any]) -> None:
    """Refuse what is no system, before the data are opened."""
    if isinstance(system, System):
        if options:
            raise OptionError("give options to the system itself, or name the system")
    elif not isinstance(system, str):
        raise OptionError(
            f"system must be one of {', '.join(SYSTEMS)}, or a System that was made, got {arguments.shown(system)}"
        )
    elif system not in SYSTEMS:
        raise OptionError(f"no system {system!r}; there are {', '.join(SYSTEMS)}")


def _mend_evaluation(folder: Folder, history: list[dict[str, Any]], step: int) -> None:
    """Write the evaluation that a run ended with again, where its file was damaged or removed."""
    row = next((row for row in reversed(history) if "evaluation" in row), None)
    if row is None or row["step"] != step:
        return
    try:
        there = json.loads(folder.evaluation_file.read_bytes())
    except (OSError, ValueError, RecursionError):
        there = None
    if there != row["evaluation"]:
        _log.warning("%s is missing or damaged: it is written again", folder.evaluation_file)
        write_json(folder.evaluation_file, row["evaluation"])


def choose_system(system: str | System, space: Space, options: Mapping[str, Any] | None) -> System:
    """Return the system of that name with the defaults for the data, or the one given."""
    check_system(system, options or {})
    return system if isinstance(system, System) else SYSTEMS[system].for_data(space.kind, options)


def _schedule(
    steps: int, save_every: int | None, evaluate_every: int | None, before: Mapping[str, Any]
) -> dict[str, int]:
    """Return how often what is done: as asked for, else as the run before had it, else by default."""
    save = save_every or before.get("save_every") or SAVE_EVERY
    by_default = max(1, round(steps / EVALUATIONS / save)) * save
    evaluate = evaluate_every or before.get("evaluate_every") or by_default
    return {"log_every": LOG_EVERY, "save_every": save, "evaluate_every": evaluate}
