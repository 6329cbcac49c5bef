"""
Points that follow a Sinkhorn divergence
========================================

A particle system is the smallest generative model: its parameters are its samples. Here 250 points start as one Gaussian
and descend a distance to the Swiss roll, by its gradient in their positions.

Descending the entropic cost OT_ε itself shrinks the points towards the means of what they are matched
with: it is not smallest where the two sets are equal. The Sinkhorn divergence subtracts the two self terms and is.
"""

import matplotlib.pyplot as plt
import torch

import otgan

# %%
# The data, and where the points start.

target = torch.from_numpy(otgan.data.load("swissroll", n=250, seed=0))
start = 0.3 * torch.randn(250, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

# %%
# The flow. The gradient of a mean over n points is 1/n of each point's velocity, hence the factor; a step of ½ against
# a squared distance would carry a point all the way to the mean of its partners.


def flow(distance, steps=50, rate=0.25):
    """Descend ``distance(points, target)`` from the start, and return the points."""
    points = start.clone()
    for _ in range(steps):
        points.requires_grad_(True)
        (gradient,) = torch.autograd.grad(distance(points, target, blur=0.5), points)
        points = (points - rate * len(points) * gradient).detach()
    return points


results = {
    "start": start,
    "entropic cost": flow(otgan.sinkhorn),
    "Sinkhorn divergence": flow(otgan.sinkhorn_divergence),
}

# %%
# Where they arrive, judged by a distance that neither of them descended: the exact earth mover's distance, beside what
# two draws of the Swiss roll are apart.

floor = otgan.emd(torch.from_numpy(otgan.data.load("swissroll", n=250, seed=1)), target)
print(f"two draws of the data: {float(floor):.3f}")

figure, axes = plt.subplots(1, 3, figsize=(9, 3.2), sharex=True, sharey=True, layout="constrained")
for axis, (name, points) in zip(axes, results.items(), strict=True):
    distance = float(otgan.emd(points, target))
    print(f"{name}: {distance:.3f}")
    axis.scatter(*target.T, s=6, color="0.75")
    axis.scatter(*points.T, s=6, color="C3")
    axis.set_title(f"{name}\nEM {distance:.3f}", fontsize=10)
    axis.set_aspect("equal")
plt.show()
