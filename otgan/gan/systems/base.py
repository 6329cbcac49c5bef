"""What every system is: hyperparameters, networks, optimizers, and one training step."""

from __future__ import annotations

import dataclasses
import math
import typing
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from otgan.gan.arguments import shown
from otgan.gan.batches import PRIORS, Batches
from otgan.gan.errors import OptionError
from otgan.gan.networks import ACTIVATIONS, NETWORKS, Space, critic, generator

__all__ = ["Networks", "Optimizers", "System", "Terms", "adam", "descend"]

Networks = Mapping[str, nn.Module]
Optimizers = Mapping[str, Optimizer]
Terms = dict[str, Tensor]


@dataclass(frozen=True, kw_only=True)
class System(ABC):
    """A way to train a generator. The fields are its hyperparameters, their defaults those of its paper.

    ``presets`` holds, apart, what the library does differently by default, by the kind of data: "points", "small"
    images and "images"; :meth:`for_data` applies it.

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
    network : {"auto", "mlp", "dcgan", "resnet"}
        "auto" takes an MLP for points and small images, "dcgan" for larger images.
    width, depth : int
        Units and number of the hidden layers; for convolutions, channels next to the pixels.
    activation : {"relu", "softplus", "tanh"}
        Between the layers of an MLP.
    norm : bool
        Whether a convolutional generator uses batch normalization.
    ema : float
        Decay of the exponential moving average of the networks that are sampled from, once it has warmed up.
    decay : int
        Generator updates after which all learning rates have halved: they are divided by 1 + updates / decay, whatever
        the number of updates to come. 0 leaves them as they are.
    """

    name: ClassVar[str]
    presets: ClassVar[Mapping[str, Mapping[str, Any]]]
    steps: ClassVar[Mapping[str, int]]
    """Generator updates of a run that asks for no number, by the kind of data."""
    estimate: ClassVar[str | None] = "wasserstein"
    """The term that estimates a distance: its logged value is the median of the steps since the last, not the mean."""
    averaged: ClassVar[tuple[str, ...]] = ("generator",)
    """The networks whose moving average a run samples from."""

    batch: int = 64
    latent: int = 128
    prior: str = "normal"
    network: str = "auto"
    width: int = 512
    depth: int = 3
    activation: str = "relu"
    norm: bool = True
    ema: float = 0.999
    decay: int = 0

    def __post_init__(self) -> None:
        types = typing.get_type_hints(type(self))
        for field in dataclasses.fields(self):
            value = _typed(field.name, getattr(self, field.name), types[field.name])
            object.__setattr__(self, field.name, value)
            _check_range(field.name, value)
        if self.activation not in ACTIVATIONS:
            raise OptionError(f"activation must be one of {', '.join(ACTIVATIONS)}, got {self.activation!r}")
        if self.prior not in PRIORS:
            raise OptionError(f"prior must be one of {', '.join(PRIORS)}, got {self.prior!r}")
        if self.network not in ("auto", *NETWORKS):
            raise OptionError(f"network must be one of auto, {', '.join(NETWORKS)}, got {self.network!r}")

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
        return cls(**{**cls.presets.get(kind, {}), **given})

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
            The losses and estimates of this step, detached, without dimensions, in the same order in every step.
        """

    def make_generator(self, space: Space) -> nn.Module:
        """Make this system's generator for the data."""
        return generator(
            space,
            self._network(space),
            latent=self.latent,
            width=self.width,
            depth=self.depth,
            activation=self.activation,
            norm=self.norm,
        )

    def make_critic(self, space: Space, *, norm: bool = False, outputs: int = 1) -> nn.Module:
        """Make this system's critic for the data."""
        return critic(
            space,
            self._network(space),
            width=self.width,
            depth=self.depth,
            activation=self.activation,
            norm=norm,
            outputs=outputs,
        )

    def _network(self, space: Space) -> str:
        if self.network != "auto":
            return self.network
        return "dcgan" if space.kind == "images" else "mlp"


def adam(nets: nn.Module | Iterable[nn.Module], lr: float, betas: tuple[float, float]) -> Adam:
    """Make Adam over the parameters of one or several networks, in its fused form where the device has one."""
    modules = [nets] if isinstance(nets, nn.Module) else list(nets)
    parameters = [parameter for module in modules for parameter in module.parameters()]
    return Adam(
        parameters,
        lr=lr,
        betas=betas,
        fused=all(parameter.device.type in {"cpu", "cuda"} for parameter in parameters),
    )


def descend(optimizer: Optimizer, loss: Tensor) -> None:
    """Take one descent step in the optimizer's own parameters; no other network receives a gradient."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    optimizer.zero_grad(set_to_none=True)
    loss.backward(inputs=parameters)
    optimizer.step()


def fake(nets: Networks, batches: Batches) -> Tensor:
    """Draw a mini-batch from the generator, in full precision and without its graph."""
    with torch.no_grad():
        return generate(nets, batches)


def generate(nets: Networks, batches: Batches) -> Tensor:
    """Draw a mini-batch from the generator, in full precision, differentiable in its parameters."""
    samples: Tensor = nets["generator"](batches.noise())
    return samples.float()


def _typed(name: str, value: Any, wanted: Any) -> Any:
    """Return an option's value in the type of its field; text is what the command line gives."""
    choices = typing.get_args(wanted) or (wanted,)
    if value is None or (isinstance(value, str) and value == "none"):
        if type(None) in choices:
            return None
        if value is None or str not in choices:
            raise OptionError(f"option {name} needs a value")
    base = next(choice for choice in choices if choice is not type(None))
    convert = _BY_TYPE.get(base)
    if convert is None:  # of a system of the user's own, which checks it itself
        return value
    try:
        return convert(value)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise OptionError(f"option {name} takes {base.__name__}, got {shown(value)}") from error


def _number(value: Any) -> float:
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (Real, str)):
        raise TypeError
    number = float(value)
    if not math.isfinite(number):
        raise ValueError
    return number


def _integer(value: Any) -> int:
    number = _number(value)
    if not number.is_integer():
        raise ValueError
    return int(value) if isinstance(value, Integral) else int(number)


def _truth(value: Any) -> bool:
    if isinstance(value, str):
        return {"true": True, "false": False, "1": True, "0": False}[value.lower()]
    if isinstance(value, (bool, np.bool_)) or (isinstance(value, Integral) and value in {0, 1}):
        return bool(value)
    raise TypeError


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


_BY_TYPE: dict[Any, Callable[[Any], Any]] = {int: _integer, float: _number, bool: _truth, str: _text}

_LARGEST = 1e30
"""Far beyond what an option can mean, and still a number in single precision."""
_NOT_NEGATIVE = {"lr", "lr_critic", "lr_dual", "lr_features", "enough", "penalty"}
"""A rate of 0 keeps a network as it is."""
_POSITIVE = {"clip", "tol", "power", "variance"}
_COUNTS = {
    *("batch", "latent", "width", "depth", "noise", "basis", "critic_width", "critic_depth"),
    *("n_critic", "n_dual", "contrast_noise"),
}
"""The fields of the library's systems whose range follows from what their names mean in all of them."""


def _check_range(name: str, value: Any) -> None:
    if value is None:
        return
    if name in _COUNTS and value < 1:
        raise OptionError(f"{name} must be at least 1, got {value}")
    if name in _COUNTS | {"features", "decay"} and value >= 2**31:
        raise OptionError(f"{name} must be less than 2147483648, got {value}")
    if isinstance(value, float) and abs(value) > _LARGEST:
        raise OptionError(f"{name} must be between -{_LARGEST:g} and {_LARGEST:g}, got {value}")
    if name == "decay" and value < 0:
        raise OptionError(f"decay must be a number of updates, or 0 for none, got {value}")
    if name == "features" and value < 0:
        raise OptionError(f"features must be a number of features, or 0 for none, got {value}")
    if name in {"ema", "beta1", "beta2"} and not 0 <= value < 1:
        raise OptionError(f"{name} must be in [0, 1), got {value}")
    if name in _NOT_NEGATIVE and value < 0:
        raise OptionError(f"{name} must not be negative, got {value}")
    if name in _POSITIVE and not value > 0:
        raise OptionError(f"{name} must be a positive number, got {value}")
