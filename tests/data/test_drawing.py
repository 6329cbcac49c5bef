"""Which rows a draw takes: those it always took, and of very many rows a few in little memory."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from otgan.data import drawing
from otgan.data.drawing import SHUFFLED, drawn


@pytest.fixture
def long(monkeypatch):
    """Take every number of rows for a large one."""
    monkeypatch.setattr(drawing, "SHUFFLED", 0)


@pytest.mark.parametrize("available", [1, 2, 1000, SHUFFLED])
def test_what_can_be_shuffled_is_drawn_as_numpy_shuffles(available):
    n = min(available, 50)
    assert np.array_equal(drawn(available, n, 7), np.random.default_rng(7).permutation(available)[:n])


@pytest.mark.parametrize("available", [*range(1, 70), 255, 256, 257, 1000, 4096, 4097])
def test_a_long_draw_is_a_permutation_whose_beginnings_are_the_smaller_draws(long, available):
    whole = drawn(available, available, 3)
    assert np.array_equal(np.sort(whole), np.arange(available))
    for n in (1, available // 2, available):
        assert np.array_equal(drawn(available, n, 3), whole[:n])


@pytest.mark.parametrize("available", [SHUFFLED + 1, 2_500_000_000, 2**40 + 1, 2**61])
def test_a_draw_of_very_many(available):
    rows = drawn(available, 10_000, 0)
    assert rows.dtype == np.int64
    assert len(set(rows.tolist())) == 10_000
    assert 0 <= rows.min() <= rows.max() < available
    assert not np.array_equal(rows, drawn(available, 10_000, 1))
    assert np.array_equal(rows[:10], drawn(available, 10, 0))
    assert stats.kstest(rows / available, "uniform").pvalue > 1e-4
    steps = np.sort(np.diff(rows) % available) / available
    assert stats.kstest(steps, "uniform").pvalue > 1e-4


def test_every_row_and_every_pair_of_neighbors_is_drawn_equally_often(long):
    size, seeds = 10, 4000
    first = np.array([drawn(size, 2, seed) for seed in range(seeds)])
    counts = np.bincount(first[:, 0] * size + first[:, 1], minlength=size * size).reshape(size, size)
    assert np.all(counts.diagonal() == 0)
    assert stats.chisquare(counts[~np.eye(size, dtype=bool)]).pvalue > 1e-4
    last = np.array([drawn(size, size, seed)[-1] for seed in range(seeds)])
    assert stats.chisquare(np.bincount(last, minlength=size)).pvalue > 1e-4


@pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="needs Linux, which tells the peak of a process"
)
def test_ten_of_billions_of_rows_take_next_to_no_memory(tmp_path):
    path = tmp_path / "sparse.npy"
    np.lib.format.open_memmap(path, "w+", np.uint8, (2_500_000_000,)).flush()
    script = """
import resource, sys, otgan.data
otgan.data.load("8gaussians")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
assert otgan.data.load(sys.argv[1], n=10).shape == (10, 1)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    done = subprocess.run([sys.executable, "-c", script, path], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 50_000  # KiB
