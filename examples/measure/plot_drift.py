"""
A stream that drifts
====================

Batches come in, day by day; does today's still look like the data that a model was trained on? A reference is measured
against once for all: what is of it alone, and how far draws of as many samples from it would be, are found beforehand.
"""

import matplotlib.pyplot as plt
import numpy as np

import otgan

rng = np.random.default_rng(0)

# %%
# The reference: two thousand samples in five dimensions, two of them correlated. A batch has a hundred.

mixing = np.eye(5)
mixing[0, 1] = 0.8
reference = otgan.Reference(rng.normal(size=(2000, 5)) @ mixing, distance="sinkhorn_divergence")

# %%
# Sixty days. From the twentieth on the correlation fades; from the fortieth on a mean moves.

values, alarms = [], []
for day in range(60):
    today = mixing.copy()
    today[0, 1] *= max(0.0, 1 - max(0, day - 20) / 20)
    batch = rng.normal(size=(100, 5)) @ today
    batch[:, 2] += 0.02 * max(0, day - 40)
    reading = reference.measure(batch)
    values.append(reading.value)
    alarms.append(reading.drifted(0.01))
print(f"first alarm on day {alarms.index(True)}, {sum(alarms)} in all; the last reading: {reading}")

# %%
# Of one population one batch in a hundred gives an alarm at this level. The band is what 95 % of draws from the reference
# itself stay below.

picture, axis = plt.subplots(figsize=(7, 3.2), layout="constrained")
axis.axhspan(
    0, reading.quantile_95, color="#56b4e9", alpha=0.3, linewidth=0, label="95 % of draws from the reference"
)
axis.plot(values, color="#333333", linewidth=1)
days = np.arange(60)
axis.scatter(days[alarms], np.array(values)[alarms], color="#d55e00", zorder=3, label="alarm at level 1 %")
axis.set(xlabel="day", ylabel="Sinkhorn divergence of a batch", ylim=(0, None))
axis.legend(frameon=False)
axis.spines[["top", "right"]].set_visible(False)
plt.show()
