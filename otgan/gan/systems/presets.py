"""What the defaults of several systems have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["AGAINST", "AT_SIZE", "IN_CODES", "ON_POINTS", "WITH_SLOPE"]

ON_POINTS: Mapping[str, Any] = {
    "latent": 2,
    "width": 256,
    "batch": 256,
    "power": 1.0,
    "lr": 2e-3,
    "decay": 1000,
}
"""What all of them take for points."""

IN_CODES: Mapping[str, Any] = {
    "batch": 500,
    "latent": 64,
    "width": 16,
    "features": "autoencoder:32",
    "n_features": 600,
    "lr": 3e-3,
    "decay": 1000,
    "ema": 0.998,
    "tol": 1e-2,
}
"""What is best for images in fifteen minutes of one core, whatever the form of the divergence between their codes."""

AGAINST: Mapping[str, Any] = {
    "batch": 100,
    "latent": 64,
    "width": 16,
    "features": "adversarial:64",
    "lr": 5e-4,
}
"""What is best for images where features learn against the generator."""

WITH_SLOPE: Mapping[str, Any] = {
    # Two of them on either side.
    "batch": 50,
    "latent": 64,
    "width": 32,
    # A generator of so many channels costs several times what a critic does.
    "critic_width": 64,
    "features": "lipschitz:16",
    "power": 1.0,
    "lr": 1e-3,
    "decay": 4000,
}
"""What is taken for larger images in color, where a generator by features on the sphere soon stops getting nearer to the data.

What features of `smoothed-ot` ascend is a quarter of the divergence of `sinkhorn`, and so is what they are charged for slopes.
"""

AT_SIZE: Mapping[str, Any] = {
    "network": "deep-resnet",
    "width": 128,
    "batch": 4000,
    "latent": 100,
    "features": "adversarial:4096",
    "lr": 3e-4,
    "beta2": 0.999,
    "ema": 0.9999,
}
"""What transport takes on a GPU, after OT-GAN (Salimans et al. 2018): its rates, half of its batch, fewer features, and other networks."""
