"""
Taxis and passengers
====================

Thirty taxis, thirty passengers: who drives to whom? The answer depends on what is a way. As the crow flies, along the streets of a
grid, or where the longer of the two directions decides, as for a crane: three costs, three optimal assignments.
"""

import matplotlib.pyplot as plt
import numpy as np

import otgan

rng = np.random.default_rng(4)
taxis, passengers = rng.integers(0, 21, size=(2, 30, 2)).astype(float)

# %%
# Each is an exact optimum, proven by its potentials. What the assignment of one cost is worth by another says how much the choice of
# the cost matters: the diagonal is the best of each row.

costs = {
    "euclidean": lambda x, y: np.linalg.norm(x - y, axis=1).mean(),
    "cityblock": lambda x, y: np.abs(x - y).sum(axis=1).mean(),
    "chebyshev": lambda x, y: np.abs(x - y).max(axis=1).mean(),
}
solved = {cost: otgan.transport(taxis, passengers, cost=cost, p=1) for cost in costs}
print("mean way by      " + "".join(f"{cost:>12s}" for cost in costs) + "  assignment")
for cost, way in costs.items():
    worth = [way(taxis, passengers[solved[other].assignment]) for other in costs]
    print(f"{cost:17s}" + "".join(f"{value:12.3f}" for value in worth))

# %%
# The assignments, each way drawn as it is driven. Taxis that are sent to another passenger than as the crow flies are orange.

picture, axes = plt.subplots(1, 3, figsize=(10.5, 3.8), sharex=True, sharey=True, layout="constrained")
straight = solved["euclidean"].assignment
for axis, (cost, plan) in zip(axes, solved.items(), strict=True):
    for k, (start, end) in enumerate(zip(taxis, passengers[plan.assignment], strict=True)):
        corner = {
            "euclidean": [],
            "cityblock": [[end[0], start[1]]],
            "chebyshev": [start + np.sign(end - start) * np.abs(end - start).min()],
        }[cost]
        way = np.array([start, *corner, end])
        changed = plan.assignment[k] != straight[k]
        axis.plot(*way.T, color="#d55e00" if changed else "0.6", linewidth=1.6, zorder=1)
    axis.scatter(*taxis.T, s=26, color="#0072b2", marker="s", label="taxis", zorder=2)
    axis.scatter(*passengers.T, s=26, color="#333333", label="passengers", zorder=2)
    axis.set_title(f"{cost}: {plan.value:.2f} blocks each", loc="left", fontsize=10)
    axis.set(xlabel="blocks east", xticks=range(0, 21, 5), yticks=range(0, 21, 5), aspect="equal")
axes[0].set_ylabel("blocks north")
picture.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
plt.show()
