"""The clocks of the benchmarks, and the limit that stops a peer."""

import signal

import pytest

from benchmarks import timing


@pytest.fixture(params=["wall", "cpu"])
def _clock(request, monkeypatch):
    monkeypatch.setattr(timing, "_chosen", request.param)


@pytest.mark.usefixtures("_clock")
def test_what_runs_too_long_is_stopped():
    def forever():
        with timing.at_most(0.02):
            while True:
                pass

    with pytest.raises(timing.LateError):
        forever()


@pytest.mark.usefixtures("_clock")
def test_what_ends_in_time_leaves_nothing_behind():
    before = signal.getsignal(signal.SIGALRM), signal.getsignal(signal.SIGPROF)
    with timing.at_most(100.0):
        pass
    assert (signal.getsignal(signal.SIGALRM), signal.getsignal(signal.SIGPROF)) == before
    assert signal.getitimer(signal.ITIMER_REAL) == signal.getitimer(signal.ITIMER_PROF) == (0.0, 0.0)


def test_runs_take_turns():
    order = []
    medians = timing.in_turns([lambda: order.append(1), lambda: order.append(2)], 3)
    assert order == [1, 2] * 3
    assert len(medians) == 2
    assert min(medians) >= 0


def test_what_was_stopped_takes_the_sum_of_its_parts(tmp_path):
    parts, seconds = tmp_path / "parts", iter([1.0, 3.5, 10.0, 14.0])
    with pytest.raises(KeyboardInterrupt), timing.adding_up(parts, lambda: next(seconds)):
        raise KeyboardInterrupt
    with timing.adding_up(parts, lambda: next(seconds)):
        pass
    assert timing.total(parts) == 6.5
