"""Total variation."""

from __future__ import annotations

from typing import Any

from otgan.distances.divergence import Divergence
from otgan.pair import pair
from otgan.quiet import quiet
from otgan.spelling import answer_misspelt

__all__ = ["METRIC", "tv"]


@quiet
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
    r"""Total variation ``sup_A |P_x(A) − P_y(A)| = ½ Σ |p − q|``, in [0, 1].

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

    See Also
    --------
    otgan.js : A divergence that is symmetric and bounded.
    otgan.kl : A divergence that may be infinite.
    otgan.emd : Exact transport, as a length.

    Notes
    -----
    .. math::

        \mathrm{TV} = \sup_A\, \lvert P_x(A) - P_y(A) \rvert = \tfrac12 \sum \lvert p - q \rvert

    Examples
    --------
    >>> import otgan
    >>> otgan.tv([0, 1, 2, 3], [2, 3, 4, 5])
    0.5
    """
    options = {"bins": bins, "bin_width": bin_width, "outside": outside}
    return METRIC.between(pair(x, y, a, b), estimator, options)


class _TotalVariation(Divergence):
    symbol = "TV"
    ceiling = 1.0
    estimators = ("atoms", "histogram")

    def label(self, p: float | None) -> str:
        return self.title(p)

    def unit(self, p: float | None) -> str:
        del p
        return "share of the mass"


METRIC = _TotalVariation(tv)
