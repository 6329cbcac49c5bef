"""Training: one loop for every system."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import torch
from torch import nn
from tqdm import tqdm

import otgan
from otgan.gan import checkpoint
from otgan.gan.errors import DivergedError, OptionError
from otgan.gan.folder import Folder, write_json
from otgan.gan.networks import Space
from otgan.gan.records import Records, read_metrics
from otgan.gan.run import Run
from otgan.gan.samples import Samples
from otgan.gan.state import State
from otgan.gan.systems import SYSTEMS, System

__all__ = ["train"]

LOG_EVERY = 20
SAVE_EVERY = 100
EVALUATIONS = 25
"""Evaluations of a run, about; each costs as much as tens of steps."""
QUICK, FULL = 512, 2000
"""Samples that are evaluated on the way and at the end."""

_log = logging.getLogger("otgan")


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
        less data than a batch, or the networks cannot take its shape.
    DivergedError
        If a loss or a weight stops being finite.

    Examples
    --------
    >>> import otgan.data, otgan.gan
    >>> points = otgan.data.load("swissroll", n=400)
    >>> run = otgan.gan.train("wgan-gp", points, steps=2)
    >>> run.sample(5).shape
    (5, 2)
    """
    if resume and out is None:
        raise OptionError("to resume, name the folder of the run: out")
    samples = Samples.of(data, seed, data_dir)
    system = choose_system(system, samples.space, options)
    steps = system.steps.get(samples.space.kind, 1000) if steps is None else _count("steps", steps)
    where = _device(device)
    folder = None if out is None else Folder(out)
    going_on = folder if folder is not None and resume and folder.holds_run() else None
    config = {
        "system": system.name,
        "options": asdict(system),
        "data": samples.describe(),
        "seed": seed,
        "modules": sorted(modules or {}),
        "device": where.type,
        **_schedule(steps, save_every, evaluate_every, {} if going_on is None else going_on.config()),
        "steps": steps,
        "versions": {"otgan": otgan.__version__, "torch": torch.__version__},
    }
    state = State.start(system, samples, seed, where, modules)
    history: list[dict[str, Any]] = []
    if going_on is not None:
        going_on.check_same(config)
        found = checkpoint.latest(going_on.path)
        if found is not None:
            state.load_state_dict(found)
            history = read_metrics(going_on.metrics_file, upto=state.step)
        going_on.write_config(config)
    elif folder is not None:
        folder.start(config)
    if resume:
        _log.info("resumed at step %d", state.step)

    records = Records(folder, system.estimate, history, tensorboard=tensorboard)
    run = Run.of(state, system, samples, seed, records.history, folder)
    bar = tqdm(total=max(steps, state.step), initial=state.step, unit="step", disable=not progress)
    try:
        fit(state, run, records, bar, config)
    except DivergedError as error:
        kept = [] if folder is None else checkpoint.saved(folder.path)
        raise DivergedError(f"{error}; last good checkpoint: {kept[-1] if kept else 'none'}") from error
    finally:
        bar.close()
        records.close()
    return run


def fit(state: State, run: Run, records: Records, bar: tqdm[Any], config: Mapping[str, Any]) -> None:
    """Step until ``config["steps"]``, writing down and evaluating on the way, a checkpoint being the last thing done.

    Nothing on the way waits for the device, or draws a random number that the training would miss.
    """
    system, steps = run.system, config["steps"]
    device = state.batches.points.device
    mixed = device.type == "cuda" and run.space.kind == "images"
    clock = Clock(records.history)
    if state.step == 0:
        _evaluate(run, records, clock, QUICK)
    for step in range(state.step + 1, steps + 1):
        state.slow_down(system.decay)
        # Weights change within a step, so bfloat16 copies of them must not be kept.
        with torch.autocast(device.type, torch.bfloat16, enabled=mixed, cache_enabled=False):
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
        if save:
            state.check_finite()
            if run.folder is not None:
                checkpoint.save(run.folder.path, step, state.state_dict())


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
    recent = [row for row in records.history if "evaluation" not in row][-5:]
    if run.system.estimate == "wasserstein" and recent and all(row["wasserstein"] < 0 for row in recent):
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


def choose_system(system: str | System, space: Space, options: Mapping[str, Any] | None) -> System:
    """Return the system of that name with the defaults for the data, or the one given."""
    if isinstance(system, System):
        if options:
            raise OptionError("give options to the system itself, or name the system")
        return system
    if system not in SYSTEMS:
        raise OptionError(f"no system {system!r}; there are {', '.join(SYSTEMS)}")
    return SYSTEMS[system].for_data(space.kind, options)


def _device(device: str | torch.device | None) -> torch.device:
    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        found = torch.device(device)
    except RuntimeError as error:
        raise OptionError(f"device: expected one such as cpu or cuda, got {device!r}") from error
    if found.type == "cuda" and not torch.cuda.is_available():
        raise OptionError("device: torch finds no CUDA here")
    return found


def _schedule(
    steps: int, save_every: int | None, evaluate_every: int | None, before: Mapping[str, Any]
) -> dict[str, int]:
    """Return how often what is done: as asked for, else as the run before had it, else by default."""
    save = _count("save_every", save_every or before.get("save_every") or SAVE_EVERY)
    by_default = max(1, round(steps / EVALUATIONS / save)) * save
    evaluate = _count("evaluate_every", evaluate_every or before.get("evaluate_every") or by_default)
    return {"log_every": LOG_EVERY, "save_every": save, "evaluate_every": evaluate}


def _count(name: str, value: int) -> int:
    if isinstance(value, bool) or int(value) != value or value < 1:
        raise OptionError(f"{name} must be a whole number of at least 1, got {value!r}")
    return int(value)
