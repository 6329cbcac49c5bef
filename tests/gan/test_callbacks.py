"""Callbacks: what they hear, in which order, and how they end a training."""

from types import SimpleNamespace

import numpy as np
import pytest

from otgan.gan import Callback, EarlyStopping, OptionError, Run, TimeLimit, train
from otgan.gan.callbacks import Callbacks

POINTS = np.random.default_rng(0).normal(size=(80, 2))
SMALL = {"batch": 8, "width": 4, "depth": 1, "latent": 2}


class Listening(Callback):
    """Notes what it hears, and ends the training where it is told to."""

    def __init__(self, last_step=None, last_evaluation=None):
        self.heard, self.last_step, self.last_evaluation = [], last_step, last_evaluation

    def on_step(self, run, terms):
        self.heard.append(("step", run.step, sorted(terms)))
        return run.step == self.last_step

    def on_evaluation(self, run, result):
        assert run.history[-1]["evaluation"] == result
        self.heard.append(("evaluation", run.step, result["n"]))
        return run.step == self.last_evaluation


def trained(callbacks, steps=6, **options):
    return train(
        "gan", POINTS, steps, options=SMALL, save_every=2, evaluate_every=2, callbacks=callbacks, **options
    )


def test_steps_and_evaluations_are_heard_in_their_order():
    one, two = Listening(), Listening()
    run = trained([one, two], steps=4)
    assert one.heard == two.heard
    assert [(kind, step) for kind, step, _ in one.heard] == [
        ("step", 1),
        ("step", 2),
        ("evaluation", 2),
        ("step", 3),
        ("step", 4),
        ("evaluation", 4),
    ]
    assert one.heard[0][2] == ["critic_loss", "generator_loss", "js"]
    assert run.step == 4


@pytest.mark.parametrize(("callback", "last"), [(Listening(3), 3), (Listening(None, 2), 3)])
def test_one_that_returns_true_ends_the_training_as_its_last_step_would(callback, last, tmp_path):
    run = trained(callback, out=tmp_path)
    assert run.step == last
    assert run.history[-1]["step"] == last
    assert run.history[-1]["evaluation"]["n"] == 16  # of full size: all that is held out
    assert (tmp_path / "evaluation.json").is_file()
    assert Run.load(tmp_path).step == last
    assert train("gan", POINTS, 6, out=tmp_path, resume=True, options=SMALL).step == 6


def test_what_a_callback_raises_ends_the_training():
    class Failing(Callback):
        def on_step(self, run, terms):
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        trained(Failing())


class Found:
    """A run with evaluations of these values, one a step, whose generator begins to learn after some steps."""

    def __init__(self, *values, prelude=0):
        self.history = [{"step": step, "evaluation": {"em": value}} for step, value in enumerate(values)]
        self.step, self.system = len(values) - 1, SimpleNamespace(prelude=prelude)


@pytest.mark.parametrize(
    ("values", "least", "ends"),
    [
        ([3, 2, 1], 0, False),
        ([3, 2, 2.1, 2.2], 0, True),
        ([3, 2, 2.1, 1.9], 0, False),
        ([3, 2, 1.99, 1.98], 0.1, True),
        ([2, 3], 0, False),
        ([-1, -0.95, -0.91], 0.1, True),
        ([-1, -0.95, -1.2], 0.1, False),
    ],
)
def test_early_stopping_waits_for_a_new_best(values, least, ends):
    stopping = EarlyStopping(patience=2, least=least)
    assert stopping.on_evaluation(Found(*values), {"em": values[-1]}) is ends


def test_early_stopping_waits_for_the_generator_to_learn():
    stopping = EarlyStopping(patience=2)
    assert stopping.on_evaluation(Found(3, 1, 4, 5), {"em": 5}) is True
    assert stopping.on_evaluation(Found(3, 1, 4, 5, prelude=3), {"em": 5}) is False
    assert stopping.on_evaluation(Found(3, 1, 4, 5, 6, prelude=3), {"em": 6}) is False
    assert stopping.on_evaluation(Found(3, 1, 4, 5, 6, 7, prelude=3), {"em": 7}) is True


def test_early_stopping_compares_what_is_of_as_many_samples():
    run = Found(3, 1, 2.5, 2.4)
    for each, n in zip(run.history, (512, 2000, 512, 512), strict=True):
        each["evaluation"]["n"] = n
    assert EarlyStopping(patience=1).on_evaluation(run, {"em": 2.4, "n": 512}) is False
    with pytest.raises(OptionError, match="least must be a number"):
        EarlyStopping(least="little")


def test_a_time_limit_counts_training_and_not_evaluations(monkeypatch):
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr("otgan.gan.callbacks.time.monotonic", lambda: clock.now)
    # Before a resumption there were 100 s, 40 of them for evaluations.
    run = SimpleNamespace(history=[{"seconds": 30.0, "took": 40.0}, {"seconds": 100.0}, {"step": 7}])
    limit = TimeLimit(1.5)
    heard = []
    for step in range(6):
        clock.now += 10
        heard.append(limit.on_step(run, {}))
        if step == 2:
            clock.now += 1000
            limit.on_evaluation(run, {})
    assert heard == [False, False, False, True, True, True]
    assert limit.on_step(SimpleNamespace(history=[]), {}) is False  # another run has its own time


def test_a_time_limit_ends_a_run_that_a_resumption_does_not_prolong(tmp_path):
    run = trained(TimeLimit(1e-9), out=tmp_path)
    assert run.step <= 2
    again = trained(TimeLimit(1e-9), out=tmp_path, resume=True)
    assert again.step == run.step + 1
    for minutes in (0, -1, "ten", float("nan")):
        with pytest.raises(OptionError, match="minutes must be"):
            TimeLimit(minutes)


def test_what_cannot_be_compared_is_named():
    with pytest.raises(OptionError, match=r"compares 'fid'.*choose among em"):
        trained(EarlyStopping("fid"))


@pytest.mark.parametrize("wrong", [print, [print], "early", {1: 2}])
def test_what_is_no_callback_is_refused(wrong):
    with pytest.raises(OptionError, match=r"callbacks must be a list of otgan.gan.Callback, got"):
        Callbacks.checked(wrong)
