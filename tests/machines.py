"""Run the tests as other machines would: ``make test-machines``.

Another processor adds in another order, another machine has more threads and workers, another day draws other examples.
Environment variables make this one do the same. What the processor lacks, or the environment presets, is left out and
named with its reason. Settings that do not touch each other share a run; ``--each`` gives every one its own, which
tells them apart once a run has failed.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parent.parent
PYTHONS = ("python3.11", "python3.12", "python3.13", "python3.14")

TORCH = (
    "import torch; torch.ones(64, 64) @ torch.ones(64, 64); print(torch.backends.cpu.get_cpu_capability())"
)
MKL = "import torch; torch.ones(64, 64) @ torch.ones(64, 64); print(torch.backends.mkl.is_available())"
OPENBLAS = (
    "import numpy, threadpoolctl; numpy.ones((64, 64)) @ numpy.ones((64, 64));"
    "print({lib.get('architecture') for lib in threadpoolctl.threadpool_info() if lib['internal_api'] == 'openblas'})"
)
NUMPY = (
    "from numpy._core._multiarray_umath import __cpu_dispatch__ as known, __cpu_features__ as has;"
    "print(*(name for name in known if has.get(name)))"
)


@dataclass(frozen=True)
class Setting:
    """One thing that is different on another machine.

    Attributes
    ----------
    name : str
    run : int
        Settings of one number share a run.
    variables : dict
        What is put into the environment.
    options : tuple of str
        What is given to pytest.
    probe, expected : str
        Python that must end well under these variables, and print the expected: else the processor lacks it.
    """

    name: str
    run: int
    variables: dict[str, str] = field(default_factory=dict)
    options: tuple[str, ...] = ()
    probe: str = ""
    expected: str = ""

    def missing(self) -> str:
        """Say why this cannot be tried here, or nothing."""
        for name in self.variables:
            if name in os.environ:
                return f"the environment presets {name}={os.environ[name]}"
        if not self.probe:
            return ""
        done = subprocess.run(
            [sys.executable, "-c", self.probe],
            env=os.environ | self.variables,
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        if done.returncode != 0 or self.expected not in done.stdout:
            return "this processor, or a package as it is built here, lacks it"
        return ""


def settings(seed: int) -> list[Setting]:
    """Return everything that is tried, in the order of the runs."""

    def variable(run: int, name: str, value: str, probe: str = "", expected: str = "") -> Setting:
        return Setting(f"{name}={value}", run, {name: value}, (), probe, expected)

    features = subprocess.run(
        [sys.executable, "-c", NUMPY], capture_output=True, encoding="utf-8", check=False
    ).stdout.strip()
    plain = Setting("NumPy without its vector instructions", 1, {"NPY_DISABLE_CPU_FEATURES": features})
    examples = Setting(f"hypothesis: seed {seed}", 1, {}, (f"--hypothesis-seed={seed}",))
    others = Setting(f"hypothesis: seed {seed + 1}", 2, {}, (f"--hypothesis-seed={seed + 1}",))
    return [
        variable(1, "ATEN_CPU_CAPABILITY", "default", TORCH, "DEFAULT"),
        variable(1, "MKL_CBWR", "COMPATIBLE", MKL, "True"),
        *([plain] if features else []),
        variable(1, "NUMBA_CPU_NAME", "generic"),
        variable(1, "OMP_NUM_THREADS", "1"),
        examples,
        Setting("reversed order", 1, {}, ("--order=reversed",)),
        variable(2, "ATEN_CPU_CAPABILITY", "avx2", TORCH, "AVX2"),
        variable(2, "OPENBLAS_CORETYPE", "Haswell", OPENBLAS, "Haswell"),
        variable(2, "OMP_NUM_THREADS", "2"),
        others,
        Setting(f"random order: seed {seed}", 2, {}, (f"--order={seed}",)),
    ]


@dataclass(frozen=True)
class Row:
    """A line of the table."""

    what: str
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    seconds: float = 0.0
    reason: str = ""

    def __str__(self) -> str:
        if self.reason:
            return f"{'–':>7}{'–':>8}{'–':>9}{'–':>9}  {self.what}: left out, {self.reason}"
        return f"{self.passed:7d}{self.failed:8d}{self.skipped:9d}{self.seconds:8.0f}s  {self.what}"


def counts(output: str) -> dict[str, int]:
    """Read the numbers from the last line of pytest that has any."""
    for line in reversed(output.splitlines()):
        found = {word.rstrip("s"): int(number) for number, word in re.findall(r"(\d+) ([a-z]+)", line)}
        if {"passed", "failed", "error", "skipped"} & found.keys():
            return found
    return {}


def run(python: str, chosen: Sequence[Setting], arguments: Sequence[str], log: Path) -> Row:
    """Run the tests under some settings, and keep what they print in a file."""
    variables = {name: value for setting in chosen for name, value in setting.variables.items()}
    environment = {
        name: value for name, value in os.environ.items() if name != "CI"
    }  # where examples are always the same
    command = [
        python,
        "-m",
        "pytest",
        "-p",
        "tests.order",
        "--numprocesses=auto",
        "--maxprocesses=4",
        *arguments,
    ]
    start = time.monotonic()
    with log.open("w", encoding="utf-8") as file:
        done = subprocess.run(
            [*command, *(option for setting in chosen for option in setting.options)],
            cwd=ROOT,
            env={"OMP_NUM_THREADS": "1"} | environment | variables,
            stdout=file,
            stderr=subprocess.STDOUT,
            check=False,
        )
    output = log.read_text(encoding="utf-8", errors="replace")
    found = counts(output)
    # What ends badly without a failed test, such as a worker that died, has failed all the same.
    failed = found.get("failed", 0) + found.get("error", 0) or int(done.returncode != 0)
    what = ", ".join(setting.name for setting in chosen) or f"{Path(python).parent.parent.name}"
    for line in output.splitlines():
        if line.startswith(("FAILED", "ERROR")):
            print(f"    {line}")
    row = Row(what, found.get("passed", 0), failed, found.get("skipped", 0), time.monotonic() - start)
    print(row, flush=True)
    return row


def other_python(name: str) -> tuple[str, str]:
    """Return the interpreter of an environment made for a Python, or why there is none."""
    place = shutil.which(name)
    version = place and subprocess.run([place, "--version"], capture_output=True, check=False)
    if not version or version.returncode != 0:
        return "", "there is none on the PATH"
    own = f"python{sys.version_info.major}.{sys.version_info.minor}"
    if Path(name).name == own:
        return "", "it is the one that ran the others"
    folder = f".venv-{Path(name).name.removeprefix('python')}"
    made = subprocess.run(
        ["make", f"PYTHON={place}", f"VENV={folder}", f"{folder}/.dev"], cwd=ROOT, check=False
    )
    if made.returncode != 0:
        return "", "its environment could not be made"
    return str(ROOT / folder / "bin" / "python"), ""


def main(argv: Sequence[str] | None = None) -> int:
    """Run all, print the table, and return 1 if anything failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.machines", description=__doc__)
    parser.add_argument("--each", action="store_true", help="give every setting a run of its own")
    parser.add_argument(
        "--seed", type=int, default=random.SystemRandom().randrange(10**6), help="of examples and order"
    )
    parser.add_argument(
        "--python", action="append", help=f"another Python to run with; without it {', '.join(PYTHONS)}"
    )
    parser.add_argument(
        "--out", type=Path, default=ROOT / "out" / "machines", help="folder of what the runs print"
    )
    options, arguments = parser.parse_known_args(argv)  # the rest is for pytest
    options.out.mkdir(parents=True, exist_ok=True)
    print(f"seed {options.seed}; what the runs print is in {options.out}")
    print(f"{'passed':>7}{'failed':>8}{'skipped':>9}{'time':>9}  setting", flush=True)

    rows: list[Row] = []
    groups: dict[int, list[Setting]] = {}
    for number, setting in enumerate(settings(options.seed)):
        if reason := setting.missing():
            rows.append(Row(setting.name, reason=reason))
            print(rows[-1], flush=True)
        else:
            groups.setdefault(number if options.each else setting.run, []).append(setting)
    for number, chosen in groups.items():
        rows.append(run(sys.executable, chosen, arguments, options.out / f"run-{number}.log"))
    for name in options.python or PYTHONS:
        python, reason = other_python(name)
        if reason:
            rows.append(Row(name, reason=reason))
            print(rows[-1], flush=True)
        else:
            rows.append(run(python, [], arguments, options.out / f"{Path(name).name}.log"))
    return int(any(row.failed for row in rows))


if __name__ == "__main__":
    sys.exit(main())
