"""The layers that networks are built of, unfilled."""

from __future__ import annotations

from enum import StrEnum

import torch
from torch import Tensor, nn

__all__ = [
    "ACTIVATIONS",
    "Activation",
    "Centered",
    "Residual",
    "ResidualRows",
    "SmallLinear",
    "mlp",
    "normalized",
    "residual_mlp",
]


class Activation(StrEnum):
    """What stands between the layers of an MLP."""

    RELU = "relu"
    SOFTPLUS = "softplus"
    TANH = "tanh"
    SILU = "silu"


ACTIVATIONS: dict[str, type[nn.Module]] = {
    Activation.RELU: nn.ReLU,
    Activation.SOFTPLUS: nn.Softplus,
    Activation.TANH: nn.Tanh,
    Activation.SILU: nn.SiLU,
}


def mlp(inputs: int, outputs: int, *, width: int, depth: int, activation: str = "relu") -> nn.Sequential:
    """Make an MLP, unfilled, with `depth` hidden layers: rows to rows."""
    layers: list[nn.Module] = []
    for _ in range(depth):
        layers += [nn.Linear(inputs, width), ACTIVATIONS[activation]()]
        inputs = width
    return nn.Sequential(*layers, nn.Linear(inputs, outputs))


class SmallLinear(nn.Linear):
    """A linear layer that begins with small weights, for blocks that add up."""

    gain = 1 / 3
    """The variance of its weights times the fan in, as torch has it."""


class ResidualRows(nn.Module):
    """Two layers beside a connection that leaves them out: relu(x + W₂ relu(W₁ x))."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(SmallLinear(width, width), nn.ReLU(), SmallLinear(width, width))

    def forward(self, x: Tensor) -> Tensor:
        """Return rows of the same width."""
        return torch.relu(x + self.branch(x))


def residual_mlp(inputs: int, outputs: int, *, width: int, depth: int) -> nn.Sequential:
    """Make an MLP, unfilled, with `depth` residual blocks between its first and its last layer: rows to rows."""
    blocks = [ResidualRows(width) for _ in range(depth)]
    return nn.Sequential(SmallLinear(inputs, width), nn.ReLU(), *blocks, SmallLinear(width, outputs))


def normalized(channels: int, norm: bool) -> list[nn.Module]:
    """Make what stands before a convolution: batch normalization where it is wanted, and a ReLU."""
    return [*([nn.BatchNorm2d(channels)] if norm else []), nn.ReLU()]


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
            *normalized(channels, norm),
            *(between if up else []),
            nn.Conv2d(channels, out, 3, padding=1),
            *normalized(out, norm),
            nn.Conv2d(out, out, 3, padding=1),
            *([] if up else between),
        )
        self.skip = nn.Sequential(*between, *([nn.Conv2d(channels, out, 1)] if channels != out else []))

    def forward(self, x: Tensor) -> Tensor:
        """Return skip(x) + branch(x)."""
        total: Tensor = self.skip(x) + self.branch(x)
        return total
