"""How good an autoencoder is, on held-out data: its reconstructions, its codes beside the prior, its likelihood."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from otgan.data import Dataset
from otgan.gan.errors import RunError
from otgan.gan.losses.mmd import mmd, permutation_band
from otgan.gan.model import Model
from otgan.gan.networks import draw_noise, given
from otgan.gan.networks.likelihoods import gaussian_log_prob
from otgan.gan.streams import Stream, seeded
from otgan.gan.systems.capabilities import LikelihoodBound, Networks

__all__ = ["PCA", "evaluate", "importance_weighted", "squared_error"]

Rows = NDArray[Any]

_COMPARED = 1000
"""Codes whose law is compared with the prior: the kernel matrix has the square of twice as many entries."""
_WEIGHED = 256
"""Samples whose likelihood is estimated."""
_DRAWS = 32
"""Codes drawn for each of them."""


@dataclass(frozen=True, eq=False)
class PCA:
    """The best affine autoencoder of a size.

    Attributes
    ----------
    mean : ndarray, shape (d,)
    axes : ndarray, shape (d, k)
        Orthonormal.
    """

    mean: Rows
    axes: Rows

    @classmethod
    def of(cls, points: Rows, k: int) -> PCA:
        """Fit k components, or as many as there are coordinates, to points of shape (n, d)."""
        points = points.astype(np.float64)
        vectors = np.linalg.eigh(np.atleast_2d(np.cov(points, rowvar=False)))[1]
        return cls(points.mean(0), vectors[:, ::-1][:, :k])

    def reconstruct(self, points: Rows) -> Rows:
        """Project points of shape (n, d) onto the components."""
        projected: Rows = self.mean + (points - self.mean) @ self.axes @ self.axes.T
        return projected


def squared_error(x: Rows, y: Rows) -> float:
    """Mean over samples of ‖x − y‖², the squares summed over the coordinates of a sample."""
    difference = x.reshape(len(x), -1).astype(np.float64) - y.reshape(len(y), -1)
    return float(np.square(difference).sum(1).mean())


def evaluate(model: Model, train: Rows, data: Dataset, seed: int) -> dict[str, Any]:
    """Measure an autoencoder on held-out samples, of which a conditional one needs the classes.

    Returns
    -------
    dict
        ``reconstruction``, the mean of ‖x − G(z)‖² with z by :meth:`otgan.gan.Run.encode`, summed over coordinates, in
        squared units of the data, and ``reconstruction_pca``, that of PCA with as many components as a code has numbers, fitted to
        the training split. ``latent_mmd``, the squared MMD between codes drawn from Q(z|x) and the prior, and
        ``latent_mmd_band``, which it exceeds with probability .05 where the two laws are equal. For systems with a
        bound, in nats of a sample in the units of the data: ``elbo``, and ``iw_likelihood``, see
        :func:`importance_weighted`.
    """
    encoding, held_out, label = model.encoding(), data.points, None
    if model.classes is not None:
        if data.labels is None:
            raise RunError(f"{data.name} has no labels, which this run decodes by: name data of its classes")
        label = data.labels
    rng = seeded(model.device, seed, Stream.EVALUATION)
    codes = torch.from_numpy(model.encode(held_out[:_COMPARED], seed)).double()
    prior = draw_noise(len(codes), encoding.latent, encoding.prior, rng).cpu().double()
    scale = 2 * encoding.latent * encoding.prior_variance
    found = {
        "reconstruction": squared_error(held_out, model.reconstruct(held_out, label=model.named(label))),
        "reconstruction_pca": squared_error(held_out, PCA.of(train, encoding.latent).reconstruct(held_out)),
    }
    if len(codes) > 1:  # one code has no law
        found["latent_mmd"] = float(mmd(codes, prior, scale))
        found["latent_mmd_band"] = permutation_band(codes, prior, scale)
    if (bound := model.system.likelihood_bound) is not None:
        # Pictures are dear to decode.
        n = len(held_out) // 8 if model.space.large else len(held_out)
        x = model.in_units(held_out[: max(1, min(n, _WEIGHED))])
        told = None if label is None else torch.from_numpy(label[: len(x)]).to(x.device)
        volume = model.space.dim * math.log(model.scaling.scale)
        elbo, weighted = _bounds(bound, model.networks, x, told, rng)
        found |= {"elbo": elbo - volume, "iw_likelihood": weighted - volume}
    return found


@torch.no_grad()
def _bounds(
    system: LikelihoodBound, nets: Networks, x: Tensor, label: Tensor | None, rng: torch.Generator
) -> tuple[float, float]:
    """Return the mean of the evidence lower bound, and of the importance-weighted one, over samples, in nats."""

    def told(draws: int) -> Networks:
        return given(nets, None if label is None else label.repeat_interleave(draws))

    repeated = x.repeat_interleave(4, 0)
    elbo = system.elbo(told(4), repeated, system.encoder_noise(len(repeated), rng))
    weighted = importance_weighted(system, told(_DRAWS), x, rng, draws=_DRAWS)
    return float(elbo.mean()), float(weighted.mean())


@torch.no_grad()
def importance_weighted(
    system: LikelihoodBound, nets: Networks, x: Tensor, rng: torch.Generator, *, draws: int
) -> Tensor:
    """Return log (1/K) Σ_k p(x|z_k) p(z_k) / r(z_k|x) of each sample, z_k ~ r = N(μ(x), diag s²(x)), shape (n,), in nats.

    Its mean is at most log p(x), and nears it as the number K of draws grows. The proposal r has the moments of Q(z|x);
    for a Gaussian encoder it is Q itself. Its density is known, so that no discriminator has a say in the weights.

    References
    ----------
    Burda, Grosse & Salakhutdinov 2016.
    """
    mean, log_variance = (moment.repeat_interleave(draws, 0) for moment in system.posterior(nets, x))
    noise = torch.randn(mean.shape, generator=rng, device=rng.device, dtype=x.dtype)
    z = mean + (0.5 * log_variance).exp() * noise
    nothing = torch.zeros_like(z)
    log_p = system.log_likelihood(nets, x.repeat_interleave(draws, 0), z)
    log_weights = log_p + gaussian_log_prob(z, nothing, nothing) - gaussian_log_prob(z, mean, log_variance)
    return log_weights.unflatten(0, (len(x), draws)).logsumexp(1) - math.log(draws)
