import numpy as np
import pytest
import torch
from torch import nn

import otgan
from otgan.gan.datasets.batches import Batches
from otgan.gan.networks import Space, critic, initialize
from otgan.gan.systems.wgan_gp import WGANGP, gradient_norms


def test_gradient_norms_of_a_known_function():
    x = torch.randn(5, 3)
    linear = nn.Linear(3, 1)
    norm = torch.linalg.vector_norm(linear.weight.detach())
    assert torch.allclose(gradient_norms(linear, x).detach(), norm.expand(5))
    gradient_norms(linear, x).sum().backward()
    assert torch.allclose(linear.weight.grad[0], 5 * linear.weight.detach()[0] / norm)


def test_gradient_norms_are_per_sample_and_defined_at_zero():
    def quadratic(x):
        return 0.5 * x.square().sum(1)

    x = torch.tensor([[3.0, 4.0], [0.0, 0.0]])
    assert gradient_norms(quadratic, x).tolist() == [5.0, 0.0]


def test_paper_defaults():
    paper = WGANGP()
    assert (paper.penalty, paper.n_critic, paper.lr, paper.beta1, paper.beta2) == (10.0, 5, 1e-4, 0.0, 0.9)
    assert (paper.batch, paper.width, paper.depth) == (64, 512, 3)


def test_estimate_with_the_generator_frozen_is_the_exact_distance():
    """With λ = 10 the critic's difference is within 10 % of the linear program's W₁, and its slope is about 1."""
    rng = np.random.default_rng(0)
    real = rng.normal(size=(256, 2)).astype(np.float32)
    fake = (0.5 * rng.normal(size=(256, 2)) + np.array([2.0, 0.5])).astype(np.float32)
    exact = otgan.emd(real.astype(float), fake.astype(float))
    system = WGANGP(batch=256, width=64, depth=2, lr=2e-3)
    batches = Batches(torch.from_numpy(real), 256, 2, "normal", 0)
    net = initialize(
        critic(Space((2,)), "mlp", width=64, depth=2), torch.Generator().manual_seed(0), torch.device("cpu")
    )
    optimizer = system.optimizers({"critic": net})["critic"]
    rows = [system.critic_step(net, optimizer, batches, torch.from_numpy(fake)) for _ in range(400)]
    gap, slope = (
        float(torch.stack([row[key] for row in rows[-100:]]).median()) for key in ("critic_gap", "slope")
    )
    assert gap == pytest.approx(exact, rel=0.1)
    assert slope == pytest.approx(1, abs=0.1)
