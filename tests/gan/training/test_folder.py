"""What disks refuse, and what becomes of a folder that was damaged: one sentence, and the last good checkpoint."""

import errno
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from otgan.gan import Run, RunError, train
from otgan.gan.datasets.training_data import DataDescription
from otgan.gan.errors import WriteError
from otgan.gan.files import write_whole
from otgan.gan.training import checkpoint
from otgan.gan.training.folder import Folder
from otgan.gan.training.schedule import Schedule
from otgan.gan.training.settings import Settings
from tests.gan.runs import assert_same, without_times

SMALL = {"batch": 16, "width": 8, "depth": 1, "latent": 2}
EVERY = {"save_every": 10, "evaluate_every": 15}
FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.fixture(scope="module")
def points(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "points.npy"
    np.save(path, np.random.default_rng(0).normal(size=(100, 2)))
    return str(path)


@pytest.fixture(scope="module")
def whole(points, tmp_path_factory):
    return train("gan", points, 30, 0, tmp_path_factory.mktemp("whole"), options=SMALL, **EVERY)


@pytest.fixture(scope="module")
def half(points, tmp_path_factory):
    """The folder of a run that was stopped after 20 steps, as it is copied for each test that damages one."""
    folder = tmp_path_factory.mktemp("half") / "run"
    train("gan", points, 20, 0, folder, options=SMALL, **EVERY)
    return folder


@pytest.fixture
def run_folder(half, tmp_path):
    return Path(shutil.copytree(half, tmp_path / "run"))


def go_on(points, folder, steps=30):
    return train("gan", points, steps, 0, folder, resume=True, options=SMALL, **EVERY)


def assert_ended_as(run, whole):
    assert_same(checkpoint.latest(run.folder.path), checkpoint.latest(whole.folder.path))
    assert without_times(run.history) == without_times(whole.history)
    assert not list(run.folder.path.rglob(".*"))


def refuse_files(monkeypatch, name, error=FULL, after=0):
    """Have the disk refuse every file whose name has this in it, half-written, but the first few."""
    real, seen = Path.open, []

    def open_file(self, *arguments, **more):
        file = real(self, *arguments, **more)
        if name in self.name and self.name.endswith(".partial"):
            seen.append(self)
            if len(seen) > after:
                file.write(b"half")
                file.close()
                raise error
        return file

    monkeypatch.setattr(Path, "open", open_file)


@pytest.mark.parametrize(
    ("name", "after", "kept"),
    [
        ("config.json", 0, None),
        ("metrics.jsonl", 0, None),
        ("step-00000000.png", 0, "none"),
        ("step-00000015.png", 0, "checkpoint-00000010.pt"),
        ("checkpoint", 0, "none"),
        ("checkpoint", 1, "checkpoint-00000010.pt"),
        ("checkpoint", 2, "checkpoint-00000020.pt"),
        ("evaluation.json", 0, "checkpoint-00000020.pt"),
        ("curves.png", 0, "none"),
        ("curves.png", 2, "checkpoint-00000020.pt"),
        ("report.html", 0, "checkpoint-00000030.pt"),
    ],
)
def test_a_full_disk_is_one_sentence_and_the_run_goes_on(
    name, after, kept, points, whole, tmp_path, monkeypatch
):
    folder = tmp_path / "run"
    with monkeypatch.context() as patched:
        refuse_files(patched, name, after=after)
        with pytest.raises(WriteError, match="cannot be written: No space left on device") as caught:
            train("gan", points, 30, 0, folder, options=SMALL, **EVERY)
    assert len(str(caught.value).splitlines()) == 1
    assert name in str(caught.value)
    if kept is not None:
        end = kept if kept == "none" else str(folder / kept)
        assert str(caught.value).endswith(f"; last good checkpoint: {end}: resume the run once it can be")
    assert not list(folder.rglob(".*"))
    assert_ended_as(go_on(points, folder), whole)


def test_a_line_that_does_not_fit_is_taken_back(points, whole, tmp_path, monkeypatch):
    real, lines = os.write, []

    def write(descriptor, content):
        lines.append(bytes(content))
        if len(lines) > 4:
            raise FULL
        return real(descriptor, content[:7] if len(lines) == 4 else content)

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", write)
        with pytest.raises(WriteError, match=r"metrics.jsonl: cannot be written: No space left on device"):
            train("gan", points, 30, 0, tmp_path, options=SMALL, **EVERY)
    content = (tmp_path / "metrics.jsonl").read_text()
    assert content.endswith("\n")
    assert [json.loads(line)["step"] for line in content.splitlines()] == [0, 10, 15]
    assert_ended_as(go_on(points, tmp_path), whole)


@pytest.mark.parametrize("unfinished", [True, False])
def test_on_a_disk_that_cannot_be_written_runs_are_read_but_not_resumed(
    unfinished, points, half, run_folder, monkeypatch
):
    real = os.open

    def read_only(path, flags, *arguments, **more):
        if flags & (os.O_CREAT | os.O_WRONLY | os.O_RDWR):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))
        return real(path, flags, *arguments, **more)

    monkeypatch.setattr(os, "open", read_only)
    with pytest.raises(WriteError, match="cannot be written: Read-only file system"):
        go_on(points, run_folder, 30 if unfinished else 20)
    assert np.array_equal(Run.load(run_folder).sample(3, seed=0), Run.load(half).sample(3, seed=0))


def test_a_folder_that_cannot_be_made_says_so(points, tmp_path):
    (tmp_path / "file").write_text("")
    for out in (tmp_path / "file", tmp_path / "file" / "run", tmp_path / ("x" * 300)):
        for resume in (False, True):
            with pytest.raises(RunError, match="cannot hold a run"):
                train("gan", points, 2, 0, out, options=SMALL, resume=resume)


def test_a_failed_write_leaves_the_old_file_and_no_trace(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_whole(path, lambda file: file.write(b"old"))
    with monkeypatch.context() as patched:
        refuse_files(patched, "file")
        with pytest.raises(WriteError, match="No space left"):
            write_whole(path, lambda file: file.write(b"new"))
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]
    with pytest.raises(WriteError, match="No such file or directory"):
        write_whole(tmp_path / "nowhere" / "file", lambda file: file.write(b"new"))


def test_leftovers_of_killed_processes_go_when_the_run_goes_on(points, run_folder):
    for name in (
        ".metrics.jsonl.1.partial",
        f".checkpoint-00000020.pt.{os.getpid()}.partial",
        "samples/.step-1.png.2.partial",
    ):
        (run_folder / name).write_text("half")
    go_on(points, run_folder, 20)
    assert not list(run_folder.rglob(".*"))


@pytest.mark.parametrize(
    "line",
    [
        *(b"5", b"null", b"\xff", b"[]", b"{}", b"{", b'"step"', b'{"step": "4"}', b'{"step": 4.5}'),
        *(b'{"step": true}', b'{"step": -1}', b'{"step": 1e999}', b'{"step": 0}', b'{"step": 15, "js": NaN}'),
        *(b'{"step": 15, "seconds": "now"}', b'{"step": 15, "evaluation": 5}', b"[" * 100000, b"9" * 10000),
        *(b'{"step": 15, "js": 1' + b"0" * 400 + b"}", b'{"step": 15, "evaluation": {"em": 1}}'),
    ],
    ids=lambda line: repr(line[:30]),
)
@pytest.mark.parametrize("kept", [True, False], ids=["rows in the checkpoint", "rows in the file alone"])
def test_a_line_that_is_no_row_does_not_keep_a_run_from_going_on(line, kept, points, run_folder, caplog):
    before = checkpoint.latest(run_folder)
    if not kept:  # as checkpoints were before they held the rows
        checkpoint.save(run_folder, 20, before)
    file = run_folder / "metrics.jsonl"
    lines = file.read_bytes().splitlines()
    rows = [json.loads(each) for each in lines]
    assert [row["step"] for row in rows] == [0, 10, 15, 15, 20, 20]
    lines[3] = line
    file.write_bytes(b"\n".join(lines) + b"\n")
    with caplog.at_level("INFO", "otgan"):
        run = go_on(points, run_folder, 20)
    said = [words for words in caplog.messages if "metrics.jsonl" in words]
    assert len(said) == 1
    assert "line 4" in said[0]
    assert "it and the 2 after it are dropped" in said[0]
    assert "resumed at step 20" in caplog.text
    assert_same(checkpoint.latest(run_folder), before)
    assert run.history == rows[: 6 if kept else 3]
    assert [json.loads(each) for each in file.read_bytes().splitlines()] == run.history


def test_a_run_whose_rows_were_damaged_ends_as_the_one_that_was_not(points, whole, run_folder, caplog):
    checkpoint.saved(run_folder)[-1].unlink()  # that of step 20, where the shorter run was judged in full
    (run_folder / "metrics.jsonl").write_bytes(b"5\n\xff\n")
    assert_ended_as(go_on(points, run_folder), whole)
    assert "line 1 is damaged or was changed: it and the 1 after it are dropped" in caplog.text


def test_a_torn_last_line_is_what_a_crash_leaves_and_not_worth_a_word(points, run_folder, caplog):
    with (run_folder / "metrics.jsonl").open("a") as file:
        file.write('{"step": 22, "j')
    go_on(points, run_folder, 20)
    assert "metrics.jsonl" not in caplog.text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: "5", "is not the configuration"),
        (lambda text: "", "cannot be read"),
        (lambda text: text[:100], "cannot be read"),
        (lambda text: "[" * 100000, "cannot be read"),
        (lambda text: text.replace('"seed": 0', '"seed": 1'), "damaged or was changed: its checksum"),
        (lambda text: text.replace('"checksum"', '"chacksum"'), "it has 'chacksum', which means nothing"),
        (lambda text: text.replace('"batch": 16', '"batch": 17'), "checksum does not match"),
        (lambda text: json.dumps({**unsigned(text), "system": 5}), "its 'system' is missing or not"),
        (lambda text: json.dumps({**unsigned(text), "options": [1]}), "its 'options' is missing or not"),
        (lambda text: json.dumps({**unsigned(text), "data": {"shape": [2]}}), "its 'data' is missing or not"),
        (lambda text: json.dumps({**unsigned(text), "save_every": 0}), "its 'save_every' is missing or not"),
        (lambda text: json.dumps({**unsigned(text), "seed": True}), "its 'seed' is missing or not"),
        (lambda text: json.dumps({"format": "otgan run 1"}), "its 'system' is missing or not"),
    ],
)
def test_a_damaged_configuration_is_one_sentence(change, message, points, run_folder):
    file = run_folder / "config.json"
    changed = change(file.read_text())
    assert changed != file.read_text()
    file.write_text(changed)
    for attempt in (lambda: Run.load(run_folder), lambda: go_on(points, run_folder)):
        with pytest.raises(RunError, match=message) as caught:
            attempt()
        assert len(str(caught.value).splitlines()) == 1
    assert file.read_text() == changed


def unsigned(text):
    return {key: value for key, value in json.loads(text).items() if key != "checksum"}


def test_a_configuration_of_before_there_were_checksums_is_read(half, run_folder):
    file = run_folder / "config.json"
    file.write_text(json.dumps(unsigned(file.read_text())))
    assert np.array_equal(Run.load(run_folder).sample(3, seed=0), Run.load(half).sample(3, seed=0))
    for name, value in (("gan", 7), ("nosuch", 16)):
        file.write_text(
            json.dumps(
                {**unsigned(file.read_text()), "system": name, "options": {"batch": value, "latent": 3}}
            )
        )
        with pytest.raises(RunError, match=r"names a system that there is not here|does not fit"):
            Run.load(run_folder)


def test_a_name_that_is_no_text_is_written_and_read(tmp_path):
    folder = Folder(tmp_path)
    data = DataDescription("\udcff.npy", (2,), 1, 1, "")
    settings = Settings("gan", {}, data, 0, (), "cpu", Schedule(1), {})
    folder.write_settings(settings)
    assert folder.settings() == settings


@pytest.mark.parametrize("key", ["nets", "averages", "optimizers", "batches", "scaling"])
@pytest.mark.parametrize("value", [None, 5, {}, "missing", {"generator": {"weight": 1}}, [1]])
def test_a_checkpoint_of_something_else_is_one_sentence(key, value, points, run_folder):
    state = checkpoint.latest(run_folder)
    if value == "missing":
        del state[key]
    else:
        state[key] = value
    checkpoint.save(run_folder, 20, state)
    with pytest.raises(RunError, match="does not fit the networks") as caught:
        go_on(points, run_folder)
    assert len(str(caught.value).splitlines()) == 1
    if key in {"averages", "scaling"}:
        with pytest.raises(RunError, match=r"does not fit|units cannot be read"):
            Run.load(run_folder)


@pytest.mark.parametrize("content", [b"", b"{}", b"5", b"\xff", b"[" * 100000, None])
def test_a_damaged_evaluation_is_written_again(content, points, half, run_folder, caplog):
    file = run_folder / "evaluation.json"
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    go_on(points, run_folder, 20)
    assert "evaluation.json is missing or damaged: it is written again" in caplog.text
    assert file.read_bytes() == (half / "evaluation.json").read_bytes()


def test_data_that_changed_since_are_told_when_they_are_judged_by(points, tmp_path, caplog):
    np.save(tmp_path / "mine.npy", np.random.default_rng(0).normal(size=(100, 2)))
    train("gan", str(tmp_path / "mine.npy"), 2, 0, tmp_path / "run", options=SMALL)
    Run.load(tmp_path / "run").evaluate()
    assert "holds other samples" not in caplog.text
    np.save(tmp_path / "mine.npy", np.random.default_rng(1).normal(size=(100, 2)))
    Run.load(tmp_path / "run").evaluate()
    assert "mine.npy holds other samples than this run was trained on" in caplog.text
