"""
Outliers, and mass that is not moved
====================================

A few samples far away move the whole distance, since every sample has to go somewhere. With ``reach`` mass is rather made and
destroyed than moved farther than that: what is far away is left out.
"""

import matplotlib.pyplot as plt
import numpy as np

import otgan

rng = np.random.default_rng(0)

# %%
# Two crescents, one above the other, the second with one sample in ten from a fault of the instrument.

angle = rng.uniform(0, np.pi, size=(2, 150))
x, y = np.stack([np.cos(angle), np.sin(angle)], axis=2) + 0.08 * rng.normal(size=(2, 150, 2))
y[:, 1] += 0.7
faulty = rng.permutation(np.repeat([True, False], [15, 135]))
y[faulty] = [4.5, -1.0] + 0.2 * rng.normal(size=(15, 2))

# %%
# The plans with and without. What arrives at each sample of `y` is the sum of a column: at a faulty one, close to nothing.

plans = {
    "all mass is moved": otgan.transport(x, y, blur=0.05),
    "reach 1": otgan.transport(x, y, blur=0.05, reach=1.0),
}
for name, solved in plans.items():
    arriving = solved.plan.sum(axis=0) * len(y)
    moved = solved.barycentric_map() - x
    print(
        f"{name}: {arriving[faulty].mean():.3f} of a faulty sample and {arriving[~faulty].mean():.2f} of a good one "
        f"are taken; a sample moves by ({moved[:, 0].mean():+.2f}, {moved[:, 1].mean():+.2f}) on average"
    )

# %%
# Where each sample of `x` goes: the mean of where its mass is sent. The shift by 0.7 is found, without knowing which samples are
# faulty.

picture, axes = plt.subplots(1, 2, figsize=(9.5, 3.6), sharex=True, sharey=True, layout="constrained")
for axis, (name, solved) in zip(axes, plans.items(), strict=True):
    images = solved.barycentric_map()
    axis.quiver(
        *x.T, *(images - x).T, color="0.55", angles="xy", scale_units="xy", scale=1, width=0.0025, zorder=1
    )
    axis.scatter(*x.T, s=10, color="#0072b2", label="x")
    arriving = solved.plan.sum(axis=0) * len(y)
    axis.scatter(*y.T, s=12, color="#d55e00", marker="^", alpha=arriving.clip(0.25, 1), label="y")
    axis.set_title(f"{name}", loc="left", fontsize=10)
    axis.set(xlabel="first coordinate", aspect="equal")
    axis.spines[["top", "right"]].set_visible(False)
axes[0].set_ylabel("second coordinate")
axes[0].legend(frameon=False, loc="upper right")
plt.show()
