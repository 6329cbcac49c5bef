"""What a training was asked for: every argument checked before anything is opened or made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from otgan.gan import arguments
from otgan.gan.callbacks import Callbacks
from otgan.gan.errors import OptionError
from otgan.gan.networks import Space
from otgan.gan.systems import SYSTEMS, System

__all__ = ["Request", "check_system", "choose_system"]


PAPER = "paper"
"""The preset that is for no kind of data: of the papers' size, for images in color."""


@dataclass(frozen=True)
class Request:
    """What :func:`train` was given, each of the type that it must have."""

    system: str | System
    data: Any
    steps: int | None
    seed: int
    out: str | None
    labels: Any
    conditional: bool
    resume: bool
    preset: str | None
    options: dict[str, Any]
    modules: dict[str, nn.Module]
    device: torch.device
    save_every: int | None
    evaluate_every: int | None
    data_dir: str | None
    progress: bool
    tensorboard: bool
    callbacks: Callbacks

    @classmethod
    def checked(cls, **given: Any) -> Request:
        """Check each by itself, and those that need each other.

        Raises
        ------
        OptionError
            Naming the first that cannot be.
        """
        for name in ("conditional", "resume", "progress", "tensorboard"):
            given[name] = arguments.flag(name, given[name])
        given["seed"] = arguments.seed(given["seed"])
        for name in ("out", "data_dir"):
            given[name] = None if given[name] is None else arguments.path(name, given[name])
        for name in ("steps", "save_every", "evaluate_every"):
            given[name] = None if given[name] is None else arguments.whole(name, given[name])
        given["options"] = arguments.mapping("options", given["options"], "{'batch': 64}")
        given["modules"] = arguments.modules(given["modules"])
        given["device"] = arguments.device(given["device"])
        given["callbacks"] = Callbacks.checked(given["callbacks"])
        if given["out"] is None and given["resume"]:
            raise OptionError("to resume, name the folder of the run: out")
        if given["out"] is None and given["tensorboard"]:
            raise OptionError("TensorBoard's files need a folder: out")
        check_system(given["system"], given["options"], given["preset"])
        return cls(**given)

    def told(self) -> dict[str, Any]:
        """Return what must be the same in all processes of a group, by name.

        Where data lie, who is told of steps and what is shown may differ.
        """
        names = (
            "steps",
            "seed",
            "out",
            "conditional",
            "resume",
            "save_every",
            "evaluate_every",
            "tensorboard",
        )
        modules = {
            f"modules: {name}": {key: tuple(value.shape) for key, value in module.state_dict().items()}
            for name, module in self.modules.items()
        }
        named = self.system if isinstance(self.system, str) else self.system.name
        return {
            "system": named,
            **{name: getattr(self, name) for name in names},
            **{f"options: {name}": value for name, value in self.options.items()},
            **modules,
            "device": self.device.type,
        }


def check_system(system: str | System, options: Mapping[str, Any], preset: str | None = None) -> None:
    """Refuse what is no system, or no preset of it, before the data are opened."""
    if isinstance(system, System):
        if options or preset is not None:
            raise OptionError("give options to the system itself, or name the system")
    elif not isinstance(system, str):
        raise OptionError(
            f"system must be one of {', '.join(SYSTEMS)}, or a System that was made, got {arguments.shown(system)}"
        )
    elif system not in SYSTEMS:
        raise OptionError(f"no system {system!r}; there are {', '.join(SYSTEMS)}")
    elif preset is not None and (preset != PAPER or PAPER not in SYSTEMS[system].presets):
        having = [name for name, each in SYSTEMS.items() if PAPER in each.presets]
        raise OptionError(
            f"{system} has no preset {arguments.shown(preset)}: there is {PAPER!r}, of {', '.join(having)}"
        )


def choose_system(
    system: str | System, space: Space, options: Mapping[str, Any] | None, preset: str | None = None
) -> System:
    """Return the system of that name with the defaults for the data, or with those of a preset, or the one given."""
    check_system(system, options or {}, preset)
    return system if isinstance(system, System) else SYSTEMS[system].for_data(preset or space.kind, options)
