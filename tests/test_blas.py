"""Products of matrices on the package's own threads."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import numpy as np
import pytest
from threadpoolctl import ThreadpoolController

from otgan import blas


@pytest.mark.parametrize(
    ("batch", "n", "m", "d"), [(1, 3, 4, 2), (1, 301, 200, 70), (5, 60, 100, 90), (3, 1, 900, 900)]
)
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_products_are_those_of_numpy(batch, n, m, d, threads, dtype, monkeypatch):
    monkeypatch.setattr(blas, "count", lambda: threads)
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(batch, n, d)).astype(dtype), rng.normal(size=(batch, m, d)).astype(dtype)
    found = blas.times_transposed(x, y)
    assert found.dtype == dtype
    np.testing.assert_allclose(found, x @ y.mT, rtol=0, atol=1e-3 if dtype == np.float32 else 1e-10)


def threads_of_blas():
    """Threads that each library of BLAS is set to."""
    return [
        library.get_num_threads()
        for library in ThreadpoolController().select(user_api="blas").lib_controllers
    ]


def test_blas_takes_one_thread_meanwhile(monkeypatch):
    seen = []
    monkeypatch.setattr(blas, "_multiply", lambda *_: seen.append(set(threads_of_blas())))
    monkeypatch.setattr(blas, "count", lambda: 1)
    with ThreadpoolController().limit(limits=2, user_api="blas"):
        pass  # whoever limited them before has given them up
    before = threads_of_blas()
    blas.times_transposed(np.ones((1, 600, 600)), np.ones((1, 600, 600)))
    assert seen == [{1}]
    assert threads_of_blas() == before


def test_several_threads_leave_blas_as_it_was():
    before, x = threads_of_blas(), np.ones((1, 200, 300))
    threads = [
        threading.Thread(target=lambda: [blas.times_transposed(x, x) for _ in range(50)]) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert threads_of_blas() == before


def test_threads_take_turns_with_those_of_blas():
    inside, most = [], []

    def work():
        for _ in range(50):
            with blas.own_threads():
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(most) == {1}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system forks no processes")
def test_a_process_forked_meanwhile_has_its_own_turn():
    script = (
        "import os, sys\nfrom otgan import blas\n"
        "with blas.own_threads():\n"
        "    child = os.fork()\n"
        "    if child == 0:\n"
        "        with blas.own_threads():\n"
        "            os._exit(0)\n"
        "    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
    )
    assert subprocess.run([sys.executable, "-c", script], timeout=60, check=False).returncode == 0
