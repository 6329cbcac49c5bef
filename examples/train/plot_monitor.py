"""
When has a training arrived?
============================

The losses of a game do not fall: they are of the players, not of the samples. A distance to held-out data falls, and what draws of the
data reach says when nothing more can be seen: then the training may end.
"""

import logging

import matplotlib.pyplot as plt

import otgan
from otgan.gan import Callback, train

logging.getLogger("otgan").setLevel(logging.ERROR)

# %%
# A reference of data that the generator does not see. A reading holds a set of samples against it, and says how far as many draws of
# the data would be.

reference = otgan.Reference(otgan.data.load("8gaussians", n=1000, seed=9), distance="sinkhorn_divergence")


class Watch(Callback):
    """Read what samples are worth at every evaluation, and end the training at the noise of the data."""

    def __init__(self):
        self.readings = {}

    def on_evaluation(self, run, result):
        """Measure samples, and answer whether to stop."""
        reading = self.readings[run.step] = reference.measure(run.sample(300, seed=0))
        return reading.value < reading.quantile_95


watch = Watch()
run = train(
    "wgan-gp",
    "8gaussians",
    steps=900,
    seed=0,
    evaluate_every=60,
    options={"n_critic": 2},
    callbacks=watch,
)
for step, reading in list(watch.readings.items())[::2]:
    print(f"step {step:3d}: {reading}")
print(f"ended after {run.step} steps")

# %%
# Above the loss of the generator, which rises while the samples get better; below the distance, and the band that draws of the data
# stay in.

rows = [row for row in run.history if "generator_loss" in row]
picture, (above, below) = plt.subplots(2, 1, figsize=(7, 4.8), sharex=True, layout="constrained")
above.plot([row["step"] for row in rows], [row["generator_loss"] for row in rows], color="#0072b2")
above.set_ylabel("loss of the generator\n(units of the critic)")
band = next(reversed(watch.readings.values())).quantile_95
values = [reading.value for reading in watch.readings.values()]
below.axhspan(1e-3, band, color="#56b4e9", alpha=0.4, linewidth=0, label="95 % of draws of the data")
below.plot(watch.readings.keys(), values, color="#d55e00", marker="o", label="samples")
below.set(xlabel="steps", ylabel="Sinkhorn divergence\n(units of the data)", yscale="log", ylim=(0.05, 3))
below.legend(frameon=False)
for axis in (above, below):
    axis.spines[["top", "right"]].set_visible(False)
plt.show()
