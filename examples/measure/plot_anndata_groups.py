"""
Groups of cells
===============

Which kinds of cells are near each other, and which change between two conditions? An AnnData has observations with labels
and an embedding; each group of them is a set of samples. The one here is a stand-in with the same attributes, so that the page can be made
without anndata; nothing in the code below would change.
"""

from types import SimpleNamespace

import numpy as np
import pandas as pd

import otgan
from otgan.integrations.anndata import groups

rng = np.random.default_rng(0)
kinds = np.array(["B", "T", "NK", "monocyte", "dendritic"])
centers = rng.normal(size=(5, 10)) * [[2.0], [2.0], [2.0], [3.0], [3.0]]
centers[2] = centers[1] + 0.8 * rng.normal(size=10) / np.sqrt(10)  # NK cells are near T cells
label, treated = rng.integers(0, 5, 1500), rng.integers(0, 2, 1500)
embedding = centers[label] + rng.normal(size=(1500, 10))
embedding[(kinds[label] == "monocyte") & (treated == 1), 0] += 1.0  # monocytes respond to the treatment
data = SimpleNamespace(
    obs=pd.DataFrame({"cell_type": kinds[label], "treated": treated}),
    obsm={"X_pca": embedding},
    X=embedding,
    layers={},
)

# %%
# All pairs of kinds.

sets = groups(data, "cell_type", obsm="X_pca")
figure = otgan.plot.pairwise(otgan.pairwise(sets))

# %%
# Each kind with and without treatment: a test of every pair of the ten groups, of which five pairs are of interest.

data.obs["group"] = data.obs["cell_type"] + np.where(data.obs["treated"] == 1, ", treated", "")
tests = otgan.pairwise_tests(groups(data, "group", obsm="X_pca"), distance="energy", permutations=1999)
different = tests.different()
for kind in kinds:
    row, column = tests.names.index(kind), tests.names.index(f"{kind}, treated")
    found = "differs" if different.iloc[row, column] else "no difference found"
    print(f"{kind}: {found}, effect size {tests.effects[row, column]:.3f}")
