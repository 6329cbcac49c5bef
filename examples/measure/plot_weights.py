"""
Samples that count for more
===========================

A survey reached too many of one group and too few of another. Are its answers those of the population? Samples have weights: those
that were reached too rarely count for more.
"""

import matplotlib.pyplot as plt
import numpy as np

import otgan

rng = np.random.default_rng(0)
share = {"young": 0.3, "middle": 0.4, "old": 0.3}
reached = {"young": 0.1, "middle": 0.3, "old": 0.6}
middle = {"young": 24.0, "middle": 44.0, "old": 70.0}


def asked(n, shares):
    """Ages and hours online a day of n people, and the group of each."""
    group = rng.choice(list(shares), size=n, p=list(shares.values()))
    age = np.array([middle[each] for each in group]) + 6 * rng.normal(size=n)
    hours = (7.5 - 0.08 * age + rng.normal(size=n)).clip(0)
    return np.stack([age / 10, hours], axis=1), group


population, _ = asked(1500, share)
survey, group = asked(500, reached)

# %%
# The weight of an answer is how much more often its group is in the population than in the survey. Weights are shares of the mass, and
# need not sum to 1.

weights = np.array([share[each] / reached[each] for each in group])
for name, b in (("as it came", None), ("weighted", weights)):
    test = otgan.two_sample_test(population, survey, b=b, distance="energy")
    print(f"{name}: EM {otgan.emd(population, survey, b=b):.3f}; {test}")

# %%
# Points are drawn by their weights. With them the plan is short; without them half of the survey has to become younger.

picture, axes = plt.subplots(1, 2, figsize=(9.5, 3.8), sharex=True, sharey=True, layout="constrained")
for axis, (name, b) in zip(axes, (("as it came", None), ("weighted", weights)), strict=True):
    solved = otgan.transport(survey, population, a=b, p=1)
    moved = np.linalg.norm(solved.barycentric_map() - survey, axis=1)
    size = 14 * (np.ones(len(survey)) if b is None else b / b.mean())
    axis.scatter(*population.T, s=5, color="0.8", label="population")
    shown = axis.scatter(*survey.T, s=size, c=moved, cmap="viridis", vmin=0, vmax=3, label="survey")
    axis.set_title(f"{name}: EM {solved.value:.2f}", loc="left", fontsize=10)
    axis.set_xlabel("age (decades)")
    axis.spines[["top", "right"]].set_visible(False)
axes[0].set_ylabel("hours online a day")
axes[0].legend(frameon=False, loc="upper right")
picture.colorbar(shown, ax=axes, label="how far it is moved")
plt.show()
