"""
How far from zero is zero?
==========================

Two draws of one population are not at distance 0. How far apart they are depends on the distance, on the dimension, and on how
many samples there are: a number that is below this floor says nothing.
"""

import matplotlib.pyplot as plt
import numpy as np

import otgan

rng = np.random.default_rng(0)

# %%
# The mean distance of two draws of a standard Gaussian, in two and in ten dimensions. The Sinkhorn divergence and the energy distance
# grow like squares near 0: their roots are beside the earth mover's distance.

sizes = (25, 50, 100, 200, 400)
distances = {
    "earth mover's distance": otgan.emd,
    "√ Sinkhorn divergence, blur 1": lambda x, y: otgan.sinkhorn_divergence(x, y, blur=1.0) ** 0.5,
    "√ energy distance": lambda x, y: otgan.energy(x, y) ** 0.5,
}
floors = {}
for d in (2, 10):
    for name, distance in distances.items():
        floors[d, name] = [
            np.mean([distance(*rng.normal(size=(2, n, d))) for _ in range(max(2, 400 // n))]) for n in sizes
        ]

# %%
# By how much a floor falls when the samples become four times as many. A half is what averages do, and what the energy distance does
# in every dimension. The exact distance falls as n to the power −1/d, where d is above 2: by 13 % only, at d = 10. The Sinkhorn divergence
# is between the two, the nearer to the former the larger its blur.

for (d, name), floor in floors.items():
    print(f"d = {d:2d}, {name:30s} {floor[-1]:.3f} at n = {sizes[-1]}, times {floor[-1] / floor[-3]:.2f}")

picture, axes = plt.subplots(1, 2, figsize=(9, 3.6), sharey=True, layout="constrained")
for axis, d in zip(axes, (2, 10), strict=True):
    for name, color, marker in zip(distances, ("#0072b2", "#d55e00", "#009e73"), "o^s", strict=True):
        axis.loglog(sizes, floors[d, name], color=color, marker=marker, markersize=5, label=name)
    axis.set_title(f"two draws of one Gaussian, d = {d}", loc="left", fontsize=10)
    axis.set_xlabel("samples in each draw")
    axis.set_xticks(sizes, [str(n) for n in sizes])
    axis.minorticks_off()
    axis.spines[["top", "right"]].set_visible(False)
axes[0].set_ylabel("mean distance (units of the samples)")
picture.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
plt.show()

# %%
# A report measures the floor of the sets that it is given, by halves of them.

x, y = rng.normal(size=(2, 200, 10))
print(otgan.compare(x, y, metrics="emd,sinkhorn_divergence,energy", blur=1.0))
