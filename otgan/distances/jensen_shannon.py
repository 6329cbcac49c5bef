"""The Jensen–Shannon divergence."""

from __future__ import annotations

import math
from typing import Any

from otgan.distances.divergence import Divergence
from otgan.pair import pair
from otgan.quiet import quiet
from otgan.spelling import answer_misspelt

__all__ = ["METRIC", "js"]


@quiet
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
    r"""Jensen–Shannon divergence ½ KL(P_x ‖ M) + ½ KL(P_y ‖ M), M = ½(P_x + P_y), in nats.

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

    See Also
    --------
    otgan.kl : A divergence that may be infinite.
    otgan.tv : The share of the mass that is not shared.
    otgan.emd : Exact transport, as a length.

    Notes
    -----
    .. math::

        \mathrm{JS} = \tfrac12 \mathrm{KL}(P_x \,\|\, M) + \tfrac12 \mathrm{KL}(P_y \,\|\, M), \qquad M = \tfrac12 (P_x + P_y)

    Examples
    --------
    >>> import otgan
    >>> otgan.js([0, 1], [1, 2], base=2)
    0.5
    """
    options = {"bins": bins, "bin_width": bin_width, "outside": outside, "k": k}
    return METRIC.between(pair(x, y, a, b), estimator, options, base)


class _JensenShannon(Divergence):
    symbol = "JS"
    ceiling = math.log(2)


METRIC = _JensenShannon(js)
