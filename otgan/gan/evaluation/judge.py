"""How good samples are: the exact distance to held-out data beside its floor, and the modes that are covered."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from otgan.data import Dataset, Modes
from otgan.distances import emd
from otgan.gan.datasets.training_data import TrainingData
from otgan.gan.errors import RunError
from otgan.gan.evaluation.classifier import Classifier
from otgan.gan.evaluation.fidelity import class_tv, frechet, kernel_distance, neighborhoods, sharpness
from otgan.gan.networks import Space

__all__ = ["Judge", "mode_coverage"]

Rows = NDArray[np.float32]

MODE_RADIUS = 0.1
"""How near to a mode is in it."""
MODE_MASS = 0.01
"""The share of the samples that covers a mode, or a class."""
_NEAREST, _KNOWN = 5, 10_000
"""Training samples that say of which class a point is, and those of which they are the nearest, at most."""
_DRAWS = 8
"""Draws of points whose mean distance is the floor of EM."""


class Judge:
    """Evaluates samples against held-out data.

    Every number stands beside its real–real floor, the same number between as many held-out samples and training
    samples: two independent draws of the data; that of EM between points is the mean of eight draws of training samples.
    Floors are measured once for each size.

    Parameters
    ----------
    train, held_out : Dataset
    """

    def __init__(self, train: Dataset, held_out: Dataset) -> None:
        self.train, self.held_out = train, held_out
        self._floors: dict[int, dict[str, Any]] = {}
        self._gaussian: dict[int, float] = {}
        self._real: dict[int, Rows] = {}
        self._accuracies: dict[int, float] = {}

    @classmethod
    def for_space(cls, space: Space, data: TrainingData) -> Judge:
        """Make the judge of samples from a space by data that are not those of its run.

        Raises
        ------
        RunError
            If the data are of another shape.
        """
        if data.space != space:
            raise RunError(
                f"this run makes samples of shape {space.shape}, and cannot be compared with {data.train.name}, "
                f"whose samples have shape {data.space.shape}: name data of its own shape"
            )
        return cls(data.train, data.held_out)

    def real_samples(self) -> Rows:
        """Return the held-out samples, of shape (n, d), or (n, C, H, W) for images."""
        points = self.held_out.points
        return points.reshape(len(points), *(self.held_out.shape or (self.held_out.dim,)))

    def size(self, n: int) -> int:
        """Return how many samples are compared when n are wanted: no more than there are real ones."""
        return min(n, len(self.held_out), len(self.train))

    def __call__(self, samples: Rows, label: NDArray[np.int64] | None = None) -> dict[str, Any]:
        """Compare as many samples, of shape (n, d) or (n, C, H, W), as there are held-out ones at most.

        Parameters
        ----------
        samples : ndarray
        label : ndarray, shape (n,), optional
            The class that each was made for.

        Returns
        -------
        dict
            ``n``; ``em``, the exact W₁ to n held-out samples, of images between their pixels. For mixtures ``modes``
            covered of ``modes_total``, and ``in_modes``, the share of samples within .1 of a mode. For labelled images
            what :meth:`fidelity` finds. For samples made by class ``conditional_accuracy``, the share of them that are of their
            class by the judge, which knows it by :meth:`classes_of`; its floor is that of held-out samples. With the ending ``_floor``, what real samples reach.
        """
        n = self.size(len(samples))
        if n not in self._floors:
            self._floors[n] = {f"{name}_floor": value for name, value in self._measure_real(n).items()}
        found: dict[str, Any] = {"n": n, **self._measure(samples[:n].reshape(n, -1)), **self._floors[n]}
        if self.held_out.modes is not None:
            found["modes_total"] = len(self.held_out.modes)
        if self._labelled:
            found |= self._references(n)
        if label is not None and self.train.labels is not None:
            known = np.isin(label[:n], self.train.labels)  # other data may have fewer classes
            if known.any():
                found |= self._accuracy(samples[:n].reshape(n, -1)[known], label[:n][known], n)
        return found

    def _accuracy(self, rows: Rows, label: NDArray[np.int64], n: int) -> dict[str, float]:
        if n not in self._accuracies:
            real = self.held_out.take(slice(n))
            self._accuracies[n] = float((self.classes_of(real.points) == real.labels).mean())
        found = float((self.classes_of(rows) == label).mean())
        return {"conditional_accuracy": found, "conditional_accuracy_floor": self._accuracies[n]}

    def classes_of(self, rows: Rows) -> NDArray[np.int64]:
        """Return the class of each sample, of images by the classifier, of points by the majority of its five nearest training samples."""
        if self._labelled:
            return self.classifier.classes_of(self._features(rows))
        found: NDArray[np.int64] = self._neighbors.predict(rows)
        return found

    @cached_property
    def _neighbors(self) -> Any:
        from sklearn.neighbors import KNeighborsClassifier  # takes long to import

        known = self.train.take(slice(_KNOWN))
        nearest = KNeighborsClassifier(min(_NEAREST, len(known)))
        return nearest.fit(known.points, known.labels)

    def _measure_real(self, n: int) -> dict[str, Any]:
        """Measure training samples; EM of points by the mean of several draws, as it differs much from one to the next."""
        rng = np.random.default_rng(0)
        rows = rng.choice(len(self.train), n, replace=False)
        found = self._measure(self.train.points[rows])
        if self.train.shape is None:
            real = self.held_out.points[:n]
            draws = [rng.choice(len(self.train), n, replace=False) for _ in range(_DRAWS - 1)]
            found["em"] = float(
                np.mean([found["em"], *(_emd(self.train.points[rows], real) for rows in draws)])
            )
        return found

    def _measure(self, rows: Rows) -> dict[str, Any]:
        real = self.held_out.points[: len(rows)]
        found: dict[str, Any] = {"em": _emd(rows, real)}
        if self.held_out.modes is not None:
            found["modes"], found["in_modes"] = mode_coverage(rows, self.held_out.modes)
        if self._labelled:
            found |= self.fidelity(rows)
        return found

    @cached_property
    def _labelled(self) -> bool:
        """Whether these are images of more than one class."""
        labels = self.train.labels
        return self.train.shape is not None and labels is not None and len(np.unique(labels)) > 1

    @cached_property
    def classifier(self) -> Classifier:
        """The classifier whose features images are judged by; it needs their labels."""
        return Classifier.of(self.train, self.held_out)

    def fidelity(self, rows: Rows) -> dict[str, Any]:
        """Compare images in the features of the classifier.

        Returns
        -------
        dict
            ``classifier_frechet``, :func:`~otgan.gan.evaluation.fidelity.frechet`, which is no FID: the features are others;
            ``kid``; ``precision``, ``recall``, ``density``, ``coverage``; ``class_tv``, between the shares of the classes;
            ``classes``, how many have at least 1 % of the images; ``sharpness``, that of the images, whose ``sharpness_floor``
            is that of real ones.
        """
        real = self._real_features(len(rows))
        fake = self._features(rows)
        total = len(self.train.classes)
        labels = self.classifier.classes_of(fake)
        return {
            "classifier_frechet": frechet(real, fake),
            "kid": kernel_distance(real, fake),
            **neighborhoods(real, fake),
            "class_tv": class_tv(self.classifier.classes_of(real), labels, total),
            "classes": int((np.bincount(labels, minlength=total) >= MODE_MASS * len(rows)).sum()),
            "sharpness": sharpness(rows.reshape(len(rows), *self.train.images().shape[1:])),
        }

    def _references(self, n: int) -> dict[str, Any]:
        """What the numbers are to be read against: the classifier's accuracy, and a Gaussian with the pixels' moments."""
        if n not in self._gaussian:
            pixels = self.train.points.astype(np.float64)
            rng = np.random.default_rng(0)
            values, vectors = np.linalg.eigh(np.cov(pixels, rowvar=False))
            noise = rng.standard_normal((n, pixels.shape[1])) * np.sqrt(values.clip(0))
            fake = self._features((pixels.mean(0) + noise @ vectors.T).astype(np.float32))
            self._gaussian[n] = frechet(self._real_features(n), fake)
        return {
            "classes_total": len(self.train.classes),
            "classifier_frechet_gaussian": self._gaussian[n],
            "classifier_accuracy": self.classifier.accuracy,
        }

    def _real_features(self, n: int) -> Rows:
        if n not in self._real:
            self._real[n] = self._features(self.held_out.points[:n])
        return self._real[n]

    def _features(self, rows: Rows) -> Rows:
        assert self.train.shape is not None
        return self.classifier.features(rows.reshape(len(rows), *self.train.shape))


def mode_coverage(points: NDArray[Any], modes: Modes) -> tuple[int, float]:
    """Count the modes that have at least 1 % of the points within .1 of their centers; and the share of all such points.

    Parameters
    ----------
    points : ndarray, shape (n, d)
    modes : Modes

    Returns
    -------
    covered : int
    inside : float
    """
    distance = np.linalg.norm(points[:, None] - modes.centers[None], axis=-1)
    nearest = distance.argmin(1)
    inside = distance[np.arange(len(points)), nearest] <= MODE_RADIUS
    counts = np.bincount(nearest[inside], minlength=len(modes))
    return int((counts >= MODE_MASS * len(points)).sum()), float(inside.mean())


def _emd(x: NDArray[Any], y: NDArray[Any]) -> float:
    return float(emd(x.astype(np.float64), y.astype(np.float64)))
