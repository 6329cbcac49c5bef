"""
How many samples does a test need?
==================================

A difference that is there may not be found: how often a test finds one is its power. Before an experiment it says how many samples are
needed, and whether it matters by which distance they are compared.
"""

import matplotlib.pyplot as plt
import numpy as np

import otgan

rng = np.random.default_rng(0)

# %%
# The difference that one would not want to miss, in five dimensions: some of the individuals respond, by one standard deviation, and
# the others do not.


def differing(n):
    """Draw n controls, and n treated ones of whom four in ten respond."""
    controls, treated = rng.normal(size=(2, n, 5))
    treated[: 2 * n // 5, :2] += 1.0
    return controls, treated


# %%
# Forty experiments of every size, and a test of each. At level 5 % one in twenty is called different where there is nothing.

sizes, trials = (15, 30, 60, 120), 40
distances = {"energy": "#009e73", "sliced": "#0072b2", "emd": "#d55e00"}
power = {distance: [] for distance in distances}
for n in sizes:
    draws = [differing(n) for _ in range(trials)]
    for distance, shares in power.items():
        found = [otgan.two_sample_test(*draw, distance=distance, permutations=59).rejects() for draw in draws]
        shares.append(np.mean(found))
for distance, shares in power.items():
    print(f"{distance:8s}" + "".join(f"{share:7.2f}" for share in shares))

# %%
# With 0.8 as the power that is asked for, the least number of samples is where a curve crosses the line: about a hundred in each group, by any of
# the three distances. The bars are standard errors of forty trials.
# :ref:`Other differences <sphx_glr_gallery_measure_plot_two_sample_test.py>` are found by some distances and not by others.

picture, axis = plt.subplots(figsize=(6.6, 3.8), layout="constrained")
for (distance, color), marker in zip(distances.items(), "os^", strict=True):
    shares = np.array(power[distance])
    error = np.sqrt(shares * (1 - shares) / trials)
    axis.errorbar(sizes, shares, error, color=color, marker=marker, capsize=2, label=distance)
axis.axhline(0.8, color="#333333", linewidth=1, linestyle="--")
axis.axhline(0.05, color="#333333", linewidth=1, linestyle=":")
axis.set_xscale("log")
axis.set_xticks(sizes, [str(n) for n in sizes])
axis.minorticks_off()
axis.set(xlabel="samples in each group", ylabel="share of experiments called different", ylim=(0, 1.03))
axis.spines[["top", "right"]].set_visible(False)
axis.legend(frameon=False, loc="lower right")
plt.show()
