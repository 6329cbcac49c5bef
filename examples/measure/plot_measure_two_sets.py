"""
Two sets of images
==================

How far apart are handwritten threes and eights? Every distance at once, each with what certifies it and with what it does
not say, and the plan that the earth mover's distance stands for.
"""

import matplotlib.pyplot as plt
import numpy as np

import otgan

threes, eights = otgan.data.load("digits:3"), otgan.data.load("digits:8")

# %%
# The report begins with a verdict, and ends with which numbers mislead. The images of the two sets are all different, so
# that divergences between the samples as they are would sit at their ceilings: by nearest neighbors, they are estimates of
# those of the two densities.

report = otgan.compare(threes, eights, names=("threes", "eights"))
print(report)

# %%
# The two sets in the plane of their first two principal axes, with the heaviest arcs of the plan; and the distances.

figure = report.plot()

# %%
# The plan sends each three to the eights that it can become with the least work. For the five threes with the least to
# move and the five with the most: the three above, and below it the mean of the eights that it is sent to.

plan = otgan.transport(threes, eights, p=1)
images = plan.barycentric_map()
moved = np.linalg.norm(threes - images, axis=1)
order = np.argsort(moved)
chosen = [*order[:5], *order[-5:]]
pictures, axes = plt.subplots(2, 10, figsize=(10, 2.4), layout="constrained")
for column, index in zip(axes.T, chosen, strict=True):
    for axis, image in zip(column, (threes[index], images[index]), strict=True):
        axis.imshow(image.reshape(8, 8), cmap="gray_r", vmin=0, vmax=1)
        axis.set_axis_off()
    column[0].set_title(f"{moved[index]:.2f}", fontsize=9)
plt.show()
