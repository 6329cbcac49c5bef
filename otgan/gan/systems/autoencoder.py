"""What the systems with an encoder share: posteriors Q(z|x) of three kinds, likelihoods, the latent adversary."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus
from torch.optim import Optimizer

from otgan.gan.datasets.batches import Batches
from otgan.gan.errors import OptionError
from otgan.gan.networks import NoiseFed, Prior, Space, critic, encoder, given, mlp
from otgan.gan.networks.likelihoods import Likelihood, likelihood
from otgan.gan.streams import Stream, seeded
from otgan.gan.systems.base import Networks, Optimizers, System, adam, descend
from otgan.gan.systems.capabilities import Encoding, LikelihoodBound
from otgan.gan.systems.fields import Count, Positive, Rate, Share

__all__ = ["Autoencoder", "Decoder", "Encoder", "LatentAdversary", "Variational"]

_MOMENTS = 1024
"""Noise vectors that the moments of an implicit posterior are averages over."""
_LEAST_VARIANCE = 1e-8


class Encoder(StrEnum):
    """The kinds of Q(z|x)."""

    DETERMINISTIC = "deterministic"
    GAUSSIAN = "gaussian"
    IMPLICIT = "implicit"


@dataclass(frozen=True, kw_only=True)
class Autoencoder(System):
    """A system whose generator decodes what an encoder Q(z|x) makes of samples.

    Where it is conditional, the generator is told the class, and the encoder is not: codes are of samples alone.

    Parameters
    ----------
    encoder : {"deterministic", "gaussian", "implicit"}
        Q(z|x): a point; N(μ(x), diag σ²(x)); or what a network makes of x and noise, see
        :class:`otgan.gan.networks.NoiseFed`.
    noise, basis : int
        Dimension of an implicit encoder's noise, and its K.
    lr, beta1, beta2 : float
        Adam's, of encoder and generator.
    """

    estimate: ClassVar[str | None] = None
    averaged: ClassVar[tuple[str, ...]] = ("generator", "encoder")
    encoders: ClassVar[tuple[Encoder, ...]] = tuple(Encoder)
    """The kinds that the system can train."""

    batch: Count = 100
    latent: Count = 8
    encoder: Encoder = Encoder.DETERMINISTIC
    noise: Count = 16
    basis: Count = 16
    lr: Rate = 1e-3
    beta1: Share = 0.5
    beta2: Share = 0.999

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.encoder not in self.encoders:
            raise OptionError(
                f"encoder must be one of {', '.join(self.encoders)}, got {self.encoder.value!r}"
            )

    @property
    def encoding(self) -> Encoding:
        """The system itself."""
        return self

    @property
    def prior_variance(self) -> float:
        """The variance of each coordinate of the prior."""
        return self.prior.variance

    @property
    def row_length(self) -> int:
        """How many numbers the encoder returns for a sample: a code, or means and logarithms of variances."""
        return self.latent * (2 if self.encoder is Encoder.GAUSSIAN else 1)

    def networks(self, space: Space) -> dict[str, nn.Module]:
        """Make generator and encoder."""
        return {"generator": self.make_generator(space), "encoder": self.make_encoder(space)}

    def optimizers(self, nets: Networks) -> dict[str, Optimizer]:
        """Adam for all that decodes and encodes together."""
        parts = [nets[name] for name in ("generator", "encoder", "likelihood") if name in nets]
        return {"autoencoder": adam(parts, self.lr, (self.beta1, self.beta2))}

    def make_encoder(self, space: Space) -> nn.Module:
        """Make an encoder of the wanted kind for the data."""
        vectors = {Encoder.DETERMINISTIC: 1, Encoder.GAUSSIAN: 2, Encoder.IMPLICIT: self.basis}
        outputs = vectors[self.encoder] * self.latent
        network = encoder(
            space.without_classes,
            self.network,
            outputs=outputs,
            width=self.width,
            depth=self.depth,
            activation=self.activation,
            norm=self.norm,
        )
        if self.encoder is not Encoder.IMPLICIT:
            return network
        # An odd function at first, so that every posterior begins symmetric and no mode has a head start.
        basis = mlp(self.noise, (self.basis + 1) * self.latent, width=64, depth=2, activation="tanh")
        return NoiseFed(network, basis, self.latent)

    def encoder_noise(self, n: int, rng: torch.Generator) -> Tensor:
        """Draw the noise of n codes: of no columns for a deterministic encoder."""
        columns = {Encoder.DETERMINISTIC: 0, Encoder.GAUSSIAN: self.latent, Encoder.IMPLICIT: self.noise}
        return torch.randn(n, columns[self.encoder], generator=rng, device=rng.device)

    def encoder_rows(self, encoder: nn.Module, x: Tensor, noise: Tensor) -> Tensor:
        """Return what an encoder makes of samples; only an implicit one is given noise."""
        rows: Tensor = encoder(x, noise) if self.encoder is Encoder.IMPLICIT else encoder(x)
        return rows

    def encode(self, nets: Networks, x: Tensor, noise: Tensor) -> Tensor:
        """Draw z ~ Q(z|x), shape (n, latent), by noise of :meth:`encoder_noise`; differentiable in the encoder."""
        if self.encoder is Encoder.GAUSSIAN:
            mean, log_variance = self.posterior(nets, x)
            return mean + (0.5 * log_variance).exp() * noise
        return self.encoder_rows(nets["encoder"], x, noise).to(x.dtype)

    def posterior(self, nets: Networks, x: Tensor) -> tuple[Tensor, Tensor]:
        """Means and logarithms of variances of Q(z|x), shapes (n, latent), of an encoder that has any.

        Those of an implicit encoder are averages over the same 1024 noise vectors in every call.
        """
        if self.encoder is Encoder.IMPLICIT:
            return self.moments(nets, x, self.encoder_noise(_MOMENTS, seeded(x.device, 0, Stream.MOMENTS)))
        mean, log_variance = nets["encoder"](x).to(x.dtype).chunk(2, 1)
        return mean, log_variance

    def moments(self, nets: Networks, x: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Means and logarithms of variances of an implicit Q(z|x), over the rows of noise."""
        network: Any = nets["encoder"]
        mean, variance = network.moments(x, noise)
        return mean.to(x.dtype), variance.to(x.dtype).clamp_min(_LEAST_VARIANCE).log()

    def code(self, nets: Networks, x: Tensor) -> Tensor:
        """Return one code for each sample, always the same, shape (n, latent): the mean of Q(z|x).

        Of an implicit encoder it is what the same noise makes of every sample: between the modes of such a posterior its
        mean may be where no code is.
        """
        if self.encoder is Encoder.GAUSSIAN:
            return self.posterior(nets, x)[0]
        noise = self.encoder_noise(1, seeded(x.device, 0, Stream.MOMENTS)).to(x.dtype)
        return self.encode(nets, x, noise.expand(len(x), -1))


@dataclass(frozen=True, kw_only=True)
class LatentAdversary(Autoencoder):
    """An autoencoder whose codes play against a discriminator D of Q_Z and the prior.

    Where it is conditional, D is told the class too: codes of each class then have the prior's law, from which samples of
    that class are made. Where only those of all classes together had, a code of the prior might belong to other classes.

    Parameters
    ----------
    critic_width, critic_depth : int
        Units and number of the hidden layers of D.
    n_critic : int
        Updates of D for each of the autoencoder.
    lr_critic : float
        D's.
    """

    critic_width: Count = 512
    critic_depth: Count = 4
    n_critic: Count = 1
    lr_critic: Rate = 5e-4

    def networks(self, space: Space) -> dict[str, nn.Module]:
        """Make generator, encoder and latent discriminator."""
        space_of_codes = Space((self.latent,), space.classes)
        rival = critic(space_of_codes, "mlp", width=self.critic_width, depth=self.critic_depth)
        return {**super().networks(space), "critic": rival}

    def optimizers(self, nets: Networks) -> dict[str, Optimizer]:
        """Adam for the autoencoder and for D."""
        rival = adam(nets["critic"], self.lr_critic, (self.beta1, self.beta2))
        return {**super().optimizers(nets), "critic": rival}

    def train_critic(self, nets: Networks, optimizers: Optimizers, batches: Batches) -> Tensor:
        """n_critic ascents of E log D(z) + E log(1 − D(z̃)), z of the prior and z̃ of Q_Z; return the last value."""
        for _ in range(self.n_critic):
            x, z = batches.real(), batches.noise()
            with torch.no_grad():
                code = self.encode(nets, x, self.encoder_noise(len(x), batches.rng))
            rival = given(nets, batches.label)["critic"]
            loss = (softplus(-rival(z)) + softplus(rival(code))).mean()
            descend(optimizers["critic"], loss)
        return -loss.detach()

    def latent_penalty(self, nets: Networks, code: Tensor) -> Tensor:
        """−E log D(z̃): what the encoder descends."""
        return softplus(-nets["critic"](code)).mean()


@dataclass(frozen=True, kw_only=True)
class Decoder(Autoencoder):
    """An autoencoder whose generator is the mean of a likelihood p(x|z).

    Parameters
    ----------
    likelihood : {"gaussian", "bernoulli"}
        N(G(z), σ² I), or independent pixels of probabilities G(z).
    variance : float
        σ², in squared units of the networks.
    learn_variance : bool
        Whether σ² is learned; it starts at `variance`.
    """

    averaged: ClassVar[tuple[str, ...]] = ("generator", "encoder", "likelihood")

    likelihood: Likelihood = Likelihood.GAUSSIAN
    variance: Positive = 1.0
    learn_variance: bool = False

    def networks(self, space: Space) -> dict[str, nn.Module]:
        """Make the networks, and the likelihood beside them."""
        decoded = likelihood(self.likelihood, space, self.variance, self.learn_variance)
        return {**super().networks(space), "likelihood": decoded}

    def log_likelihood(self, nets: Networks, x: Tensor, code: Tensor) -> Tensor:
        """Return log p(x|z) of each sample, shape (n,), in nats."""
        value: Tensor = nets["likelihood"](x, nets["generator"](code).to(x.dtype))
        return value


@dataclass(frozen=True, kw_only=True)
class Variational(Decoder):
    """An autoencoder that ascends a lower bound of the likelihood; its prior is N(0, I)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.prior is not Prior.NORMAL:
            raise OptionError(f"{self.name} takes prior=normal, got {self.prior.value!r}")

    @property
    def likelihood_bound(self) -> LikelihoodBound:
        """The system itself."""
        return self

    @abstractmethod
    def elbo(self, nets: Networks, x: Tensor, noise: Tensor) -> Tensor:
        """Estimate the evidence lower bound of each sample by one code each, shape (n,), in nats."""
