"""The streams of random numbers that a run draws from, each with a name of its own."""

from __future__ import annotations

from enum import IntEnum

import numpy as np
import torch

__all__ = ["Stream", "seeded"]


class Stream(IntEnum):
    """What random numbers are drawn for.

    The number of a stream is part of the key of its generator: another one would change the results of every seed.
    """

    WEIGHTS = 0
    """The first weights of the networks."""
    TRAINING = 1
    """All that a training step draws: noise of the prior and of encoders, uniform numbers."""
    ORDER = 2
    """The order of the training data, of which each epoch has its own: the key goes on with its number."""
    SAMPLES = 4
    """Samples drawn of a trained model by a seed."""
    CLASSIFIER_WEIGHTS = 5
    """The first weights of the classifier that images are judged by."""
    CLASSIFIER_ORDER = 6
    """The order in which that classifier sees its images."""
    MOMENTS = 6
    """The noise that gives an implicit encoder its moments and its codes, the same for every sample.

    By history the number of the stream before; what is drawn of the one has nothing to do with the other."""
    DIVISIONS = 7
    """The divisions of a permutation test."""
    CODES = 8
    """Codes drawn from Q(z|x) by a seed."""
    LABELS = 10
    """The classes of samples that are drawn of all of them."""
    EVALUATION = 9
    """What an evaluation draws: of an autoencoder codes of the prior, and noise for its bounds; of a training batches apart."""


def seeded(device: torch.device, *key: int) -> torch.Generator:
    """Return a random generator of its own stream; different keys give independent streams.

    Parameters
    ----------
    device : torch.device
    *key : int
        A seed, a :class:`Stream`, and what else tells the stream from others.
    """
    (state,) = np.random.SeedSequence([int(part) for part in key]).generate_state(1, np.uint64)
    return torch.Generator(device).manual_seed(int(state) >> 1)  # CUDA takes 63 bits
