"""A classifier of the training data, whose penultimate layer is where generated images are judged."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, pad

from otgan.data import Dataset
from otgan.folders import cache_dir
from otgan.gan.datasets.training_data import digest
from otgan.gan.errors import WriteError, reason
from otgan.gan.files import read_tensors, write_whole
from otgan.gan.networks import initialize
from otgan.gan.streams import Stream, seeded

__all__ = ["Classifier"]

FEATURES = 64
VERSION = 2
"""Of network and training: a change makes the stored ones useless."""

_SMALL = 16
"""Pixels a side of images that need no convolutions."""

_SHIFT = 2
"""Pixels that pictures in color are moved by while it learns, at most: it would learn them by heart."""

_MANY = 20000
"""Images of which a number of passes over them is enough; of fewer there is a least number of updates."""

_EPOCHS, _STEPS = 3, 1000
"""Those passes, and those updates."""

_EPOCHS_COLOR, _STEPS_COLOR = 6, 400
"""The same of pictures in color, which learn more of an image and take longer for it."""

_log = logging.getLogger("otgan")


@dataclass(frozen=True, eq=False)
class Classifier:
    """A trained network with its accuracy on held-out data.

    Attributes
    ----------
    body : nn.Module
        Images of shape (n, C, H, W) to features of shape (n, 64).
    head : nn.Module
        Features to the logits of the classes.
    accuracy : float
    """

    body: nn.Module
    head: nn.Module
    accuracy: float

    @classmethod
    def of(cls, train: Dataset, held_out: Dataset) -> Classifier:
        """Return the classifier of a labelled set of images: from the user's cache, or trained now and put there."""
        assert train.shape is not None
        path = cache_dir() / "classifiers" / f"{digest(train, held_out)}-{VERSION}.pt"
        with torch.device("meta"):
            network = _network(train.shape, len(train.classes))
        try:
            stored = read_tensors(path)
            network.to_empty(device="cpu")
            network.load_state_dict(stored["network"])
            return cls._frozen(network, float(stored["accuracy"]))
        except Exception as error:  # a damaged file ends in whatever its bytes happen to mean
            if not isinstance(error, FileNotFoundError):
                _log.warning("%s cannot be used (%s): training the classifier anew", path, reason(error))
        _log.info("training a classifier of %s to judge by", train.name)
        initialize(network, seeded(torch.device("cpu"), 0, Stream.CLASSIFIER_WEIGHTS), torch.device("cpu"))
        _fit(network, train)
        found = cls._frozen(network, math.nan)
        accuracy = float((found.labels(held_out.images()) == held_out.labels).mean())
        _log.info("it is right about %.2f %% of the held-out images", 100 * accuracy)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            content = {"network": network.state_dict(), "accuracy": accuracy}
            write_whole(path, lambda file: torch.save(content, file))
        except (OSError, WriteError) as error:
            _log.warning("the classifier cannot be kept in %s: %s", path.parent, reason(error))
        return cls._frozen(network, accuracy)

    @classmethod
    def _frozen(cls, network: nn.Sequential, accuracy: float) -> Classifier:
        network.eval().requires_grad_(False)
        return cls(network[0], network[1], accuracy)

    @torch.no_grad()
    def features(self, images: NDArray[Any]) -> NDArray[np.float32]:
        """Return the penultimate layer's values, shape (n, 64)."""
        parts = torch.from_numpy(np.ascontiguousarray(images, np.float32)).split(1000)
        found: NDArray[np.float32] = torch.cat([self.body(part) for part in parts]).numpy()
        return found

    def labels(self, images: NDArray[Any]) -> NDArray[np.int64]:
        """Return the most likely class of each image."""
        return self.classes_of(self.features(images))

    @torch.no_grad()
    def classes_of(self, features: NDArray[np.float32]) -> NDArray[np.int64]:
        """Return the most likely class for each row of features."""
        found: NDArray[np.int64] = self.head(torch.from_numpy(features)).argmax(1).numpy()
        return found


def _network(shape: tuple[int, int, int], classes: int) -> nn.Sequential:
    channels, height, width = shape
    if max(height, width) <= _SMALL:
        body = nn.Sequential(
            nn.Flatten(),
            nn.Linear(math.prod(shape), 256),
            nn.ReLU(),
            nn.Linear(256, FEATURES),
            nn.ReLU(),
        )
    elif _pictures(shape):
        body = nn.Sequential(
            *_convolution(channels, 32),
            nn.MaxPool2d(2),
            *_convolution(32, 64),
            nn.MaxPool2d(2),
            *_convolution(64, 128),
            *_convolution(128, 128),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(128 * (height // 8) * (width // 8), FEATURES),
            nn.ReLU(),
        )
    else:
        body = nn.Sequential(
            nn.Conv2d(channels, 16, 5, padding=2),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 5, padding=2),
            nn.BatchNorm2d(32),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(32 * (height // 4) * (width // 4), FEATURES),
            nn.ReLU(),
        )
    return nn.Sequential(body, nn.Linear(FEATURES, classes))


def _pictures(shape: tuple[int, ...]) -> bool:
    """Whether images are large and in color: then they take a deeper network, and longer."""
    channels, *sides = shape
    return channels > 1 and max(sides) > _SMALL


def _convolution(channels: int, out: int) -> list[nn.Module]:
    return [nn.Conv2d(channels, out, 3, padding=1, bias=False), nn.BatchNorm2d(out), nn.ReLU()]


def _fit(network: nn.Module, train: Dataset) -> None:
    """Minimize the cross-entropy by Adam under one cycle of the learning rate."""
    images = torch.from_numpy(np.ascontiguousarray(train.images(), np.float32))
    labels = torch.from_numpy(np.ascontiguousarray(train.labels))
    pictures = _pictures(tuple(images.shape[1:]))
    batch = min(128, len(images))
    epochs, least = (_EPOCHS_COLOR, _STEPS_COLOR) if pictures else (_EPOCHS, _STEPS)
    if len(images) < _MANY:
        epochs = max(epochs, math.ceil(least * batch / len(images)))
    steps = epochs * (len(images) // batch)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3, fused=True)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps)
    rng = seeded(torch.device("cpu"), 0, Stream.CLASSIFIER_ORDER)
    network.train()
    for _ in range(epochs):
        order = torch.randperm(len(images), generator=rng)
        for start in range(0, len(images) - batch + 1, batch):
            rows = order[start : start + batch]
            seen = _shifted(images[rows], rng) if pictures else images[rows]
            loss: Tensor = cross_entropy(network(seen), labels[rows])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            rate.step()


def _shifted(images: Tensor, rng: torch.Generator) -> Tensor:
    """Move a batch by some pixels, across and down, what comes in being black."""
    down, right = torch.randint(2 * _SHIFT + 1, (2,), generator=rng).tolist()
    height, width = images.shape[2:]
    padded = pad(images, (_SHIFT,) * 4)
    return padded[:, :, down : down + height, right : right + width]
