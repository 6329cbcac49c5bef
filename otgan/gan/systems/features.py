"""Samples as the transport systems see them: as they are, or through trained features."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import normalize

from otgan.gan.systems.base import Networks

__all__ = ["embed"]


def embed(nets: Networks, x: Tensor) -> Tensor:
    """Rows of shape (n, d) in float32: the samples, or their features on the unit sphere where there is a net for them.

    On the sphere costs are bounded, so that a cost that is trained to be large stays a cost.
    """
    if "features" not in nets:
        return x.float().flatten(1)
    return normalize(nets["features"](x).float(), dim=1)
