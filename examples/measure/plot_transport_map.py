"""
A map to a target
=================

An estimator of scikit-learn that learns where points go: fitted on some samples and a target, it maps new points, and back.
Here samples of two batches of measurements are brought to a reference, so that what was learned there can be used.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.neighbors import KNeighborsClassifier

from otgan.integrations.sklearn import TransportMap

rng = np.random.default_rng(0)


def measured(n, turned, moved):
    """Two kinds of things, measured by an instrument that turns and moves what it sees."""
    kind = rng.integers(0, 2, n)
    points = rng.normal(size=(n, 2)) * [1.2, 0.5] + np.array([[0, 0], [1, 3]])[kind]
    turn = np.array([[np.cos(turned), -np.sin(turned)], [np.sin(turned), np.cos(turned)]])
    return points @ turn.T + moved, kind


reference, known = measured(600, 0.0, [0, 0])
samples, hidden = measured(500, 0.5, [3, -2])
more, more_hidden = measured(500, 0.5, [3, -2])

# %%
# A classifier that was trained on the reference is lost on the other instrument. The map is learned without a label, from
# `samples`, and helps with `more`, which it has not seen.

classifier = KNeighborsClassifier(15).fit(reference, known)
mapping = TransportMap(reference, blur=0.3).fit(samples)
print(f"right without the map: {classifier.score(more, more_hidden):.2f}")
print(f"right with the map:    {classifier.score(mapping.transform(more), more_hidden):.2f}")

# %%
# Reference, samples, and where new points go; the map goes back as well.

picture, axes = plt.subplots(1, 2, figsize=(9, 4), layout="constrained", sharex=True, sharey=True)
for axis, points, words in zip(
    axes, (more, mapping.transform(more)), ("as measured", "after the map"), strict=True
):
    axis.scatter(*reference.T, s=8, color="#bbbbbb", label="reference")
    for kind, color in enumerate(("#0072b2", "#d55e00")):
        axis.scatter(*points[more_hidden == kind].T, s=8, color=color, label=f"new samples, kind {kind}")
    axis.set_title(words, loc="left", fontsize=10)
    axis.set_aspect("equal")
    axis.spines[["top", "right"]].set_visible(False)
axes[0].legend(frameon=False, fontsize=8)
plt.show()

# %%
back = mapping.inverse_transform(mapping.transform(more))
print(f"there and back moves a point by {np.linalg.norm(back - more, axis=1).mean():.2f} on average")
