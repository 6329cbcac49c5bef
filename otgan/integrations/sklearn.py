"""Transport as estimators of scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from otgan.costs import Cost, resolve
from otgan.costs.tiles import tiles_of
from otgan.distances.earth_mover import emd
from otgan.mistakes import WrongValueError
from otgan.solve import transport

__all__ = ["HistogramDistance", "TransportMap"]

_TILE = 2**20
"""Entries of costs that are formed at once."""


class TransportMap(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Map samples to the distribution of a target: learned on some samples, applied to any.

    The map is that of the entropic plan between the samples it is fitted on and those of the target: each point goes to the
    mean of the target's points, weighted by exp((gⱼ − C(x, yⱼ)) / ε), which is defined for new points as well. As ε goes
    to 0 it becomes the optimal map; at any ε it draws points a little toward their mean.

    Parameters
    ----------
    target : array-like of shape (m, d), or {"normal", "uniform"}, default "normal"
        Samples of the target; or as many draws as there are samples, of N(0, I) or of the unit cube.
    epsilon, blur : float, optional
        As for :func:`otgan.transport`; one twentieth of the mean cost by default.
    cost : str, default "euclidean"
        The distance, as for :func:`otgan.transport`.
    p : float, default 2
        Power of the distance.
    tol, max_iter
        As for :func:`otgan.transport`.
    random_state : int, RandomState or None, default 0
        What the draws of a named target follow from.

    Attributes
    ----------
    transport_ : Transport
        The solved problem between the samples and the target.
    target_ : ndarray of shape (m, d)
    source_ : ndarray of shape (n, d)
    n_features_in_ : int
    n_iter_ : int
        Passes over the kernel.

    References
    ----------
    V. Seguy et al., "Large-scale optimal transport and mapping estimation", ICLR 2018. A. Pooladian, J. Niles-Weed,
    "Entropic estimation of optimal transport maps", 2021.

    Examples
    --------
    >>> import numpy as np
    >>> from otgan.integrations.sklearn import TransportMap
    >>> rng = np.random.default_rng(0)
    >>> x, y = rng.normal(size=(200, 2)), rng.normal(size=(200, 2)) + 5
    >>> TransportMap(y, blur=0.1).fit(x).transform([[0.0, 0.0]]).round(0)
    array([[5., 5.]])
    """

    def __init__(
        self,
        target: Any = "normal",
        *,
        epsilon: float | None = None,
        blur: float | None = None,
        cost: Any = "euclidean",
        p: float = 2,
        tol: float | None = None,
        max_iter: int | None = None,
        random_state: Any = 0,
    ) -> None:
        self.target = target
        self.epsilon = epsilon
        self.blur = blur
        self.cost = cost
        self.p = p
        self.tol = tol
        self.max_iter = max_iter
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> TransportMap:
        """Solve the problem between samples and target.

        Parameters
        ----------
        X : array-like of shape (n, d)
        y : ignored
        """
        del y
        self.source_ = validate_data(self, X, dtype=np.float64)
        self.target_ = self._target()
        epsilon = self.epsilon
        if epsilon is None and self.blur is None:
            rule = resolve(self.cost, self.p, self.p)
            weights = [np.full((1, len(side)), 1 / len(side)) for side in (self.source_, self.target_)]
            mean = float(rule.mean(self.source_[None], self.target_[None], *weights)[0])
            epsilon = 0.05 * mean or 1.0
        self.transport_ = transport(
            self.source_,
            self.target_,
            cost=self.cost,
            p=self.p,
            epsilon=epsilon,
            blur=self.blur,
            tol=self.tol,
            max_iter=self.max_iter,
        )
        self.n_iter_ = max(1, int(self.transport_.iterations))
        return self

    def transform(self, X: Any) -> NDArray[np.float64]:
        """Return where points go, shape (k, d).

        Parameters
        ----------
        X : array-like of shape (k, d)
        """
        check_is_fitted(self)
        points = validate_data(self, X, dtype=np.float64, reset=False)
        return self._mapped(points, self.target_, self.transport_.g, forward=True)

    def inverse_transform(self, X: Any) -> NDArray[np.float64]:
        """Return where points of the target come from, shape (k, d).

        Parameters
        ----------
        X : array-like of shape (k, d)
        """
        check_is_fitted(self)
        points = check_array(X, dtype=np.float64)
        if points.shape[1] != self.n_features_in_:
            raise WrongValueError(
                f"X has {points.shape[1]} features, but TransportMap is expecting {self.n_features_in_} features as input"
            )
        return self._mapped(points, self.source_, self.transport_.f, forward=False)

    def _mapped(
        self,
        points: NDArray[np.float64],
        ends: NDArray[np.float64],
        potential: NDArray[np.float64],
        *,
        forward: bool,
    ) -> NDArray[np.float64]:
        rule: Cost = resolve(self.cost, self.p, self.p)
        epsilon = float(self.transport_.epsilon)
        found = np.empty_like(points)
        for rows in tiles_of(len(points), len(ends), _TILE):
            here, there = points[None, rows], ends[None]
            costs = rule.block(here, there)[0] if forward else rule.block(there, here)[0].T
            found[rows] = softmax((potential - costs) / epsilon, axis=1) @ ends
        return found

    def _target(self) -> NDArray[np.float64]:
        if not isinstance(self.target, str):
            target: NDArray[np.float64] = check_array(self.target, dtype=np.float64, input_name="target")
            if target.shape[1] != self.n_features_in_:
                raise WrongValueError(
                    f"target must have the {self.n_features_in_} features of X, got {target.shape[1]}"
                )
            return target
        draws = check_random_state(self.random_state)
        if self.target == "normal":
            return draws.standard_normal(self.source_.shape)
        if self.target == "uniform":
            return draws.random_sample(self.source_.shape)
        raise WrongValueError(f"target must be samples, 'normal' or 'uniform', got {self.target[:40]!r}")


class HistogramDistance:
    """The exact earth mover's distance between histograms over one support, as a ``metric=`` of scikit-learn.

    Rows are the masses of the bins; each is normalized to total 1.

    Parameters
    ----------
    support : array-like of shape (k, d) or (k,)
        Where the bins are.
    cost : str or callable, default "euclidean"
        The distance between bins, as for :func:`otgan.emd`.
    p : float, default 1
        Power of the distance.

    Examples
    --------
    >>> from sklearn.neighbors import KNeighborsClassifier
    >>> from otgan.integrations.sklearn import HistogramDistance
    >>> rows, labels = [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1]], ["left", "left", "right"]
    >>> nearest = KNeighborsClassifier(1, metric=HistogramDistance([0, 1, 2, 3])).fit(rows, labels)
    >>> nearest.predict([[0, 0, 1, 1]]).tolist()
    ['right']
    """

    def __init__(self, support: Any, cost: Any = "euclidean", p: float = 1.0) -> None:
        points = np.asarray(support, dtype=np.float64)
        self.support = points[:, None] if points.ndim == 1 else points
        self.cost, self.p = cost, p

    def __call__(self, u: Any, v: Any) -> float:
        """Return the distance between two rows."""
        return float(emd(self.support, self.support, u, v, cost=self.cost, p=self.p))
