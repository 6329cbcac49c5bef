"""The pairs of point sets that exact transport is measured on, by family."""

from __future__ import annotations

import os
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["FAMILIES", "PIXELS", "cloud", "weights"]

Floats = NDArray[np.float64]

PLANE = 2
"""Dimension of moons and rings."""

PIXELS = 784
"""Dimension of MNIST images."""

FAMILIES = ("gaussians", "square", "clusters", "moons", "lattice", "mnist")
"""Those that are not of a dimension are left out there."""


def cloud(family: str, n: int, d: int) -> tuple[Floats, Floats] | None:
    """Return two sets of n points of dimension d, always the same; None where the family has none."""
    rng = np.random.default_rng(FAMILIES.index(family))
    if family == "gaussians":
        return rng.standard_normal((n, d)), 0.5 + 1.3 * rng.standard_normal((n, d))
    if family == "square":
        return rng.random((n, d)), rng.random((n, d))
    if family == "clusters":
        return _clusters(n, d, rng)
    if family == "moons":
        return _moons(n, rng) if d == PLANE else None
    if family == "lattice":
        side = max(4, int(0.5 * n ** (1 / d)))  # points share places
        return rng.integers(0, side, (n, d)).astype(float), rng.integers(0, side, (n, d)).astype(float)
    return _digits(n, d)


def weights(n: int) -> tuple[Floats, Floats]:
    """Return weights of either side, between 0 and 1."""
    rng = np.random.default_rng(1)
    return rng.random(n), rng.random(n)


def _clusters(n: int, d: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Twenty of unequal weights, other ones on either side."""
    centers = 4 * rng.standard_normal((20, d))
    sides = []
    for _ in range(2):
        share = rng.random(20)
        which = rng.choice(20, n, p=share / share.sum())
        sides.append(centers[which] + 0.4 * rng.standard_normal((n, d)))
    return sides[0], sides[1]


def _moons(n: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Two half circles, and a ring around them."""
    turn, upper = rng.uniform(0, np.pi, n), rng.integers(0, 2, n) == 1
    x = np.where(upper, np.cos(turn), 1 - np.cos(turn))
    y = np.where(upper, np.sin(turn), 0.5 - np.sin(turn))
    around = rng.uniform(0, 2 * np.pi, n)
    ring = np.column_stack([0.5 + 1.5 * np.cos(around), 0.25 + 1.5 * np.sin(around)])
    noise = 0.05 * rng.standard_normal((2, n, 2))
    return np.column_stack([x, y]) + noise[0], ring + noise[1]


@cache
def _principal() -> Any:
    """MNIST, centered, and its principal directions; None where no copy is at hand (``OTGAN_DATA``)."""
    import otgan.data

    try:
        pixels = otgan.data.load("mnist", data_dir=os.environ.get("OTGAN_DATA"))
    except otgan.data.DataError:
        return None
    pixels = pixels - pixels.mean(0)
    return pixels, np.linalg.eigh(pixels.T @ pixels)[1][:, ::-1]


def _digits(n: int, d: int) -> tuple[Floats, Floats] | None:
    """Two disjoint draws of images, in their principal directions where there are fewer dimensions."""
    if d not in {16, 64, PIXELS}:
        return None
    found = _principal()
    if found is None:
        return None
    pixels, directions = found
    some = np.random.default_rng(5).permutation(len(pixels))[: 2 * n]
    points = pixels[some] if d == PIXELS else pixels[some] @ directions[:, :d]
    return points[:n].astype(float), points[n:].astype(float)
