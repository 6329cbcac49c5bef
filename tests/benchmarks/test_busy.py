"""What is measured beside other work, without a look at the times."""

import os
import time

import pytest

from benchmarks import busy
from benchmarks.peers import Attempt, Contender
from benchmarks.problems import gaussians


class Stub(Contender):
    name, package = "stub", "otgan"

    def __init__(self, error):
        self.error, self.runs = error, 0

    def attempt(self, problem, tol, limit):
        return Attempt(0.0, self.error, "", self.again)

    def again(self):
        self.runs += 1


class NoHog(busy.Hog):
    def __init__(self):
        self.let = 0

    def running(self):
        self.let += 1
        return super().running()

    _process = type("Process", (), {"send_signal": lambda self, number: None})()


def test_the_other_process_runs_only_where_it_is_let():
    hog = busy.Hog()
    try:
        clock = f"/proc/{hog._process.pid}/stat"
        if not os.path.exists(clock):
            pytest.skip("needs /proc")

        def worked():
            with open(clock) as file:
                return sum(map(int, file.read().split()[13:15]))

        time.sleep(0.05)
        before = worked()
        time.sleep(0.2)
        assert worked() == before
        with hog.running():
            deadline = time.monotonic() + 30
            while worked() == before:
                assert time.monotonic() < deadline
                time.sleep(0.05)
    finally:
        hog.close()


def test_runs_alternate_between_quiet_and_busy():
    hog, runs = NoHog(), []
    busy.quiet_and_busy(lambda: runs.append(hog.let), hog, 3)
    assert runs == [0, 1, 1, 2, 2, 3]


def test_threads_make_as_many_solves_as_one_does():
    contender = Stub(0.0)
    after, together = busy.at_once(contender.again, 3, 2)
    assert contender.runs == 12
    assert after >= 0
    assert together >= 0


def test_a_contender_that_does_not_reach_the_error_is_said_to():
    late, fine = Stub(1.0), Stub(0.0)
    case = busy.Case("n = 9", gaussians(9, 2, 0.1), (fine, late))
    beside, threaded = busy.measure(case, NoHog(), 1)
    assert [row[0] for row in beside] == ["n = 9", "n = 9"]
    assert beside[1][2:] == (None, None, None, "not reached")
    assert len(threaded) == 1
