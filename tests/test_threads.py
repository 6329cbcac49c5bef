"""Threads that sleep: every piece is done once, from any thread and any process, and no error is lost."""

import multiprocessing
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch

import otgan
from otgan import threads


def test_pieces_cover_the_whole_once():
    seen = []
    for total, pieces in ((1, 4), (7, 3), (100, 8), (5, 1)):
        seen.clear()
        threads.in_pieces(lambda mark, *rest: seen.append((mark, *rest)), total, pieces, "mark")
        assert {each[0] for each in seen} == {"mark"}
        parts = sorted(each[1:] for each in seen)
        assert [part[0] for part in parts] == list(range(min(total, pieces)))
        assert [i for _, start, stop in parts for i in range(start, stop)] == list(range(total))


def test_pieces_are_side_by_side():
    gate = threading.Barrier(3, timeout=20)
    threads.in_pieces(lambda *_: gate.wait(), 3, 3)


def test_an_error_of_any_piece_is_raised_after_all_have_ended():
    ended = []

    def work(piece, start, stop):
        ended.append(piece)
        if piece == wrong:
            raise ZeroDivisionError(piece)

    for wrong in (0, 2):
        ended.clear()
        with pytest.raises(ZeroDivisionError, match=str(wrong)):
            threads.in_pieces(work, 3, 3)
        assert sorted(ended) == [0, 1, 2]


def test_as_many_threads_as_torch_is_set_to():
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        assert threads.count() == 3
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(("chosen", "expected"), [("5", 5), ("nonsense", None), ("0", None), (None, None)])
def test_without_torch_the_environment_says_how_many(monkeypatch, chosen, expected):
    monkeypatch.delitem(sys.modules, "torch")
    if chosen is None:
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    else:
        monkeypatch.setenv("OMP_NUM_THREADS", chosen)
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert threads.count() == (expected or available)


# ---- solves from many threads and processes --------------------------------------------------------------------------

X, Y = (np.random.default_rng(seed).normal(size=(400, 2)) for seed in (0, 1))


def _value(_=None):
    torch.set_num_threads(2)
    return otgan.sinkhorn(X, Y, epsilon=0.1)


def test_eight_threads_of_python_at_once():
    expected, found = _value(), []
    workers = [threading.Thread(target=lambda: found.extend(_value() for _ in range(3))) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert found == [pytest.approx(expected, rel=1e-12)] * 24


def _pieces(_=None):
    seen = []
    threads.in_pieces(lambda *piece: seen.append(piece), 9, 3)
    return sorted(seen)


def in_a_fresh_process(call):
    """Call a function of this module in a process that has loaded nothing else: other libraries may not survive a fork."""
    code = f"from tests import test_threads; test_threads.{call}"
    subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parent.parent, check=True, timeout=300)


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_workers_however_they_are_started(method):
    in_a_fresh_process(f"check_workers({method!r})")


def check_workers(method):
    # All threads of the pool are idle by now; a forked process has none of them, and must not wait for theirs.
    gate = threading.Barrier(3, timeout=20)
    threads.in_pieces(lambda *_: gate.wait(), 3, 3)
    expected, pieces = _value(), _pieces()
    with multiprocessing.get_context(method).Pool(2) as pool:
        assert pool.map_async(_pieces, range(4)).get(60) == [pieces] * 4
        # torch's own threads do not survive a fork: such a worker is given one.
        alone = pool.map_async(_alone, range(4)).get(120)
        assert alone == [pytest.approx(expected, rel=1e-12)] * 4


def _alone(_=None):
    torch.set_num_threads(1)
    return otgan.sinkhorn(X, Y, epsilon=0.1)


def test_workers_of_a_data_loader():
    in_a_fresh_process("check_data_loader()")


def check_data_loader():
    loader = torch.utils.data.DataLoader(_Values(), num_workers=2, timeout=120)
    assert [float(v) for v in loader] == [pytest.approx(_value(), rel=1e-12)] * 4


class _Values(torch.utils.data.Dataset):
    def __len__(self):
        return 4

    def __getitem__(self, index):
        return _alone()


def test_the_pool_does_not_keep_a_process_from_ending():
    code = "import numpy as np, otgan, torch; torch.set_num_threads(2); otgan.sinkhorn(*np.random.rand(2, 500, 2), epsilon=.1)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


# ---- work that shares out work ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 3])
def test_parts_are_taken_in_turns_until_all_are_done(size, monkeypatch):
    monkeypatch.setattr(threads, "count", lambda: size)
    done, workers = [], set()

    def work(worker, start, stop):
        workers.add(worker)
        done.extend(range(start, stop))

    threads.in_turns(work, 103, 10)
    assert sorted(done) == list(range(103))
    assert workers <= set(range(size))
    assert threads.workers(103, 10) == size
    assert threads.workers(3, 10) == 1


def test_what_is_raised_in_one_turn_ends_the_others(monkeypatch):
    monkeypatch.setattr(threads, "count", lambda: 2)
    done = []

    def work(worker, start, stop):
        if start == 5:
            raise KeyboardInterrupt
        time.sleep(0.01)
        done.append(start)

    with pytest.raises(KeyboardInterrupt):
        threads.in_turns(work, 1000, 1)
    assert len(done) < 20


def test_a_thread_at_work_has_no_help_and_waits_for_none(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    seen = []

    def inner(worker, start, stop):
        seen.append((threads.count(), start))

    def outer(worker, start, stop):
        threads.in_turns(inner, 4, 1, 2)

    threads.in_turns(outer, 6, 1, 2)
    assert len(seen) == 24
    assert {count for count, _ in seen} == {1}
    assert threads.count() == 2


def test_work_sees_the_settings_of_who_asks_for_it():
    seen = []
    with np.errstate(over="raise"):
        threads.run([lambda: seen.append(np.geterr()["over"])] * 3)
    assert seen == ["raise"] * 3
