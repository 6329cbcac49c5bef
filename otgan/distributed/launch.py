"""The group that a command belongs to whose processes torchrun started: joined at its beginning, left at its end."""

from __future__ import annotations

import contextlib
import datetime
import os
from collections.abc import Iterator
from typing import Any

from otgan.mistakes import RankError, WrongValueError

__all__ = ["is_launched", "launched"]

_VARIABLES = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
"""What torchrun tells each process: its place, how many there are, and where they meet."""


def is_launched() -> bool:
    """Whether this is one of the processes that torchrun started."""
    return all(os.environ.get(name) for name in _VARIABLES)


@contextlib.contextmanager
def launched(device: Any = "cpu", timeout: datetime.timedelta | None = None) -> Iterator[Any]:
    """Join the group of the processes that torchrun started, and leave it at the end; None where it started none.

    A group that this process is in already is taken as it is, and stays.

    Parameters
    ----------
    device : str or torch.device
        Where the work is done: NCCL for "cuda", of which each process takes the GPU of its number, gloo for all else.
    timeout : timedelta, optional
        How long one of them waits for another; by default as long as torch does.

    Raises
    ------
    ValueError
        If the variables are not those that torchrun sets, or this build of torch has no process groups.
    RankError
        If the others cannot be met.
    """
    if not is_launched():
        yield None
        return
    import torch
    import torch.distributed as dist

    if not dist.is_available():
        raise WrongValueError(
            "processes were started by torchrun, and this build of torch has no process groups: start one"
        )
    if dist.is_initialized():
        yield dist.group.WORLD
        return
    cuda = torch.device(device).type == "cuda"
    try:
        if cuda:
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
        dist.init_process_group("nccl" if cuda else "gloo", timeout=timeout)
    except ValueError as error:
        told = ", ".join(f"{name}={os.environ[name]}" for name in _VARIABLES)
        raise WrongValueError(
            f"{told}: expected what torchrun sets for each process ({str(error)[:200]}); unset them for one process"
        ) from error
    except RuntimeError as error:
        raise RankError(
            f"the processes of {os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']} did not meet "
            f"({str(error).partition(chr(10))[0][:200]}): look at the output of the others"
        ) from error
    try:
        yield dist.group.WORLD
    finally:
        dist.destroy_process_group()
