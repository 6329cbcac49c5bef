import torch
from torch import nn

from otgan.gan.systems.features import embed


def test_samples_are_rows_as_they_are_where_there_are_no_features():
    x = torch.randn(3, 1, 2, 2, dtype=torch.float64)
    found = embed({"generator": nn.Identity()}, x)
    assert found.dtype == torch.float32
    assert torch.equal(found, x.float().reshape(3, 4))


def test_features_are_on_the_sphere():
    features = nn.Linear(2, 5)
    x = torch.randn(4, 2)
    found = embed({"features": features}, x)
    assert torch.allclose(found.norm(dim=1), torch.ones(4))
    expected = features(x) / features(x).norm(dim=1, keepdim=True)
    assert torch.allclose(found, expected, atol=1e-6)
