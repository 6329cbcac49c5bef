import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment
from torch import nn

from otgan.gan import OptionError, train
from otgan.gan.datasets.training_data import TrainingData
from otgan.gan.networks import Flow, Space
from otgan.gan.systems.flow_matching import FlowMatching
from otgan.gan.training.state import State
from tests.gan.networks.test_flows import Gaussian

SMALL = {"width": 32, "depth": 2, "batch": 128, "decay": 0, "lr": 5e-3}
MEAN, WIDTH = np.array([0.3, -0.4]), 1.5
"""Of a Gaussian whose units the trainer keeps."""


def gaussian(n=4000):
    return MEAN + WIDTH * np.random.default_rng(0).normal(size=(n, 2))


def start(data, **options):
    data = TrainingData.of(data, 0)
    system = FlowMatching.for_data(data.space.kind, {**SMALL, **options})
    return system, State.start(system, data, 0, torch.device("cpu"))


@pytest.fixture(scope="module")
def runs():
    return {
        coupling: train("flow-matching", gaussian(), 400, options={**SMALL, "coupling": coupling})
        for coupling in ("exact", "independent")
    }


@pytest.mark.parametrize("coupling", ["exact", "independent"])
def test_the_velocity_between_gaussians_is_the_closed_form(runs, coupling):
    flow = runs[coupling].networks["generator"]
    closed = Gaussian(torch.tensor(MEAN, dtype=torch.float32), WIDTH, coupling == "exact")
    rng = torch.Generator().manual_seed(0)
    z, t = torch.randn(2000, 2, generator=rng), torch.rand(2000, generator=rng)
    wide = closed.widths(t)[0][:, None]
    x = t[:, None] * closed.m + wide * z  # where the paths are at that time
    with torch.no_grad():
        wrong = (flow.at(x, t) - closed(x, t)).square().sum(1).mean()
    # Against the velocity's own variation, and more than what a plan of 128 samples is off by.
    assert float(wrong) < 0.05 * float(closed.m.square().sum() + 2 * (WIDTH - 1) ** 2 + 1)


def test_paths_of_optimal_pairs_are_straighter_as_the_closed_forms_say(runs):
    z = torch.randn(2000, 2, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        found = {name: float(run.networks["generator"].straightness(z)) for name, run in runs.items()}
    closed = Flow(Gaussian(torch.tensor(MEAN, dtype=torch.float32), WIDTH, False), (2,))
    known = float(closed.straightness(z))
    assert found["exact"] < known / 4
    assert found["independent"] == pytest.approx(known, rel=0.3)


def test_samples_are_where_the_paths_end(runs):
    samples = runs["exact"].sample(4000, seed=0)
    assert np.allclose(samples.mean(0), MEAN, atol=0.15)
    assert np.allclose(np.cov(samples.T), WIDTH**2 * np.eye(2), atol=0.35)


def test_pairs_of_a_batch_are_those_of_the_plan():
    costs = {}
    for coupling in ("exact", "sinkhorn", "independent"):
        system, state = start(gaussian(), coupling=coupling, epsilon=0.5)
        with_rng = state.batches.rng.get_state()
        x0, x1, _ = system.pairs(state.nets, state.batches)
        assert x0.shape == x1.shape == (128, 2)
        costs[coupling] = float((x0 - x1).square().sum(1).mean())
        if coupling == "exact":
            state.batches.rng.set_state(with_rng)
            drawn = state.batches.normal(128, 2)
            matrix = torch.cdist(drawn, x1).square().numpy()
            best = matrix[linear_sum_assignment(matrix)].mean()
            assert costs["exact"] == pytest.approx(best, rel=1e-5)
    assert costs["exact"] < costs["sinkhorn"] < costs["independent"]


class Watched(nn.Module):
    """A velocity of zero that remembers where it was asked for."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))

    def forward(self, x, t):
        self.x, self.t = x.detach(), t
        return self.weight * x


@pytest.mark.parametrize("sigma", [0.0, 0.7])
def test_places_are_between_the_pairs_and_as_wide_as_sigma(sigma):
    """Where all data are one point, at 0 in the units of the networks, x_t = (1 − t) x₀ + σ ξ."""
    system, state = start(np.full((2500, 2), 5.0), sigma=sigma, batch=2000, coupling="independent")
    watched = state.nets["generator"].velocity = Watched()
    terms = system.learn(state.nets, system.optimizers(state.nets), state.batches)
    assert float(terms["loss"]) == pytest.approx(float(terms["transport_cost"]) / 2, rel=1e-5)
    assert float(terms["transport_cost"]) == pytest.approx(2, rel=0.1)
    assert 0 <= float(watched.t.min()) < 0.01
    assert 0.99 < float(watched.t.max()) <= 1
    variances = (1 - watched.t) ** 2 + sigma**2
    assert float((watched.x.square() / variances[:, None]).mean()) == pytest.approx(1, rel=0.1)


def test_noise_has_as_many_numbers_as_a_sample_or_a_code():
    for options, size in (({}, 12), ({"features": "autoencoder:5"}, 5), ({"features": "wae:7"}, 7)):
        system = FlowMatching.for_data("images", {"features": "samples", **options})
        assert system.noise_size(Space((3, 2, 2))) == size
    with pytest.raises(OptionError, match="has no option 'latent'"):
        FlowMatching.for_data("points", {"latent": 3})


@pytest.mark.parametrize("features", ["samples", "autoencoder:3"])
def test_images_are_drawn_in_and_out_of_codes(features):
    options = {**SMALL, "features": features, "n_features": 2, "width": 4, "batch": 16, "n_steps": 2}
    run = train("flow-matching", "digits", 4, options=options)
    images = run.sample(3, seed=0)
    assert images.shape == (3, 1, 8, 8)
    assert images.min() >= 0
    assert images.max() <= 1
    assert run.decode(np.zeros((2, run.system.noise_size(run.space)))).shape == (2, 1, 8, 8)
    evaluated = [row["evaluation"] for row in run.history if "evaluation" in row]
    assert ("straightness" in evaluated[0]) == (features == "samples")
    assert "straightness" in evaluated[-1]


def test_a_velocity_of_ones_own_is_wrapped_in_a_flow():
    class Linear(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Linear(3, 2)

        def forward(self, x, t):
            return self.inner(torch.cat([x, t[:, None]], 1))

    flow = Flow(Linear(), (2,), n_steps=3)
    run = train("flow-matching", gaussian(200), 3, options=SMALL, modules={"generator": flow})
    assert run.sample(2, seed=0).shape == (2, 2)
    with pytest.raises(OptionError, match=r"wrap a velocity of your own in otgan\.gan\.networks\.Flow"):
        train("flow-matching", gaussian(200), 1, options=SMALL, modules={"generator": nn.Linear(2, 2)})


@pytest.mark.parametrize(
    "features", ["adversarial:8", "random:8", "samples+random:8", "autoencoder:8+random:4"]
)
def test_flows_live_among_samples_or_codes(features):
    with pytest.raises(OptionError, match="features says where flow-matching lives"):
        FlowMatching(features=features)
