"""A sample of the campaign of damaged files; and that the campaign would notice."""

import os
import sys

import numpy as np
import pytest

from otgan.data import DataError, specs
from tests.adversarial import files


def test_a_case_is_the_same_one_always():
    for index in range(30):
        assert files.case(1, index) == files.case(1, index)
    assert files.case(1, 0) != files.case(2, 0)


def test_damaged_files_are_read_or_refused_in_one_line():
    done = files.run_chunk(seed=0, count=800)
    assert done["failures"] == []
    assert done["cases"] == sum(done["by_format"].values()) == 800
    assert done["by_format"].keys() == files.FORMATS.keys()


def test_some_cases_are_read_and_some_refused(tmp_path):
    # A campaign all of whose files were refused at their first byte would find nothing.
    found = {name: {"read": 0, "refused": 0} for name in files.FORMATS}
    for case in files.campaign(4, 700):
        folder = tmp_path / str(case.index)
        folder.mkdir()
        files._write(case, folder)
        try:
            specs.load(str(folder / case.spec))
        except DataError:
            found[case.format]["refused"] += 1
        else:
            found[case.format]["read"] += 1
    least = {name: 1 if name == "misnamed" else 3 for name in found}
    few = {name: ends for name, ends in found.items() if min(ends.values()) < least[name]}
    assert not few


def test_the_command_takes_damaged_files():
    done = files.run_commands(seed=0, count=3)
    assert done["failures"] == []
    assert done["cases"] == sum(done["by_format"].values()) == 3


def broken(result):
    """Return a reader that does what it is told, whatever the file."""

    def read(*_, **__):
        if isinstance(result, BaseException):
            raise result
        return result() if callable(result) else result

    return read


class Read:
    def __init__(self, points):
        self.points = np.asarray(points)

    def __len__(self):
        return len(self.points)


@pytest.mark.parametrize(
    ("result", "what"),
    [
        (OverflowError("too large"), "OverflowError: 'too large'"),
        (DataError("no name in it"), "does not name the file"),
        (ValueError("plain"), "ValueError"),
        (Read([[np.nan]]), "no finite rows"),
        (Read([1.0]), "no finite rows"),
        (Read(np.ones((2, 1), np.float32)), "no finite rows"),
        (lambda: os.environ.__setitem__(files._CANARY, "x") or Read([[1.0]]), "was executed"),
        (lambda: files.warnings.warn("oh") or Read([[1.0]]), "a warning: UserWarning: 'oh'"),
    ],
)
def test_what_must_not_happen_is_noticed(monkeypatch, tmp_path, result, what):
    case = next(each for each in files.campaign(0, 100) if each.n is None)
    monkeypatch.setattr(files, "check", lambda _: None)
    monkeypatch.setattr(files, "open_spec", broken(result))
    assert what in files.fault(case, tmp_path)


def test_a_message_that_steers_the_terminal_or_never_ends_is_noticed(tmp_path):
    case = next(each for each in files.campaign(0, 100) if each.spec.isprintable())
    assert "do not print" in files._complaint(f"{case.spec}: \x1b[2J", tmp_path, case)
    assert "do not print" in files._complaint(f"{case.spec}: a\nb", tmp_path, case)
    assert "characters" in files._complaint(f"{case.spec}: {'x' * 3000}", tmp_path, case)
    assert files._complaint(f"{case.spec}: damaged", tmp_path, case) is None


@pytest.mark.skipif(sys.platform == "win32", reason="alarms are signals")
def test_what_never_ends_is_noticed(monkeypatch, tmp_path):
    def forever(_):
        while True:
            try:
                files.time.sleep(0.01)
            except Exception:
                continue

    monkeypatch.setattr(files, "check", forever)
    monkeypatch.setattr(files, "CASE_SECONDS", 0.05)
    assert "more than 0.1 s" in files.fault(files.case(0, 0), tmp_path)


def test_a_program_that_runs_is_noticed():
    exec(files._Payload().__reduce__()[1][0])
    assert os.environ.pop(files._CANARY) == "executed"
