"""What memory is free, asked before large matrices are allocated."""

from __future__ import annotations

import os
from pathlib import Path

import torch

__all__ = ["describe", "free_memory"]


def free_memory(device: torch.device) -> int:
    """Bytes that can be allocated on a device now, to the best of what the system tells."""
    if device.type == "cuda":
        reserved = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0]) + int(reserved)
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass  # not Linux: ask POSIX below
    pages = "SC_AVPHYS_PAGES" if "SC_AVPHYS_PAGES" in os.sysconf_names else "SC_PHYS_PAGES"
    return int(os.sysconf(pages)) * int(os.sysconf("SC_PAGE_SIZE"))


def describe(size: float) -> str:
    """Bytes in words: '1.5 GiB'."""
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.3g} {unit}"
        size /= 1024
    return f"{size:.3g} GiB"
