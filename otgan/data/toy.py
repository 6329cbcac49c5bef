"""Synthetic data in the plane, as the WGAN papers define it.

Every distribution is a small frozen object with one method that samples; :func:`build` makes it by name.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray

from otgan.data.dataset import Dataset, Modes
from otgan.data.errors import SpecError
from otgan.data.sources import check_fits

__all__ = ["TOYS", "TOY_ROWS", "Lines", "Mixture", "SwissRoll", "Toy", "build", "generate"]

#: How many rows are generated when no number is asked for.
TOY_ROWS = 1000

_ROW = 64  # bytes that generating a row takes: two coordinates, twice with noise added, and the mode

Sample = tuple[NDArray[np.float64], NDArray[np.int64] | None]


class Toy(Protocol):
    """A distribution in the plane that can be sampled."""

    @property
    def name(self) -> str:
        """Its spec; distributions that are equal have one name."""

    @property
    def modes(self) -> Modes | None:
        """Its modes, where it is a mixture."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes that samples are labelled with, if they are."""

    def sample(self, n: int, rng: np.random.Generator) -> Sample:
        """Return n points, shape (n, 2), and the class of each, shape (n,), or None."""


@dataclass(frozen=True, eq=False)
class Mixture:
    """Isotropic Gaussians of equal weight: x = the center of a uniform mode + std · N(0, I)."""

    name: str
    modes: Modes
    classes: tuple[str, ...]
    first: int = 0

    @classmethod
    def of(cls, name: str, centers: NDArray[np.float64], std: float) -> Mixture:
        """Return the mixture of all these modes, its classes numbered from 0."""
        return cls(name, Modes(centers, std), tuple(str(k) for k in range(len(centers))))

    def only(self, mode: int) -> Mixture:
        """Return one mode alone, which keeps its number as its class."""
        center = self.modes.centers[mode : mode + 1]
        return Mixture(f"{self.name}:{mode}", Modes(center, self.modes.std), self.classes, first=mode)

    def sample(self, n: int, rng: np.random.Generator) -> Sample:
        """Return n points and the mode of each."""
        mode = rng.integers(len(self.modes), size=n)
        noise = rng.standard_normal((n, self.modes.centers.shape[1]))
        return self.modes.centers[mode] + self.modes.std * noise, mode + self.first


@dataclass(frozen=True)
class SwissRoll:
    """Two coordinates of scikit-learn's Swiss roll: ((t cos t, t sin t) + noise · N(0, I)) / scale.

    t is uniform on [3π/2, 9π/2].
    """

    name: str = "swissroll"
    noise: float = 0.25
    scale: float = 7.5
    modes: None = None
    classes: tuple[str, ...] = ()

    def sample(self, n: int, rng: np.random.Generator) -> Sample:
        """Return n points and None."""
        curve = self.curve(rng.uniform(1.5 * math.pi, 4.5 * math.pi, size=n))
        return curve + self.noise / self.scale * rng.standard_normal((n, 2)), None

    def curve(self, t: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the points of the noiseless roll at the angles t, shape (n, 2)."""
        return np.column_stack([t * np.cos(t), t * np.sin(t)]) / self.scale


@dataclass(frozen=True)
class Lines:
    """The vertical line at θ of the WGAN paper's Example 1: points (θ, z), z uniform on [0, 1]."""

    theta: float
    modes: None = None
    classes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The spec, with θ in its shortest form."""
        return f"lines@{self.theta:g}" if float(f"{self.theta:g}") == self.theta else f"lines@{self.theta}"

    def sample(self, n: int, rng: np.random.Generator) -> Sample:
        """Return n points and None."""
        return np.column_stack([np.full(n, self.theta), rng.uniform(size=n)]), None


def eight_gaussians() -> Mixture:
    """Eight Gaussians of standard deviation .02 on a circle of radius 2, all over 1.414.

    Mode k stands at the angle kπ/4. The divisor is the rounded one of the improved WGAN's toy script.
    """
    angle = np.arange(8) * (math.pi / 4)
    circle = 2.0 * np.column_stack([np.cos(angle), np.sin(angle)])
    return Mixture.of("8gaussians", circle / 1.414, 0.02 / 1.414)


def twenty_five_gaussians() -> Mixture:
    """Twenty-five Gaussians of standard deviation .05 on a 5 × 5 grid of spacing 2, all over 2.828.

    Mode 5i + j stands at (2(i − 2), 2(j − 2)) / 2.828.
    """
    side = 2.0 * np.arange(-2, 3)
    grid = np.stack(np.meshgrid(side, side, indexing="ij"), axis=-1).reshape(-1, 2)
    return Mixture.of("25gaussians", grid / 2.828, 0.05 / 2.828)


#: The synthetic distributions that need no argument, by name; ``lines@θ`` is the one that does.
TOYS: dict[str, Callable[[], Toy]] = {
    "8gaussians": eight_gaussians,
    "25gaussians": twenty_five_gaussians,
    "swissroll": SwissRoll,
}


def build(name: str, argument: str | None = None, mode: str | None = None) -> Toy:
    """Return a distribution by its name, ``lines`` with the place θ as the argument, or one of its modes.

    Raises
    ------
    SpecError
        If the argument is not what the distribution takes, or it has no such mode.
    """
    if name == "lines":
        whole: Toy = Lines(_theta(argument))
    elif argument is not None:
        raise SpecError(f"{name} takes no argument, got {name}@{argument}")
    else:
        whole = TOYS[name]()
    if mode is None:
        return whole
    if not isinstance(whole, Mixture):
        raise SpecError(f"{name} has no classes, so there is no class {mode!r} to take")
    if mode not in whole.classes:
        raise SpecError(f"{name} has no class {mode!r}: its modes are 0 to {len(whole.modes) - 1}")
    return whole.only(int(mode))


def _theta(argument: str | None) -> float:
    try:
        theta = float(argument or "")
    except ValueError:
        theta = math.nan
    if not math.isfinite(theta):
        found = "lines" if argument is None else f"lines@{argument}"
        raise SpecError(f"{found}: expected the place of the line as a finite number, like lines@0.5")
    return theta + 0.0  # -0.0 is the line at 0


def generate(
    source: Toy, n: int | None, seed: int, split: str = "train", dtype: DTypeLike = np.float64
) -> Dataset:
    """Return a data set of n rows (:data:`TOY_ROWS` if None).

    Each distribution and each split has a stream of its own, so that sets of different names generated with
    one seed are independent draws.
    """
    check_fits((TOY_ROWS if n is None else n) * _ROW, f"{source.name}: {n} rows")
    stream = zlib.crc32(f"{source.name} {split}".encode())
    points, labels = source.sample(TOY_ROWS if n is None else n, np.random.default_rng([seed, stream]))
    return Dataset(
        source.name,
        points.astype(dtype, copy=False),
        labels=labels,
        classes=source.classes,
        modes=source.modes,
    )
