"""One process trains in a folder at a time: a lock of the operating system, which dies with whoever holds it."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
from collections.abc import Iterator
from pathlib import Path

from otgan.gan.errors import RunError, WriteError, reason

try:
    import fcntl
except ImportError:  # Windows: runs are not locked there
    fcntl = None  # type: ignore[assignment]

__all__ = ["locked"]

NAME = ".lock"
_UNSUPPORTED = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL}

_log = logging.getLogger("otgan")


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other processes from training in a folder, which exists.

    The lock is on the file ``.lock``, which holds the process's number and goes when it ends. One that a killed process
    leaves behind locks nothing.

    Raises
    ------
    RunError
        If another process holds the lock; the message names it.
    WriteError
        If the folder cannot be written.
    """
    if fcntl is None:
        yield
        return
    path = folder / NAME
    try:
        descriptor = _acquire(path)
    except OSError as error:
        raise WriteError(f"{folder} cannot be written: {reason(error)}") from error
    try:
        yield
    finally:
        # Removed while it is still locked: whoever opened it in between sees that it is no longer the one in the folder.
        with contextlib.suppress(OSError):
            path.unlink()
        os.close(descriptor)


def _acquire(path: Path) -> int:
    """Return the locked file that is the one of this name in the folder."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise RunError(
                    f"{path.parent} is being trained in by {_holder(descriptor)}: "
                    "wait until that ends, or choose another folder"
                ) from error
            except OSError as error:
                if error.errno not in _UNSUPPORTED:
                    raise
                _log.warning("%s cannot be locked here: train in it by one process at a time", path.parent)
            if _is(path, descriptor):
                os.ftruncate(descriptor, 0)
                with contextlib.suppress(OSError):  # on a full disk the lock holds without a number in it
                    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _is(path: Path, descriptor: int) -> bool:
    """Whether an open file is still the one of that name."""
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    return os.path.samestat(there, os.fstat(descriptor))


def _holder(descriptor: int) -> str:
    """Name the process that holds the lock."""
    number = os.pread(descriptor, 20, 0).strip()
    return f"process {number.decode()}" if number.isdigit() else "another process"
