"""
A Sinkhorn GAN in Lightning
===========================

Lightning runs the loop, the devices, the precision and the checkpoints; this library is the loss and the metric. Both are
modules of torch: nothing needs to be adapted. ``pip install lightning`` beside ``otgan[torchmetrics]``.
"""

import lightning
import matplotlib.pyplot as plt
import torch
from torch.utils.data import DataLoader, TensorDataset, random_split

import otgan
from otgan.integrations.torchmetrics import EarthMoversDistance

# %%
# A generator of 8 × 8 digits that descends the divergence of its batch to one of the data. What it is judged by is another
# thing: the exact earth mover's distance of all samples of an epoch to all that were held out.


class SinkhornGAN(lightning.LightningModule):
    """A generator, what it descends, and what it is judged by."""

    def __init__(self):
        super().__init__()
        self.generator = torch.nn.Sequential(
            torch.nn.Linear(16, 256),
            torch.nn.ReLU(),
            torch.nn.Linear(256, 256),
            torch.nn.ReLU(),
            torch.nn.Linear(256, 64),
        )
        self.loss = otgan.SinkhornLoss(epsilon=0.5)
        self.distance = EarthMoversDistance()
        self.course = []

    def training_step(self, batch, _):
        """Descend the divergence between samples and a batch of the data."""
        (real,) = batch
        return self.loss(self.generator(torch.randn(len(real), 16, device=self.device)), real)

    def validation_step(self, batch, _):
        """Keep as many samples as there are data."""
        (real,) = batch
        self.distance.update(self.generator(torch.randn(len(real), 16, device=self.device)), real)

    def on_validation_epoch_end(self):
        """Measure all that were kept."""
        self.course.append(float(self.distance.compute()))
        self.distance.reset()

    def configure_optimizers(self):
        """Adam, as GANs have it."""
        return torch.optim.Adam(self.parameters(), lr=2e-3, betas=(0.5, 0.9))


# %%
# The data, the last fifth of them held out, and the training. ``precision="bf16-mixed"`` or ``devices=4`` would be all there is
# to say of either.

lightning.seed_everything(0, verbose=False)
digits = torch.from_numpy(otgan.data.load("digits")).float()
training, held_out = random_split(TensorDataset(digits), (0.8, 0.2))
model = SinkhornGAN()
trainer = lightning.Trainer(
    max_epochs=60,
    accelerator="cpu",
    logger=False,
    enable_checkpointing=False,
    enable_progress_bar=False,
    enable_model_summary=False,
)
trainer.fit(model, DataLoader(training, batch_size=200, shuffle=True), DataLoader(held_out, batch_size=200))
print(f"EM to the held-out digits: {model.course[0]:.2f} before training, {model.course[-1]:.2f} after")

# %%
# Beside a real draw's own distance, which is not 0 either, and some of the samples.

real = torch.stack([row for (row,) in training])
floor = float(otgan.emd(real[: len(held_out)], torch.stack([row for (row,) in held_out])))
with torch.no_grad():
    samples = model.generator(torch.randn(40, 16)).reshape(4, 10, 8, 8).clamp(0, 1)
tiles = torch.nn.functional.pad(samples, (1, 1, 1, 1), value=0.5)

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3), layout="constrained", width_ratios=(1, 1.4))
left.plot(model.course, color="#0072b2")
left.axhline(floor, color="#333333", linestyle=":", label="as many training digits")
left.set(xlabel="epoch", ylabel="EM to held-out digits", ylim=(0, None))
left.legend(frameon=False)
left.spines[["top", "right"]].set_visible(False)
right.imshow(torch.cat(tuple(torch.cat(tuple(row), dim=1) for row in tiles)), cmap="gray", vmin=0, vmax=1)
right.set_title("samples", fontsize=10)
right.axis("off")
plt.show()
