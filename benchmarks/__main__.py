"""Run every benchmark, one process after the other, and render the pages: ``python -m benchmarks [NAME ...] [--quick]``."""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks import render

FOLDER = Path(__file__).parent


def names() -> list[str]:
    """Return the benchmarks of this package: its modules with a function ``main``, by their dotted names."""
    found = []
    for path in FOLDER.rglob("*.py"):
        name = ".".join(path.relative_to(FOLDER).with_suffix("").parts)
        if path.stem not in {"__main__", "render"} and "\ndef main(" in path.read_text(encoding="utf-8"):
            found.append(name)
    return sorted(found)


def _has_cuda() -> bool:
    import torch

    return torch.cuda.is_available()


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmarks that are named, or all; return the exit status of the first that fails."""
    known = names()
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Measure what the pages quote, and render them."
    )
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"which to run: {', '.join(known)} (default: all)"
    )
    parser.add_argument(
        "--quick", action="store_true", help="passed on: fewer sizes and repetitions, nothing recorded"
    )
    options = parser.parse_args(argv)
    if unknown := [name for name in options.names if name not in known]:
        parser.error(f"no benchmark {', '.join(unknown)}; there are {', '.join(known)}")
    chosen = options.names or [name for name in known if name != "gpu" or _has_cuda()]
    if not options.names and "gpu" in known and "gpu" not in chosen:
        print("== benchmarks.gpu is left out: torch finds no CUDA device here")
    for name in chosen:
        print(f"== benchmarks.{name}", flush=True)
        start = time.monotonic()
        # A process of its own: neither memory nor thread pools nor import times of one weigh on the next.
        status = subprocess.run(
            [sys.executable, "-m", f"benchmarks.{name}", *["--quick"] * options.quick], check=False
        )
        if status.returncode:
            print(f"error: benchmarks.{name} ended with status {status.returncode}", file=sys.stderr)
            return status.returncode
        print(f"== {time.monotonic() - start:.0f} s", flush=True)
    return render.main([])


if __name__ == "__main__":
    sys.exit(main())
