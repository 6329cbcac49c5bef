"""What every system is: hyperparameters, networks, optimizers, and one training step."""

from __future__ import annotations

import dataclasses
import typing
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from otgan.gan.datasets.batches import Batches
from otgan.gan.errors import OptionError, RunError
from otgan.gan.networks import Activation, Architecture, Kind, Prior, Space, critic, generator, given
from otgan.gan.systems.capabilities import Encoding, LikelihoodBound, Networks
from otgan.gan.systems.fields import Count, OtherWidth, Share, Updates, checked

__all__ = [
    "Networks",
    "Optimizers",
    "Precision",
    "System",
    "Terms",
    "adam",
    "descend",
    "fake",
    "generate",
    "trained",
]

_STEPS = 1000
"""Generator updates of a system that says nothing of them."""

Optimizers = Mapping[str, Optimizer]
Terms = dict[str, Tensor]


class Precision(StrEnum):
    """What the layers of a step compute in."""

    AUTO = "auto"
    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"


@dataclass(frozen=True, kw_only=True)
class System(ABC):
    """A way to train a generator. The fields are its hyperparameters, their defaults those of its paper.

    ``presets`` holds, apart, what the library does differently by default, by the kind of data: "points", "small"
    images, "images" and "color images"; :meth:`for_data` applies it. Besides there is "paper": what is of the papers'
    size for images in color, hours of a GPU.

    The types of the fields say what they may be, see :mod:`otgan.gan.systems.fields`; of another type than those a field
    is the system's own to check. :attr:`encoding` and :attr:`likelihood_bound` say what it can do beyond sampling.

    A system has no state. Its step reads like its paper's algorithm box, and is handed the networks and optimizers
    that :meth:`networks` and :meth:`optimizers` made.

    Parameters
    ----------
    batch : int
        Samples in a mini-batch.
    latent : int
        Dimension of the generator's noise.
    prior : {"normal", "uniform"}
        Its distribution: N(0, I), or uniform on [0, 1].
    network : {"auto", "mlp", "dcgan", "resnet", "deep-resnet"}
        "auto" takes an MLP for points and small images, "dcgan" for larger images; "deep-resnet" is that of Gulrajani et al. 2017
        for CIFAR-10.
    width, depth : int
        Units and number of the hidden layers; for convolutions, channels next to the pixels.
    critic_width : int
        The same as `width` for what samples go into: critic, discriminator, features. 0 takes `width`.
    activation : {"relu", "softplus", "tanh", "silu"}
        Between the layers of an MLP.
    norm : bool
        Whether a convolutional generator uses batch normalization.
    ema : float
        Decay of the exponential moving average of the networks that are sampled from, once it has warmed up.
    decay : int
        Generator updates after which all learning rates have halved: they are divided by 1 + updates / decay, whatever
        the number of updates to come. 0 leaves them as they are.
    conditional : bool
        Whether samples are made by class, of data that have labels: generator, critic and discriminator are told the class of
        each sample (Mirza & Osindero 2014), and what they minimize is a distance between the laws of samples with their classes.
    precision : {"auto", "float32", "bfloat16"}
        What layers compute in during the training, weights being in single precision: "auto" takes "bfloat16" for larger images on
        a GPU. A processor that multiplies such numbers (AVX512-BF16, AMX) is faster by it as well.

    See Also
    --------
    otgan.gan.train : Train a system.
    """

    name: ClassVar[str]
    presets: ClassVar[Mapping[str, Mapping[str, Any]]]
    steps: ClassVar[Mapping[str, int]]
    """Generator updates of a run that asks for no number, by the kind of data."""
    estimate: ClassVar[str | None] = "wasserstein"
    """The term that estimates a distance: its logged value is the median of the steps since the last, not the mean."""
    averaged: ClassVar[tuple[str, ...]] = ("generator",)
    """The networks whose moving average a run samples from."""

    batch: Count = 64
    latent: Count = 128
    prior: Prior = Prior.NORMAL
    network: Architecture = Architecture.AUTO
    width: Count = 512
    critic_width: OtherWidth = 0
    depth: Count = 3
    activation: Activation = Activation.RELU
    norm: bool = True
    ema: Share = 0.999
    decay: Updates = 0
    conditional: bool = False
    precision: Precision = Precision.AUTO

    def __post_init__(self) -> None:
        hints = typing.get_type_hints(type(self), include_extras=True)
        for field in dataclasses.fields(self):
            value = checked(field.name, getattr(self, field.name), hints[field.name])
            object.__setattr__(self, field.name, value)

    @classmethod
    def for_data(cls, kind: str, options: Mapping[str, Any] | None = None) -> Self:
        """Make the system with the library's defaults for a kind of data, and options of one's own.

        Raises
        ------
        OptionError
            If there is no such option, or its value is of the wrong type.
        """
        known = {field.name for field in dataclasses.fields(cls)}
        given = dict(options or {})
        for name in given:
            if name not in known:
                raise OptionError(f"{cls.name} has no option {name!r}; it has {', '.join(sorted(known))}")
        return cls(**{**cls.presets.get(kind, cls.presets.get(Kind.wider(kind), {})), **given})

    @classmethod
    def steps_for(cls, kind: str) -> int:
        """Return the generator updates of a run that asks for no number, on a kind of data; 1000 where the system has none."""
        return cls.steps.get(kind, cls.steps.get(Kind.wider(kind), _STEPS))

    @property
    def prelude(self) -> int:
        """Steps in which something else learns before the generator does."""
        return 0

    @property
    def encoding(self) -> Encoding | None:
        """How samples become codes; None of a system without an encoder."""
        return None

    @property
    def likelihood_bound(self) -> LikelihoodBound | None:
        """How the likelihood of samples is bounded; None of a system without a bound."""
        return None

    def doubt(self, recent: Sequence[Mapping[str, Any]]) -> str | None:
        """Return what is wrong with the terms of recent rows, if something is: words for a warning.

        An estimate of W₁ that stays negative is none.
        """
        estimates = [row.get("wasserstein", 0) for row in recent]
        if self.estimate == "wasserstein" and estimates and max(estimates) < 0:
            return "the Wasserstein estimate is negative: the critic has not learned"
        return None

    def noise_size(self, space: Space) -> int:
        """Return how many numbers of noise the generator makes a sample of."""
        del space
        return self.latent

    def networks(self, space: Space) -> dict[str, nn.Module]:
        """Make the networks, unfilled, by name."""
        return {"generator": self.make_generator(space), "critic": self.make_critic(space)}

    @abstractmethod
    def optimizers(self, nets: Networks) -> dict[str, Optimizer]:
        """Make an optimizer for each network that is trained."""

    @abstractmethod
    def step(self, nets: Networks, optimizers: Optimizers, batches: Batches) -> Terms:
        """Update the generator once, and whatever plays against it as often as the system wants.

        Returns
        -------
        dict of str to Tensor
            The losses and estimates of this step, detached, without dimensions.
        """

    def assess(self, nets: Networks, batches: Batches) -> dict[str, float]:
        """Return what an evaluation during the training says of it, by name; nothing by default.

        Parameters
        ----------
        nets : mapping of str to nn.Module
            The networks as they are trained.
        batches : Batches
            A stream of its own, from which the training misses nothing.
        """
        del nets, batches
        return {}

    def make_generator(self, space: Space, latent: int | None = None) -> nn.Module:
        """Make this system's generator for the data, of another latent dimension than its own where one is given."""
        return generator(
            space,
            self.network,
            latent=self.latent if latent is None else latent,
            width=self.width,
            depth=self.depth,
            activation=self.activation,
            norm=self.norm,
        )

    def make_critic(self, space: Space, *, norm: bool = False, outputs: int = 1) -> nn.Module:
        """Make this system's critic for the data."""
        return critic(
            space,
            self.network,
            width=self.critic_width or self.width,
            depth=self.depth,
            activation=self.activation,
            norm=norm,
            outputs=outputs,
        )


def adam(nets: nn.Module | Iterable[nn.Module], lr: float, betas: tuple[float, float]) -> Adam:
    """Make Adam over the parameters of one or several networks, in its fused form where the device has one."""
    parameters = trained(nets)
    return Adam(
        parameters,
        lr=lr,
        betas=betas,
        fused=all(parameter.device.type in {"cpu", "cuda"} for parameter in parameters),
    )


def trained(nets: nn.Module | Iterable[nn.Module]) -> list[nn.Parameter]:
    """Return the parameters of one or several networks but those that are frozen."""
    modules = [nets] if isinstance(nets, nn.Module) else list(nets)
    found = [each for module in modules for each in module.parameters() if each.requires_grad]
    if not found:
        raise OptionError(
            "a network that is to be trained must have parameters that are not frozen, got none: leave requires_grad on in some"
        )
    return found


def descend(optimizer: Optimizer, loss: Tensor) -> None:
    """Take one descent step in the optimizer's own parameters; no other network receives a gradient."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    optimizer.zero_grad(set_to_none=True)
    loss.backward(inputs=parameters)
    if all(each.grad is None for each in parameters):
        raise RunError(
            "the loss does not depend on the network that is to descend it: what that returns is cut off from its parameters, as by detach()"
        )
    optimizer.step()


def fake(nets: Networks, batches: Batches) -> Tensor:
    """Draw a mini-batch from the generator, of the classes of the last one of data, in full precision and without its graph."""
    with torch.no_grad():
        return generate(nets, batches)


def generate(nets: Networks, batches: Batches) -> Tensor:
    """Draw a mini-batch from the generator, in full precision, differentiable in its parameters."""
    samples: Tensor = given(nets, batches.label)["generator"](batches.noise())
    return samples.float()
