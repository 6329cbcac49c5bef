import math
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from benchmarks import gpu
from benchmarks.peers import Attempt, Contender
from benchmarks.problems import gaussians
from benchmarks.roofline import batch_limit, pass_limit

ROOT = Path(gpu.__file__).parent.parent


def test_rooflines_are_the_known_limits_of_the_chip():
    # Ten thousand problems of 64 points, a hundred passes: a quarter of a millisecond.
    assert 1e3 * batch_limit(64, 64, 100 * 10_000) == pytest.approx(0.25, rel=0.05)
    assert 1e3 * batch_limit(256, 256, 100 * 1024) == pytest.approx(0.4, rel=0.05)
    # n = 10,000: exponentials 26 µs, reading a stored kernel 83 µs, and a pass has two products.
    assert 1e6 * pass_limit(10_000, 10_000, 3) == pytest.approx(2 * 26, rel=0.05)
    assert 1e6 * pass_limit(10_000, 10_000, 784) == pytest.approx(2 * 83, rel=0.05)
    assert pass_limit(10_000, 10_000, 64) < pass_limit(10_000, 10_000, 128)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_so_in_one_line(capsys):
    assert gpu.main([]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "needs an NVIDIA GPU" in err
    assert err.count("\n") == 1


class Stub(Contender):
    """A contender whose only attempt is known beforehand."""

    name, package = "stub", "otgan"

    def __init__(self, seconds, error):
        self.seconds, self.error = seconds, error

    def attempt(self, problem, tol, limit):
        return Attempt(self.seconds, self.error, "knob", lambda: None)


def test_a_peer_that_fails_is_shown_with_how_far_it_came():
    watch, plan = gpu.Watch(1, math.inf), gpu.TINY
    problem = gaussians(4, 2, 0.1, batch=2)
    assert gpu.peer_time(Stub(3.0, 5e-2), problem, 1e-3, plan, watch) == "> 3 s, error 5.0e-02"
    # A long run is not repeated; a short one is timed again.
    assert gpu.peer_time(Stub(3.0, 1e-4), problem, 1e-3, plan, watch) == 3000
    assert gpu.peer_time(Stub(0.1, 1e-4), problem, 1e-3, plan, watch) < 100
    assert gpu.peer_time(Stub(0.1, 1e-4), problem, 1e-3, plan, gpu.Watch(1, -1.0)) == gpu.LATE


def test_every_contender_is_given_float32_and_checked_in_float64():
    problem = gpu._single(gaussians(6, 2, 0.1, batch=2))
    assert {problem.x.dtype, problem.cost.dtype, problem.epsilon.dtype, problem.a.dtype} == {torch.float32}
    attempt = gpu.Eager().attempt(problem, 1e-4, 1.0)
    assert 0 < attempt.error <= 1.1e-4
    solved = attempt.again()
    assert gpu.error_of(problem, solved.f + 1.0, solved.g) > 0.1
    assert gpu._double(problem).epsilon.tolist() == problem.epsilon.tolist()


def test_epsilon_of_a_large_problem_follows_from_moments():
    problem, reference = gpu._streamed(50, 3, 0.1, "cpu"), gaussians(50, 3, 0.1)
    assert float(problem.epsilon) == pytest.approx(float(reference.epsilon), rel=1e-5)
    assert "cost" not in problem.__dict__


def test_the_whole_command_runs_in_the_interpreter():
    pytest.importorskip("triton", reason="needs triton, which there is for Linux")
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.gpu", "--interpret"],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        check=True,
        timeout=300,
    )
    lines = [line.split("\t") for line in done.stdout.splitlines() if "\t" in line]
    heads = [line[0] for line in lines]
    assert heads == ["d", "2", "d", "3", "part", "whole step", *(line[0] for line in lines[6:])]
    batch, large = (dict(zip(lines[k], lines[k + 1], strict=True)) for k in (0, 2))
    assert float(batch["its error"]) <= 1e-3
    assert float(large["its error"]) <= 1e-3
    assert len(lines) == 8
