"""
A plan becomes sharp
====================

An entropic plan is a blurred one: every grain of mass goes to many places. As ε falls it sharpens, its cost falls to that of the exact
plan, and bounds that are computed from it close around that.
"""

import matplotlib.pyplot as plt
import numpy as np

import otgan

# %%
# Two densities on a grid: points with weights.

grid = np.linspace(0, 1, 120)
a = np.exp(-(((grid - 0.25) / 0.07) ** 2)) + 0.6 * np.exp(-(((grid - 0.6) / 0.08) ** 2))
b = 0.8 * np.exp(-(((grid - 0.45) / 0.06) ** 2)) + np.exp(-(((grid - 0.8) / 0.05) ** 2))
exact = otgan.transport(grid, grid, a, b)
plans = {epsilon: otgan.transport(grid, grid, a, b, epsilon=epsilon) for epsilon in (0.1, 0.01, 0.001)}

# %%
# Mass of `a` is read on the left, of `b` on top; a dark field is mass that goes from its row to its column.

picture, axes = plt.subplots(1, 4, figsize=(11, 3.1), sharey=True, layout="constrained")
for axis, (name, solved) in zip(
    axes,
    {**{f"ε = {epsilon:g}": each for epsilon, each in plans.items()}, "exact": exact}.items(),
    strict=True,
):
    plan = solved.plan
    axis.imshow(plan / plan.max(), cmap="Greys", extent=(0, 1, 1, 0), vmax=0.6)
    axis.fill_between(grid, 0, 0.18 * b / b.max(), color="#d55e00", alpha=0.5, linewidth=0)
    axis.fill_betweenx(grid, 0, 0.18 * a / a.max(), color="#0072b2", alpha=0.5, linewidth=0)
    axis.set_title(f"{name}: cost {solved.value_linear:.4f}", loc="left", fontsize=10)
    axis.set_xlabel("where to (b)")
axes[0].set_ylabel("where from (a)")
plt.show()

# %%
# The same against ε. The exact cost is between the bounds, whatever ε. The divergence, from which the costs of the two densities with
# themselves are subtracted, is near to it long before the cost of the plan is.

strengths = np.geomspace(0.001, 0.3, 12)
solves = [otgan.transport(grid, grid, a, b, epsilon=epsilon) for epsilon in strengths]
picture, axis = plt.subplots(figsize=(7, 3.8), layout="constrained")
axis.fill_between(
    strengths,
    [each.lower for each in solves],
    [each.upper for each in solves],
    color="#56b4e9",
    alpha=0.4,
    linewidth=0,
    label="bounds of the exact cost",
)
axis.plot(
    strengths, [each.value_linear for each in solves], color="#d55e00", label="cost of the entropic plan"
)
divergences = [otgan.sinkhorn_divergence(grid, grid, a, b, p=2, epsilon=epsilon) for epsilon in strengths]
axis.plot(strengths, divergences, color="#009e73", linestyle="--", label="Sinkhorn divergence")
axis.axhline(exact.value, color="#333333", linestyle=":", label="exact cost")
axis.set(xlabel="ε (units of the cost)", ylabel="cost (squared units)", xscale="log", ylim=(0, None))
axis.legend(frameon=False)
axis.spines[["top", "right"]].set_visible(False)
plt.show()
