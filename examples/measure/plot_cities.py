"""
From ports to cities
====================

Which port should serve which city? Mass at some places of a globe is needed at others, and ways are great circles: the cost is
``"haversine"``, and the prices of the optimum say where one more ton would be worth most.
"""

import matplotlib.pyplot as plt
import numpy as np

import otgan

EARTH = 6371.0  # km
ports = {
    "Rotterdam": (51.95, 4.14, 44),
    "Gdańsk": (54.35, 18.65, 12),
    "Piraeus": (37.94, 23.65, 14),
    "Valencia": (39.47, -0.38, 15),
    "Genoa": (44.41, 8.93, 15),
}
cities = {
    "Paris": (48.86, 2.35, 11),
    "London": (51.51, -0.13, 10),
    "Madrid": (40.42, -3.70, 7),
    "Lisbon": (38.72, -9.14, 3),
    "Berlin": (52.52, 13.40, 4),
    "Hamburg": (53.55, 9.99, 3),
    "Munich": (48.14, 11.58, 3),
    "Milan": (45.46, 9.19, 4),
    "Rome": (41.90, 12.50, 4),
    "Vienna": (48.21, 16.37, 3),
    "Prague": (50.08, 14.44, 2),
    "Warsaw": (52.23, 21.01, 3),
    "Budapest": (47.50, 19.04, 3),
    "Bucharest": (44.43, 26.10, 2),
    "Sofia": (42.70, 23.32, 1.5),
    "Athens": (37.98, 23.73, 3.5),
    "Stockholm": (59.33, 18.07, 2),
    "Copenhagen": (55.68, 12.57, 2),
}

# %%
# Places are latitudes and longitudes in radians, and weights are shares. A distance is an angle; times the radius it is a length.

(*x, a), (*y, b) = (np.array(list(places.values())).T for places in (ports, cities))
x, y = (np.radians(places).T for places in (x, y))
solved = otgan.transport(x, y, a, b, cost="haversine", p=1)
print(f"a ton travels {EARTH * solved.value:.0f} km on average")

# %%
# The potential of a port is what a ton there costs the whole, up to a constant: what a ton more saves, beside one at the dearest port.

saved = EARTH * (solved.f.max() - solved.f)
for name, length in sorted(zip(ports, saved, strict=True), key=lambda pair: -pair[1]):
    print(f"one more ton at {name:10s} saves {length:4.0f} km")

# %%
# The exact plan has few arcs: those that carry mass, the wider the more.

picture, axis = plt.subplots(figsize=(8, 5.6), layout="constrained")
colors = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9")
for i, j, mass in zip(*solved.arcs, strict=True):
    start, end = np.degrees(x[i]), np.degrees(y[j])
    axis.plot(
        *zip(start[::-1], end[::-1], strict=True), color=colors[i], linewidth=0.8 + 60 * mass, alpha=0.6
    )
for (name, (latitude, longitude, _)), color in zip(ports.items(), colors, strict=True):
    axis.scatter(longitude, latitude, s=70, color=color, marker="s", edgecolor="#333333", zorder=3)
    axis.annotate(name, (longitude, latitude), (6, -13), textcoords="offset points", weight="bold")
for name, (latitude, longitude, size) in cities.items():
    axis.scatter(longitude, latitude, s=9 * size, color="#333333", zorder=2)
    axis.annotate(name, (longitude, latitude), (5, 4), textcoords="offset points", fontsize=8)
axis.set(xlabel="longitude (degrees)", ylabel="latitude (degrees)", aspect=1 / np.cos(np.radians(48)))
axis.spines[["top", "right"]].set_visible(False)
plt.show()
