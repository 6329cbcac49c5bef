"""
The colors of another picture
=============================

Make a temple look as if it stood in the light of a flower: colors are points in three dimensions, and the plan between those of two
pictures says what each becomes. A map that was learned from some pixels is applied to all of them.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_sample_image

import otgan
from otgan.integrations.sklearn import TransportMap

rng = np.random.default_rng(0)
temple, flower = (load_sample_image(name)[::3, ::3] / 255.0 for name in ("china.jpg", "flower.jpg"))

# %%
# Six hundred pixels of each are enough: the map goes from any color to the mean of what its neighborhood is sent to.

some, target = (
    image.reshape(-1, 3)[rng.choice(image.size // 3, 600, replace=False)] for image in (temple, flower)
)
mapping = TransportMap(target, blur=0.1).fit(some)
colored = mapping.transform(temple.reshape(-1, 3)).reshape(temple.shape).clip(0, 1)

# %%
# The distances say what was reached, and what would be if the colors had been drawn from the flower itself.

other = flower.reshape(-1, 3)[rng.choice(flower.size // 3, 600, replace=False)]
reached = colored.reshape(-1, 3)[rng.choice(colored.size // 3, 600, replace=False)]
for name, colors in (("the temple", some), ("the temple in new colors", reached), ("another draw", other)):
    print(f"EM of colors from {name} to those of the flower: {otgan.emd(colors, target):.3f}")

# %%
# Above the pictures, below them their colors in two of the three channels.

pictures, axes = plt.subplots(2, 3, figsize=(9.5, 5.6), height_ratios=(1, 1.1), layout="constrained")
for (above, below), image, name in zip(
    axes.T, (temple, colored, flower), ("temple", "temple in the colors of the flower", "flower"), strict=True
):
    above.imshow(image)
    above.set_title(name, fontsize=10)
    above.set_axis_off()
    pixels = image.reshape(-1, 3)[rng.choice(image.size // 3, 1500, replace=False)]
    below.scatter(pixels[:, 0], pixels[:, 2], s=5, c=pixels, linewidths=0)
    below.set(xlim=(0, 1), ylim=(0, 1), aspect="equal", xlabel="red", ylabel="blue")
    below.set_facecolor("0.85")
plt.show()
