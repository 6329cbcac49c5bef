"""Groups of cells, or of whatever an AnnData holds, as sets of samples; anndata itself is not imported."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from otgan.mistakes import WrongValueError
from otgan.options import WrongKindError, shown

__all__ = ["groups"]

_FEW = 8
"""Names that a message lists."""


def groups(
    data: Any, obs: str, *, obsm: str | None = None, layer: str | None = None, least: int = 1
) -> dict[str, NDArray[np.float64]]:
    """Return the samples of each group of observations, by the names of the groups.

    What :func:`otgan.pairwise`, :func:`otgan.pairwise_tests` and the items of :func:`otgan.compare` take.

    Parameters
    ----------
    data : anndata.AnnData, or what has its ``obs``, ``obsm``, ``X`` and ``layers``
    obs : str
        The column of ``data.obs`` that says which group an observation is of; those without one are left out.
    obsm : str, optional
        The embedding in ``data.obsm`` that samples are taken from, as "X_pca"; ``data.X`` by default.
    layer : str, optional
        The layer in place of ``data.X``.
    least : int
        Groups of fewer observations are left out.

    Returns
    -------
    dict of str to ndarray of shape (nᵢ, d)

    Raises
    ------
    TypeError, ValueError
        If there is no such column or embedding.
    """
    if not hasattr(data, "obs") or not hasattr(data, "obsm"):
        raise WrongKindError(f"data must be an AnnData, with obs and obsm, got {shown(data)}")
    if obsm is not None and layer is not None:
        raise WrongValueError("obsm and layer were both given: samples are of one of them")
    labels = _item(data.obs, obs, "obs")
    values = data.X if obsm is None else _item(data.obsm, obsm, "obsm")
    if layer is not None:
        values = _item(data.layers, layer, "layers")
    if values is None:
        raise WrongValueError("data.X is None: name an embedding with obsm, or a layer")
    if hasattr(values, "toarray"):
        values = values.toarray()
    points = np.asarray(values, dtype=np.float64)
    import pandas as pd  # which whoever has an AnnData has

    held = ~np.asarray(pd.isna(labels), dtype=np.bool_)
    names = np.array([str(label) if there else "" for label, there in zip(labels, held, strict=True)])
    found = {name: points[held & (names == name)] for name in dict.fromkeys(names[held].tolist())}
    return {name: rows for name, rows in sorted(found.items()) if len(rows) >= least}


def _item(holder: Any, name: str, owner: str) -> Any:
    keys = list(holder.keys())
    if name not in keys:
        some = ", ".join(map(repr, keys[:_FEW])) or "none"
        raise WrongValueError(f"data.{owner} has no {name!r}: it has {some}")
    return holder[name]
