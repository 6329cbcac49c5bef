"""Memory for large matrices: how much is free, how much may be taken, and how to get it fast.

Free is what neither the machine, nor a control group (a container's limit), nor a limit of the process, nor the user's
own budget forbids. Whoever plans asks here, so that what cannot fit ends in a sentence before the work and not in a
kernel that kills the process during it.
"""

from __future__ import annotations

import contextlib
import math
import os
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from otgan.mistakes import WrongValueError
from otgan.sizes import parse

if TYPE_CHECKING:
    import torch

__all__ = ["LITTLE", "VARIABLE", "available", "empty", "free_memory", "limit"]

VARIABLE = "OTGAN_MEMORY"
"""The environment's budget: how much memory may be taken at most, as :func:`parse` reads it."""

LITTLE = 2**26
"""Bytes that are not worth a question to the system how much is free, which takes a millisecond."""

_LARGE = 2**25
"""Bytes from which on the C library gives a block back to the system when it is freed, whatever else is allocated."""

_PROCESS = Path("/proc/self")

_KIB = 1024


def empty(shape: Sequence[int], dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """Return a matrix that holds nothing in particular, float32 or float64.

    On the CPU the memory of a large one comes from NumPy, which asks Linux for huge pages where torch does not: the
    first visit of 200 MB then takes a fifth of the time.
    """
    import torch  # here, so that data can be planned without it

    if device.type == "cpu" and math.prod(shape) * dtype.itemsize >= _LARGE:
        return torch.from_numpy(
            np.empty(shape, {torch.float32: np.float32, torch.float64: np.float64}[dtype])
        )
    return torch.empty(shape, dtype=dtype, device=device)


def free_memory(device: torch.device | None = None) -> int:
    """Bytes that can be allocated on a device now, the CPU by default, to the best of what the system tells.

    On the CPU it is the least of what is left on the machine, in each control group of Linux that the process is in
    (versions 1 and 2, file cache that can be reclaimed counted as free), below the limits of its address space and
    data (``ulimit -v``, ``ulimit -d``), and of the budget of :func:`limit` or the environment's ``OTGAN_MEMORY``.

    Raises
    ------
    ValueError
        If ``OTGAN_MEMORY`` is no size.

    Examples
    --------
    >>> import otgan
    >>> otgan.memory.free_memory() > 0
    True
    """
    if device is not None and device.type == "cuda":
        import torch

        reserved = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0]) + int(reserved)
    rooms = [_machine(), *_groups(_PROCESS), *_ulimits(_PROCESS)]
    budget = _budget()
    if budget is not None:
        rooms.append(budget.left())
    return max(0, min(rooms))


def available(need: float, device: torch.device | None = None) -> float:
    """Bytes that are free, or infinity where so few are needed, and none are budgeted, that the system is not asked.

    Parameters
    ----------
    need : float
        Bytes that are to be taken.
    device : torch.device, optional
    """
    if need <= LITTLE and _budget() is None:
        return math.inf
    return free_memory(device)


@contextlib.contextmanager
def limit(size: int | str | None) -> Iterator[None]:
    """Let no more memory be taken than this, from now until the end of the ``with`` block.

    What the process holds already does not count. The limit is one for plans: matrices and files that would go beyond
    it are refused with a sentence, or solved in less memory; it does not reach what other libraries allocate. Within
    another one, the inner limit holds; within the environment's ``OTGAN_MEMORY`` too.

    Parameters
    ----------
    size : int, str or None
        Bytes, or text as :func:`parse` reads it; None lifts all budgets.

    Raises
    ------
    TypeError, ValueError
        If it is no size.

    Examples
    --------
    >>> from otgan import memory
    >>> with memory.limit("1 MiB"):
    ...     memory.free_memory() <= 2**20
    True
    """
    inner = None if size is None else _Budget(parse(size), _taken(_PROCESS))
    _limits.append(inner)
    try:
        yield
    finally:
        # By identity: blocks of two threads need not end in the order in which they began.
        del _limits[next(k for k in reversed(range(len(_limits))) if _limits[k] is inner)]


@dataclass(frozen=True, eq=False)
class _Budget:
    """So many bytes more than what was taken when it was set."""

    size: int
    start: int

    def left(self) -> int:
        return self.size - max(0, _taken(_PROCESS) - self.start)


_limits: list[_Budget | None] = []
_of_environment: dict[str, _Budget] = {}


def _budget() -> _Budget | None:
    """Return the budget that holds now: of the innermost :func:`limit`, or of the environment since it was first met."""
    if _limits:
        return _limits[-1]
    text = os.environ.get(VARIABLE, "").strip()
    if not text:
        return None
    if text not in _of_environment:
        try:
            size = parse(text)
        except WrongValueError as error:
            raise WrongValueError(f"the environment's {VARIABLE}: {error}") from error
        _of_environment[text] = _Budget(size, _taken(_PROCESS))
    return _of_environment[text]


def _machine() -> int:
    """Bytes that are free on the whole machine."""
    available = _fields(Path("/proc/meminfo")).get("MemAvailable")
    if available is not None:
        return available * _KIB
    try:  # not Linux
        pages = "SC_AVPHYS_PAGES" if "SC_AVPHYS_PAGES" in os.sysconf_names else "SC_PHYS_PAGES"
        return int(os.sysconf(pages)) * int(os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, ValueError, OSError):  # a system that does not tell
        return sys.maxsize


def _taken(process: Path) -> int:
    """Bytes that the process holds for itself, files that are mapped and can be read again not counted."""
    fields = _fields(process / "status")
    if "RssAnon" in fields:
        return _KIB * sum(fields.get(name, 0) for name in ("RssAnon", "RssShmem", "VmSwap"))
    try:
        import resource
    except ImportError:  # not POSIX
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak) * (1 if sys.platform == "darwin" else _KIB)


def _ulimits(process: Path) -> Iterator[int]:
    """Bytes that are left below the limits of the process, for each that is set."""
    try:
        import resource
    except ImportError:  # not POSIX
        return
    used: dict[str, int] | None = None
    for name, field in (("RLIMIT_AS", "VmSize"), ("RLIMIT_DATA", "VmData")):
        bound = resource.getrlimit(getattr(resource, name))[0] if hasattr(resource, name) else -1
        if bound not in {resource.RLIM_INFINITY, -1}:
            used = _fields(process / "status") if used is None else used
            yield bound - _KIB * used[field] if field in used else bound - _taken(process)


def _groups(process: Path) -> Iterator[int]:
    """Bytes that are left in each control group the process is in, and in those around it.

    A group is a folder below the mount of its hierarchy. What the process calls its place is relative to the root of
    the whole hierarchy, of which a container may see a part, so that both are needed.
    """
    places = [line.split(":", 2) for line in _lines(process / "cgroup") if line.count(":") > 1]
    for line in _lines(process / "mountinfo"):
        mount, mark, kind = line.partition(" - ")
        fields, options = mount.split(), kind.split()
        if not mark or not fields[4:] or not options or options[0] not in {"cgroup", "cgroup2"}:
            continue
        new = options[0] == "cgroup2"
        if not new and "memory" not in options[-1].split(","):
            continue
        root, top = _unescaped(fields[3]), Path(_unescaped(fields[4]))
        for number, controllers, place in places:
            if number == "0" and not controllers if new else "memory" in controllers.split(","):
                inside = f"{place.rstrip('/')}/".startswith(f"{root.rstrip('/')}/") and ".." not in place
                relative = place[len(root.rstrip("/")) :].strip("/") if inside else ""
                folder = top / relative
                for group in (folder, *folder.parents):
                    yield from _room(group, new)
                    if group == top:
                        break


def _room(group: Path, new: bool) -> Iterator[int]:
    """Bytes that are left in a control group, if it limits memory."""
    limits = ("memory.max", "memory.high") if new else ("memory.limit_in_bytes",)
    bounds = [bound for name in limits if (bound := _number(group / name)) is not None]
    used = _number(group / ("memory.current" if new else "memory.usage_in_bytes"))
    if not bounds or used is None:
        return
    # A group's usage counts the file cache, which the kernel takes back before it kills anybody.
    cached = _fields(group / "memory.stat")
    names = ("active_file", "inactive_file") if new else ("total_active_file", "total_inactive_file")
    yield min(bounds) - max(0, used - sum(cached.get(name, 0) for name in names))


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(errors="surrogateescape").splitlines()
    except OSError:
        return []


def _number(path: Path) -> int | None:
    """Return the number in a file; None for 'max', or without the file."""
    words = " ".join(_lines(path)).split()
    return int(words[0]) if words and words[0].isdecimal() else None


def _fields(path: Path) -> dict[str, int]:
    """Return the lines 'name number' or 'name: number unit' of a file."""
    found: dict[str, int] = {}
    for line in _lines(path):
        name, *rest = line.split() or [""]
        if rest and rest[0].isdecimal():
            found[name.rstrip(":")] = int(rest[0])
    return found


def _unescaped(path: str) -> str:
    r"""Return a path of mountinfo, where blanks are written as \040."""
    return re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), path)
