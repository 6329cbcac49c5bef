"""What ranks train together in the tests, and the same by one process."""

import contextlib
import os
import time
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from torch import nn

import otgan.gan
from otgan.gan.callbacks import Callback
from otgan.gan.datasets.training_data import TrainingData
from otgan.gan.parallel.members import Alone, members_of
from otgan.gan.run import Run
from otgan.gan.systems import SYSTEMS
from otgan.gan.training import checkpoint
from otgan.gan.training.state import State
from otgan.mistakes import OtganError
from tests.distributed.cases import group_of_two, raised

STEPS, FEW = 50, 8
"""Steps after which weights are compared: of every system, and of other options and larger networks."""

SMALL = {"batch": 15, "width": 8, "depth": 1}
"""Of a batch that neither two ranks nor four share evenly."""

DUALS = {**SMALL, "n_dual": 2}

IMAGES = {"network": "dcgan", "batch": 7, "width": 4, "latent": 3, "n_critic": 1}
"""Of networks with batch normalization."""

CODES = {"features": "autoencoder:3", "n_features": 5, "code_width": 8, "code_depth": 1}

CASES = {
    **{name: (name, SMALL) for name in SYSTEMS},
    # A solve ends at a tolerance: where that is wide, sums that differ by rounding may end it a pass later.
    "sinkhorn": ("sinkhorn", {**SMALL, "tol": 1e-9}),
    "wgan": ("wgan", {**SMALL, "n_critic": 2}),
    "wgan-gp": ("wgan-gp", {**SMALL, "n_critic": 2}),
    **{f"duals {name}": ("smoothed-ot", {**DUALS, "duals": name}) for name in ("nets", "semidual", "table")},
    "enough": ("smoothed-ot", {**DUALS, "duals": "nets", "n_dual": 5, "enough": 0.2}),
    "self terms": ("smoothed-ot", {**SMALL, "self_terms": True}),
    "debiased": ("sinkhorn", {**SMALL, "form": "debiased"}),
    "l2": ("smoothed-ot", {**SMALL, "regularizer": "l2", "strength": 0.5}),
    "learned variance": ("vae", {**SMALL, "learn_variance": True}),
    "implicit": ("wae-gan", {**SMALL, "encoder": "implicit", "noise": 4, "basis": 3}),
    "adversarial features": ("sinkhorn", {**SMALL, "features": "adversarial:4"}),
    "autoencoder features": ("sinkhorn", {**SMALL, **CODES}),
    "flow of codes": ("flow-matching", {**SMALL, **CODES, "features": "wae:3"}),
    **{
        f"classes {name}": (name, {**SMALL, "conditional": True}) for name in ("gan", "wgan-gp", "vae", "avb")
    },
    "classes duals": ("smoothed-ot", {**DUALS, "duals": "nets", "conditional": True}),
    "classes codes": ("flow-matching", {**SMALL, **CODES, "conditional": True}),
    "normalized": ("gan", IMAGES),
    "normalized penalty": ("wgan-gp", IMAGES),
    "two rows": ("wgan-gp", {**IMAGES, "batch": 2}),
    "residual": ("wgan-gp", {**IMAGES, "network": "resnet", "width": 2}),
}
"""Systems and options whose training by ranks is compared with that by one process."""

THREE = ("wgan-gp", "normalized", "two rows")
"""What three ranks train as well."""


def data_of(name):
    """Points, or images where a case has networks of them."""
    rng = np.random.default_rng(0)
    if "network" in CASES[name][1]:
        return TrainingData.of(rng.uniform(size=(60, 1, 8, 8)).astype(np.float32), 0)
    labels = np.arange(60) % 3 if "conditional" in CASES[name][1] else None
    return TrainingData.of(rng.normal(size=(60, 2)), 0, labels=labels)


@contextlib.contextmanager
def precision(dtype):
    """Have everything computed in a type: what asks for single precision gets it too."""
    single, before = torch.Tensor.float, torch.get_default_dtype()
    if dtype is torch.float64:
        torch.Tensor.float = torch.Tensor.double
        torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.Tensor.float = single
        torch.set_default_dtype(before)


def trained(name, members, dtype=torch.float64, steps=None):
    """Weights after some steps, and the gradients that each optimizer steps by at first."""
    kind, options = CASES[name]
    steps = steps or (STEPS if name in SYSTEMS else FEW)
    data = data_of(name)
    with precision(dtype):
        state = State.start(SYSTEMS[kind].for_data(data.space.kind, options), data, 0, torch.device("cpu"))
        system = SYSTEMS[kind].for_data(data.space.kind, options)
        for net in state.nets.values():
            net.to(dtype)
        state.batches.points = state.batches.points.to(dtype)
        first = {}

        def note(optimizer, args, kwargs):
            key = next(key for key, value in state.optimizers.items() if value is optimizer)
            grads = [each.grad for group in optimizer.param_groups for each in group["params"]]
            first.setdefault(key, [each.double().numpy().copy() for each in grads if each is not None])

        for optimizer in state.optimizers.values():
            optimizer.register_step_post_hook(note)
        with members.training(state.nets, state.optimizers):
            for _ in range(steps):
                with members.step():
                    system.step(state.nets, state.optimizers, state.batches)
        weights = {
            f"{key}.{part}": value.double().numpy()
            for key, net in state.nets.items()
            for part, value in net.state_dict().items()
        }
    return weights, first


def together(group, names, **given):
    """What the ranks of a group have trained."""
    with members_of(group) as members:
        members.device(torch.device("cpu"))
        return {name: trained(name, members, **given) for name in names}


def apart(names, **given):
    """What one process has trained."""
    return {name: trained(name, Alone(), **given) for name in names}


SINGLE = {"dtype": torch.float32, "steps": 1}


class _Normalized(nn.Module):
    """A network of points with what may stand in one of a user's own."""

    def __init__(self, outputs):
        super().__init__()
        # A bias before a normalization would have no gradient but rounding, which Adam makes steps of.
        self.layers = nn.Sequential(
            nn.Linear(2, 8, bias=False),
            nn.BatchNorm1d(8, momentum=None),
            nn.Softplus(),
            nn.Linear(8, outputs),
        )

    def forward(self, x, *, scale=1.0):
        return scale * self.layers(x)


POINTS = np.random.default_rng(1).normal(size=(50, 2))
TINY = {"batch": 6, "width": 4, "depth": 1, "latent": 2}


def own(group):
    """A training of networks of one's own, whose first weights differ from rank to rank."""
    rank = 0 if group is None else dist.get_rank()
    torch.manual_seed(rank)
    critic = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1))
    modules = {"generator": _Normalized(2), "critic": critic}
    given = {"options": {"batch": 10, "latent": 2}, "modules": modules, "group": group}
    run = otgan.gan.train("wgan-gp", POINTS, 3, **given)
    weights = {
        f"{name}.{key}": value.numpy()
        for name, net in modules.items()
        for key, value in net.state_dict().items()
    }
    evaluations = [row.get("evaluation") for row in run.history]
    return run.step, weights, evaluations, run.sample(4, seed=0), "forward" in modules["critic"].__dict__


class _On(Callback):
    """Does something after a step, or an evaluation."""

    def __init__(self, step, act, *, evaluated=False):
        self.step, self.act, self.evaluated = step, act, evaluated

    def on_step(self, run, terms):
        return self.act() if run.step == self.step and not self.evaluated else None

    def on_evaluation(self, run, result):
        return self.act() if run.step == self.step and self.evaluated else None


def _fail():
    raise FloatingPointError("of one's own")


def ends(rank):
    """What a training by two becomes where one of them gives something else, or something goes wrong in it."""

    def called(system="gan", data=POINTS, steps=3, **given):
        options = given.pop("options", TINY)
        return raised(lambda: otgan.gan.train(system, data, steps, options=options, group=True, **given))

    def other(name, value, usual):
        return {name: value if rank else usual}

    Path("occupied").mkdir(exist_ok=True)
    Path("occupied/file").touch()
    callbacks = {name: _On(2, act) for name, act in (("stop", lambda: True), ("fail", _fail))}
    stopped = otgan.gan.train(
        "gan", POINTS, 9, options=TINY, group=True, callbacks=callbacks["stop"] if rank else None
    )
    return {
        "steps": called(**other("steps", 4, 3)),
        "options": called(**other("options", {**TINY, "batch": 5}, TINY)),
        "data": called(**other("data", POINTS + 1, POINTS)),
        "system": called(**other("system", "wgan", "gan")),
        "bad": called(**other("seed", -1, 0)),
        "module": called(modules={"critic": nn.Linear(2, 1 + rank)}),
        "scalar": called(modules={"critic": _Mean()}),
        "occupied": called(out="occupied"),
        "callback": called(callbacks=callbacks["fail"] if rank else None),
        "stopped": stopped.step,
        "diverged": called(options={**TINY, "lr": 1e30}, steps=20),
    }


class _Mean(nn.Module):
    """A critic that returns no rows."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 1)

    def forward(self, x):
        return self.layer(x).mean()


def drift(rank):
    """What is said where weights are no longer the same."""
    critic = nn.Linear(2, 1)
    given = {"options": TINY, "modules": {"critic": critic}, "group": True}
    aside = _On(2, lambda: critic.weight.data.add_(rank) is None)
    return raised(lambda: otgan.gan.train("gan", POINTS, 4, callbacks=aside, **given))


def of_all(rank, size):
    """All cases by two ranks, some by all, and each by one process."""
    pair = group_of_two(rank)
    third = list(CASES)[rank::size]
    found = {"alone": apart(third), "single alone": apart(third, **SINGLE)}
    if pair is not None:
        found |= {"two": together(pair, CASES), "single": together(pair, CASES, **SINGLE)}
    found |= {"three": together("world", THREE), "own": own("world")}
    return found | {"own alone": own(None)}


def of_two(rank, size):
    """Whole trainings by two, one of which goes on where it was killed."""
    found = {"ends": ends(rank), "drift": drift(rank)}
    given = {"options": TINY, "group": "world", "save_every": 2}
    whole = otgan.gan.train("gan", POINTS, 8, 0, "whole", **given)
    again = otgan.gan.train("gan", POINTS, 8, 0, "killed", resume=True, **given)
    found["resumed"] = [(run.step, run.folder is None, run.history) for run in (whole, again)]
    found["files"] = sorted(path.name for path in Path("whole").iterdir())
    if rank == 0:
        found["states"] = [checkpoint.latest(Path(name)) for name in ("whole", "killed")]
        found["read"] = Run.load("killed").sample(3, seed=0), again.sample(3, seed=0)
    return found


def killed(rank, size):
    """A training of which a rank is killed, once something was saved."""
    return _lost(rank, lambda: os._exit(9), out="killed", save_every=2)


def hangs(rank, size):
    """A training of which a rank hangs."""
    return _lost(rank, lambda: time.sleep(60))


def waits(rank, size):
    """A training with an evaluation that takes longer than the group waits."""
    evaluate = Run.evaluate

    def slow(self, **given):
        time.sleep(SLOW)
        return evaluate(self, **given)

    Run.evaluate = slow
    try:
        return otgan.gan.train("wgan", POINTS, 2, options=TINY, group=True).step
    finally:
        Run.evaluate = evaluate


LONGEST = 180
"""Seconds after which processes of torchrun are ended."""

SLOW = 3.0
"""Seconds of an evaluation in a group that waits for less."""


def _lost(rank, end, **given):
    begun = []

    def act():
        begun.append(time.monotonic())
        if rank == 1:
            end()

    try:
        otgan.gan.train("gan", POINTS, 8, 0, options=TINY, group=True, callbacks=_On(5, act), **given)
    except OtganError as error:
        return type(error).__name__, str(error), time.monotonic() - begun[0]
    return None
