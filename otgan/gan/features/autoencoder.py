"""Codes of an autoencoder that learns before the generator does, whose decoder the generator ends with."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy
from torch.optim import Adam, Optimizer

from otgan.gan.datasets.batches import Batches
from otgan.gan.features.base import Features, Learning, Maker
from otgan.gan.losses.mmd import mmd
from otgan.gan.networks import Networks, Space, takes_label

__all__ = ["Autoencoder", "CodeGenerator", "Encoder", "WassersteinAutoencoder", "learning_rate"]

_NOISE = 0.05
"""Of the codes' standard deviation: what the decoder must bear, so that it knows what lies between the codes."""
_DISCREPANCY = 100.0
"""The weight of the discrepancy beside the error of an image."""
_PART = 128
"""Samples of a step that the autoencoder learns from at once."""
_DECAY = 1e-3
"""The weight of the codes' mean square."""
_LEAST_SCALE = 1e-6
_POINTS = 2
"""Dimensions of a set of points."""
_CHUNK = 2000
"""Samples that are encoded at once."""
_WARM, _LEAST = 0.05, 0.02
"""The share of its steps in which the learning rate rises, and the share of the rate that it ends with."""


class Encoder(nn.Module):
    """A network that makes codes of samples, and what it knows of them.

    Attributes
    ----------
    steps : Tensor
        How many steps of its run there were, those in which it learnt and those after.
    center, scale : Tensor
        The mean of the codes of the data, and the root of their mean variance, once it has learnt: codes are
        handed out without the one and over the other.
    """

    steps: Tensor
    center: Tensor
    scale: Tensor

    def __init__(self, network: nn.Module, size: int) -> None:
        super().__init__()
        self.network, self.size = network, size
        self.register_buffer("steps", torch.zeros((), dtype=torch.long))
        self.register_buffer("center", torch.zeros(size))
        self.register_buffer("scale", torch.ones(()))

    def reset_parameters(self) -> None:
        """Have learnt nothing."""
        self.steps.zero_()
        self.center.zero_()
        self.scale.fill_(1.0)

    def raw(self, x: Tensor) -> Tensor:
        """Return codes as the network makes them, shape (n, size)."""
        codes: Tensor = self.network(x).float()
        return codes.reshape(len(x), self.size)

    def forward(self, x: Tensor) -> Tensor:
        """Return codes, shape (n, size), centered and of variance 1 in the mean over coordinates."""
        return (self.raw(x) - self.center) / self.scale


class CodeGenerator(nn.Module):
    """A generator of codes, and the decoder that makes samples of them.

    Parameters
    ----------
    codes : nn.Module
        Noise, and labels where it takes any, to codes, as :class:`Encoder` hands them out.
    decoder : nn.Module
        Codes, as its network makes them, to samples.
    size : int
    """

    center: Tensor
    scale: Tensor

    def __init__(self, codes: nn.Module, decoder: nn.Module, size: int) -> None:
        super().__init__()
        self.codes, self.decoder, self.takes_label = codes, decoder, takes_label(codes)
        self.register_buffer("center", torch.zeros(size))
        self.register_buffer("scale", torch.ones(()))

    def reset_parameters(self) -> None:
        """Take codes for what they are."""
        self.center.zero_()
        self.scale.fill_(1.0)

    def decode(self, codes: Tensor) -> Tensor:
        """Return the samples of codes."""
        samples: Tensor = self.decoder(codes * self.scale + self.center)
        return samples

    def forward(self, noise: Tensor, label: Tensor | None = None) -> Tensor:
        """Return samples."""
        return self.decode(self.codes(noise) if label is None else self.codes(noise, label))


@dataclass(frozen=True)
class Autoencoder(Features):
    """Codes over √size, so that costs of power 2 are 2 in the mean, as on the unit sphere."""

    name: ClassVar[str] = "autoencoder"
    default: ClassVar[int] = 16
    learning: ClassVar[Learning] = Learning.FIRST
    least_batch: ClassVar[int] = 1
    """Samples that a batch must have for it to learn by."""
    network_name: ClassVar[str] = "encoder"

    def network(self, space: Space, make: Maker) -> nn.Module:
        """Make the encoder."""
        del space
        return Encoder(make(self.size), self.size)

    def rows(self, nets: Networks, x: Tensor) -> Tensor:
        """Return the codes of samples over √size."""
        return self.of_codes(nets[self.network_name](x))

    def of_codes(self, codes: Tensor) -> Tensor:
        """Return codes as rows."""
        return codes.float() / math.sqrt(self.size)

    def optimizer(self, nets: Networks, lr: float) -> Optimizer:
        """Make the optimizer of encoder and decoder."""
        parameters = [*nets[self.network_name].parameters(), *_generator(nets).decoder.parameters()]
        return Adam(parameters, lr=lr, fused=all(each.device.type in {"cpu", "cuda"} for each in parameters))

    def learn(self, nets: Networks, optimizer: Optimizer, batches: Batches, lr: float) -> Tensor:
        """Descend the reconstruction error on one batch, a part at a time, and return its mean."""
        encoder, decoder = _encoder(nets), _generator(nets).decoder
        for group in optimizer.param_groups:
            group["lr"] = lr
        errors, data = [], batches.real()
        # In full precision: where a probability rounds to 1, the cross-entropy has no gradient.
        with torch.autocast(data.device.type, enabled=False):
            for x in data.chunk(math.ceil(len(data) / _PART)):
                code = encoder.raw(x)
                noise = batches.normal(*code.shape) * code.detach().std(0, correction=0)
                error = reconstruction_error(x, decoder(code + _NOISE * noise))
                optimizer.zero_grad(set_to_none=True)
                (error + self.penalty(code, batches)).backward()
                optimizer.step()
                errors.append(error.detach())
        return torch.stack(errors).mean()

    def penalty(self, code: Tensor, batches: Batches) -> Tensor:
        """What keeps codes from growing."""
        del batches
        return _DECAY * code.square().sum(1).mean()

    @torch.no_grad()
    def settle(self, nets: Networks, batches: Batches) -> None:
        """Learn no more: measure the codes of the data, by which those of the generator are scaled."""
        encoder, generator = _encoder(nets), _generator(nets)
        encoder.eval()
        codes = torch.cat([encoder.raw(x) for x in batches.points.split(_CHUNK)])
        encoder.center.copy_(codes.mean(0))
        encoder.scale.copy_(codes.var(0, correction=0).mean().sqrt().clamp_min(_LEAST_SCALE))
        generator.center.copy_(encoder.center)
        generator.scale.copy_(encoder.scale)


@dataclass(frozen=True)
class WassersteinAutoencoder(Autoencoder):
    """Codes that the maximum mean discrepancy holds near N(0, I), see :mod:`otgan.gan.systems.wae`."""

    name: ClassVar[str] = "wae"
    least_batch: ClassVar[int] = 2  # the discrepancy is between different codes

    def penalty(self, code: Tensor, batches: Batches) -> Tensor:
        """The discrepancy between codes and normal draws."""
        return _DISCREPANCY * mmd(code, batches.normal(*code.shape), 2 * self.size)


def reconstruction_error(x: Tensor, decoded: Tensor) -> Tensor:
    """Cross-entropy of pixels, squared distance of points, each summed over a sample; the mean over samples."""
    if x.ndim == _POINTS:
        return (decoded - x).square().sum(1).mean()
    return binary_cross_entropy(decoded, x, reduction="sum") / len(x)


def learning_rate(done: int, steps: int) -> float:
    """Return the share of the learning rate after so many of the steps: up at first, then down in a line."""
    return min(1.0, (done + 1) / (_WARM * steps)) * max(_LEAST, 1 - done / steps)


def _encoder(nets: Networks) -> Encoder:
    return cast(Encoder, nets[Autoencoder.network_name])


def _generator(nets: Networks) -> CodeGenerator:
    return cast(CodeGenerator, nets["generator"])
