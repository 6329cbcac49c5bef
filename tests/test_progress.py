"""Bars, and what is running in words."""

import io
import sys
import time

from otgan import progress


def test_nothing_runs_where_nothing_runs():
    assert progress.current() is None
    with progress.bar(3, False) as told:
        told.begin("a long solve")
        told.tick()
        assert progress.current().startswith("a long solve, for 0 s (step ")
        with progress.bar(0, False) as inner:
            assert str(inner).startswith("at work")
            assert progress.current() == str(inner)
    assert progress.current() is None


def test_a_bar_goes_on_while_a_step_does(monkeypatch):
    monkeypatch.setattr(progress, "_BEAT", 0.01)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with progress.bar(1, True) as told:
        told.begin("one step")
        before = len(sys.stderr.getvalue())
        time.sleep(0.2)
        assert sys.stderr.getvalue().count("one step") > 2
        assert len(sys.stderr.getvalue()) > before
        told.tell("between 1 and 2")
        assert "between 1 and 2" in sys.stderr.getvalue()
    quiet = io.StringIO()
    monkeypatch.setattr(sys, "stderr", quiet)
    with progress.bar(1, False) as told:
        told.begin("in silence")
    assert quiet.getvalue() == ""
