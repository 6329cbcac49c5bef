"""The stream a system learns from: mini-batches of samples, noise, and the position in both."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from otgan.gan.errors import RunError
from otgan.gan.networks import Prior, draw_noise
from otgan.gan.parallel.division import undivided
from otgan.gan.streams import Stream, seeded

__all__ = ["Batches"]

_CHUNK = 2000
"""Samples that are mapped at once."""


class Batches:
    """An endless stream of mini-batches.

    Samples come without replacement, epoch by epoch; an epoch's last rows, fewer than a batch, are left out. The
    order of an epoch follows from the seed and its number, so that the position is two integers.

    Parameters
    ----------
    points : Tensor, shape (n, ...)
    size : int
        Samples in a batch.
    latent, prior
        As for :func:`otgan.gan.networks.draw_noise`.
    seed : int
    labels : Tensor of int64, shape (n,), optional
        The class of each sample, where networks are to be told.
    classes : int
        How many classes there are.

    Attributes
    ----------
    rng : torch.Generator
        Where every random number of a training step comes from; its state is part of a checkpoint.

    Raises
    ------
    RunError
        If there are fewer samples than a batch holds.
    """

    def __init__(
        self,
        points: Tensor,
        size: int,
        latent: int,
        prior: Prior,
        seed: int,
        labels: Tensor | None = None,
        classes: int = 0,
    ) -> None:
        if len(points) < size:
            raise RunError(f"{len(points)} samples to train on are too few for a batch of {size}")
        self.points, self.size, self.latent, self.prior, self.seed = points, size, latent, prior, seed
        self.labels, self.classes = labels, classes
        self.rng = seeded(points.device, seed, Stream.TRAINING)
        self.epoch = self.position = 0
        self._order = self._shuffle()
        self._kept: dict[str, Tensor] = {}

    def _shuffle(self) -> Tensor:
        rng = seeded(torch.device("cpu"), self.seed, Stream.ORDER, self.epoch)
        return torch.randperm(len(self.points), generator=rng).to(self.points.device)

    def real(self) -> Tensor:
        """Return the next mini-batch of samples."""
        return self.points[self.indices()]

    def indices(self) -> Tensor:
        """Return which samples are the next mini-batch."""
        if self.position + self.size > len(self.points):
            self.epoch, self.position = self.epoch + 1, 0
            self._order = self._shuffle()
        rows = self._order[self.position : self.position + self.size]
        self.position += self.size
        return rows

    @property
    def label(self) -> Tensor | None:
        """The class of each sample of the mini-batch that came last, of the first one before any; None without labels.

        Noise is for these classes too, so that what is made of it has as many samples of each class as the data.
        """
        if self.labels is None:
            return None
        start = max(self.position - self.size, 0)
        return self.labels[self._order[start : start + self.size]]

    def go_on(self) -> None:
        """Let the classes be those of the next mini-batch, where there are any, without drawing it."""
        if self.labels is not None:
            self.indices()

    def more(self) -> Tensor:
        """Return which samples are another mini-batch of the same classes; without labels the next one.

        Between two batches of data that differ in how many samples a class has, some would have to be compared with another
        class. These are drawn with replacement, each from all samples of its class.
        """
        label = self.label
        if self.labels is None or label is None:
            return self.indices()
        ordered, counts = self.labels.argsort(stable=True), self.labels.bincount()
        starts = counts.cumsum(0) - counts
        place = (self.uniform(len(label)) * counts[label]).long()
        return ordered[starts[label] + place.minimum(counts[label] - 1)]

    @torch.no_grad()
    def all_rows(self, name: str, map_: Callable[[Tensor], Tensor]) -> Tensor:
        """Return what a map that stays as it is makes of all samples, computed once under that name, and no part of the state."""
        if name not in self._kept:
            self._kept.clear()  # one at a time
            # Whole on each rank of a group: the rows are the same whenever they are computed.
            with undivided(), torch.autocast(self.points.device.type, enabled=False):
                self._kept[name] = torch.cat([map_(part) for part in self.points.split(_CHUNK)])
        return self._kept[name]

    def apart(self, *key: int) -> Batches:
        """Return another stream of the same samples, whose random numbers follow from the seed and a key: this one goes on as if nothing were drawn."""
        other = copy.copy(self)
        other.rng = seeded(self.points.device, self.seed, Stream.EVALUATION, *key)
        other.position = 0
        other._order = torch.randperm(len(self.points), generator=other.rng, device=self.points.device)
        return other

    def noise(self) -> Tensor:
        """Return a mini-batch of latent vectors."""
        return draw_noise(self.size, self.latent, self.prior, self.rng)

    def uniform(self, *shape: int) -> Tensor:
        """Return numbers uniform on [0, 1]."""
        return torch.rand(shape, generator=self.rng, device=self.rng.device)

    def normal(self, *shape: int) -> Tensor:
        """Return numbers of N(0, 1)."""
        return torch.randn(shape, generator=self.rng, device=self.rng.device)

    def state_dict(self) -> dict[str, Any]:
        """Return the position in the samples and in the random numbers."""
        return {"epoch": self.epoch, "position": self.position, "rng": self.rng.get_state()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go to a position that :meth:`state_dict` returned; a ValueError says that there is none such."""
        epoch, position = state["epoch"], state["position"]
        if not all(isinstance(at, int) for at in (epoch, position)) or not 0 <= position <= len(self.points):
            raise ValueError(f"no position in {len(self.points)} samples: {position!r}")
        self.epoch, self.position = epoch, position
        self.rng.set_state(state["rng"].cpu())
        self._kept.clear()
        self._order = self._shuffle()
