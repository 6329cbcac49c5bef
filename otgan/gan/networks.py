"""Networks, chosen by the data: MLPs for points and small images, DCGAN or a ResNet for larger ones.

Latent vectors have shape (n, latent), points (n, d), images (n, C, H, W) with pixels in [0, 1]; a critic returns
one number a sample, shape (n,), an encoder a row. Networks are made without touching any random state:
:func:`initialize` fills them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from otgan.gan.errors import OptionError, RunError

__all__ = [
    "ACTIVATIONS",
    "NETWORKS",
    "Joint",
    "NoiseFed",
    "Space",
    "critic",
    "encoder",
    "generator",
    "initialize",
    "mlp",
]

NETWORKS = ("mlp", "dcgan", "resnet")
ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "softplus": nn.Softplus, "tanh": nn.Tanh}


@dataclass(frozen=True)
class Space:
    """Where the samples live: points with d coordinates, shape (d,), or images of shape (C, H, W)."""

    shape: tuple[int, ...]

    @property
    def dim(self) -> int:
        """The number of coordinates of a sample."""
        return math.prod(self.shape)

    @property
    def kind(self) -> str:
        """One of "points", "small" (images of at most 16 pixels a side) and "images"."""
        if len(self.shape) == 1:
            return "points"
        return "small" if max(self.shape[1:]) <= 16 else "images"


def generator(
    space: Space,
    network: str,
    *,
    latent: int,
    width: int,
    depth: int,
    activation: str = "relu",
    norm: bool = True,
) -> nn.Module:
    """Make a generator, unfilled: latent vectors to samples.

    Parameters
    ----------
    space : Space
    network : {"mlp", "dcgan", "resnet"}
    latent : int
    width : int
        Units of a hidden layer, or channels next to the pixels.
    depth : int
        Hidden layers of an MLP; the others have the depth that the pixels ask for.
    activation : str
        One of :data:`ACTIVATIONS`, between the layers of an MLP.
    norm : bool
        Whether convolutional generators use batch normalization.
    """
    _check(space, network)
    if network == "mlp":
        layers = _mlp(latent, width, depth, space.dim, activation)
        return nn.Sequential(
            *layers, *([] if space.kind == "points" else [nn.Sigmoid(), nn.Unflatten(1, space.shape)])
        )
    channels, height, across = space.shape
    start = (4 * width, height // 4, across // 4)
    first = [nn.Linear(latent, math.prod(start)), nn.Unflatten(1, start)]
    if network == "dcgan":
        return nn.Sequential(
            *first,
            *_normalized(4 * width, norm),
            nn.ConvTranspose2d(4 * width, 2 * width, 4, 2, 1),
            *_normalized(2 * width, norm),
            nn.ConvTranspose2d(2 * width, width, 4, 2, 1),
            *_normalized(width, norm),
            nn.Conv2d(width, channels, 3, padding=1),
            nn.Sigmoid(),
        )
    return nn.Sequential(
        *first,
        Residual(4 * width, 2 * width, norm=norm, resample=nn.Upsample(scale_factor=2)),
        Residual(2 * width, width, norm=norm, resample=nn.Upsample(scale_factor=2)),
        *_normalized(width, norm),
        nn.Conv2d(width, channels, 3, padding=1),
        nn.Sigmoid(),
    )


def critic(
    space: Space,
    network: str,
    *,
    width: int,
    depth: int,
    activation: str = "relu",
    norm: bool = False,
    outputs: int = 1,
) -> nn.Module:
    """Make a critic or discriminator, unfilled: samples to one number each (or `outputs` features).

    No critic of a Wasserstein system is normalized over the batch: its gradient penalty is a statement about each
    sample alone. `norm` is for the classical discriminator of DCGAN.
    """
    layers = encoder(
        space, network, outputs=outputs, width=width, depth=depth, activation=activation, norm=norm
    )
    return nn.Sequential(*layers, nn.Flatten(0)) if outputs == 1 else layers


def encoder(
    space: Space,
    network: str,
    *,
    outputs: int,
    width: int,
    depth: int,
    activation: str = "relu",
    norm: bool = False,
) -> nn.Sequential:
    """Make an encoder, unfilled: samples to rows of shape (n, outputs), by the layers of a critic."""
    _check(space, network)
    if network == "mlp":
        pixels = [] if space.kind == "points" else [nn.Flatten(), Centered()]
        return nn.Sequential(*pixels, *_mlp(space.dim, width, depth, outputs, activation))
    channels, height, across = space.shape
    end = nn.Linear(2 * width * (height // 4) * (across // 4), outputs)
    if network == "dcgan":
        return nn.Sequential(
            Centered(),
            nn.Conv2d(channels, width, 4, 2, 1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(width, 2 * width, 4, 2, 1),
            *([nn.BatchNorm2d(2 * width)] if norm else []),
            nn.LeakyReLU(0.2),
            nn.Flatten(),
            end,
        )
    return nn.Sequential(
        Centered(),
        nn.Conv2d(channels, width, 3, padding=1),
        Residual(width, width, norm=norm, resample=nn.AvgPool2d(2)),
        Residual(width, 2 * width, norm=norm, resample=nn.AvgPool2d(2)),
        Residual(2 * width, 2 * width, norm=norm),
        nn.ReLU(),
        nn.Flatten(),
        end,
    )


def mlp(inputs: int, outputs: int, *, width: int, depth: int, activation: str = "relu") -> nn.Sequential:
    """Make an MLP, unfilled, with `depth` hidden layers: rows to rows."""
    return nn.Sequential(*_mlp(inputs, width, depth, outputs, activation))


class Joint(nn.Module):
    """A critic of pairs: a network's features of x, shape (n, k), and z beside them, are given one number.

    Parameters
    ----------
    body : nn.Module
        x to features.
    head : nn.Module
        Features and z, side by side, to shape (n, 1).
    """

    def __init__(self, body: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.body, self.head = body, head

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        """Return T(x, z), shape (n,)."""
        value: Tensor = self.head(torch.cat([self.body(x), z], 1))
        return value.flatten()


class NoiseFed(nn.Module):
    """An encoder whose posterior has no density: z = (v₀(ε) + Σ_k a_k(x) ⊙ v_k(ε)) / √(K + 1), for noise ε.

    For each x the code is affine in the v_k, so that one set of noise vectors gives the moments of all posteriors at
    once, as adaptive contrast wants them (Mescheder et al. 2017, appendix; there each v_k has noise of its own).

    Parameters
    ----------
    weights : nn.Module
        x to a, shape (n, K · latent).
    basis : nn.Module
        ε to v, shape (n, (K + 1) · latent).
    latent : int
    """

    def __init__(self, weights: nn.Module, basis: nn.Module, latent: int) -> None:
        super().__init__()
        self.weights, self.basis, self.latent = weights, basis, latent

    def forward(self, x: Tensor, noise: Tensor) -> Tensor:
        """Draw a code for each x with its own row of noise, shape (n, latent)."""
        return (self._weights(x) * self._basis(noise)).sum(1)

    def moments(self, x: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance of each coordinate of each posterior, shapes (n, latent), over the rows of noise."""
        a, v = self._weights(x), self._basis(noise)
        mean = v.mean(0)
        covariance = torch.einsum("mkl,mjl->kjl", v - mean, v - mean) / len(v)
        return (a * mean).sum(1), torch.einsum("nkl,kjl,njl->nl", a, covariance, a)

    def _weights(self, x: Tensor) -> Tensor:
        a = self.weights(x).float().unflatten(1, (-1, self.latent))
        return torch.cat([torch.ones_like(a[:, :1]), a], 1)

    def _basis(self, noise: Tensor) -> Tensor:
        v: Tensor = self.basis(noise).float().unflatten(1, (-1, self.latent))
        return v / math.sqrt(v.shape[1])


class Centered(nn.Module):
    """Pixels in [0, 1] to [−1, 1]."""

    def forward(self, x: Tensor) -> Tensor:
        """Return 2x − 1."""
        return 2 * x - 1


class Residual(nn.Module):
    """A pre-activation residual block; `resample` changes the resolution of both branches."""

    def __init__(self, channels: int, out: int, *, norm: bool, resample: nn.Module | None = None) -> None:
        super().__init__()
        up = isinstance(resample, nn.Upsample)
        between: list[nn.Module] = [] if resample is None else [resample]
        self.branch = nn.Sequential(
            *_normalized(channels, norm),
            *(between if up else []),
            nn.Conv2d(channels, out, 3, padding=1),
            *_normalized(out, norm),
            nn.Conv2d(out, out, 3, padding=1),
            *([] if up else between),
        )
        self.skip = nn.Sequential(*between, *([nn.Conv2d(channels, out, 1)] if channels != out else []))

    def forward(self, x: Tensor) -> Tensor:
        """Return skip(x) + branch(x)."""
        total: Tensor = self.skip(x) + self.branch(x)
        return total


def initialize(network: nn.Module, rng: torch.Generator, device: torch.device) -> nn.Module:
    """Give a network that was made on the meta device its memory and its first weights.

    Weights are He-normal, std √(2 / fan in), those of the last layer √(1 / fan in); biases 0. What has parameters of
    another kind sets them itself, by ``reset_parameters``.
    """
    network.to_empty(device=device)
    # On a CPU convolutions of few channels are faster where the channels of a pixel lie side by side.
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # absent from its stubs
    weighted = [m for m in network.modules() if isinstance(m, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d))]
    with torch.no_grad():
        for module in network.modules():
            reset = getattr(module, "reset_parameters", None)
            if reset is not None and module not in weighted:
                reset()
        for module in weighted:
            shape = module.weight.shape
            # A transposed convolution of stride 2 feeds a quarter of its kernel into each output pixel.
            fan_in = (
                shape[0] * shape[2] * shape[3] // 4
                if isinstance(module, nn.ConvTranspose2d)
                else math.prod(shape[1:])
            )
            gain = 1.0 if module is weighted[-1] else 2.0
            fresh = torch.randn(shape, generator=rng, device=rng.device) * math.sqrt(gain / fan_in)
            module.weight.copy_(fresh)
            if module.bias is not None:
                module.bias.zero_()
    return network


def _mlp(inputs: int, width: int, depth: int, outputs: int, activation: str) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for _ in range(depth):
        layers += [nn.Linear(inputs, width), ACTIVATIONS[activation]()]
        inputs = width
    return [*layers, nn.Linear(inputs, outputs)]


def _normalized(channels: int, norm: bool) -> list[nn.Module]:
    return [*([nn.BatchNorm2d(channels)] if norm else []), nn.ReLU()]


def _check(space: Space, network: str) -> None:
    if network not in NETWORKS:
        raise OptionError(f"network must be one of {', '.join(NETWORKS)}, got {network!r}")
    if network == "mlp":
        return
    if space.kind == "points":
        raise RunError(f"{network} takes images, got points of {space.dim} coordinates: use network=mlp")
    height, across = space.shape[1:]
    if height % 4 or across % 4:
        raise RunError(
            f"{network} takes images whose sides are multiples of 4, got {height} x {across}: "
            "use network=mlp, pass your own modules, or resize them"
        )
