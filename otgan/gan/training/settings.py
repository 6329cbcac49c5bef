"""All settings of a run: typed, checked where they are read back, and shown in one flat block.

What the hyperparameters mean, and what they are by default, each system says in its own file. The rest is here.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from enum import Enum
from typing import Any

import torch

import otgan
from otgan.gan.datasets.training_data import DataDescription
from otgan.gan.errors import RunError
from otgan.gan.systems import SYSTEMS, System
from otgan.gan.training.schedule import Schedule
from otgan.plain import plain

__all__ = ["Settings"]

FORMAT = "otgan run 1"
"""Of ``config.json``."""


@dataclass(frozen=True)
class Settings:
    """What a run is; ``print`` shows all of it in one flat block.

    Attributes
    ----------
    system : str
    options : mapping
        Its hyperparameters.
    data : DataDescription
    seed : int
    modules : tuple of str
        The networks that are the user's own.
    device : str
    schedule : Schedule
    versions : mapping of str to str
        Of the libraries that trained last.
    """

    system: str
    options: Mapping[str, Any]
    data: DataDescription
    seed: int
    modules: tuple[str, ...]
    device: str
    schedule: Schedule
    versions: Mapping[str, str]

    @classmethod
    def of(
        cls,
        system: System,
        data: DataDescription,
        seed: int,
        modules: Mapping[str, Any],
        device: torch.device,
        schedule: Schedule,
    ) -> Settings:
        """Gather the settings of a run that is to be trained here."""
        options = {
            name: value.value if isinstance(value, Enum) else value for name, value in asdict(system).items()
        }
        versions = {"otgan": otgan.__version__, "torch": torch.__version__}
        return cls(system.name, options, data, seed, tuple(sorted(modules)), device.type, schedule, versions)

    def flat(self) -> dict[str, Any]:
        """Return every setting by name, none of them within another."""
        data = self.data
        return {
            "system": self.system,
            "data": data.spec,
            "shape": data.shape,
            "training_samples": data.train,
            "held_out_samples": data.held_out,
            "seed": self.seed,
            "device": self.device,
            **({"classes": ", ".join(data.classes)} if data.classes else {}),
            **asdict(self.schedule),
            **self.options,
            "own_modules": ", ".join(self.modules) or None,
            **{f"{name}_version": version for name, version in self.versions.items()},
        }

    def __str__(self) -> str:
        return "\n".join(plain(f"{name} = {value}") for name, value in self.flat().items())

    def to_dict(self) -> dict[str, Any]:
        """Return the content of ``config.json``."""
        schedule = asdict(self.schedule)
        steps = schedule.pop("steps")
        content = {
            "format": FORMAT,
            "system": self.system,
            "options": dict(self.options),
            "data": {**asdict(self.data), "shape": list(self.data.shape)},
            "seed": self.seed,
            "modules": list(self.modules),
            "device": self.device,
            **schedule,
            "steps": steps,
            "versions": dict(self.versions),
        }
        return {**content, "checksum": _checksum(content)}

    @classmethod
    def read(cls, found: Any, where: str) -> Settings:
        """Become what :meth:`to_dict` returned.

        Raises
        ------
        RunError
            If it is no such thing, or not as it was written; the message begins with ``where``.
        """
        if not isinstance(found, dict) or found.get("format") != FORMAT:
            raise RunError(f"{where} is not the configuration of a run of this version of otgan")
        found = dict(found)
        # Folders that were written before there were checksums have none.
        if "checksum" in found and found.pop("checksum") != _checksum(found):
            raise RunError(
                f"{where} is damaged or was changed: its checksum does not match; put it back as it was"
            )
        for key, fits in _KEYS.items():
            if key not in found or not fits(found[key]):
                raise RunError(f"{where} is damaged: its {key!r} is missing or not what it must be")
        if unknown := set(found) - set(_KEYS) - {"format"}:
            raise RunError(f"{where} is damaged: it has {min(unknown)!r}, which means nothing")
        data = {k: found["data"].get(k) for k in ("spec", "train", "held_out", "digest", "labels")}
        later: Any = {k: tuple(found["data"].get(k, ())) for k in ("columns", "classes", "counts")}
        return cls(
            system=found["system"],
            options=found["options"],
            data=DataDescription(shape=tuple(found["data"]["shape"]), **data, **later),
            seed=found["seed"],
            modules=tuple(found["modules"]),
            device=found["device"],
            schedule=Schedule(
                **{name: found[name] for name in ("steps", "log_every", "save_every", "evaluate_every")}
            ),
            versions=found["versions"],
        )

    def check_same(self, other: Settings, where: str) -> None:
        """Refuse to resume this run as something that it is not: steps and versions alone may change.

        Raises
        ------
        RunError
            Naming what differs; the message begins with ``where``.
        """
        there, here = self._identity(), other._identity()
        for key in {**there, **here}:
            old, new = there.get(key), here.get(key)
            if old != new:
                raise RunError(
                    f"{where} holds a run with {key} = {old!r}, not {new!r}: it cannot be resumed so"
                )

    def _identity(self) -> dict[str, Any]:
        """Return what may not change when a run goes on, with names as they are told."""
        options = {**_defaults(self.system), **self.options}
        return {
            "system": self.system,
            "seed": self.seed,
            **{f"options: {name}": value for name, value in options.items()},
            **{f"data: {name}": value for name, value in asdict(self.data).items() if name != "columns"},
            "modules": list(self.modules),
            "device": self.device,
            **{name: value for name, value in asdict(self.schedule).items() if name != "steps"},
        }


def _defaults(system: str) -> dict[str, Any]:
    """Return the options of a system by its class: by these, what a later version brings leaves a run of an older one, which says nothing of it, as it was."""
    found = fields(SYSTEMS.get(system, System))
    values = {field.name: field.default for field in found if field.default is not MISSING}
    return {name: value.value if isinstance(value, Enum) else value for name, value in values.items()}


def _whole(value: Any, least: int = 0) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _counts(value: Any) -> bool:
    return _whole(value, 1)


def _names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


def _classes(names: Any, counts: Any) -> bool:
    several = isinstance(counts, list) and all(map(_whole, counts))
    return _names(names) and several and len(names) == len(counts) and (not counts or sum(counts) > 0)


def _data(value: Any) -> bool:
    if not isinstance(value, dict) or not isinstance(value.get("spec"), (str, type(None))):
        return False
    if not isinstance(value.get("labels"), (str, type(None))):
        return False
    shape = value.get("shape")
    sizes = all(_counts(value.get(part)) for part in ("train", "held_out"))
    return (
        sizes
        and isinstance(value.get("digest"), str)
        and _names(value.get("columns", []))
        and _classes(value.get("classes", []), value.get("counts", []))
        and isinstance(shape, list)
        and len(shape) in {1, 3}
        and all(_counts(length) for length in shape)
        and math.prod(shape) < 2**31
    )


_KEYS: dict[str, Callable[[Any], bool]] = {
    "system": lambda value: isinstance(value, str),
    "options": lambda value: isinstance(value, dict),
    "data": _data,
    "seed": _whole,
    "modules": _names,
    "device": lambda value: isinstance(value, str),
    "log_every": _counts,
    "save_every": _counts,
    "evaluate_every": _counts,
    "steps": _counts,
    "versions": lambda value: isinstance(value, dict),
}
"""What ``config.json`` holds, and whether a value can be that."""


def _checksum(content: dict[str, Any]) -> str:
    """Return what changes with the content, however it is laid out."""
    text = json.dumps(content, sort_keys=True, ensure_ascii=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
