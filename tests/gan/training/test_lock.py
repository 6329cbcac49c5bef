"""One process trains in a folder at a time."""

import errno
import os
import subprocess
import sys

import numpy as np
import pytest

from otgan.gan import Run, RunError, train
from otgan.gan.errors import WriteError
from otgan.gan.training import lock as locks
from otgan.gan.training.folder import Folder
from otgan.gan.training.lock import locked

SMALL = {"batch": 16, "width": 8, "depth": 1, "latent": 2}
HOLDER = """
import sys
from pathlib import Path
from otgan.gan.training.lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """Return a function that starts a process which holds the lock of a folder."""
    started = []

    def start(folder):
        process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(folder)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout.readline() == "held\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_a_second_process_is_refused_by_the_number_of_the_first_and_readers_are_not(holder, tmp_path):
    points, out = np.random.default_rng(0).normal(size=(100, 2)), tmp_path / "run"
    run = train("gan", points, 3, 0, out, options=SMALL)
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    process = holder(out)
    for resume in (True, False):
        with pytest.raises(RunError, match=f"is being trained in by process {process.pid}: wait"):
            train("gan", points, 5, 0, out, resume=resume, options=SMALL)
    again = Run.load(out)
    assert np.array_equal(again.sample(5, seed=0), run.sample(5, seed=0))
    assert again.evaluate(points)["step"] == 3
    assert {path: path.read_bytes() for path in before} == before
    process.kill()  # leaves its file behind, which locks nothing
    process.communicate()
    assert (out / ".lock").read_text() == f"{process.pid}\n"
    assert train("gan", points, 5, 0, out, resume=True, options=SMALL).step == 5
    assert not (out / ".lock").exists()


def test_one_process_cannot_train_twice_in_a_folder(tmp_path):
    with locked(tmp_path):
        with pytest.raises(RunError, match=f"process {os.getpid()}"), locked(tmp_path):
            pass
        assert (tmp_path / ".lock").exists()
    assert list(tmp_path.iterdir()) == []
    with locked(tmp_path):
        pass


def test_a_file_that_was_removed_under_whoever_waited_is_no_lock(tmp_path, monkeypatch):
    real, opened = os.open, []

    def late(path, *arguments):
        """Open the file of a process that ends, and removes it, before it can be locked."""
        found = real(path, *arguments)
        opened.append(found)
        if len(opened) == 1:
            os.unlink(path)
        return found

    monkeypatch.setattr(os, "open", late)
    with locked(tmp_path):
        assert len(opened) == 2
        assert os.path.samestat(os.stat(tmp_path / ".lock"), os.fstat(opened[1]))


def test_where_nothing_can_be_locked_training_goes_on_and_says_so(tmp_path, monkeypatch, caplog):
    def refuse(*arguments):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(locks.fcntl, "flock", refuse)
    with caplog.at_level("WARNING", "otgan"), locked(tmp_path):
        pass
    assert "cannot be locked here: train in it by one process at a time" in caplog.text


def test_systems_without_such_locks_train_without(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "fcntl", None)
    with locked(tmp_path), locked(tmp_path):
        assert list(tmp_path.iterdir()) == []


def test_without_the_module_it_can_be_imported():
    script = "import sys; sys.modules['fcntl'] = None; import otgan.gan.trainer; from otgan.gan.training import lock; print(lock.fcntl)"
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "None\n")


def test_a_folder_that_cannot_be_written_says_so(tmp_path, monkeypatch):
    def refuse(*arguments):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(WriteError, match="cannot be written: Read-only file system"), locked(tmp_path):
        pass


def test_only_what_runs_write_is_cleaned(tmp_path):
    folder = Folder(tmp_path)
    (tmp_path / "samples").mkdir()
    left = (
        *(".metrics.jsonl.7.partial", ".config.json.1.partial", ".checkpoint-00000100.pt.99.partial"),
        *(".curves.png.3.partial", ".evaluation.json.3.partial", "samples/.step-00000020.png.5.partial"),
    )
    kept = (".samples.npy.7.partial", "metrics.jsonl", ".notes", "mine.partial")
    for name in (*left, *kept):
        (tmp_path / name).write_text("x")
    folder.clean()
    found = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert found == set(kept)
