"""Groups of an AnnData: of the real one where it is installed, and of what is like one."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import scipy.sparse

import otgan
from otgan.integrations.anndata import groups

RNG = np.random.default_rng(0)
POINTS = RNG.normal(size=(30, 5))
LABELS = pd.Series(["b", "a", None] * 10, dtype="category")


def stand_in():
    return SimpleNamespace(
        X=scipy.sparse.csr_matrix(POINTS),
        obs=pd.DataFrame({"kind": LABELS, "batch": np.arange(30) % 2}).set_axis(
            [f"cell{k}" for k in range(30)]
        ),
        obsm={"X_pca": POINTS[:, :2]},
        layers={"counts": POINTS + 1},
    )


def real():
    anndata = pytest.importorskip("anndata")
    like = stand_in()
    return anndata.AnnData(X=like.X, obs=like.obs, obsm=like.obsm, layers=like.layers)


@pytest.mark.parametrize("make", [stand_in, real])
def test_groups_are_sets_of_samples(make):
    data = make()
    found = groups(data, "kind", obsm="X_pca")
    assert list(found) == ["a", "b"]
    np.testing.assert_array_equal(found["a"], POINTS[1::3, :2])
    np.testing.assert_array_equal(groups(data, "kind")["b"], POINTS[::3])
    np.testing.assert_array_equal(groups(data, "batch", layer="counts")["1"], POINTS[1::2] + 1)
    assert groups(data, "kind", least=11) == {}
    distances = otgan.pairwise(found)
    assert list(distances.index) == ["a", "b"]


@pytest.mark.parametrize(
    ("given", "kind", "message"),
    [
        ({"obs": "knd"}, ValueError, "data.obs has no 'knd': it has 'kind', 'batch'"),
        ({"obs": "kind", "obsm": "X_umap"}, ValueError, "data.obsm has no 'X_umap': it has 'X_pca'"),
        ({"obs": "kind", "layer": "raw"}, ValueError, "data.layers has no 'raw': it has 'counts'"),
        ({"obs": "kind", "obsm": "X_pca", "layer": "counts"}, ValueError, "both given"),
    ],
)
def test_what_is_not_there_is_said(given, kind, message):
    with pytest.raises(kind, match=message):
        groups(stand_in(), **given)


def test_what_is_no_anndata():
    with pytest.raises(TypeError, match="data must be an AnnData"):
        groups(pd.DataFrame({"kind": [1]}), "kind")


def test_labels_that_are_missing_in_whatever_way():
    data = stand_in()
    for labels in (
        pd.array(["a", "b", None] * 10, dtype="string"),
        pd.array([1, 2, None] * 10, dtype="Int64"),
    ):
        data.obs["kind"] = labels
        assert [len(rows) for rows in groups(data, "kind").values()] == [10, 10]
    data.X = None
    with pytest.raises(ValueError, match=r"data\.X is None"):
        groups(data, "kind")
