"""
A transport loss under mixed precision
======================================

Under ``torch.autocast`` the networks compute in half the bits, which on a GPU is where the time goes. The loss does not: a
transport cost of which three digits are left says little beside a small ε. It takes what comes, solves in float64, and sends
gradients back in the type that they came for.
"""

import matplotlib.pyplot as plt
import torch

import otgan

# %%
# A generator of the ring of eight Gaussians, trained twice from the same weights by the same draws.

data = torch.from_numpy(otgan.data.load("8gaussians", n=4000, seed=0)).float()
loss = otgan.SinkhornLoss(p=1, epsilon=0.1)


def train(mixed, steps=250):
    """Return the generator and the course of its loss."""
    torch.manual_seed(0)
    generator = torch.nn.Sequential(
        torch.nn.Linear(2, 128),
        torch.nn.ReLU(),
        torch.nn.Linear(128, 128),
        torch.nn.ReLU(),
        torch.nn.Linear(128, 2),
    )
    adam, course = torch.optim.Adam(generator.parameters(), 2e-3, (0.5, 0.9)), []
    for _ in range(steps):
        rows = torch.randint(len(data), (256,))
        with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
            samples = generator(torch.randn(256, 2))
            value = loss(samples.float(), data[rows])
        adam.zero_grad()
        value.backward()
        adam.step()
        course.append(value.item())
    return generator, course


# %%
# The two courses lie on one another, and so do the distances that they end at. The data themselves are not at distance 0 from
# another draw of theirs.

courses = {}
held_out = torch.from_numpy(otgan.data.load("8gaussians", n=1000, seed=1)).float()
for name, mixed in (("float32", False), ("bfloat16", True)):
    generator, courses[name] = train(mixed)
    with torch.no_grad():
        reached = otgan.emd(generator(torch.randn(1000, 2)), held_out)
    print(f"networks in {name}: EM to held-out data {reached.item():.3f}")
print(f"another draw of the data: {otgan.emd(data[:1000], held_out).item():.3f}")

figure, axis = plt.subplots(figsize=(6, 3.2), layout="constrained")
for (name, course), color in zip(courses.items(), ("#0072b2", "#d55e00"), strict=True):
    axis.semilogy(course, color=color, linewidth=1, alpha=0.8, label=f"networks in {name}")
axis.set(xlabel="step", ylabel="Sinkhorn divergence of a batch")
axis.legend(frameon=False)
axis.spines[["top", "right"]].set_visible(False)
plt.show()
