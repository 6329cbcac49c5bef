"""Networks without memory or weights, and whether they fit."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator

import torch
from torch import nn

from otgan.data import DataError
from otgan.gan.errors import OptionError, RunError, reason
from otgan.gan.networks import Space
from otgan.gan.systems import System

__all__ = ["blank_networks", "net_size", "sized", "unknown_network"]


def net_size(net: nn.Module) -> int:
    """Return how many numbers a network has."""
    return sum(value.numel() for value in net.state_dict().values())


def blank_networks(system: System, space: Space) -> dict[str, nn.Module]:
    """Make the networks of a system without memory or weights; nothing is drawn from torch's global random state.

    Raises
    ------
    RunError
        If they are larger than torch can count.
    """
    with torch.device("meta"), sized(system):
        return system.networks(space)


@contextlib.contextmanager
def sized(system: System) -> Iterator[None]:
    """Turn what torch says of networks that fit nowhere into one sentence."""
    try:
        yield
    except (RunError, OptionError):
        raise
    except (RuntimeError, TypeError, OverflowError, MemoryError, DataError) as error:
        raise RunError(
            f"the networks cannot be made: width={system.width}, depth={system.depth} and latent={system.latent} "
            f"ask for too much memory; choose smaller ones ({reason(error)[:120]})"
        ) from error


def unknown_network(system: System, name: str, known: Iterable[str]) -> OptionError:
    """Return what is said of a network of the user's own that the system does not have."""
    return OptionError(f"{system.name} has no network {name!r}; it has {', '.join(known)}")
