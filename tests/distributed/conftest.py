"""What several ranks found in all scenarios: computed once, by whichever worker of pytest comes first."""

import os
import pickle
import time

import pytest
import torch

from tests.distributed import world


@pytest.fixture(scope="session")
def scenarios(tmp_path_factory):
    """What each rank returned, by scenario."""
    if not torch.distributed.is_available():
        pytest.skip("this build of torch has no process groups")
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    folder, done = folder / "world", folder / "world.pickle"
    try:
        folder.mkdir()
    except FileExistsError:
        until = time.monotonic() + world.LONGEST + 10
        while not done.is_file() and time.monotonic() < until:
            time.sleep(0.1)
        return pickle.loads(done.read_bytes())
    found = world.run(folder)
    partial = done.with_suffix(".partial")
    partial.write_bytes(pickle.dumps(found))
    partial.replace(done)
    return found


@pytest.fixture
def ranks(scenarios):
    """What four ranks found together, two of them without the others, and one of them alone."""
    return scenarios["cases.all_cases"]
