"""The public functions: each names an estimator, asks it for one divergence and hands the number back."""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor

from otgan.divergences.bins import histogram
from otgan.divergences.cells import Cells, atoms
from otgan.divergences.neighbors import Neighbors, knn
from otgan.form import Form
from otgan.measure import Pair, pair
from otgan.mistakes import WrongValueError
from otgan.normal_form import Side
from otgan.options import WrongKindError, number, shown
from otgan.spelling import answer_misspelt

__all__ = ["ESTIMATORS", "OPTIONS", "estimate", "js", "kl", "tv"]

ESTIMATORS = {
    "kl": ("atoms", "histogram", "knn"),
    "js": ("atoms", "histogram", "knn"),
    "tv": ("atoms", "histogram"),
}
"""The estimators that each divergence has."""

OPTIONS: dict[str, tuple[str, ...]] = {
    "atoms": (),
    "histogram": ("bins", "bin_width", "outside"),
    "knn": ("k",),
}
"""The options that each estimator takes."""


@answer_misspelt
def kl(
    x: Any,
    y: Any,
    a: Any = None,
    b: Any = None,
    *,
    estimator: str = "atoms",
    base: float | None = None,
    bins: Any = None,
    bin_width: Any = None,
    outside: str | None = None,
    k: int | None = None,
) -> Any:
    """Kullback–Leibler divergence KL(P_x ‖ P_y) = E_x log(dP_x/dP_y), in nats.

    Parameters
    ----------
    x, y : array-like, shapes (n, d) and (m, d), (n,) and (m,), or batches (B, n, d) and (B, m, d)
        The samples; lists of 2-D arrays are batches of problems that differ in size.
    a, b : array-like, shapes (n,) and (m,), or (B, n) and (B, m), optional
        Their weights, uniform if omitted. Each side is normalized. Samples of weight 0 are left out.
    estimator : {"atoms", "histogram", "knn"}
        How samples become distributions, which is a choice that decides the number:

        - "atoms": not at all. The divergence of the two empirical measures, exact, identical points merged.
          It is ∞ unless every point of x is also one of y, as between independent draws of densities.
        - "histogram": their masses in common bins. The bins must be stated, and the value moves with them,
          both ways; ∞ where a bin holds samples of x only.
        - "knn": an estimate of the divergence of two densities on ℝᵈ that the samples were drawn from
          (Wang, Kulkarni, Verdú 2009): finite, possibly slightly negative. See `Neighbors.kl`.
    base : float, optional
        The base of the logarithm, e, if omitted; 2 gives bits.
    bins, bin_width, outside
        The bins of "histogram"; exactly one of the first two must be given.

        - ``bins=20``: that many equal bins over the joint range, in each dimension.
        - ``bins="scott"``, ``"fd"``, ``"sturges"``: as many as that rule finds for x and y taken together.
        - ``bins=edges``: increasing edges that serve every dimension, or a sequence of d such.
          Samples outside them are an error, or with ``outside="overflow"`` go to open bins on either side.
        - ``bin_width=0.1``: bins [k w, (k + 1) w); a length, or one a dimension.
    k : int, optional
        The neighbor that "knn" uses; 3 if omitted.

    Returns
    -------
    float, ndarray of shape (B,), or Tensor
        Torch samples give a tensor of their type on their device, without dimensions or of shape (B,),
        differentiable in the weights ("atoms", "histogram") or in the samples ("knn"). Atoms and bins do not
        change under small moves of the samples, or change abruptly: no gradient reaches the samples there.
        A sample of weight 0 gets the gradient of its normalization only, and an infinite value has gradient 0.

    Raises
    ------
    TypeError, ValueError
        If the samples or weights are refused by `Measure.of`, an option belongs to another estimator, or
        the estimator refuses what it is given.

    Examples
    --------
    >>> import otgan
    >>> otgan.kl([0, 0, 1], [0, 1, 1])
    0.231...
    >>> otgan.kl([0.0, 0.5], [0.5, 1.0])
    inf
    """
    options = {"bins": bins, "bin_width": bin_width, "outside": outside, "k": k}
    return _divergence("kl", x, y, a, b, estimator, options, unit=_unit(base))


@answer_misspelt
def js(
    x: Any,
    y: Any,
    a: Any = None,
    b: Any = None,
    *,
    estimator: str = "atoms",
    base: float | None = None,
    bins: Any = None,
    bin_width: Any = None,
    outside: str | None = None,
    k: int | None = None,
) -> Any:
    """Jensen–Shannon divergence ½ KL(P_x ‖ M) + ½ KL(P_y ‖ M), M = ½(P_x + P_y), in nats.

    It is the divergence, in [0, log 2], not its square root, which is the metric that
    :func:`scipy.spatial.distance.jensenshannon` returns.

    Parameters
    ----------
    x, y, a, b
        As for :func:`otgan.kl`.
    estimator : {"atoms", "histogram", "knn"}
        As for :func:`otgan.kl`. "atoms" is log 2 between independent draws of densities, whichever they are.
        "knn" compares densities by the shares of both sets among neighbors, see `Neighbors.js`; it holds on
        manifolds and for repeated samples too, and no gradient passes through it.
    base, bins, bin_width, outside, k
        As for :func:`otgan.kl`.

    Returns
    -------
    float, ndarray of shape (B,), or Tensor
        As for :func:`otgan.kl`.

    Raises
    ------
    TypeError, ValueError
        As :func:`otgan.kl`.

    Examples
    --------
    >>> import otgan
    >>> otgan.js([0, 1], [1, 2], base=2)
    0.5
    """
    options = {"bins": bins, "bin_width": bin_width, "outside": outside, "k": k}
    return _divergence("js", x, y, a, b, estimator, options, unit=_unit(base))


@answer_misspelt
def tv(
    x: Any,
    y: Any,
    a: Any = None,
    b: Any = None,
    *,
    estimator: str = "atoms",
    bins: Any = None,
    bin_width: Any = None,
    outside: str | None = None,
) -> Any:
    """Total variation ``sup_A |P_x(A) − P_y(A)| = ½ Σ |p − q|``, in [0, 1].

    Parameters
    ----------
    x, y, a, b
        As for :func:`otgan.kl`.
    estimator : {"atoms", "histogram"}
        As for :func:`otgan.kl`. "atoms" is 1 between independent draws of densities, whichever they are.
        Nearest neighbors give no sound estimate of it.
    bins, bin_width, outside
        As for :func:`otgan.kl`.

    Returns
    -------
    float, ndarray of shape (B,), or Tensor
        As for :func:`otgan.kl`. Where two masses are equal its derivative in them is taken as 0.

    Raises
    ------
    TypeError, ValueError
        As :func:`otgan.kl`.

    Examples
    --------
    >>> import otgan
    >>> otgan.tv([0, 1, 2, 3], [2, 3, 4, 5])
    0.5
    """
    options = {"bins": bins, "bin_width": bin_width, "outside": outside}
    return _divergence("tv", x, y, a, b, estimator, options)


def estimate(divergence: str, both: Pair, estimator: str, **options: Any) -> Cells | Neighbors:
    """Return what an estimator makes of two measures: :class:`Cells` or :class:`Neighbors`.

    Its methods `kl`, `js` and (for cells) `tv` are the values in nats, of shape (B,). It may serve several
    divergences; `divergence` is only the one that error messages speak of.

    Parameters
    ----------
    divergence : {"kl", "js", "tv"}
    both : Pair
    estimator : str
        One of ``ESTIMATORS[divergence]``.
    **options
        Those of the estimator; None stands for one that was not given.

    Raises
    ------
    ValueError
        If the divergence has no such estimator, or an option belongs to another one.
    """
    names = ", ".join(map(repr, ESTIMATORS[divergence]))
    if not isinstance(estimator, str):
        raise WrongKindError(f"estimator must be one of {names}, got {shown(estimator)}")
    if estimator not in ESTIMATORS[divergence]:
        raise WrongValueError(f"{divergence} has no estimator {estimator[:40]!r}: it has {names}")
    both = Pair(Side.of(both.x).measure, Side.of(both.y).measure)
    given = {name: value for name, value in options.items() if value is not None}
    for name in given:
        if name not in OPTIONS[estimator]:
            owner = next(other for other, names in OPTIONS.items() if name in names)
            raise WrongValueError(
                f"{name}= is an option of estimator={owner!r}, but estimator={estimator!r} was asked for"
            )
    match estimator:
        case "atoms":
            return atoms(both)
        case "histogram":
            return histogram(both, **given)
        case _:
            return knn(both, **given)


def _divergence(
    name: str, x: Any, y: Any, a: Any, b: Any, estimator: str, options: dict[str, Any], unit: float = 1.0
) -> Any:
    both = pair(x, y, a, b)
    value: Tensor = getattr(estimate(name, both, estimator, **options), name)()
    return Form.of(both).scalar(value / unit)


def _unit(base: float | None) -> float:
    """Return what a value in nats is divided by."""
    if base is None:
        return 1.0
    return math.log(number(base, "base", "a number above 1 (None: e, for nats; 2: bits)", above=1))
