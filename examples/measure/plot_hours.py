"""
Hours of the day
================

Midnight is near to eleven in the evening, but 0 is far from 23. For numbers of which only the place in a period counts the way is the
shorter one around: ``otgan.costs.Circle``.
"""

import matplotlib.pyplot as plt
import numpy as np

import otgan
from otgan.costs import Circle

rng = np.random.default_rng(0)

# %%
# When calls came in, on weekdays and at weekends, an hour and a half later and less sharply so.

weekdays = np.r_[rng.normal(8.5, 1.2, 200), rng.normal(22.0, 1.5, 300)] % 24
weekends = np.r_[rng.normal(10.0, 1.6, 200), rng.normal(23.5, 1.5, 300)] % 24

# %%
# On the line all calls after midnight seem to be a day early, and the distance is hours too long. On the circle it is exact as well: the
# solver cuts it open at the best place.

day = Circle(1, 24)
line, circle = (otgan.emd(weekdays, weekends, cost=cost, p=1) for cost in ("euclidean", day))
print(f"weekends are later by {line:.2f} hours on the line, and by {circle:.2f} hours around the clock")
print(otgan.two_sample_test(weekdays, weekends, distance="emd", cost=day, p=1))

# %%
# Both as a clock. Lines go from calls on weekdays to those at weekends that they are matched with, each the shorter way around.

match = otgan.transport(weekdays, weekends, cost=day).assignment
picture, axis = plt.subplots(figsize=(5.4, 5.4), subplot_kw={"projection": "polar"}, layout="constrained")
axis.set_theta_zero_location("N")
axis.set_theta_direction(-1)
edges = np.linspace(0, 24, 49)
for calls, color, base, sign, name in (
    (weekdays, "#0072b2", 1.0, -1, "weekdays"),
    (weekends, "#d55e00", 1.5, 1, "weekends"),
):
    height = np.histogram(calls, edges)[0] / 60
    axis.bar(edges[:-1] * np.pi / 12, sign * height, np.pi / 24, base, align="edge", color=color, label=name)
for start, end in list(zip(weekdays, weekends[match], strict=True))[::4]:
    forward = (end - start + 12) % 24 - 12
    way = start + forward * np.linspace(0, 1, 20)
    axis.plot(way * np.pi / 12, np.linspace(1.0, 1.5, 20), color="#333333", linewidth=0.5, alpha=0.6)
axis.set_xticks(np.arange(0, 24, 3) * np.pi / 12, [f"{hour} h" for hour in range(0, 24, 3)])
axis.set(yticks=[], ylim=(0, 2.4))
axis.tick_params(pad=-6)
axis.grid(visible=False)
axis.spines["polar"].set_visible(False)
picture.legend(loc="outside lower center", ncols=2, frameon=False)
plt.show()
