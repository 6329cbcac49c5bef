"""
A critic and a discriminator
============================

Figure 2 of the Wasserstein GAN paper: the data are one Gaussian, the generated samples another one far from it. The better a
discriminator tells them apart, the flatter it is at the samples; a critic has the slope 1 there, and points to the data.
"""

import matplotlib.pyplot as plt
import numpy as np
import torch

import otgan

rng = np.random.default_rng(0)
data, fakes = rng.normal(-2, 0.5, 400), rng.normal(2, 0.5, 400)
line = np.linspace(-4, 5, 400)

# %%
# The critic is no network here: the solver's potential g is the best one at the generated samples, and where there are none its
# Lipschitz extension, the lower envelope of cones. Beyond the last sample it may turn: nothing is moved there.

solved = otgan.transport(data, fakes, p=1)
critic = (np.abs(line[:, None] - fakes) - solved.g).min(axis=1)
print(
    f"exact W₁ {solved.value:.3f}; the critic's mean difference {np.mean(solved.f) + np.mean(solved.g):.3f}"
)

# %%
# The discriminator is a small network, trained to tell the two apart, longer and longer.

torch.manual_seed(0)
network = torch.nn.Sequential(
    torch.nn.Linear(1, 64), torch.nn.Tanh(), torch.nn.Linear(64, 64), torch.nn.Tanh(), torch.nn.Linear(64, 1)
)
adam = torch.optim.Adam(network.parameters(), lr=1e-3)
points = torch.from_numpy(np.r_[data, fakes]).float()[:, None]
labels = torch.cat([torch.ones(400, 1), torch.zeros(400, 1)])
judged = {}
for step in range(1, 1001):
    value = torch.nn.functional.binary_cross_entropy_with_logits(network(points), labels)
    adam.zero_grad()
    value.backward()
    adam.step()
    if step in {30, 100, 1000}:
        where = torch.from_numpy(fakes).float()[:, None].requires_grad_()
        (slope,) = torch.autograd.grad(torch.sigmoid(network(where)).sum(), where)
        with torch.no_grad():
            judged[step] = torch.sigmoid(network(torch.from_numpy(line).float()[:, None]))[:, 0]
        print(f"discriminator after {step:4d} steps: mean slope at the samples {slope.abs().mean():.1e}")

# %%
# The critic is scaled to the heights of the discriminator, which end at 0 and 1.

picture, axis = plt.subplots(figsize=(7.5, 4), layout="constrained")
for points, color, name in ((data, "#0072b2", "data"), (fakes, "#009e73", "generated samples")):
    axis.hist(points, np.linspace(-4, 5, 91), weights=np.full(400, 0.01), color=color, alpha=0.5, label=name)
for (step, values), style in zip(judged.items(), (":", "--", "-"), strict=True):
    axis.plot(line, values, color="#d55e00", linestyle=style, label=f"discriminator, {step} steps")
scaled = (critic - critic.min()) / (critic.max() - critic.min())
axis.plot(line, scaled, color="#333333", linewidth=2, label="critic")
axis.set(xlabel="x", ylabel="taken for data (0 to 1)", ylim=(0, 1.05), xlim=(-4, 5))
axis.spines[["top", "right"]].set_visible(False)
picture.legend(loc="outside right center", frameon=False)
plt.show()
