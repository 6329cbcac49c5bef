"""The most memory that this process has held."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

__all__ = ["peak_memory"]

_STATUS = Path("/proc/self/status")


def peak_memory() -> int:
    """Return the largest memory of this process so far, in bytes, without that of the process that started it."""
    if _STATUS.exists():
        # What getrusage tells on Linux starts at the peak of the process that started this one.
        return int(_STATUS.read_text(encoding="utf-8").partition("VmHWM:")[2].split()[0]) * 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 2**10)
