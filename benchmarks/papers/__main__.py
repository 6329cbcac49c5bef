"""Run what the papers claim, one process after the other: ``python -m benchmarks.papers [NAME ...] [--quick | --list]``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from benchmarks import __main__ as benchmarks

PREFIX = "papers."


def main(argv: Sequence[str] | None = None) -> int:
    """List the papers' programs, or run those that are named, or all; return the exit status of the first that fails."""
    known = [name.removeprefix(PREFIX) for name in benchmarks.names() if name.startswith(PREFIX)]
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.papers",
        description="Measure what the papers claim, and render the pages that show it.",
    )
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"which to run: {', '.join(known)} (default: all)"
    )
    parser.add_argument("--list", action="store_true", help="only print the names")
    parser.add_argument("--quick", action="store_true", help="passed on: a glance, nothing recorded")
    options = parser.parse_args(argv)
    if unknown := [name for name in options.names if name not in known]:
        parser.error(f"no program {', '.join(unknown)}; there are {', '.join(known)}")
    if options.list:
        print(*known, sep="\n")
        return 0
    chosen = [PREFIX + name for name in options.names or known]
    return benchmarks.main([*chosen, *["--quick"] * options.quick])


if __name__ == "__main__":
    sys.exit(main())
