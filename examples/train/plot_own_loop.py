"""
A loss in one's own loop
========================

A generator, an optimizer, and one line for the loss: that is all there is to train by transport. What it reached is said by
another distance, beside what nobody can beat.
"""

import matplotlib.pyplot as plt
import torch

import otgan

torch.manual_seed(0)

# %%
# The loss is a module of torch. `blur` is the length below which it does not look.

data = torch.from_numpy(otgan.data.load("swissroll", n=4000, seed=0)).float()
held_out = torch.from_numpy(otgan.data.load("swissroll", n=500, seed=1)).float()
loss = otgan.SinkhornLoss(p=2, blur=0.05)
generator = torch.nn.Sequential(
    torch.nn.Linear(2, 128),
    torch.nn.ReLU(),
    torch.nn.Linear(128, 128),
    torch.nn.ReLU(),
    torch.nn.Linear(128, 2),
)
adam = torch.optim.Adam(generator.parameters(), lr=2e-3, betas=(0.5, 0.9))
falling = torch.optim.lr_scheduler.LinearLR(adam, 1.0, 0.05, total_iters=600)

# %%
# The loop. The exact earth mover's distance to held-out data is measured now and then, and costs little.

floor = float(otgan.emd(data[:500], held_out))
course, pictures = {}, {}
for step in range(601):
    if step % 25 == 0:
        with torch.no_grad():
            samples = generator(torch.randn(500, 2))
        course[step] = float(otgan.emd(samples, held_out))
        pictures[step] = samples
    value = loss(generator(torch.randn(256, 2)), data[torch.randint(len(data), (256,))])
    adam.zero_grad()
    value.backward()
    adam.step()
    falling.step()
print(f"EM {course[0]:.2f} before, {course[600]:.3f} after; two draws of the data: {floor:.3f}")

# %%
# Samples over the data, and the course beside the floor.

picture, axes = plt.subplots(1, 4, figsize=(11, 2.9), layout="constrained", width_ratios=(1, 1, 1, 1.3))
for axis, step in zip(axes, (50, 100, 600), strict=False):
    axis.scatter(*held_out.T, s=4, color="0.75", label="data")
    axis.scatter(*pictures[step].T, s=4, color="#d55e00", label="samples")
    axis.set(xlabel="first coordinate", aspect="equal", xlim=(-1.6, 1.6), ylim=(-1.6, 1.6))
    axis.set_title(f"after {step} steps", loc="left", fontsize=10)
axes[0].set_ylabel("second coordinate")
axes[3].plot(course.keys(), course.values(), color="#0072b2", label="samples to held-out data")
axes[3].axhline(floor, color="#333333", linestyle=":", label="two draws of the data")
axes[3].set(xlabel="steps", ylabel="EM (units of the data)", ylim=(0, None))
axes[3].legend(frameon=False, fontsize=9)
axes[3].spines[["top", "right"]].set_visible(False)
plt.show()
