"""What a run does with codes: samples to codes, and codes to samples."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from otgan.gan.model import Model

__all__ = ["Latent"]


class Latent:
    """A run whose model has codes: latent vectors, which an encoder makes of samples where there is one."""

    model: Model

    def encode(self, x: ArrayLike | Tensor, seed: int | None = None) -> NDArray[np.float32]:
        """Return the code of each sample: the mean of Q(z|x), or of an implicit encoder a draw, always the same.

        Parameters
        ----------
        x : array-like, shape (n, d), or (n, C, H, W) for images
            In the units of the data. Images may be rows of pixels too.
        seed : int, optional
            Draw each code from Q(z|x) instead. A deterministic encoder always returns the same.

        Returns
        -------
        ndarray of float32, shape (n, latent)

        Raises
        ------
        OptionError
            If the system has no encoder, or x has another shape than the data.
        """
        return self.model.encode(x, seed)

    def decode(self, z: ArrayLike | Tensor, *, label: Any = None) -> NDArray[np.float32]:
        """Return what the generator makes of codes, or of any latent vectors.

        Parameters
        ----------
        z : array-like, shape (n, latent)
        label : int, str or sequence of them, optional
            Of a conditional run the class of all samples, or of each, which must be given.

        Returns
        -------
        ndarray of float32, shape (n, d), or (n, C, H, W) for images
            In the units of the data.

        Raises
        ------
        OptionError
            If z has another shape.
        """
        return self.model.decode(z, label)

    def reconstruct(
        self, x: ArrayLike | Tensor, seed: int | None = None, *, label: Any = None
    ) -> NDArray[np.float32]:
        """Encode samples and decode their codes.

        Parameters
        ----------
        x, seed
            As for :meth:`encode`.
        label
            As for :meth:`decode`.

        Returns
        -------
        ndarray of float32, shape (n, d), or (n, C, H, W) for images
            In the units of the data.
        """
        return self.model.reconstruct(x, seed, label)

    def traverse(
        self, x: ArrayLike | Tensor, steps: int = 9, reach: float = 2.0, *, label: Any = None
    ) -> NDArray[np.float32]:
        """Decode the code of a sample while one of its coordinates after the other crosses the prior.

        Parameters
        ----------
        x : array-like, shape (d,), or (C, H, W) for an image
        steps : int, default 9
            Places of a coordinate, from `reach` standard deviations of the prior below its mean to as many above.
        reach : float, default 2
        label
            As for :meth:`decode`.

        Returns
        -------
        ndarray of float32, shape (k, steps, d), or (k, steps, C, H, W) for images
            For the first k coordinates of the code, 16 at most; the others stay as x has them.
        """
        return self.model.traverse(x, steps, reach, label)
