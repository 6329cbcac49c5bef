"""How a measurement is written down: the figures, and what they depend on."""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import os
import platform
import re
import shlex
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import otgan

RESULTS = Path(__file__).parent / "results"

Cell = str | float | int | bool | None  # None: the figure could not be had; a note says why


@dataclass(frozen=True)
class Result:
    """One measured table.

    Attributes
    ----------
    name : str
        Lower-case letters, digits and hyphens. Names the file, and the place in the pages that shows the table.
    command : str
        What to type to measure it again.
    columns : tuple of str
        The heads, units in them: ``"time (ms)"``.
    rows : tuple of tuples
        As many cells a row as there are columns: text, numbers, booleans, or None where there is no figure.
    notes : tuple of str
        What a reader must know so as not to be misled.
    date, machine, versions
        When, on what, with which packages: see the functions `machine` and `versions`.
    """

    name: str
    command: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...]
    date: str
    machine: dict[str, Any]
    versions: dict[str, str]

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", self.name):
            raise ValueError(f"a result's name is made of a-z, 0-9 and single hyphens, not {self.name!r}")
        if not self.columns:
            raise ValueError(f"result {self.name!r} has no columns")
        for number, row in enumerate(self.rows):
            if len(row) != len(self.columns):
                raise ValueError(
                    f"result {self.name!r} has {len(self.columns)} columns, but row {number} has {len(row)} cells"
                )

    def write(self, directory: Path = RESULTS) -> Path:
        """Write ``directory/NAME.json``, at once or not at all; a non-finite number is a ValueError."""
        # Strict JSON has neither NaN nor infinity. A benchmark that meets one says in words what happened.
        text = json.dumps(asdict(self), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        directory.mkdir(parents=True, exist_ok=True)
        path = directory / f"{self.name}.json"
        partial = path.with_name(f".{path.name}.{os.getpid()}")
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
        return path

    @classmethod
    def read(cls, path: Path) -> Result:
        """Read what `write` wrote."""
        content = json.loads(path.read_text(encoding="utf-8"))
        if content.get("name") != path.stem:
            raise ValueError(f"{path} holds the result {content.get('name')!r}; its file would be another")
        content["columns"] = tuple(content["columns"])
        content["rows"] = tuple(tuple(row) for row in content["rows"])
        content["notes"] = tuple(content["notes"])
        return cls(**content)


def record(
    name: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[Cell]],
    *,
    notes: Sequence[str] = (),
    packages: Sequence[str] = (),
    command: str | None = None,
    directory: Path = RESULTS,
) -> Path:
    """Write one table with the day, the machine and the versions, and return its path.

    Parameters
    ----------
    packages : sequence of str
        Distributions besides otgan's own that the figures depend on: the peers measured beside it.
    command : str, optional
        What reruns the measurement; by default the command line of this process.
    """
    result = Result(
        name=name,
        # The interpreter's own path is nobody's business; `python` is what a reader types.
        command=command or shlex.join(["python", *sys.orig_argv[1:]]),
        columns=tuple(columns),
        rows=tuple(tuple(row) for row in rows),
        notes=tuple(notes),
        date=datetime.datetime.now(datetime.UTC).date().isoformat(),
        machine=machine(),
        versions=versions(*packages),
    )
    return result.write(directory)


def absent(
    name: str, rows: Iterable[Sequence[Cell]], *, keys: int = 1, directory: Path = RESULTS
) -> list[str]:
    """Return what the first ``keys`` columns of a recorded table name and those of ``rows`` do not: what recording would lose."""
    path = directory / f"{name}.json"
    if not path.exists():
        return []
    there = {tuple(row[:keys]) for row in rows}
    recorded = dict.fromkeys(tuple(row[:keys]) for row in Result.read(path).rows)
    return [" ".join(map(str, each)) for each in recorded if each not in there]


def machine() -> dict[str, Any]:
    """Describe what the figures were measured on, and nothing that would identify whose it is.

    ``processors`` are those that there are, ``cores`` those that this process may use; ``threads`` is what torch uses
    of them, where torch is loaded, else the environment's ``OMP_NUM_THREADS``, else None; ``load`` is how many
    processes wanted to run at once, on average over the last minute, this one included; ``gpu`` is None unless this
    process used one.
    """
    torch = sys.modules.get("torch")
    threads = os.environ.get("OMP_NUM_THREADS")
    return {
        "cpu": _cpu_model(),
        "processors": os.cpu_count() or 1,
        "cores": _usable_cores(),
        "threads": torch.get_num_threads() if torch else int(threads) if threads else None,
        "load": round(os.getloadavg()[0], 1),
        "memory_gib": _memory_gib(),
        "gpu": torch.cuda.get_device_name() if torch and torch.cuda.is_initialized() else None,
        "system": f"{platform.system()} {platform.machine()}",
    }


def versions(*packages: str) -> dict[str, str]:
    """Return the versions of Python, of what otgan's figures always depend on, and of ``packages``."""
    found = {"python": platform.python_version(), "otgan": otgan.__version__}
    for package in ("numpy", "scipy", "torch", "pot", "geomloss", *packages):
        found[package] = importlib.metadata.version(package)
    return found


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory_gib() -> float | None:
    if "SC_PHYS_PAGES" not in os.sysconf_names:
        return None
    return round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1)


def _cpu_model() -> str:
    """Return the processor's trade name, which `platform.processor` gives on few systems."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        match = re.search(r"^model name\s*:\s*(.+)$", cpuinfo.read_text(encoding="utf-8"), re.MULTILINE)
        if match:
            return match[1].strip()
    if platform.system() == "Darwin":
        command = ["sysctl", "-n", "machdep.cpu.brand_string"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    return platform.processor() or platform.machine()
