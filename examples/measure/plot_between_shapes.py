"""
On the way from one shape to another
====================================

An optimal plan for the square of the distance is also a movement: every sample goes straight to where it is sent, at a constant speed,
and what is seen at half time is half way between the two sets. Averages of pixels are something else.
"""

import matplotlib.pyplot as plt
import numpy as np

import otgan

rng = np.random.default_rng(0)

# %%
# A ring and a cross, 1000 samples of each.

angle, radius = rng.uniform(0, 2 * np.pi, 1000), 1 + 0.12 * rng.uniform(-1, 1, 1000)
ring = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
cross = np.stack([rng.uniform(-1.2, 1.2, 1000), 0.15 * rng.uniform(-1, 1, 1000)], axis=1)
cross[::2] = cross[::2, ::-1]

# %%
# Each sample has one partner, as the two sets have as many. The distance W₂ to the ring grows in proportion to the time: the movement is
# a straight line in the space of distributions.

solved = otgan.transport(ring, cross)
partner = cross[solved.assignment]
times = (0.0, 0.25, 0.5, 0.75, 1.0)
movement = [(1 - t) * ring + t * partner for t in times]
for t, points in zip(times, movement, strict=True):
    print(
        f"t = {t:.2f}: W₂ from the ring {otgan.emd(ring, points, p=2):.3f}, {t:.2f} of {solved.distance:.3f}"
    )

# %%
# Above, the samples on their way. Below, the mixtures of the two sets, which are at no time anything but a ring and a cross.

picture, axes = plt.subplots(2, 5, figsize=(10, 4.2), sharex=True, sharey=True, layout="constrained")
for (above, below), t, points in zip(axes.T, times, movement, strict=True):
    mixed = np.where(rng.random((1000, 1)) < t, cross, ring)
    above.scatter(*points.T, s=3, c=abs(angle - np.pi), cmap="viridis", linewidths=0)
    below.scatter(*mixed.T, s=3, color="0.35", linewidths=0)
    for axis in (above, below):
        axis.set_aspect("equal")
        axis.set_axis_off()
    above.set_title(f"t = {t:g}", fontsize=10)
for axis, word in zip(axes[:, 0], ("moved", "mixed"), strict=True):
    axis.text(-1.45, 0, word, rotation=90, va="center", ha="right")
plt.show()
