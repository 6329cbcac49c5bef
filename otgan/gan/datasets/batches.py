"""The stream a system learns from: mini-batches of samples, noise, and the position in both."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from otgan.gan.errors import RunError
from otgan.gan.networks import Prior, draw_noise
from otgan.gan.streams import Stream, seeded

__all__ = ["Batches"]


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

    Attributes
    ----------
    rng : torch.Generator
        Where every random number of a training step comes from; its state is part of a checkpoint.

    Raises
    ------
    RunError
        If there are fewer samples than a batch holds.
    """

    def __init__(self, points: Tensor, size: int, latent: int, prior: Prior, seed: int) -> None:
        if len(points) < size:
            raise RunError(f"{len(points)} samples to train on are too few for a batch of {size}")
        self.points, self.size, self.latent, self.prior, self.seed = points, size, latent, prior, seed
        self.rng = seeded(points.device, seed, Stream.TRAINING)
        self.epoch = self.position = 0
        self._order = self._shuffle()

    def _shuffle(self) -> Tensor:
        rng = seeded(torch.device("cpu"), self.seed, Stream.ORDER, self.epoch)
        return torch.randperm(len(self.points), generator=rng).to(self.points.device)

    def real(self) -> Tensor:
        """Return the next mini-batch of samples."""
        if self.position + self.size > len(self.points):
            self.epoch, self.position = self.epoch + 1, 0
            self._order = self._shuffle()
        rows = self._order[self.position : self.position + self.size]
        self.position += self.size
        return self.points[rows]

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
        self._order = self._shuffle()
