"""How much memory may be taken: by the machine, by groups, by limits of the process, by the user's budget."""

import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from otgan import memory, sizes

GIB = 2**30


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """Return what lays out a machine of 100 GiB for a process in control groups: folders' files, by their paths."""
    monkeypatch.delenv(memory.VARIABLE, raising=False)
    monkeypatch.setattr(memory, "_machine", lambda: 100 * GIB)
    monkeypatch.setattr(memory, "_ulimits", lambda process: ())
    monkeypatch.setattr(memory, "_PROCESS", tmp_path / "proc")

    def lay(cgroup, mounts, files):
        (tmp_path / "proc").mkdir(exist_ok=True)
        (tmp_path / "proc" / "cgroup").write_text(cgroup)
        lines = [
            f"3{k} 25 0:2{k} {root} {str(tmp_path / place).replace(' ', chr(92) + '040')} rw,relatime shared:4 - {kind}"
            for k, (root, place, kind) in enumerate(mounts)
        ]
        (tmp_path / "proc" / "mountinfo").write_text(
            "\n".join(["22 1 8:1 / / rw - ext4 /dev/sda1 rw", *lines]) + "\n"
        )
        for name, content in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{content}\n")

    return lay


V1, V2 = "cgroup cgroup rw,memory", "cgroup2 cgroup2 rw"


def test_without_groups_the_machine_is_the_limit(machine):
    assert memory.free_memory() == 100 * GIB
    machine("", [], {})
    assert memory.free_memory() == 100 * GIB


@pytest.mark.parametrize(
    ("files", "left"),
    [
        ({"u/app/memory.max": 4 * GIB, "u/app/memory.current": GIB}, 3 * GIB),
        ({"u/app/memory.max": "max", "u/app/memory.current": GIB}, 100 * GIB),
        ({"u/app/memory.max": 4 * GIB}, 100 * GIB),  # usage unknown: nothing to plan by
        ({"u/app/memory.max": 4 * GIB, "u/app/memory.current": 5 * GIB}, 0),
        # The file cache is given back before anybody is killed; shared memory, which is not in these, is not.
        (
            {
                "u/app/memory.max": 4 * GIB,
                "u/app/memory.current": 4 * GIB,
                "u/app/memory.stat": f"anon 1\nfile {3 * GIB}\nactive_file {GIB}\ninactive_file {GIB}\nshmem {GIB}",
            },
            2 * GIB,
        ),
        # Beyond memory.high, a process is slowed down until it stands still.
        ({"u/app/memory.max": "max", "u/app/memory.high": 2 * GIB, "u/app/memory.current": GIB}, GIB),
        # A group around it is full.
        (
            {
                "u/app/memory.max": 4 * GIB,
                "u/app/memory.current": 0,
                "u/memory.max": 8 * GIB,
                "u/memory.current": 7 * GIB,
            },
            GIB,
        ),
        ({"u/app/memory.max": "nonsense", "u/app/memory.current": GIB}, 100 * GIB),
    ],
)
def test_groups_of_version_2(machine, files, left):
    machine("0::/u/app\n", [("/", "cg", V2)], {f"cg/{name}": content for name, content in files.items()})
    assert memory.free_memory() == left


def test_groups_of_version_1_count_their_limit_their_cache_and_those_around_them(machine):
    files = {
        "cg/memory/docker/abc/memory.limit_in_bytes": 9223372036854771712,  # unlimited
        "cg/memory/docker/abc/memory.usage_in_bytes": GIB,
        "cg/memory/docker/memory.limit_in_bytes": 6 * GIB,
        "cg/memory/docker/memory.usage_in_bytes": 5 * GIB,
        "cg/memory/docker/memory.stat": f"cache 9\ntotal_active_file {GIB}\ntotal_inactive_file {GIB}\nactive_file 7",
        "cg/cpu/docker/abc/memory.limit_in_bytes": 1,
        "cg/cpu/docker/abc/memory.usage_in_bytes": 1,
    }
    mounts = [("/", "cg/cpu", "cgroup cgroup rw,cpu"), ("/", "cg/memory", V1)]
    machine("5:cpu:/docker/abc\n4:hugetlb,memory:/docker/abc\n0::/\n", mounts, files)
    assert memory.free_memory() == 3 * GIB


@pytest.mark.parametrize(
    ("place", "root"),
    [
        ("/docker/abc", "/docker/abc"),  # a container that sees its own part of the hierarchy
        ("/", "/"),  # the same with a namespace
        ("/../..", "/"),  # one that the process was moved out of
        ("/docker/abcdef", "/docker/abc"),  # a neighbor of what is mounted
    ],
)
def test_what_a_container_sees_of_its_group(machine, place, root):
    files = {"my cg/memory.max": 2 * GIB, "my cg/memory.current": GIB}
    machine(f"0::{place}\n", [(root, "my cg", V2)], files)
    assert memory.free_memory() == GIB


def test_limits_of_the_process(monkeypatch, tmp_path):
    (tmp_path / "status").write_text("VmSize:\t 1048576 kB\nVmData:\t 524288 kB\n")
    limits = {resource.RLIMIT_AS: 3 * GIB, resource.RLIMIT_DATA: 2 * GIB}
    monkeypatch.setattr(resource, "getrlimit", lambda which: (limits[which], -1))
    assert list(memory._ulimits(tmp_path)) == [2 * GIB, 3 * GIB // 2]
    limits[resource.RLIMIT_AS] = resource.RLIM_INFINITY
    assert list(memory._ulimits(tmp_path)) == [3 * GIB // 2]


def test_a_budget_counts_from_when_it_is_set(monkeypatch):
    taken = [5 * GIB]
    monkeypatch.delenv(memory.VARIABLE, raising=False)
    monkeypatch.setattr(memory, "_machine", lambda: 100 * GIB)
    monkeypatch.setattr(memory, "_groups", lambda process: ())
    monkeypatch.setattr(memory, "_ulimits", lambda process: ())
    monkeypatch.setattr(memory, "_taken", lambda process: taken[0])
    with memory.limit("4GiB"):
        assert memory.free_memory() == 4 * GIB
        taken[0] += 3 * GIB
        assert memory.free_memory() == GIB
        with memory.limit(GIB // 2):
            assert memory.free_memory() == GIB // 2
        with memory.limit(None):
            assert memory.free_memory() == 100 * GIB
        taken[0] += 3 * GIB
        assert memory.free_memory() == 0
    assert memory.free_memory() == 100 * GIB
    monkeypatch.setattr(memory, "_of_environment", {})
    monkeypatch.setenv(memory.VARIABLE, "2 GiB")
    assert memory.free_memory() == 2 * GIB
    taken[0] += GIB
    assert memory.free_memory() == GIB
    with memory.limit("3GiB"):
        assert memory.free_memory() == 3 * GIB


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1", 1), ("800M", 800 * 2**20), ("2g", 2 * GIB), ("2 GiB", 2 * GIB), ("1.5GB", 1_500_000_000), (".5K", 512),
        ("3 tb", 3 * 10**12), ("64B", 64), (7, 7), (np.int64(8), 8), (" 9 ", 9), ("9" * 400, 2**63),
    ],
)  # fmt: skip
def test_sizes(text, size):
    assert sizes.parse(text) == size


@pytest.mark.parametrize("size", ["", "0", "-1", "2 X", "GiB", "1e9", "nan", "2GiBs", "1..5G", "١G", 0, -5])
def test_what_is_no_size(size, monkeypatch):
    with pytest.raises(ValueError, match=r"^expected a size of memory above zero, like 800M or 2GiB, got"):
        sizes.parse(size)
    if isinstance(size, str) and size:
        monkeypatch.setenv(memory.VARIABLE, size)
        with pytest.raises(ValueError, match=r"^the environment's OTGAN_MEMORY: expected a size"):
            memory.free_memory()


@pytest.mark.parametrize("size", [1.5, True, [1], b"1G", {}])
def test_what_is_no_number(size):
    with (
        pytest.raises(TypeError, match=r"^expected a size of memory in bytes, or text like '2GiB', got"),
        memory.limit(size),
    ):
        pass


def test_planning_imports_no_torch():
    script = "import sys\nfrom otgan import memory, sizes\nassert memory.free_memory() > 0\nassert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", script], check=True)


LIMITED = """
import resource, sys
import numpy as np, torch, otgan, otgan.data
from otgan import memory, sizes
x = np.random.default_rng(0).normal(size=(20, 2))
otgan.emd(x, x + 1), otgan.transport(x, x + 1, epsilon=1.0, backend="dense")  # whatever they import is there
size = 1024 * memory._fields(memory.Path("/proc/self/status"))["VmSize"]
resource.setrlimit(resource.RLIMIT_AS, (size + 2**28, size + 2**28))
x = np.zeros((40_000, 2))
x[:, 0] = np.arange(40_000)
try:
    {work}
except {error} as error:
    print(error)
"""


@pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="needs Linux: elsewhere RLIMIT_AS is not held"
)
@pytest.mark.parametrize(
    ("work", "error", "words"),
    [
        ("otgan.transport(x, x + 1, epsilon=1.0, backend='dense')", "MemoryError", "are free"),
        (
            "otgan.data.load(sys.argv[1])",
            "otgan.data.DataError",
            "rows.npy: 30000000 rows need 257 MiB of memory, and",
        ),
    ],
)
def test_what_cannot_fit_below_a_real_limit_is_told_before_it_is_tried(tmp_path, work, error, words):
    path = tmp_path / "rows.npy"
    np.lib.format.open_memmap(path, "w+", np.uint8, (30_000_000,)).flush()  # a sparse file
    done = subprocess.run(
        [sys.executable, "-c", LIMITED.format(work=work, error=error), path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert words in done.stdout
    assert done.stdout.count("\n") == 1
