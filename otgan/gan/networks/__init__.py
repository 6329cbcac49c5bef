"""Networks, chosen by the data: MLPs for points and small images, DCGAN or a ResNet for larger ones.

Latent vectors have shape (n, latent), points (n, d), images (n, C, H, W) with pixels in [0, 1]; a critic returns
one number a sample, shape (n,), an encoder a row. Networks are made without touching any random state:
:func:`initialize` fills them.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

from otgan.gan.networks.architectures import Architecture
from otgan.gan.networks.conditional import Conditional, beside, given, takes_label
from otgan.gan.networks.critics import Joint, critic
from otgan.gan.networks.encoders import NoiseFed, encoder
from otgan.gan.networks.flows import Flow, Integrator
from otgan.gan.networks.generators import generator
from otgan.gan.networks.initialization import initialize
from otgan.gan.networks.layers import ACTIVATIONS, Activation, mlp, residual_mlp
from otgan.gan.networks.priors import Prior, draw_noise
from otgan.gan.networks.space import Kind, Space
from otgan.gan.networks.velocities import code_velocity, velocity

__all__ = [
    "ACTIVATIONS",
    "Activation",
    "Architecture",
    "Conditional",
    "Flow",
    "Integrator",
    "Joint",
    "Kind",
    "Networks",
    "NoiseFed",
    "Prior",
    "Space",
    "beside",
    "code_velocity",
    "critic",
    "draw_noise",
    "encoder",
    "generator",
    "given",
    "initialize",
    "mlp",
    "residual_mlp",
    "takes_label",
    "velocity",
]

Networks = Mapping[str, nn.Module]
"""The networks of a system by name."""
