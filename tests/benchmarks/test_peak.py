"""The most memory that a process has held."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.peak import peak_memory

_CHILD = "from benchmarks.peak import peak_memory; print(peak_memory())"


def test_it_grows_with_what_is_held():
    before = peak_memory()
    held = np.ones(2**26)  # 512 MiB
    assert peak_memory() >= before
    assert peak_memory() >= held.nbytes


@pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="only Linux tells the peak of a process alone"
)
def test_it_is_without_that_of_the_process_that_started_this_one():
    held = np.ones(2**26)
    done = subprocess.run([sys.executable, "-c", _CHILD], capture_output=True, encoding="utf-8", check=True)
    assert 2**20 < int(done.stdout) < held.nbytes / 2
