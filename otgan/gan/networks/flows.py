"""Flows: noise that moves along a velocity, which a network gives, to where it is a sample."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import StrEnum
from functools import partial

import torch
from torch import Tensor, nn

from otgan.gan import arguments
from otgan.gan.arguments import shown
from otgan.gan.errors import OptionError, RunError
from otgan.gan.networks.conditional import takes_label

__all__ = ["Flow", "Integrator", "integrate"]

_Velocity = Callable[[Tensor, Tensor], Tensor]
_Step = Callable[[_Velocity, Tensor, Tensor, float], Tensor]


class Integrator(StrEnum):
    """How a step of dx/dt = v(x, t) is made: of 1, 2 and 4 velocities, and of order 1, 2 and 4."""

    EULER = "euler"
    MIDPOINT = "midpoint"
    RK4 = "rk4"


class Flow(nn.Module):
    """The map from z at time 0 to where it is at time 1, by steps of equal length.

    Parameters
    ----------
    velocity : nn.Module
        Places, shape (n, *shape), times, shape (n,), and labels where it takes any, to velocities, shape (n, *shape).
    shape : tuple of int
        Of a sample.
    integrator : Integrator
    n_steps : int
    pixels : bool
        Whether samples are pixels in [0, 1]: places are then 2 pixels − 1, and end in the range.
    """

    def __init__(
        self,
        velocity: nn.Module,
        shape: tuple[int, ...],
        *,
        integrator: str = Integrator.MIDPOINT,
        n_steps: int = 20,
        pixels: bool = False,
    ) -> None:
        super().__init__()
        self.velocity, self.shape, self.pixels = velocity, tuple(shape), pixels
        self.integrator, self.n_steps = _known(integrator), arguments.whole("n_steps", n_steps)
        self.takes_label = takes_label(velocity)

    def at(self, x: Tensor, t: Tensor, label: Tensor | None = None) -> Tensor:
        """Return the velocities at places and times, in single precision."""
        found: Tensor = self.velocity(x, t) if label is None else self.velocity(x, t, label)
        if found.shape != x.shape:  # which sums would broadcast
            raise RunError(
                f"a velocity must have the shape of the places it is at, {tuple(x.shape)}, got {tuple(found.shape)}"
            )
        return found.float()

    def place(self, samples: Tensor) -> Tensor:
        """Return where a flow must end for samples, shape (n, *shape)."""
        samples = samples.float().reshape(len(samples), *self.shape)
        return 2 * samples - 1 if self.pixels else samples

    def path(self, noise: Tensor, n_steps: int | None = None, label: Tensor | None = None) -> Tensor:
        """Return the places on the way from noise to samples, shape (n_steps + 1, n, *shape), the first of them the noise."""
        return torch.stack(list(self._places(noise, n_steps or self.n_steps, label)))

    def forward(self, noise: Tensor, label: Tensor | None = None) -> Tensor:
        """Return the samples that rows of noise become."""
        for place in self._places(noise, self.n_steps, label):  # those on the way need no memory
            end = place
        return ((end + 1) / 2).clamp(0, 1) if self.pixels else end

    def _places(self, noise: Tensor, n_steps: int, label: Tensor | None) -> Iterator[Tensor]:
        return integrate(
            partial(self.at, label=label),
            noise.float().reshape(len(noise), *self.shape),
            n_steps,
            self.integrator,
        )

    def straightness(self, noise: Tensor, n_steps: int = 50, label: Tensor | None = None) -> Tensor:
        """E ∫ ‖v(zₜ, t) − (z₁ − z₀)‖² dt / E ‖z₁ − z₀‖² along the paths of noise: 0 where all are straight and of one speed (Liu et al. 2023)."""
        path = self.path(noise, n_steps, label).flatten(2)
        whole = path[-1] - path[0]
        apart = n_steps * path.diff(dim=0) - whole
        bent, length = apart.square().sum(2).mean(), whole.square().sum(1).mean()
        # Where nothing moves paths are straight, too, as before a last layer of zeros has learned.
        return torch.where(bent == 0, 0.0, bent / length)


def integrate(velocity: _Velocity, start: Tensor, n_steps: int, integrator: str) -> Iterator[Tensor]:
    """Yield the places where dx/dt = velocity(x, t) leads from t = 0 to 1, n_steps + 1 of them, the first of them the start."""
    step, length = _STEPS[_known(integrator)], 1 / arguments.whole("n_steps", n_steps)
    place = start
    yield place
    for k in range(n_steps):
        t = torch.full((len(start),), k * length, dtype=start.dtype, device=start.device)
        place = place + length * step(velocity, place, t, length)
        yield place


def _known(integrator: str) -> Integrator:
    if integrator not in list(Integrator):
        raise OptionError(f"integrator must be one of {', '.join(Integrator)}, got {shown(integrator)}")
    return Integrator(integrator)


def _euler(velocity: _Velocity, x: Tensor, t: Tensor, h: float) -> Tensor:
    del h
    return velocity(x, t)


def _midpoint(velocity: _Velocity, x: Tensor, t: Tensor, h: float) -> Tensor:
    return velocity(x + h / 2 * velocity(x, t), t + h / 2)


def _rk4(velocity: _Velocity, x: Tensor, t: Tensor, h: float) -> Tensor:
    first = velocity(x, t)
    second = velocity(x + h / 2 * first, t + h / 2)
    third = velocity(x + h / 2 * second, t + h / 2)
    return (first + 2 * second + 2 * third + velocity(x + h * third, t + h)) / 6


_STEPS: dict[str, _Step] = {
    Integrator.EULER: _euler,
    Integrator.MIDPOINT: _midpoint,
    Integrator.RK4: _rk4,
}
