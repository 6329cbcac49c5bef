"""The maps of samples to rows by name: one file each, and one line here.

Several joined by a plus sign stand side by side: their costs of power 2 add up.
"""

from __future__ import annotations

from numbers import Integral
from typing import Any

from otgan.gan.arguments import shown
from otgan.gan.errors import OptionError
from otgan.gan.features.adversarial import Adversarial
from otgan.gan.features.autoencoder import Autoencoder, WassersteinAutoencoder
from otgan.gan.features.base import Features, Learning
from otgan.gan.features.convolutions import RandomFeatures
from otgan.gan.features.lipschitz import Lipschitz
from otgan.gan.features.samples import Samples

__all__ = ["FEATURES", "FeatureNames"]

FEATURES: dict[str, type[Features]] = {
    kind.name: kind
    for kind in (Samples, Adversarial, Lipschitz, Autoencoder, WassersteinAutoencoder, RandomFeatures)
}

_OTHER_NAMES = {"pixels": Samples.name}
_MOST = 2**20
"""Numbers in a row."""
_DIGITS = 9
"""Of a size that is read at all."""


class FeatureNames(str):
    """The maps by name, each with the size of its rows: ``"autoencoder:16"``, ``"samples+random:256"``.

    A number alone is that of adversarial features, and 0 the samples themselves.
    """

    __slots__ = ()

    @classmethod
    def read(cls, name: str, value: Any) -> FeatureNames:
        """Return the names in full, of an option with that name.

        Raises
        ------
        OptionError
            If one of them means nothing.
        """
        if isinstance(value, Integral) and not isinstance(value, bool):
            value = str(int(value))
        if not isinstance(value, str):
            raise OptionError(f"{name} takes names of features, got {shown(value)}; {_known()}")
        maps = [_one(name, part.strip()) for part in value.split("+")]
        kinds = [each.name for each in maps]
        if twice := [kind for kind in kinds if kinds.count(kind) > 1]:
            raise OptionError(f"{name} names {twice[0]} twice")
        against = [each.name for each in maps if each.learning is Learning.AGAINST]
        if len(against) > 1:
            raise OptionError(
                f"{name} takes one map that learns against the generator, got {' and '.join(against)}"
            )
        first = [each.name for each in maps if each.learning is Learning.FIRST]
        if len(first) > 1:
            raise OptionError(f"{name} takes one map that learns first, got {' and '.join(first)}")
        return cls("+".join(f"{each.name}:{each.size}" if each.size else each.name for each in maps))

    def maps(self) -> tuple[Features, ...]:
        """Return the maps."""
        return tuple(_one("features", part) for part in self.split("+"))


def _one(name: str, text: str) -> Features:
    """Return the map of one name, or of a number."""
    kind, _, size = text.partition(":")
    if kind.isdecimal() and not size:  # "0", or a number of adversarial features
        kind, size = (Samples.name, "") if not kind.strip("0") else (Adversarial.name, kind)
    kind = _OTHER_NAMES.get(kind, kind)
    if kind not in FEATURES:
        raise OptionError(f"{name} has no map {text!r}; {_known()}")
    made = FEATURES[kind]
    if not size:
        return made(made.default)
    if not made.default:
        raise OptionError(f"{name}: {kind} takes no size, got {text!r}")
    if not size.isdecimal() or len(size) > _DIGITS or not made.least <= int(size) <= _MOST:
        raise OptionError(
            f"{name}: the size of {kind} must be a number from {made.least} to {_MOST}, got {shown(size)}"
        )
    return made(int(size))


def _known() -> str:
    """Say which there are."""
    names = ", ".join(f"{kind}:{made.default}" if made.default else kind for kind, made in FEATURES.items())
    return f"there are {names}, and several joined by +"
