"""
Between two digits
==================

What does a code of eight numbers hold of an image of 64 pixels? A Wasserstein autoencoder is trained on handwritten digits; then codes are
walked through, and random codes are decoded.
"""

import logging

import matplotlib.pyplot as plt
import numpy as np

import otgan
from otgan.gan import train

logging.getLogger("otgan").setLevel(logging.ERROR)

# %%
# The codes are held near a standard Gaussian by their MMD, so that what is drawn from that can be decoded.

run = train("wae-mmd", "digits", steps=400, seed=0, evaluate_every=400, options={"latent": 8})
found = run.history[-1]["evaluation"]
print(
    f"squared error of a digit: {found['reconstruction']:.2f}; of PCA's, by eight numbers: {found['reconstruction_pca']:.2f}"
)
print(
    f"MMD² of the codes to the Gaussian: {found['latent_mmd']:.4f}; 95 % of draws: {found['latent_mmd_band']:.4f}"
)

# %%
# Every row goes from one digit to another, on a straight line between their codes.

digits = [otgan.data.load(f"digits:{k}", n=1) for k in range(10)]
pairs = [(digits[i], digits[j]) for i, j in ((4, 9), (3, 8), (0, 6))]
times = np.linspace(0, 1, 9)[:, None]
rows = [run.decode((1 - times) * run.encode(x) + times * run.encode(y)) for x, y in pairs]
rows += list(run.sample(18, seed=0).reshape(2, 9, -1))

picture, axes = plt.subplots(5, 9, figsize=(8, 4.8), layout="constrained")
for line, images in zip(axes, rows, strict=True):
    for axis, image in zip(line, images, strict=True):
        axis.imshow(image.reshape(8, 8), cmap="gray_r", vmin=0, vmax=1)
        axis.set(xticks=[], yticks=[])
for line, words in zip(axes[:, 0], ("4 to 9", "3 to 8", "0 to 6", "random", "random"), strict=True):
    line.set_ylabel(words, rotation=0, ha="right", va="center")
plt.show()
