import dataclasses
import itertools

import numpy as np
import pytest
import torch
from tqdm import tqdm

from otgan.gan.datasets.training_data import TrainingData
from otgan.gan.errors import DivergedError, RunError
from otgan.gan.systems import SYSTEMS
from otgan.gan.systems.base import Precision
from otgan.gan.systems.gan import GAN
from otgan.gan.training import checkpoint, loop
from otgan.gan.training.folder import Folder
from otgan.gan.training.loop import Clock, fit
from otgan.gan.training.records import Records
from otgan.gan.training.schedule import FULL, QUICK, Schedule
from otgan.gan.training.state import State

DATA = TrainingData.of(np.random.default_rng(0).normal(size=(60, 2)), 0)
SYSTEM = GAN(batch=8, width=4, depth=1, latent=2)


@dataclasses.dataclass
class Trainee:
    """A run that notes how it is evaluated, and finds the same every time."""

    model: object
    folder: object = None
    result: object = 1.0
    asked: list = dataclasses.field(default_factory=list)

    def evaluate(self, *, n):
        self.asked.append((self.model.step, n))
        return {"em": self.result, "em_floor": 0.5}

    def real_samples(self):
        return DATA.held_out.points

    def real_labels(self):
        return DATA.held_out.labels


def stage(system=SYSTEM, folder=None):
    state = State.start(system, DATA, 0, torch.device("cpu"))
    return state, Trainee(state.model(system, DATA.space), folder), Records(folder, system.estimate)


def bar():
    return tqdm(disable=True)


def test_everything_is_done_when_the_schedule_says(tmp_path):
    state, run, records = stage(folder=Folder(tmp_path))
    fit(state, run, records, bar(), Schedule(11, log_every=3, save_every=4, evaluate_every=5))
    records.close()
    assert (state.step, run.model.step) == (11, 11)
    assert run.asked == [(0, QUICK), (5, QUICK), (10, QUICK), (11, FULL)]
    rows = [row["step"] for row in records.history if "evaluation" not in row]
    assert rows == [3, 4, 5, 6, 8, 9, 10, 11]
    assert [path.name[11:19] for path in checkpoint.saved(tmp_path)] == ["00000008", "00000011"]
    assert (tmp_path / "evaluation.json").is_file()
    assert (tmp_path / "curves.png").is_file()


def test_curves_are_drawn_at_every_evaluation_with_the_last_of_them(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(
        "otgan.gan.evaluation.figures.curves",
        lambda path, history, estimate: drawn.append([row["step"] for row in history if "evaluation" in row]),
    )
    state, run, records = stage(folder=Folder(tmp_path))
    fit(state, run, records, bar(), Schedule(5, evaluate_every=2))
    records.close()
    assert drawn == [[0], [0, 2], [0, 2, 4], [0, 2, 4, 5]]


def test_averages_follow_each_step():
    state, run, records = stage()
    fit(state, run, records, bar(), Schedule(3))
    assert [int(average.n_averaged) for average in state.averages.values()] == [3]


def test_an_evaluation_that_is_not_finite_stops_the_training():
    state, run, records = stage()
    run.result = float("nan")
    with pytest.raises(DivergedError, match="step 0: em of the evaluation became nan"):
        fit(state, run, records, bar(), Schedule(3))


@pytest.mark.parametrize(
    ("error", "own", "expected", "message"),
    [
        (ValueError("not finite"), (), DivergedError, "step 1: numbers are too large to go on: not finite"),
        (TypeError("odd"), ("critic",), RunError, "your critic cannot be trained with this system: odd"),
        (TypeError("odd"), (), TypeError, "^odd$"),
        (RunError("said"), ("critic",), RunError, "^said$"),
    ],
)
def test_what_a_step_ends_in_is_explained(error, own, expected, message):
    class Failing(GAN):
        def step(self, nets, optimizers, batches):
            raise error

    state, run, records = stage(Failing(batch=8, width=4, depth=1, latent=2))
    with pytest.raises(expected, match=message):
        fit(state, run, records, bar(), Schedule(3), own=own)


def test_the_clock_goes_on_where_it_was(monkeypatch):
    ticks = itertools.count(100.0)
    monkeypatch.setattr(loop.time, "monotonic", lambda: next(ticks))
    assert Clock([]).seconds() == 1.0
    assert Clock([{"step": 1, "seconds": 7.5}, {"step": 2}]).seconds() == 8.5


@pytest.mark.parametrize("name", SYSTEMS)
def test_layers_compute_in_the_precision_that_is_asked_for(name):
    """In bfloat16 a step ends elsewhere, though not far away, with weights and moments in single precision."""
    ends = {}
    for precision in Precision:
        system = SYSTEMS[name].for_data("points", {"batch": 16, "width": 8, "precision": precision})
        state, run, records = stage(system)
        fit(state, run, records, bar(), Schedule(3, evaluate_every=3))
        weights = [parameter for net in state.nets.values() for parameter in net.parameters()]
        assert {weight.dtype for weight in weights} == {torch.float32}
        ends[precision] = torch.cat([weight.detach().flatten() for weight in weights])
    assert torch.equal(ends[Precision.AUTO], ends[Precision.FLOAT32])  # of points, and on a CPU
    apart = (ends[Precision.BFLOAT16] - ends[Precision.FLOAT32]).abs()
    assert 0 < apart.max() < 0.1
