"""The state of a run in training: all that a checkpoint must hold for a resumed run to be the same run."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.swa_utils import AveragedModel

from otgan.data import DataError
from otgan.data.stored import check_fits
from otgan.gan.batches import Batches, seeded
from otgan.gan.errors import DivergedError, OptionError, RunError, reason
from otgan.gan.networks import Space, initialize
from otgan.gan.samples import Samples, Scaling, as_tensor, check_held_out
from otgan.gan.systems import System
from otgan.gan.systems.autoencoding import Autoencoder

__all__ = ["State"]

_COPIES = 5
"""What training holds of each weight: itself, its moving average, its gradient, and Adam's two."""


@dataclass(eq=False)
class State:
    """Networks, their moving averages, optimizers, the position in data and random numbers, and the step.

    Attributes
    ----------
    nets : dict of str to nn.Module
    averages : dict of str to AveragedModel
        Of the networks that the system samples from.
    optimizers : dict of str to Optimizer
    batches : Batches
    scaling : Scaling
        The units that the networks work in.
    step : int
        Generator updates done.
    """

    nets: dict[str, nn.Module]
    averages: dict[str, AveragedModel]
    optimizers: dict[str, Optimizer]
    batches: Batches
    scaling: Scaling
    step: int = 0

    @classmethod
    def start(
        cls,
        system: System,
        samples: Samples,
        seed: int,
        device: torch.device,
        modules: Mapping[str, nn.Module] | None = None,
    ) -> State:
        """Make the state of step 0.

        Raises
        ------
        OptionError
            If a module is passed that the system does not know.
        RunError
            If the data are too few, or of a shape that the networks cannot take.
        """
        if isinstance(system, Autoencoder):
            check_held_out(len(samples.held_out))
        space = samples.space
        points = as_tensor(samples.train.points, space)
        scaling = Scaling.of(points, space)
        batches = Batches(
            scaling.to_units(points).to(device), system.batch, system.latent, system.prior, seed
        )
        made = blank_networks(system, space)
        own = dict(modules or {})
        if unknown := sorted(set(own) - set(made)):
            raise OptionError(f"{system.name} has no network {unknown[0]!r}; it has {', '.join(made)}")
        rng = seeded(torch.device("cpu"), seed, 0)
        with sized(system):
            check_fits(
                _COPIES * 4 * sum(net_size(net) for name, net in made.items() if name not in own), "they"
            )
            nets = {
                name: (own[name].to(device) if name in own else initialize(net, rng, device)).train()
                for name, net in made.items()
            }
        _check_generator(nets, batches, space.shape, own)
        _check_encoder(system, nets, batches, own)
        average = moving_average(system.ema)
        averages = {name: AveragedModel(nets[name], avg_fn=average) for name in system.averaged}
        for copy in averages.values():
            copy.eval().requires_grad_(False)
        try:
            optimizers = system.optimizers(nets)
        except (ValueError, TypeError) as error:
            raise RunError(f"the networks cannot be trained: {reason(error)}") from error
        return cls(nets, averages, optimizers, batches, scaling)

    def slow_down(self, decay: int) -> None:
        """Divide all learning rates by 1 + step / decay; 0 leaves them as they are."""
        if not decay:
            return
        for optimizer in self.optimizers.values():
            for group in optimizer.param_groups:
                first = group.setdefault("initial_lr", group["lr"])  # as torch's schedulers name it
                group["lr"] = first / (1 + self.step / decay)

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint holds, besides the step."""
        return {
            "nets": {name: net.state_dict() for name, net in self.nets.items()},
            "averages": {name: average.state_dict() for name, average in self.averages.items()},
            "optimizers": {name: optimizer.state_dict() for name, optimizer in self.optimizers.items()},
            "batches": self.batches.state_dict(),
            "scaling": self.scaling.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Become the state that :meth:`state_dict` returned.

        Raises
        ------
        RunError
            If it is that of other networks.
        """
        try:
            for name, net in self.nets.items():
                net.load_state_dict(state["nets"][name])
            for name, average in self.averages.items():
                average.load_state_dict(state["averages"][name])
            for name, optimizer in self.optimizers.items():
                optimizer.load_state_dict(state["optimizers"][name])
            self.batches.load_state_dict(state["batches"])
            self.scaling = Scaling.read(state["scaling"])
        except Exception as error:  # whatever a checkpoint of something else happens to hold
            raise RunError(f"the checkpoint does not fit the networks: {reason(error)}") from error
        self.step = state["step"]

    def check_finite(self, step: int | None = None) -> None:
        """Refuse weights that are not finite, after a step that is in them or within ``step``.

        Raises
        ------
        DivergedError
        """
        for name, net in self.nets.items():
            for key, value in net.named_parameters():
                if not bool(torch.isfinite(value).all()):
                    raise DivergedError(
                        f"step {step or self.step}: weights {key} of the {name} are not finite"
                    )


def net_size(net: nn.Module) -> int:
    """Return how many numbers a network has."""
    return sum(value.numel() for value in net.state_dict().values())


def blank_networks(system: System, space: Space) -> dict[str, nn.Module]:
    """Make the networks of a system without memory or weights; nothing is drawn from torch's global random state.

    Raises
    ------
    RunError
        If they are larger than torch can count.
    """
    with torch.device("meta"), sized(system):
        return system.networks(space)


@contextlib.contextmanager
def sized(system: System) -> Iterator[None]:
    """Turn what torch says of networks that fit nowhere into one sentence."""
    try:
        yield
    except (RunError, OptionError):
        raise
    except (RuntimeError, TypeError, OverflowError, MemoryError, DataError) as error:
        raise RunError(
            f"the networks cannot be made: width={system.width}, depth={system.depth} and latent={system.latent} "
            f"ask for too much memory; choose smaller ones ({reason(error)[:120]})"
        ) from error


def moving_average(decay: float) -> Callable[[Tensor, Tensor, Tensor | int], Tensor]:
    """Return the rule of an exponential moving average that at first forgets faster.

    After k updates the decay is min(decay, (1 + k) / (10 + k)): the average looks back on a tenth of the run at
    most, so that the first weights do not linger in it.
    """

    def average(averaged: Tensor, current: Tensor, updates: Tensor | int) -> Tensor:
        count = int(updates)
        return torch.lerp(averaged, current, 1 - min(decay, (1 + count) / (10 + count)))

    return average


@contextlib.contextmanager
def _own(name: str, x: Tensor) -> Iterator[None]:
    """Turn what a network of the user's own ends in when it is tried into one sentence."""
    try:
        yield
    except Exception as error:
        raise RunError(
            f"your {name} cannot take rows of shape {tuple(x.shape[1:])}: {reason(error)}"
        ) from error


def _check_generator(
    nets: Mapping[str, nn.Module], batches: Batches, shape: tuple[int, ...], own: Mapping[str, nn.Module]
) -> None:
    """Find out before training whether a generator of the user's own makes samples like the data's."""
    if "generator" not in own:
        return
    generator = nets["generator"]
    noise = torch.zeros(2, batches.latent, device=batches.points.device)
    generator.eval()  # leaves running statistics alone
    with torch.no_grad(), _own("generator", noise):
        made = tuple(generator(noise).shape)
    generator.train()
    if made != (2, *shape):
        raise RunError(f"your generator makes samples of shape {made[1:]}; those of the data have {shape}")


def _check_encoder(
    system: System, nets: Mapping[str, nn.Module], batches: Batches, own: Mapping[str, nn.Module]
) -> None:
    """Find out before training whether an encoder of the user's own makes rows of the length that its kind has."""
    if "encoder" not in own or not isinstance(system, Autoencoder):
        return
    encoder, x = nets["encoder"], batches.points[:2]
    noise = system.encoder_noise(len(x), seeded(x.device, 0, 6))
    encoder.eval()
    with torch.no_grad(), _own("encoder", x):
        made = tuple((encoder(x, noise) if system.encoder == "implicit" else encoder(x)).shape)
    encoder.train()
    length = system.latent * (2 if system.encoder == "gaussian" else 1)
    if made != (len(x), length):
        raise RunError(
            f"your encoder makes rows of shape {made[1:]}; encoder={system.encoder} with latent={system.latent} "
            f"makes rows of shape ({length},)"
        )
