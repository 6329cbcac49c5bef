"""A trained model: what draws samples, encodes and decodes, in the units of the data."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from otgan.data.sources import check_fits
from otgan.gan import arguments
from otgan.gan.datasets.arrays import rows_of
from otgan.gan.datasets.classes import Classes, Labels
from otgan.gan.datasets.scaling import Scaling
from otgan.gan.datasets.training_data import as_tensor
from otgan.gan.errors import DivergedError, OptionError
from otgan.gan.networks import Space, draw_noise, given
from otgan.gan.samplers import Laws
from otgan.gan.streams import Stream, seeded
from otgan.gan.systems import SYSTEMS, System
from otgan.gan.systems.capabilities import Encoding

__all__ = ["Model"]

_CHUNK = 1000
"""Samples that are decoded or encoded at once."""
_TRAVERSED = 16
"""Coordinates of a code that are traversed, at most."""
_MATRIX = 2
"""Dimensions of a set of codes."""


@dataclass(eq=False)
class Model:
    """A system with networks for its data.

    Attributes
    ----------
    system : System
    space : Space
        The shape of a sample.
    scaling : Scaling
        The units that the networks work in.
    networks : dict of str to nn.Module
        The moving averages of the networks in training, in evaluation mode; at least "generator".
    step : int
        Generator updates that they have seen.
    classes : Classes or None
        Those that samples are made by, of a conditional run.
    """

    system: System
    space: Space
    scaling: Scaling
    networks: dict[str, nn.Module]
    step: int = 0
    classes: Classes | None = None

    @property
    def device(self) -> torch.device:
        """Where the networks are."""
        return next((p.device for p in self.networks["generator"].parameters()), torch.device("cpu"))

    @torch.no_grad()
    def sample(
        self, n: int, seed: int | None = None, laws: Laws | None = None, label: Any = None
    ) -> NDArray[np.float32]:
        """Draw samples, see :meth:`otgan.gan.Run.sample`, of codes of the prior or of another law."""
        n = arguments.whole("the number of samples", n)
        labels = self.labels(n, seed) if label is None else self.read_labels(label, n)
        if seed is None:
            rng = torch.Generator(self.device)
            rng.seed()
        else:
            rng = seeded(self.device, arguments.seed(seed), Stream.SAMPLES)
        check_fits(4 * n * self.space.dim, f"{n} samples")
        sizes = [min(_CHUNK, n - start) for start in range(0, n, _CHUNK)]
        latent = self.system.noise_size(self.space)
        if laws is None:
            noise = (draw_noise(size, latent, self.system.prior, rng) for size in sizes)
        else:
            key = torch.randint(2**62, (), generator=rng, device=rng.device)
            drawn = torch.from_numpy(laws.draw(n, np.random.default_rng(int(key)), labels)).to(self.device)
            noise = (part for part in drawn.split(_CHUNK))
        return self._decoded(noise, labels)

    def labels(self, n: int, seed: int | None = None) -> Labels | None:
        """Draw the classes of n samples by their shares of the data; None of a run without classes."""
        if self.classes is None:
            return None
        check_fits(8 * n, f"{n} labels")
        key = None if seed is None else [arguments.seed(seed), Stream.LABELS]
        return self.classes.draw(n, np.random.default_rng(key))

    def named(self, labels: Labels | None) -> list[str] | None:
        """Return the names of classes, by which they are meant also where numbers are names."""
        if labels is None or self.classes is None:
            return None
        return [self.classes.names[k] for k in labels]

    def read_labels(self, label: Any, n: int) -> Labels | None:
        """Return the classes of n samples that a user names.

        Raises
        ------
        OptionError
            If this run has no classes and some are named, or has some and none is named, or there is no such class.
        """
        if self.classes is None:
            if label is None:
                return None
            raise OptionError(
                f"this run of {self.system.name} does not make samples by class: leave label out, or train with conditional=True"
            )
        if label is None:
            raise OptionError("this run makes samples by class: say of which, label=")
        check_fits(8 * n, f"{n} labels")
        return self.classes.read(label, n)

    @torch.no_grad()
    def encode(self, x: ArrayLike | Tensor, seed: int | None = None) -> NDArray[np.float32]:
        """Return the code of each sample, see :meth:`otgan.gan.Run.encode`."""
        encoding = self.encoding()
        seed = None if seed is None else arguments.seed(seed)
        rng = None if seed is None else seeded(self.device, seed, Stream.CODES)
        parts = []
        for part in self.in_units(x).split(_CHUNK):
            if rng is None:
                codes = encoding.code(self.networks, part)
            else:
                codes = encoding.encode(self.networks, part, encoding.encoder_noise(len(part), rng))
            parts.append(codes.float().cpu().numpy())
        found = np.concatenate(parts)
        if not np.isfinite(found).all():
            raise DivergedError(f"step {self.step}: the encoder makes codes that are not finite")
        return found

    @torch.no_grad()
    def decode(self, z: ArrayLike | Tensor, label: Any = None) -> NDArray[np.float32]:
        """Return what the generator makes of codes, see :meth:`otgan.gan.Run.decode`."""
        codes = torch.from_numpy(rows_of("z", z)).to(self.device)
        latent = self.system.noise_size(self.space)
        if codes.ndim != _MATRIX or codes.shape[1] != latent or not codes.numel():
            raise OptionError(f"codes must have the shape (n, {latent}), got {tuple(codes.shape)}")
        return self._decoded(codes.split(_CHUNK), self.read_labels(label, len(codes)))

    def reconstruct(
        self, x: ArrayLike | Tensor, seed: int | None = None, label: Any = None
    ) -> NDArray[np.float32]:
        """Encode samples and decode their codes."""
        return self.decode(self.encode(x, seed), label)

    def traverse(
        self, x: ArrayLike | Tensor, steps: int = 9, reach: float = 2.0, label: Any = None
    ) -> NDArray[np.float32]:
        """Decode the code of a sample while its coordinates move, see :meth:`otgan.gan.Run.traverse`."""
        steps, reach = arguments.whole("steps", steps), arguments.real("reach", reach)
        self.encoding()
        row = rows_of("x", x)
        if row.shape not in (self.space.shape, (self.space.dim,)):
            raise OptionError(f"x must be one sample of shape {self.space.shape}, got the shape {row.shape}")
        check_fits(4 * _TRAVERSED * steps * self.space.dim, f"{steps} steps of a traversal")
        code = self.encode(row[None])[0]
        prior = self.system.prior
        places = prior.mean + prior.variance**0.5 * np.linspace(-reach, reach, steps)
        k = min(len(code), _TRAVERSED)
        codes = np.tile(code, (k, steps, 1))
        codes[np.arange(k), :, np.arange(k)] = places
        return self.decode(codes.reshape(k * steps, -1), label).reshape(k, steps, *self.space.shape)

    def encoding(self) -> Encoding:
        """Return how samples become codes.

        Raises
        ------
        OptionError
            If the system has no encoder.
        """
        found = self.system.encoding
        if found is None:
            having = [name for name, system in SYSTEMS.items() if system().encoding is not None]
            raise OptionError(f"{self.system.name} has no encoder; {', '.join(having)} have one")
        return found

    def in_units(self, x: ArrayLike | Tensor) -> Tensor:
        """Return samples in the units of the networks, n of the shape of ``space``."""
        rows = rows_of("x", x)
        shape = self.space.shape
        if not rows.size or rows.shape[1:] not in (shape, (self.space.dim,)):
            raise OptionError(
                f"samples must have the shape (n, {str(shape)[1:-1].rstrip(',')}), got {rows.shape}"
            )
        return self.scaling.to_units(as_tensor(rows, self.space)).to(self.device)

    def _decoded(self, codes: Iterable[Tensor], labels: Labels | None) -> NDArray[np.float32]:
        """Return what the generator makes of codes, which come in parts, and of the label of each."""
        parts, done = [], 0
        for part in codes:
            label = None
            if labels is not None:
                label = torch.from_numpy(labels[done : done + len(part)]).to(part.device)
            made = given(self.networks, label)["generator"](part).float()
            parts.append(self.scaling.to_data(made).cpu().numpy())
            done += len(part)
        decoded: NDArray[np.float32] = np.concatenate(parts)
        if not np.isfinite(decoded).all():
            raise DivergedError(f"step {self.step}: the generator makes samples that are not finite")
        return decoded
