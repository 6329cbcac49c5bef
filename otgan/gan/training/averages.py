"""Moving averages of networks, and the model that those of a checkpoint make."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from otgan.gan.datasets.scaling import Scaling
from otgan.gan.errors import OptionError, RunError, reason
from otgan.gan.model import Model
from otgan.gan.networks import Space
from otgan.gan.systems import SYSTEMS, System
from otgan.gan.training.blank import blank_networks, unknown_network
from otgan.gan.training.settings import Settings

__all__ = ["load_model", "moving_average"]

_Weights = tuple[Tensor, ...] | list[Tensor]

_PREFIX = "module."
"""What torch puts before the names of the weights that it averages."""


@torch.no_grad()  # so that copies of what torch.jit compiled are leaves, too
def moving_average(network: nn.Module, decay: float) -> AveragedModel:
    """Return a copy of a network whose weights are to be the exponential moving average of its own.

    After k updates the decay is min(decay, (1 + k) / (10 + k)): the average looks back on a tenth of the run at
    most, so that the first weights do not linger in it.
    """

    def average(averaged: _Weights, current: _Weights, updates: Tensor | int) -> None:
        count = int(updates)
        if not averaged[0].is_floating_point():  # numbers that nothing trains, all of one type
            torch._foreach_copy_(averaged, current)
            return
        torch._foreach_lerp_(averaged, current, 1 - min(decay, (1 + count) / (10 + count)))

    # Of no weights torch makes no groups; buffers are followed all the same.
    if next(network.parameters(), None) is None:
        return AveragedModel(network, avg_fn=lambda averaged, current, updates: averaged)
    return AveragedModel(network, multi_avg_fn=average)


def load_model(
    settings: Settings,
    state: Mapping[str, Any],
    own: Mapping[str, nn.Module],
    device: torch.device,
    where: Path,
) -> Model:
    """Return the model of a checkpoint.

    Parameters
    ----------
    settings : Settings
        Of its run.
    state : mapping
        What the checkpoint holds, see :meth:`otgan.gan.training.state.State.state_dict`.
    own : mapping of str to nn.Module
        The networks that were the user's own.
    device : torch.device
    where : Path
        The folder of the run, for messages.

    Raises
    ------
    RunError
        If the checkpoint does not fit the settings, or a network is missing.
    OptionError
        If a module is passed that the system does not know.
    """
    system = _system(settings, where)
    space, classes = Space(settings.data.shape), settings.data.known_classes()
    if system.conditional != (classes is not None):
        raise RunError(f"{where / 'config.json'} is damaged: its classes do not go with its options")
    made = blank_networks(system, space if classes is None else replace(space, classes=len(classes)))
    if unknown := sorted(set(own) - set(made)):
        raise unknown_network(system, unknown[0], made)
    missing = [name for name in settings.modules if name in system.averaged and name not in own]
    if missing:
        raise RunError(f"{where} was trained with a {missing[0]} of your own: pass it in modules")
    networks = {}
    for name in system.averaged:
        try:
            weights = _weights(state["averages"][name])
            if name not in own:
                _check_shapes(made[name], weights)
            network = own.get(name) or made[name].to_empty(device="cpu")
            network.load_state_dict(weights)
        except Exception as error:  # whatever a checkpoint of something else happens to hold
            raise RunError(f"{where}: its {name} does not fit: {reason(error)}") from error
        networks[name] = network.to(device).eval().requires_grad_(False)
    try:
        scaling = Scaling.read(state["scaling"])
    except Exception as error:
        raise RunError(f"{where}: its units cannot be read: {reason(error)}") from error
    return Model(system, space, scaling, networks, state["step"], classes)


def _system(settings: Settings, where: Path) -> System:
    """Make the system that the settings name."""
    try:
        return SYSTEMS[settings.system].for_data("", settings.options)
    except (KeyError, OptionError) as error:
        raise RunError(
            f"{where / 'config.json'} names a system that there is not here: {reason(error)}"
        ) from error


def _weights(average: Mapping[str, Any]) -> dict[str, Any]:
    """Return the weights of a network from the state of its average."""
    return {key.removeprefix(_PREFIX): value for key, value in average.items() if key.startswith(_PREFIX)}


def _check_shapes(network: nn.Module, weights: Mapping[str, Any]) -> None:
    """Refuse weights of other shapes before memory is asked for."""
    for key, value in network.state_dict().items():
        if key in weights and tuple(weights[key].shape) != tuple(value.shape):
            raise ValueError(f"{key} has the shape {tuple(weights[key].shape)}, not {tuple(value.shape)}")
