"""Laws of codes to decode samples from in place of the prior: fitted after the training to the codes of the data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from otgan.data import Dataset
from otgan.gan.arguments import shown
from otgan.gan.datasets.classes import Labels
from otgan.gan.errors import OptionError
from otgan.gan.networks import Prior, draw_noise
from otgan.gan.systems.capabilities import Encoding
from otgan.solve import transport

__all__ = ["PRIOR", "SAMPLERS", "CodeLaw", "Laws", "check_sampler", "laws_of"]

PRIOR = "prior"
"""The name of the law that codes have in the training."""

_FITTED = 10_000
"""Samples whose codes laws are fitted to, at most; with classes equally many of each."""
_COMPONENTS = 10
"""Gaussians of a mixture."""
_LEAST_VARIANCE = 1e-6
"""Added to the variances of a mixture, over the variance of all codes, coordinate by coordinate."""
_TARGETS = 2000
"""Codes that noise is carried to."""
_BLUR = 0.02
"""ε of the transport to them, over the mean cost of independent pairs, both sets about 0 and of one width."""

Codes = NDArray[np.float32]


class CodeLaw(Protocol):
    """What codes are drawn from."""

    def draw(self, n: int, rng: np.random.Generator) -> Codes:
        """Draw n codes."""


@dataclass(frozen=True, eq=False)
class Mixture:
    """Ten Gaussians of full covariance, fitted by expectation maximization."""

    weights: NDArray[np.float64]
    means: NDArray[np.float64]
    roots: NDArray[np.float64]

    @classmethod
    def fit(cls, codes: Codes, prior: Prior) -> Mixture:
        """Fit to codes, of however many there are."""
        from sklearn.mixture import GaussianMixture  # takes long to import

        del prior
        values = np.repeat(
            codes.astype(np.float64), 2 if len(codes) == 1 else 1, 0
        )  # as scikit-learn wants them
        width = values.std(0)
        scale = np.where(width > 0, width, 1.0)
        count = min(_COMPONENTS, len(np.unique(values, axis=0)))
        found = GaussianMixture(count, reg_covar=_LEAST_VARIANCE, random_state=0).fit(values / scale)
        roots = scale[:, None] * np.linalg.cholesky(found.covariances_)
        return cls(found.weights_, scale * found.means_, roots)

    def draw(self, n: int, rng: np.random.Generator) -> Codes:
        """Draw n codes."""
        which = rng.choice(len(self.weights), n, p=self.weights / self.weights.sum())
        noise = rng.standard_normal((n, self.means.shape[1]))
        drawn = self.means[which] + np.einsum("nij,nj->ni", self.roots[which], noise)
        return drawn.astype(np.float32)


@dataclass(frozen=True, eq=False)
class Carried:
    """Noise of the prior, carried to the codes by the barycentric map of an entropic plan: to means of codes near to one another."""

    codes: Codes
    prior: Prior

    @classmethod
    def fit(cls, codes: Codes, prior: Prior) -> Carried:
        """Keep the first of the codes."""
        return cls(codes[:_TARGETS], prior)

    def draw(self, n: int, rng: np.random.Generator) -> Codes:
        """Draw n codes."""
        source = torch.Generator().manual_seed(int(rng.integers(2**62)))
        # The plan is between as many as the codes, whatever n: a few alone would share all codes among them.
        noise = draw_noise(max(n, len(self.codes)), self.codes.shape[1], self.prior, source).numpy()
        # Shifts and widths change no optimal plan of squares, but those of a regularized one: codes far from the prior would all be their mean.
        start, _, _ = _standard(noise)
        end, center, width = _standard(self.codes)
        spread = float(np.square(start).sum(1).mean() + np.square(end).sum(1).mean())
        plan = transport(start, end, epsilon=_BLUR * (spread or 1.0), tol=1e-3)
        return np.asarray(center + width * plan.barycentric_map()[:n], np.float32)


def _standard(codes: Codes) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Return codes about 0, with a mean square norm of 1 unless all are equal, and the center and width that they had."""
    values = codes.astype(np.float64)
    center = values.mean(0)
    width = float(np.sqrt(np.square(values - center).sum(1).mean())) or 1.0
    return (values - center) / width, center, width


SAMPLERS: dict[str, Callable[[Codes, Prior], CodeLaw]] = {"mixture": Mixture.fit, "transport": Carried.fit}
"""How a law is fitted to codes, by its name."""


@dataclass(frozen=True, eq=False)
class Laws:
    """A law of codes, or one for each class: of samples of one class the codes are not those of another."""

    of_all: CodeLaw | None
    of_class: Mapping[int, CodeLaw]

    def draw(self, n: int, rng: np.random.Generator, labels: Labels | None) -> Codes:
        """Draw n codes, of the classes of labels where there are any."""
        if self.of_all is not None:
            return self.of_all.draw(n, rng)
        assert labels is not None  # the law of a run without classes is of all
        if absent := sorted(set(labels.tolist()) - set(self.of_class)):
            raise OptionError(
                f"no samples to fit the law of codes to are of class number {absent[0]}: sample by the prior"
            )
        drawn = {k: self.of_class[k].draw(int((labels == k).sum()), rng) for k in np.unique(labels).tolist()}
        codes = np.empty((n, next(iter(drawn.values())).shape[1]), np.float32)
        for k, found in drawn.items():
            codes[labels == k] = found
        return codes


class _Coding(Protocol):
    """A model that makes codes of samples."""

    def encode(self, x: Any) -> Codes:
        """Return the codes of samples."""

    def encoding(self) -> Encoding:
        """Return how, or refuse where there is no encoder."""


def laws_of(sampler: str, model: _Coding, data: Callable[[], Dataset], *, by_class: bool) -> Laws | None:
    """Return a law of codes by its name, fitted to those of the data, or one for each class; None for the prior.

    Raises
    ------
    OptionError
        If the model has no encoder.
    """
    if sampler == PRIOR:
        return None
    encoding = model.encoding()
    samples = data()
    rows = np.random.default_rng(0).permutation(len(samples))

    def fitted(rows: NDArray[np.int64], most: int) -> CodeLaw:
        return SAMPLERS[sampler](model.encode(samples.points[rows[:most]]), encoding.prior)

    if samples.labels is None or not by_class:
        return Laws(fitted(rows, _FITTED), {})
    classes = np.unique(samples.labels).tolist()
    most = max(_FITTED // len(classes), 1)
    return Laws(None, {k: fitted(rows[samples.labels[rows] == k], most) for k in classes})


def check_sampler(value: object) -> str:
    """Return the name of a law of codes, the prior's among them."""
    if not isinstance(value, str) or value not in {PRIOR, *SAMPLERS}:
        raise OptionError(f"sampler must be one of {', '.join([PRIOR, *SAMPLERS])}, got {shown(value)}")
    return value
