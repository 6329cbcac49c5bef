"""Peers of tests that live in an environment of their own are asked through a process, and stay away where there is none."""

import sys

import numpy as np
import pytest

from benchmarks import tests
from benchmarks.peers import alibi

PACKAGE = """
class MMDDrift:
    def __init__(self, x, backend, n_permutations, device):
        self.x, self.n = x, n_permutations

    def predict(self, y):
        print("what would come between answers")
        return {"data": {"p_val": float(self.x.sum() + 100 * y.sum() + 1000 * self.n), "of": str(y.dtype)}}


LSDDDrift = MMDDrift
"""


def test_alibi_detect_is_asked_in_its_own_process(tmp_path, monkeypatch):
    package = tmp_path / "alibi_detect"
    package.mkdir()
    (package / "__init__.py").write_text("__version__ = '1.2'\n")
    (package / "cd.py").write_text(PACKAGE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv(alibi.INTERPRETER, sys.executable)
    assert alibi.version() == "1.2"
    x, y = np.ones((3, 2)), np.full((4, 2), 0.5)
    assert alibi.ask("MMDDrift", x, y, 7, 0) == pytest.approx(6 + 400 + 7000)
    assert "alibi-detect, MMD" in tests.contenders()


def test_without_an_interpreter_it_stays_away(monkeypatch):
    monkeypatch.delenv(alibi.INTERPRETER, raising=False)
    assert tests.contenders() == [name for name in tests.CONTENDERS if "alibi" not in name]
    assert len(tests.contenders()) == 7
