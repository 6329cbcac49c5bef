"""The first weights of a network, which was made without touching any random state."""

from __future__ import annotations

import math

import torch
from torch import nn

__all__ = ["initialize"]


def initialize(network: nn.Module, rng: torch.Generator, device: torch.device) -> nn.Module:
    """Give a network that was made on the meta device its memory and its first weights.

    Weights are He-normal, std √(2 / fan in), those of the last layer √(1 / fan in), those of a layer that has a ``gain``
    √(gain / fan in); biases 0. What has parameters of another kind sets them itself, by ``reset_parameters``.
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
            gain = getattr(module, "gain", 1.0 if module is weighted[-1] else 2.0)
            fresh = torch.randn(shape, generator=rng, device=rng.device) * math.sqrt(gain / fan_in)
            module.weight.copy_(fresh)
            if module.bias is not None:
                module.bias.zero_()
    return network
