"""Where the transport systems take their costs: maps of samples to rows, one file each."""

from __future__ import annotations

from otgan.gan.features.base import Features, Learning
from otgan.gan.features.names import FEATURES, FeatureNames

__all__ = ["FEATURES", "FeatureNames", "Features", "Learning"]
