"""
A proof that no plan is cheaper
===============================

Who says that a plan is the best one? Prices do: whoever carries the mass is paid fᵢ for taking it at i and gⱼ for bringing it to j, never more
than the way costs. What any such prices earn in all is no more than any plan costs; the solver's prices earn just what its plan costs.
"""

import matplotlib.pyplot as plt
import numpy as np

import otgan

rng = np.random.default_rng(3)
bakeries, cafes = rng.uniform(size=(2, 9, 2)) * [4.0, 3.0]

# %%
# The plan, the prices, and the ways that would be paid exactly what they cost. No entry of the slack C − f − g is negative, and it is 0 where
# the plan carries mass.

solved = otgan.transport(bakeries, cafes, p=1)
ways = np.linalg.norm(bakeries[:, None] - cafes, axis=2)
slack = ways - solved.f[:, None] - solved.g
print(
    f"the plan costs {np.sum(solved.plan * ways):.6f}, the prices earn {solved.f.mean() + solved.g.mean():.6f}"
)
print(
    f"least slack {slack.min():+.1e}; largest where the plan carries mass {slack[solved.plan > 0].max():.1e}"
)

# %%
# Random plans cost more, and prices that are lower by a little earn less: bounds on either side, that meet.

for _ in range(3):
    order = rng.permutation(9)
    print(f"another plan costs {ways[np.arange(9), order].mean():.3f}")
lower = solved.f - 0.1 * rng.uniform(size=9)
print(f"other prices earn {lower.mean() + (ways - lower[:, None]).min(axis=0).mean():.3f}")

picture, (left, right) = plt.subplots(1, 2, figsize=(9.5, 4), layout="constrained")
for i, j in enumerate(solved.assignment):
    left.plot(*np.stack([bakeries[i], cafes[j]], axis=1), color="0.6", zorder=1)
for points, prices, marker, name in (
    (bakeries, solved.f, "s", "bakeries, f"),
    (cafes, solved.g, "o", "cafes, g"),
):
    color = "#0072b2" if marker == "s" else "#d55e00"
    left.scatter(*points.T, s=40, color=color, marker=marker, label=name, zorder=2)
    for point, price in zip(points, prices, strict=True):
        left.annotate(
            f"{price:.2f}",
            point,
            (0, 7 if marker == "s" else -14),
            textcoords="offset points",
            fontsize=9,
            ha="center",
            color=color,
        )
left.set(xlabel="km east", ylabel="km north", aspect="equal")
left.set_title("the plan, and the prices", loc="left", fontsize=10)
left.legend(frameon=True, edgecolor="none", fontsize=9)
image = right.imshow(slack, cmap="viridis_r", vmin=0)
right.plot(
    solved.assignment, np.arange(9), "o", color="#d55e00", markersize=7, label="where the plan carries mass"
)
right.set(xlabel="cafe", ylabel="bakery", xticks=range(9), yticks=range(9))
right.set_title("the slack C − f − g, nowhere negative", loc="left", fontsize=10)
picture.colorbar(image, ax=right, label="slack (km)")
picture.legend(*right.get_legend_handles_labels(), loc="outside lower right", frameon=False)
plt.show()
