"""
Can it be chance?
=================

Two sets of samples are never at distance 0, even if they are draws of one population. A permutation test asks how far apart
the two sides of random splits of all samples are, as if chance had divided them, and whether what was measured stands out.
"""

import matplotlib.pyplot as plt
import numpy as np

import otgan

rng = np.random.default_rng(0)

# %%
# Twenty dimensions, 200 samples of either side. First two draws of one population: the distance is far from 0, and chance
# alone gives as much.

x, same = rng.normal(size=(2, 200, 20))
test = otgan.two_sample_test(x, same, distance="emd")
print(test)
figure = test.plot()

# %%
# Then a shift by a fifth of a standard deviation in every coordinate. The distance is hardly larger, and no split comes near it.

test = otgan.two_sample_test(x, same + 0.2, distance="emd")
print(test)
figure = test.plot()

# %%
# Which differences are found depends on the distance. The same number of samples with other spreads, tails, and with
# coordinates that depend on each other: how often each of four distances finds a difference in twenty draws, at level 5 %.

kinds = {
    "none": lambda draw: draw.normal(size=(60, 5)),
    "shift": lambda draw: draw.normal(size=(60, 5)) + 0.35,
    "spread": lambda draw: draw.normal(size=(60, 5)) * 1.35,
    "tails": lambda draw: draw.standard_t(2, size=(60, 5)) * 0.7,
    "dependence": lambda draw: draw.normal(size=(60, 5)) @ np.linalg.cholesky(0.6 + 0.4 * np.eye(5)).T,
}
distances = ("energy", "mmd", "emd", "sinkhorn_divergence")
found = np.zeros((len(kinds), len(distances)))
for row, draw in enumerate(kinds.values()):
    for _ in range(20):
        left, right = rng.normal(size=(60, 5)), draw(rng)
        for column, distance in enumerate(distances):
            test = otgan.two_sample_test(left, right, distance=distance, permutations=99)
            found[row, column] += test.rejects() / 20
picture, axis = plt.subplots(figsize=(7, 3), layout="constrained")
for column, distance in enumerate(distances):
    axis.bar(np.arange(len(kinds)) + 0.2 * (column - 1.5), found[:, column], width=0.18, label=distance)
axis.axhline(0.05, color="#333333", linewidth=1, linestyle=":")
axis.set_xticks(range(len(kinds)), list(kinds))
axis.set(ylabel="share of draws called different")
axis.legend(frameon=False, fontsize=9)
axis.spines[["top", "right"]].set_visible(False)
plt.show()

# %%
# Before and after on the same individuals: exchanges within pairs see what splits of the pool do not.

before = rng.normal(size=(80, 2)) * 5
after = before + 0.4 + 0.5 * rng.normal(size=(80, 2))
for paired in (False, True):
    print(otgan.two_sample_test(before, after, paired=paired))
