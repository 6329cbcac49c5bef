"""Processes of torch.distributed for tests: ``python -m tests.distributed.world FOLDER``.

One process imports everything, loads what is compiled, and forks the ranks of every scenario, so that the price of that is
paid once. Each rank runs a function of tests/distributed/cases.py or exact_cases.py and writes what it returns to FOLDER. Whatever happens the
ranks are gone after a time.
"""

import contextlib
import datetime
import importlib
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import traceback
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent

SIZE = 4
"""Ranks of the group in which most cases run."""

TIMEOUT = 2.0
"""Seconds that a group waits of which a rank is lost."""

SCENARIOS = {
    "cases.all_cases": (SIZE, 100.0, range(SIZE)),
    "cases.shards": (SIZE, 100.0, range(SIZE)),
    "cases.one_dies": (2, TIMEOUT, [0]),
    "cases.one_hangs": (2, TIMEOUT, [0]),
    "cases.one_stays_away": (2, TIMEOUT, [0]),
    "exact_cases.all_cases": (3, 100.0, range(3)),
    "exact_cases.one_dies": (2, TIMEOUT, [0]),
    "exact_cases.first_is_busy": (2, TIMEOUT, range(2)),
    "training.of_all": (3, 300.0, range(3)),
    "training.killed": (2, 10.0, [0]),
    "training.of_two": (2, 100.0, range(2)),
    "training.hangs": (2, TIMEOUT, [0]),
    "training.waits": (2, TIMEOUT, range(2)),
}
"""By the function that every rank runs: ranks, the timeout of the group in seconds, and which ranks come to an end by themselves."""

LONGEST = 480
"""Seconds after which all of it is killed."""


def run(folder):
    """Run the scenarios and return what each rank returned, None for those that were lost."""
    command = [sys.executable, "-m", "tests.distributed.world", str(folder)]
    with subprocess.Popen(command, cwd=ROOT, start_new_session=True, stderr=subprocess.PIPE) as world:
        try:
            _, errors = world.communicate(timeout=LONGEST)
        except subprocess.TimeoutExpired:
            errors = b"out of time"
        finally:
            if hasattr(os, "killpg"):
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(world.pid, signal.SIGKILL)
            world.kill()
    found = {}
    for scenario, (size, _, awaited) in SCENARIOS.items():
        paths = [Path(folder) / f"{scenario}-{number}" for number in range(size)]
        found[scenario] = [pickle.loads(path.read_bytes()) if path.is_file() else None for path in paths]
        for number in awaited:
            each = found[scenario][number]
            assert each is not None, errors.decode(errors="replace")[-2000:]
            assert not isinstance(each, str), each
    return found


def rank(number, folder, scenario):
    """Join the group, run the scenario, write down what it returns."""
    import torch.distributed as dist

    os.chdir(folder)
    size, timeout, _ = SCENARIOS[scenario]
    module, _, name = scenario.partition(".")
    try:
        dist.init_process_group(
            "gloo",
            init_method=(Path(folder) / f"meeting-{scenario}").as_uri(),
            rank=number,
            world_size=size,
            timeout=datetime.timedelta(seconds=timeout),
        )
        found = getattr(importlib.import_module(f"tests.distributed.{module}"), name)(number, size)
    except BaseException:
        found = traceback.format_exc()
    path = Path(folder) / f"{scenario}-{number}"
    partial = path.with_name(f"{path.name}.partial")
    partial.write_bytes(pickle.dumps(found))
    partial.replace(path)
    # Others may be in the middle of something with a rank that is gone: nothing is to wait for them here.
    os._exit(0)


def main(folder):
    """Fork the ranks of one scenario after another, and end those that would not end."""
    import torch._dynamo  # of DistributedDataParallel

    from tests.distributed import cases, exact_cases, training
    from tests.distributed import shards as of_shards

    assert torch._dynamo
    assert training
    cases.warm()
    os.environ["OTGAN_TEST_SHARDS"] = str(Path(folder) / "shards")
    of_shards.write_folders(os.environ["OTGAN_TEST_SHARDS"])
    exact_cases.warm()
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    for scenario, (size, _, awaited) in SCENARIOS.items():
        ranks = [context.Process(target=rank, args=(number, folder, scenario)) for number in range(size)]
        for each in ranks:
            each.start()
        for number in awaited:
            ranks[number].join()
        for each in ranks:
            each.kill()


if __name__ == "__main__":
    main(*sys.argv[1:])
