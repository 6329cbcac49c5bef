"""
Why small batches shrink a generator
====================================

A batch is a stand-in for the data, and a biased one: what is nearest to many small batches on average is narrower than the data. Self
terms between two batches take the bias away.
"""

import matplotlib.pyplot as plt
import numpy as np

import otgan

rng = np.random.default_rng(0)

# %%
# The data are a standard Gaussian in ten dimensions, and a generator has one parameter: its scale s, which is right at 1. Many batches
# are solved as one problem, an array of shape (batches, samples, dimensions).

d, scales = 10, np.linspace(0, 1.5, 16)


def cost(x, y):
    """Return W₂², the mean over all pairs of batches."""
    return otgan.transport(x, y).value.mean()


plain, debiased = {}, {}
for size in (4, 16, 64):
    z, z_too, x, x_too = rng.normal(size=(4, 2048 // size, size, d))
    between_data = cost(x, x_too)
    plain[size] = np.array([cost(s * z, x) for s in scales])
    debiased[size] = plain[size] - scales**2 * cost(z, z_too) / 2 - between_data / 2

# %%
# Where a generator that descends the cost would end: the mean cost is a parabola in s, whose least is found from these. The smaller the batch, the narrower; with self terms between independent batches,
# as the generalized energy distance has them, the best scale is 1 whatever the size.

for size in plain:
    best, right = (
        np.polynomial.Polynomial.fit(scales, curve[size], 2).deriv().roots()[0] for curve in (plain, debiased)
    )
    print(f"batches of {size:2d}: best scale {best:.2f}, with self terms {right:.2f}")

picture, axes = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained", sharex=True)
for size, color, marker in zip(plain, ("#d55e00", "#009e73", "#0072b2"), "o^s", strict=True):
    for axis, curve in zip(axes, (plain[size], debiased[size]), strict=True):
        axis.plot(scales, curve, color=color, label=f"batches of {size}")
        least = curve.argmin()
        axis.plot(scales[least], curve[least], marker, color=color, markersize=8)
for axis, title in zip(axes, ("cost between batches", "with self terms between batches"), strict=True):
    axis.axvline(1, color="#333333", linestyle=":", linewidth=1)
    axis.set_title(f"{title}; marked: its least", loc="left", fontsize=10)
    axis.set_xlabel("scale of the generator; the data have 1")
    axis.spines[["top", "right"]].set_visible(False)
axes[0].set_ylabel("mean of W₂² (squared units)")
axes[0].legend(frameon=False)
plt.show()
