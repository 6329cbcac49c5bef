"""Signals in training: the step is finished and saved, and the resumed run is the uninterrupted one."""

import json
import os
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest
import torch

from otgan.gan import Run, train
from otgan.gan.errors import Interrupted, Terminated
from otgan.gan.systems.wgan import WGAN
from otgan.gan.training import checkpoint
from otgan.gan.training.interrupts import Interrupts
from tests.gan.runs import assert_same, without_times

SMALL = {"batch": 16, "width": 8, "depth": 1, "latent": 2, "decay": 9}
ENDINGS = {signal.SIGINT: Interrupted, signal.SIGTERM: Terminated}


@pytest.fixture(scope="module")
def points():
    return np.random.default_rng(0).normal(size=(100, 2))


@pytest.fixture(scope="module")
def whole(points, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    return train("wgan", points, 30, 0, folder, options=SMALL, save_every=10, evaluate_every=15)


def handlers():
    return {number: signal.getsignal(number) for number in ENDINGS}


def send_within(monkeypatch, owner, name, call, number):
    """Have the process receive a signal in the middle of the given call of a function."""
    real, calls = getattr(owner, name), []

    def interrupted(*arguments, **more):
        calls.append(name)
        if len(calls) == call:
            os.kill(os.getpid(), number)
        return real(*arguments, **more)

    monkeypatch.setattr(owner, name, interrupted)


def goes_on(points, folder, whole, steps=30):
    run = train(
        "wgan", points, steps, 0, folder, resume=True, options=SMALL, save_every=10, evaluate_every=15
    )
    assert_same(checkpoint.latest(folder), checkpoint.latest(whole.folder.path))
    assert without_times(run.history) == without_times(whole.history)
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert rows == run.history
    assert not [path.name for path in folder.rglob(".*")]


@pytest.mark.parametrize("number", ENDINGS)
@pytest.mark.parametrize(
    ("owner", "name", "call", "step"),
    [
        (WGAN, "step", 1, 1),
        (WGAN, "step", 17, 17),
        (Run, "evaluate", 1, 0),
        (Run, "evaluate", 2, 15),
        (Run, "evaluate", 3, 30),
        (checkpoint, "write_whole", 1, 10),
        (os, "fsync", 1, 0),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_signal_lets_the_step_end_and_saves_it(
    number, owner, name, call, step, points, whole, tmp_path, monkeypatch, caplog
):
    before, folder = handlers(), tmp_path / "run"
    with monkeypatch.context() as patched:
        send_within(patched, owner, name, call, number)
        with pytest.raises(ENDINGS[number]) as ended:
            train("wgan", points, 30, 0, folder, options=SMALL, save_every=10, evaluate_every=15)
    assert handlers() == before
    assert isinstance(ended.value, KeyboardInterrupt if number == signal.SIGINT else SystemExit)
    assert getattr(ended.value, "code", 143) == 143
    if name == "fsync":
        assert str(ended.value) == f"{number.name}: stopped before training began"
    else:
        assert f"{number.name}: stopped at step {step}," in str(ended.value)
        assert f"resume the run in {folder} to go on" in str(ended.value)
        assert [path.name for path in checkpoint.saved(folder)][-1:] == (
            [f"checkpoint-{step:08d}.pt"] if step else []
        )
    assert str(ended.value) in caplog.text
    goes_on(points, folder, whole)


def test_without_a_folder_there_is_nothing_to_save(points, monkeypatch):
    send_within(monkeypatch, WGAN, "step", 2, signal.SIGINT)
    with pytest.raises(KeyboardInterrupt, match="stopped at step 2; without a folder"):
        train("wgan", points, 5, options=SMALL)


def test_an_interruption_of_an_interrupted_run_saves_nothing_twice(points, whole, tmp_path, monkeypatch):
    for step in (3, 4, 12):
        with monkeypatch.context() as patched:
            done = (checkpoint.latest(tmp_path) or {"step": 0})["step"]
            send_within(patched, WGAN, "step", step - done, signal.SIGTERM)
            with pytest.raises(SystemExit):
                train(
                    *("wgan", points, 30, 0, tmp_path),
                    resume=True,
                    options=SMALL,
                    save_every=10,
                    evaluate_every=15,
                )
    goes_on(points, tmp_path, whole)


def test_numbers_gone_wrong_are_not_saved_by_a_signal(points, tmp_path, monkeypatch):
    real = WGAN.step

    def broken(self, *arguments):
        terms = real(self, *arguments)
        os.kill(os.getpid(), signal.SIGTERM)
        return {**terms, "wasserstein": torch.tensor(float("nan"))}

    monkeypatch.setattr(WGAN, "step", broken)
    with pytest.raises(RuntimeError, match="step 1: wasserstein became nan"):
        train("wgan", points, 5, 0, tmp_path, options=SMALL)
    assert checkpoint.saved(tmp_path) == []


def test_handlers_of_an_application_are_its_own(points, monkeypatch):
    heard = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: heard.append(number))
    try:
        send_within(monkeypatch, WGAN, "step", 2, signal.SIGTERM)
        assert train("wgan", points, 3, options=SMALL).step == 3
    finally:
        signal.signal(signal.SIGTERM, before)
    assert heard == [signal.SIGTERM]


def test_ignored_signals_stay_ignored(points, monkeypatch):
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        send_within(monkeypatch, WGAN, "step", 2, signal.SIGINT)
        assert train("wgan", points, 3, options=SMALL).step == 3
    finally:
        signal.signal(signal.SIGINT, before)


def test_another_thread_than_the_main_one_trains_without_handlers(points):
    found = []
    thread = threading.Thread(target=lambda: found.append(train("wgan", points, 2, options=SMALL).step))
    thread.start()
    thread.join()
    assert found == [2]


def test_after_the_first_signal_a_second_has_its_own_effect():
    before = handlers()
    with Interrupts() as interrupts:
        interrupts.wait()
        assert handlers() != before
        os.kill(os.getpid(), signal.SIGTERM)
        assert interrupts.received == signal.SIGTERM
        assert handlers() == before
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


SCRIPT = """
import os, signal, sys
import otgan.gan.run
from otgan.cli import main
from otgan.gan.systems.wgan import WGAN
real, steps = WGAN.step, []
def step(self, *arguments):
    steps.append(1)
    if len(steps) == 3:
        for number in sys.argv[1].split(","):
            os.kill(os.getpid(), int(number))
    return real(self, *arguments)
WGAN.step = step
main(sys.argv[2:])
"""


@pytest.mark.parametrize(
    ("signals", "status"),
    [
        ((signal.SIGINT,), 130),
        ((signal.SIGTERM,), 143),
        ((signal.SIGINT, signal.SIGINT), 130),
        ((signal.SIGTERM, signal.SIGTERM), -signal.SIGTERM),
        ((signal.SIGINT, signal.SIGTERM), -signal.SIGTERM),
    ],
)
def test_the_command_ends_with_the_status_of_the_signal_and_says_where_to_resume(
    signals, status, points, tmp_path
):
    np.save(tmp_path / "points.npy", points)
    sets = [f"--set={name}={value}" for name, value in SMALL.items()]
    arguments = ["train", "wgan", "--data", "points.npy", "--steps", "6", "--out", "run", "--quiet", *sets]
    numbers = ",".join(str(int(number)) for number in signals)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, numbers, *arguments],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    saved = [path.name for path in checkpoint.saved(tmp_path / "run")]
    if len(signals) == 1:
        name = signals[0].name
        assert done.stderr == (f"otgan: {name}: stopped at step 3, saved; resume the run in run to go on\n")
        assert saved == ["checkpoint-00000003.pt"]
    else:
        assert saved == []
