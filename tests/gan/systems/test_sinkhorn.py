import pytest
import torch
from torch import nn

import otgan
from otgan.gan.datasets.batches import Batches
from otgan.gan.datasets.training_data import TrainingData
from otgan.gan.errors import OptionError
from otgan.gan.networks import Prior
from otgan.gan.systems.sinkhorn import Sinkhorn
from otgan.gan.training.state import State

CPU = torch.device("cpu")
SMALL = {"batch": 24, "latent": 2, "width": 16, "depth": 1, "prior": "normal", "epsilon": 0.3, "tol": 1e-6}


@pytest.fixture(scope="module")
def samples():
    return TrainingData.of("8gaussians", 0)


def start(samples, **options):
    system = Sinkhorn(**{**SMALL, **options})
    return system, State.start(system, samples, 0, CPU)


def test_paper_defaults():
    paper = Sinkhorn()
    assert (paper.batch, paper.latent, paper.prior, paper.epsilon) == (300, 2, "uniform", 1.0)
    assert (paper.width, paper.depth, paper.activation) == (500, 2, "softplus")


@pytest.mark.parametrize("form", ["debiased", "biased", "two-batch"])
def test_divergence_is_that_of_the_library(samples, form):
    system, state = start(samples, form=form)
    other = start(samples, form=form)[1]
    found = system.divergence(state.nets, state.batches)
    draw = [(other.batches.real(), other.nets["generator"](other.batches.noise())) for _ in range(2)]
    (x, y), (x2, y2) = draw
    options = {"epsilon": 0.3, "tol": 1e-6}
    if form == "two-batch":
        pairs = [(x, y, 1), (x, y2, 1), (x2, y, 1), (x2, y2, 1), (x, x2, -2), (y, y2, -2)]
        expected = sum(sign * otgan.sinkhorn(u, v, **options) for u, v, sign in pairs)
    else:
        function = otgan.sinkhorn_divergence if form == "debiased" else otgan.sinkhorn
        expected = function(x, y, **options)
    assert float(found.detach()) == pytest.approx(float(expected.detach()), rel=1e-4)
    for value, nets in ((found, state.nets), (expected, other.nets)):
        value.backward(inputs=list(nets["generator"].parameters()))
    pairs = zip(state.nets["generator"].parameters(), other.nets["generator"].parameters(), strict=True)
    for a, b in pairs:
        assert torch.allclose(a.grad, b.grad, atol=1e-4)


def test_training_brings_the_divergence_down(samples):
    system, state = start(samples, lr=1e-2, batch=48)
    values = [
        float(system.step(state.nets, state.optimizers, state.batches)["divergence"]) for _ in range(60)
    ]
    assert sum(values[-5:]) < 0.5 * sum(values[:5])


def test_features_ascend_on_the_sphere(samples):
    system, state = start(samples, features=4, n_critic=3, lr=0.0, lr_features=1e-2)
    before = [p.detach().clone() for p in state.nets["features"].parameters()]
    values = [
        float(system.step(state.nets, state.optimizers, state.batches)["divergence"]) for _ in range(15)
    ]
    after = list(state.nets["features"].parameters())
    assert not all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert sum(values[-5:]) > sum(values[:5])
    assert max(values) <= 4


class Scaled(nn.Module):
    """A generator of the data themselves, times a number."""

    def __init__(self, scale):
        super().__init__()
        self.scale = nn.Parameter(scale)

    def forward(self, x):
        return self.scale * x


class Whole(Batches):
    """Batches that are the whole data set, which is its own noise."""

    def __init__(self, x):
        super().__init__(x, len(x), 1, Prior.NORMAL, 0)

    def noise(self):
        return self.points


def test_plain_transport_shrinks_and_the_divergence_does_not():
    """OT_ε(N(0, 1), N(0, s²)) is least at s² = 1 − ε / 2, the divergence at 1 (Gaussians, Janati et al. 2020)."""
    x = torch.randn(600, 1, generator=torch.Generator().manual_seed(0))
    x = (x - x.mean()) / x.std(correction=0)
    scales = torch.linspace(0.3, 1.3, 21)
    found = {}
    for form in ("biased", "debiased"):
        system = Sinkhorn(epsilon=1.0, form=form, tol=1e-4)
        values = [system.divergence({"generator": Scaled(s)}, Whole(x)).detach() for s in scales]
        found[form] = float(scales[torch.stack(values).argmin()])
    assert found["biased"] ** 2 == pytest.approx(0.5, abs=0.1)
    assert found["debiased"] == pytest.approx(1, abs=0.051)


def test_options_are_checked():
    with pytest.raises(OptionError, match="form must be one of"):
        Sinkhorn(form="unbiased")
    with pytest.raises(OptionError, match="epsilon must be a positive number"):
        Sinkhorn(epsilon=0.0)
