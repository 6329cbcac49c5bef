"""The Kullback–Leibler divergence."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from otgan.distances.distance import Distance
from otgan.distances.divergence import Divergence
from otgan.distances.findings import Caveat, Findings, Stage
from otgan.pair import pair
from otgan.quiet import quiet
from otgan.spelling import answer_misspelt

__all__ = ["METRIC", "kl"]

_MANY = 10
"""Dimensions from which on estimates by nearest neighbors are far off where densities barely overlap."""


@quiet
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
    r"""Kullback–Leibler divergence KL(P_x ‖ P_y) = E_x log(dP_x/dP_y), in nats.

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

    See Also
    --------
    otgan.js : A divergence that is symmetric and bounded.
    otgan.tv : The share of the mass that is not shared.
    otgan.emd : Exact transport, as a length.

    Notes
    -----
    .. math::

        \mathrm{KL}(P_x \,\|\, P_y) = \mathbb E_{x} \log \frac{\mathrm d P_x}{\mathrm d P_y}(x)

    Examples
    --------
    >>> import otgan
    >>> otgan.kl([0, 0, 1], [0, 1, 1])
    0.231...
    >>> otgan.kl([0.0, 0.5], [0.5, 1.0])
    inf
    """
    options = {"bins": bins, "bin_width": bin_width, "outside": outside, "k": k}
    return METRIC.between(pair(x, y, a, b), estimator, options, base)


def _infinite(found: Findings, mine: Sequence[Distance]) -> Iterator[str]:
    for each in mine:
        held = each.support
        if each.value == math.inf and held is not None and held.shared > 0:
            what = "points" if each.estimator == "atoms" else "bins"
            outside = held.x - held.shared
            yield (
                f"KL is infinite because {outside} of the {held.x} {what} of {found.names[0]} "
                f"{'are' if outside > 1 else 'is'} not among those of {found.names[1]}: one is enough, and the "
                "others do not count"
            )


def _neighbors(found: Findings, mine: Sequence[Distance]) -> Iterator[str]:
    if found.dimension > _MANY and any(each.estimator == "knn" for each in mine):
        yield (
            f"KL by nearest neighbors is far too small in {found.dimension} dimensions where the sets barely "
            "overlap: compare it with itself only"
        )


class _KullbackLeibler(Divergence):
    symbol = "KL"
    symmetric = False
    caveats = (*Divergence.caveats, Caveat(Stage.SATURATED, _infinite), Caveat(Stage.SETTING, _neighbors))


METRIC = _KullbackLeibler(kl)
