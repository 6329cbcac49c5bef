"""Training from end to end: arguments, data, state, folder, loop, run."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import nn
from tqdm import tqdm

from otgan.gan.callbacks import Callback
from otgan.gan.datasets.training_data import TrainingData
from otgan.gan.errors import (
    DivergedError,
    Interrupted,
    RunError,
    Terminated,
    WriteError,
    reason,
)
from otgan.gan.evaluation.judge import Judge
from otgan.gan.parallel.members import Alone, members_of
from otgan.gan.run import Run
from otgan.gan.systems import System
from otgan.gan.training import checkpoint
from otgan.gan.training.begin import Begun, settle, shared_begin
from otgan.gan.training.folder import Folder
from otgan.gan.training.interrupts import Interrupts
from otgan.gan.training.loop import fit, stopped
from otgan.gan.training.records import Records
from otgan.gan.training.request import Request, choose_system
from otgan.gan.training.schedule import Schedule
from otgan.gan.training.settings import Settings
from otgan.gan.training.state import State
from otgan.spelling import answer_misspelt

__all__ = ["train"]

_log = logging.getLogger("otgan")


@answer_misspelt
def train(
    system: str | System = "wgan-gp",
    data: Any = "8gaussians",
    steps: int | None = None,
    seed: int = 0,
    out: str | os.PathLike[str] | None = None,
    *,
    labels: Any = None,
    conditional: bool = False,
    resume: bool = False,
    preset: str | None = None,
    options: Mapping[str, Any] | None = None,
    modules: Mapping[str, nn.Module] | None = None,
    device: str | torch.device | None = None,
    save_every: int | None = None,
    evaluate_every: int | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    progress: bool = False,
    tensorboard: bool = False,
    callbacks: Callback | Sequence[Callback] | None = None,
    group: Any = None,
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
        Generator updates in all, those before a resumption included; by default those that the run in `out` was to make, where it is
        resumed, else the system's own number.
    seed : int
        Of everything: weights, batches, noise. On one machine with one number of threads, equal seeds give equal bits.
    out : path, optional
        The folder for configuration, metrics, checkpoints and pictures, see :class:`otgan.gan.training.folder.Folder`.
        Without one nothing is written.
    labels : array-like, shape (n,), optional
        The class of each sample of an array, a tensor or a DataFrame, numbers or words; of a table the column that holds them.
        By default those of the data: of a data set of torch whole numbers that stand behind the samples.
    conditional : bool
        Make samples by class: the networks are told the labels of the data, and :meth:`Run.sample` takes a class. Short for
        the hyperparameter of that name.
    resume : bool
        Go on with the run in `out` from its last usable checkpoint; an empty folder starts one.
    preset : {"paper"}, optional
        In place of the defaults for the data, networks and settings of the papers' size for CIFAR-10, of systems that have
        them: hours of a GPU.
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
        Show all settings, and a bar, on stderr.
    tensorboard : bool
        Write the rows for TensorBoard too, which ``pip install 'otgan[tensorboard]'`` brings.
    callbacks : Callback or list of them, optional
        Who is told of steps and evaluations, and may end the training, such as :class:`otgan.gan.EarlyStopping`.
    group : ProcessGroup, True or "world", optional
        A group of torch.distributed that trains together: all of its ranks make the same call, each network runs on a
        rank's rows of the batch, and all get the weights that one process would have with the same batch. Rank 0 alone
        evaluates, and writes `out`. See the how-to on many processes.

    Returns
    -------
    Run
        In a group one on each rank, of which that of rank 0 alone has a folder.

    Raises
    ------
    OptionError
        If a name or an option means nothing.
    SpecError, DataError
        If there is no such data, or they cannot be used.
    RunError
        If samples are wanted by class and the data have no labels. If the folder holds another run, the run there was configured otherwise, no checkpoint is usable, there is
        less data than a batch, or the networks cannot take its shape; if another process trains in the folder; if a
        file cannot be written, the last good checkpoint being kept.
    DivergedError
        If a loss or a weight stops being finite.
    KeyboardInterrupt, SystemExit
        On SIGINT, and with the status 143 on SIGTERM: the step and what belongs to it are finished, and a checkpoint is
        written, from which `resume` goes on to the same end. A second signal ends at once. Signals that the
        application handles itself, or ignores, are left to it, as are all in other threads than the main one.

    See Also
    --------
    otgan.gan.Run : What a training returns.
    otgan.gan.Callback : What hears of a training.
    otgan.SinkhornLoss : The same as a module of torch.

    Examples
    --------
    >>> import otgan.data, otgan.gan
    >>> points = otgan.data.load("swissroll", n=400)
    >>> run = otgan.gan.train("wgan-gp", points, steps=2)
    >>> run.sample(5).shape
    (5, 2)
    """
    given = {name: value for name, value in locals().items() if name != "group"}  # every argument by its name
    with members_of(group) as members:
        request = Request.checked(**given)
        request = replace(request, device=members.device(request.device))
        try:
            with contextlib.ExitStack() as stack:
                interrupts = stack.enter_context(Interrupts())
                run = _trained(request, interrupts, stack, members)
            if members.heard(interrupts):
                raise stopped(interrupts, run, members)
        except (Interrupted, Terminated) as error:
            _log.warning("%s", error)
            raise
    return run


def _trained(request: Request, interrupts: Interrupts, stack: contextlib.ExitStack, members: Alone) -> Run:
    """Gather what a training needs, and train; the stack closes what was opened."""
    members.agree(request.told())
    data = TrainingData.of(request.data, request.seed, request.data_dir, labels=request.labels)
    chosen = choose_system(request.system, data.space, request.options, request.preset)
    system = _fitting(chosen, data, request.options)
    if request.conditional:
        system = replace(system, conditional=True)
    description = data.describe(conditional=system.conditional)
    members.agree({"system": system, "data": description})
    state = State.start(system, data, request.seed, request.device, request.modules)
    place = None if request.out is None else Folder(request.out)
    folder = place if members.leads else None

    def begin() -> Begun:
        if folder is not None:
            stack.enter_context(folder.held())
        before = folder.settings() if folder is not None and request.resume and folder.holds_run() else None
        schedule = Schedule.choose(
            request.steps,
            request.save_every,
            request.evaluate_every,
            default=system.steps_for(request.preset or data.space.kind),
            before=None if before is None else before.schedule,
        )
        settings = Settings.of(system, description, request.seed, request.modules, request.device, schedule)
        history, pending = settle(folder, settings, before, state)
        if request.resume:
            _log.info("resumed at step %d", state.step)
        if request.progress:
            tqdm.write(str(settings), file=sys.stderr)
        return Begun(schedule, history, pending)

    begun = shared_begin(members, state, begin)
    _warn_of_prelude(system, begun.schedule.steps)
    tensorboard = request.tensorboard and members.leads
    records = Records(folder, system.estimate, begun.history, tensorboard=tensorboard, pending=begun.pending)
    stack.enter_context(contextlib.closing(records))
    model, judge = state.model(system, data.space), Judge(data.train, data.held_out)
    run = Run(model, description, request.seed, records.history, folder, judge)
    quiet = not (request.progress and members.leads)
    bar = stack.enter_context(
        tqdm(total=max(begun.schedule.steps, state.step), initial=state.step, unit="step", disable=quiet)
    )
    with _last_checkpoint_named(place), members.training(state.nets, state.optimizers):
        interrupts.wait()
        fit(
            state,
            run,
            records,
            bar,
            begun.schedule,
            own=tuple(sorted(request.modules)),
            interrupts=interrupts,
            callbacks=request.callbacks,
            members=members,
        )
        members.by_first("the report", lambda: None if folder is None else run.write_report())
    return run


def _warn_of_prelude(system: System, steps: int) -> None:
    if 0 < steps <= system.prelude:
        _log.warning(
            "the generator learns from step %d on: %d steps are for what it learns by, see n_features",
            system.prelude + 1,
            system.prelude,
        )


def _fitting(system: System, data: TrainingData, options: Mapping[str, Any]) -> System:
    """Shrink the batch that a system has by default to the samples that there are."""
    if system.batch <= len(data.train) or "batch" in options:
        return system
    _log.warning(
        "%d samples to train on are fewer than the batch of %d: it is %d here",
        len(data.train),
        system.batch,
        len(data.train),
    )
    return replace(system, batch=len(data.train))


@contextlib.contextmanager
def _last_checkpoint_named(folder: Folder | None) -> Iterator[None]:
    """Add to what ends a training the last good checkpoint, and what to do."""
    try:
        yield
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


def _kept(folder: Folder | None) -> str:
    kept = [] if folder is None else checkpoint.saved(folder.path)
    return str(kept[-1]) if kept else "none"
