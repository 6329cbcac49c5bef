"""Calls on a thread of their own: what they return and raise, and interruptions that do not wait for them."""

import contextvars
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from otgan.apart import apart
from otgan.deadline import NEVER, Deadline, Progress


def test_it_returns_what_the_function_returns_in_its_context():
    number = contextvars.ContextVar("number", default=0)
    number.set(7)
    with np.errstate(divide="raise"):
        found = apart(lambda deadline: (number.get(), np.geterr()["divide"], deadline.left), NEVER)
    assert found == (7, "raise", np.inf)


def test_it_raises_what_the_function_raises():
    def broken(deadline):
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        apart(broken, NEVER)


def test_other_threads_work_themselves():
    found = []
    thread = threading.Thread(
        target=lambda: found.append(apart(lambda deadline: threading.current_thread(), NEVER))
    )
    thread.start()
    thread.join()
    assert found == [thread]
    assert apart(lambda deadline: threading.current_thread(), NEVER) is not threading.main_thread()


def test_progress_is_told_by_the_thread_that_waits():
    told = []
    deadline = Deadline.after(
        None, Progress(lambda lower, upper, seconds: told.append((threading.get_ident(), lower)))
    )

    def work(deadline):
        deadline.know(1.0, 2.0)
        while not told:
            assert not deadline.passed

    apart(work, deadline)
    assert told[0] == (threading.get_ident(), 1.0)


def test_what_progress_raises_ends_the_wait_and_the_work():
    ended = threading.Event()

    def tell(lower, upper, seconds):
        raise KeyError("enough")

    def work(deadline):
        while not deadline.passed:
            time.sleep(0.01)
        ended.set()

    with pytest.raises(KeyError, match="enough"):
        apart(work, Deadline.after(None, Progress(tell)))
    assert ended.wait(60)


SCRIPT = """
import threading, time
from otgan.apart import apart
from otgan.deadline import NEVER

ended = threading.Event()

def work(deadline):
    print("begun", flush=True)
    if not deadline.halted.wait(60):
        raise SystemExit("never halted")
    ended.set()

try:
    apart(work, NEVER)
except KeyboardInterrupt:
    print("interrupted", ended.wait(60), flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no SIGINT to one process")
def test_an_interruption_arrives_and_halts_the_work():
    with subprocess.Popen([sys.executable, "-c", SCRIPT], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "begun\n"
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=120)[0] == "interrupted True\n"
