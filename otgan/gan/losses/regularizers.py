"""The regularizers of transport by name: one file each, and one line here."""

from __future__ import annotations

from otgan.gan.losses.kl import KL
from otgan.gan.losses.regularizer import Regularizer
from otgan.gan.losses.squared_norm import SquaredNorm

__all__ = ["KL", "REGULARIZERS", "Regularizer", "SquaredNorm"]

REGULARIZERS: dict[str, type[Regularizer]] = {kind.name: kind for kind in (KL, SquaredNorm)}
