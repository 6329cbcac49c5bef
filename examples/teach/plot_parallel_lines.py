"""
Two parallel lines
==================

Example 1 of the Wasserstein GAN paper: one distribution is uniform on the segment {0} × [0, 1], the other on
{θ} × [0, 1]. As θ tends to 0 the two become the same, and the earth mover's distance
``|θ|`` says so. Jensen-Shannon, Kullback-Leibler and total variation stay at their ceilings until the lines
coincide: whoever descends them gets no gradient.
"""

import torch

import otgan

# %%
# Each distance in closed form, exactly between draws, and between draws in bins. Read what stands below the table: draws
# and bins both mislead, and in opposite directions.

table = otgan.teach.parallel_lines.table(n=256, seed=0)
print(table)

# %%
# The same as a figure.

figure = otgan.plot.parallel_lines(table)

# %%
# Learning θ by descent on the exact earth mover's distance between draws. Its gradient is the slope 1
# whatever the distance, so that steps of a constant length arrive. That of the other distances is 0 or does not exist.

theta = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
height = torch.rand(64, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
target = torch.stack([torch.zeros_like(height), height], dim=1)
for step in range(10):
    line = torch.stack([theta.expand_as(height), height], dim=1)
    distance = otgan.emd(line, target)
    (slope,) = torch.autograd.grad(distance, theta)
    if step % 2 == 0:
        print(f"theta {theta.item():5.2f}   EM {distance.item():.2f}   slope {slope.item():+.2f}")
    theta = (theta - 0.1 * slope).detach().requires_grad_(True)
print(f"theta {theta.item():5.2f}")
