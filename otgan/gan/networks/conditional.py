"""Networks that are told the class of each sample: conditional ones, after Mirza & Osindero 2014.

A class is one of K numbers, 0 to K − 1, and reaches a network as K numbers beside what it takes, of which that of the class
is 1: as columns of rows, as channels of images. Such a network is called as ``network(x, label)``, labels of shape (n,).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

__all__ = ["Conditional", "beside", "given", "takes_label"]

_IMAGES = 4
"""Dimensions of a set of images, (n, C, H, W)."""


class Conditional(nn.Module):
    """A network of what stands beside the class.

    Parameters
    ----------
    network : nn.Module
        Of rows with K more columns, or images with K more channels.
    classes : int
        K.
    first : nn.Module, optional
        What is done before to the samples alone.
    """

    takes_label = True

    def __init__(self, network: nn.Module, classes: int, first: nn.Module | None = None) -> None:
        super().__init__()
        self.first, self.network, self.classes = first or nn.Identity(), network, classes

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        """Return what the network makes of x, shape (n, ...), and labels, shape (n,)."""
        found: Tensor = self.network(beside(self.first(x), label, self.classes))
        return found


def beside(x: Tensor, label: Tensor, classes: int, scale: float = 1.0) -> Tensor:
    """Return rows (n, d) as (n, d + K), or images (n, C, H, W) as (n, C + K, H, W), with `scale` where the class is."""
    told = scale * one_hot(label, classes).to(x.dtype)
    if x.ndim == _IMAGES:
        told = told[:, :, None, None].expand(-1, -1, *x.shape[2:])
    return torch.cat([x, told], 1)


def takes_label(network: Any) -> bool:
    """Whether a network is called with labels: of one's own, whether it has an attribute ``takes_label`` that is true."""
    return bool(getattr(network, "takes_label", False))


def given(nets: Mapping[str, nn.Module], label: Tensor | None) -> Mapping[str, Any]:
    """Return the networks at the labels of a mini-batch: those that take labels as functions of the samples alone.

    So a step reads the same whether its run is conditional or not. Without labels they are the networks themselves.
    """
    if label is None:
        return nets
    bound: dict[str, Callable[..., Tensor]] = {
        name: partial(net, label=label) if takes_label(net) else net for name, net in nets.items()
    }
    return bound
