import torch
from torch import nn

from otgan.gan.losses.slopes import gradient_norms


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
