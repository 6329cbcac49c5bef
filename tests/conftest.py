"""What every test stands on: one thread, no display, repeatable examples, and the data where there are any."""

import os
import signal
import socket
from pathlib import Path

import hypothesis
import numpy as np
import pytest
from _pytest.doctest import DoctestModule

ROOT = Path(__file__).parent.parent

# A shell starts what runs in the background with interrupts ignored, and so would be every process of the tests.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Before torch and matplotlib are imported, by whomever; subprocesses inherit all of it.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["MPLBACKEND"] = "Agg"
# Processes that tests start measure the package that is tested, not another one that is installed.
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
# Servers of tests are on this machine, where no proxy is asked.
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1"

# No deadline: the first call of a function imports torch. In CI the same examples every time: a red run means a change.
hypothesis.settings.register_profile("local", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "local")

MNIST_FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    """Let tests that cannot be imported fail.

    They are looked through for doctests as well, and `--doctest-ignore-import-errors`, which is meant for modules of
    the package that need an extra, would drop all that is in them and go on.
    """
    report = yield
    if report.skipped and isinstance(collector, DoctestModule) and "unable to import" in str(report.longrepr):
        report.outcome = "failed"
        report.longrepr = f"{collector.path} cannot be imported: run it with python to see why"
    return report


@pytest.fixture
def rng():
    """Random numbers of the test's own: what it draws depends on no other test, nor on the order they run in."""
    return np.random.default_rng(7)


@pytest.fixture
def nobody():
    """Return an address at which nobody answers: its port is taken, and not listened to."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


@pytest.fixture(scope="session")
def mnist_dir():
    """Return the folder ``$OTGAN_DATA/mnist`` that holds MNIST's four IDX files, gzipped or not; skip without them."""
    data = os.environ.get("OTGAN_DATA")
    if not data:
        pytest.skip("needs MNIST: set OTGAN_DATA to the folder that holds mnist/")
    folder = Path(data) / "mnist"
    missing = [
        name for name in MNIST_FILES if not any((folder / f"{name}{end}").is_file() for end in ("", ".gz"))
    ]
    if missing:
        pytest.skip(f"needs MNIST: OTGAN_DATA={data} has no mnist/{missing[0]}[.gz]")
    return folder
