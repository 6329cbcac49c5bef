"""The state of a run in training: all that a checkpoint must hold for a resumed run to be the same run."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.swa_utils import AveragedModel

from otgan.data.sources import check_fits
from otgan.gan.datasets.batches import Batches
from otgan.gan.datasets.classes import Classes
from otgan.gan.datasets.scaling import Scaling
from otgan.gan.datasets.training_data import TrainingData, as_tensor, check_held_out
from otgan.gan.errors import DivergedError, OptionError, RunError, reason
from otgan.gan.model import Model
from otgan.gan.networks import Space, initialize
from otgan.gan.streams import Stream, seeded
from otgan.gan.systems import System
from otgan.gan.training.averages import moving_average
from otgan.gan.training.blank import blank_networks, net_size, sized, unknown_network
from otgan.gan.training.own_modules import check_encoder, check_generator, watch_critic

__all__ = ["State", "lr_schedule"]

_COPIES = 5
"""What training holds of each weight: itself, its moving average, its gradient, and Adam's two."""
_BYTES = 4
"""Of a weight."""


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
    classes : Classes or None
        Those that the networks are told.
    step : int
        Generator updates done.
    """

    nets: dict[str, nn.Module]
    averages: dict[str, AveragedModel]
    optimizers: dict[str, Optimizer]
    batches: Batches
    scaling: Scaling
    classes: Classes | None = None
    step: int = 0

    @classmethod
    def start(
        cls,
        system: System,
        data: TrainingData,
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
        if system.encoding is not None:
            check_held_out(len(data.held_out))
        own = dict(modules or {})
        points = as_tensor(data.train.points, data.space)
        scaling = Scaling.of(points, data.space)
        latent = system.noise_size(data.space)
        classes = Classes.of(data.train) if system.conditional else None
        if classes is not None and system.encoding is not None:
            classes.check_learnt(data.held_out)
        labels = None if classes is None else torch.from_numpy(data.train.labels).to(device)
        space = Space(data.space.shape, 0 if classes is None else len(classes))
        units = scaling.to_units(points).to(device)
        batches = Batches(units, system.batch, latent, system.prior, seed, labels, space.classes)
        nets = _networks(system, space, seed, device, own)
        check_generator(nets, batches, space.shape, own)
        check_encoder(system, nets, batches, own)
        averages = {name: moving_average(nets[name], system.ema) for name in system.averaged}
        for copy in averages.values():
            copy.eval().requires_grad_(False)
        try:
            optimizers = system.optimizers(nets)
        except OptionError:
            raise
        except (ValueError, TypeError) as error:
            raise RunError(f"the networks cannot be trained: {reason(error)}") from error
        watch_critic(own)  # and not its moving average
        return cls(nets, averages, optimizers, batches, scaling, classes)

    def model(self, system: System, space: Space) -> Model:
        """Return the model in training: its networks are the averages themselves."""
        networks = {name: average.module for name, average in self.averages.items()}
        return Model(system, space, self.scaling, networks, self.step, self.classes)

    def follow_lr_schedule(self, decay: int) -> None:
        """Divide all learning rates by 1 + step / decay; 0 leaves them as they are."""
        if not decay:
            return
        for optimizer in self.optimizers.values():
            for group in optimizer.param_groups:
                first = group.setdefault("initial_lr", group["lr"])  # as torch's schedulers name it
                group["lr"] = lr_schedule(first, self.step, decay)

    def update_averages(self) -> None:
        """Let the moving averages follow the networks."""
        for name, average in self.averages.items():
            average.update_parameters(self.nets[name])

    def assess(self, system: System) -> dict[str, float]:
        """Return what the system says of its training, which goes on as if it had not been asked."""
        modes = {module: module.training for net in self.nets.values() for module in net.modules()}
        for net in self.nets.values():
            net.eval()
        try:
            return system.assess(self.nets, self.batches.apart(self.step))
        finally:
            for module, training in modes.items():
                module.training = training

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
            wrong = itertools.chain(
                ((key, ~value.isfinite()) for key, value in net.named_parameters()),
                # Statistics that are lost are no numbers; a mask may well be infinite.
                ((key, value.isnan()) for key, value in net.named_buffers()),
            )
            for key, found in wrong:
                if bool(found.any()):
                    raise DivergedError(
                        f"step {step or self.step}: weights {key} of the {name} are not finite"
                    )


def lr_schedule(first: float, step: int, decay: int) -> float:
    """Return the learning rate after a number of steps: halved after `decay` of them, a third after twice as many."""
    return first / (1 + step / decay)


def _networks(
    system: System, space: Space, seed: int, device: torch.device, own: Mapping[str, nn.Module]
) -> dict[str, nn.Module]:
    """Make the networks of a system with their first weights, the user's own among them."""
    made = blank_networks(system, space)
    if unknown := sorted(set(own) - set(made)):
        raise unknown_network(system, unknown[0], made)
    rng = seeded(torch.device("cpu"), seed, Stream.WEIGHTS)
    with sized(system):
        numbers = sum(net_size(net) for name, net in made.items() if name not in own)
        check_fits(_COPIES * _BYTES * numbers, "they")
        return {
            name: (own[name].to(device) if name in own else initialize(net, rng, device)).train()
            for name, net in made.items()
        }
