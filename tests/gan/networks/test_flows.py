import math
import weakref

import pytest
import torch
from torch import nn

from otgan.gan.errors import OptionError, RunError
from otgan.gan.networks import Flow, Integrator
from otgan.gan.networks.flows import integrate

ORDERS = {Integrator.EULER: 1, Integrator.MIDPOINT: 2, Integrator.RK4: 4}


class Gaussian(nn.Module):
    """The velocity that takes N(0, I) to N(m, s² I), by paths x_t = t m + σ_t x₀.

    Of the optimal plan σ_t = 1 − t + t s; of independent pairs σ_t² = (1 − t)² + t² s², the standard deviation of x_t.
    """

    def __init__(self, m, s, optimal):
        super().__init__()
        self.m, self.s, self.optimal = m, s, optimal

    def widths(self, t):
        if self.optimal:
            return 1 - t + t * self.s, torch.full_like(t, self.s - 1)
        wide = ((1 - t) ** 2 + (t * self.s) ** 2).sqrt()
        return wide, (t * self.s**2 - (1 - t)) / wide

    def forward(self, x, t):
        wide, change = (each[:, None] for each in self.widths(t))
        return self.m + change / wide * (x - t[:, None] * self.m)


class Still(nn.Module):
    def forward(self, x, t):
        return torch.zeros_like(x)


class Narrow(nn.Module):
    def forward(self, x, t):
        return x[:, :1]


def test_a_velocity_has_the_shape_of_its_places():
    with pytest.raises(RunError, match=r"the shape of the places it is at, \(5, 2\), got \(5, 1\)"):
        Flow(Narrow(), (2,))(noise(5))


def gaussian(optimal, **options):
    return Flow(Gaussian(torch.tensor([1.0, -2.0]), 3.0, optimal), (2,), **options)


def noise(n, d=2):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("integrator", Integrator)
def test_steps_are_of_the_order_that_they_claim(integrator):
    """dx/dt = x (1 + t) has the solution x₀ exp(t + t² / 2)."""

    def velocity(x, t):
        return x * (1 + t)[:, None]

    start = torch.tensor([[1.0], [-2.0]], dtype=torch.float64)
    end = start * math.exp(1.5)
    errors = [
        float((list(integrate(velocity, start, n, integrator))[-1] - end).abs().max()) for n in (20, 40)
    ]
    assert math.log2(errors[0] / errors[1]) == pytest.approx(ORDERS[integrator], abs=0.15)


@pytest.mark.parametrize("optimal", [True, False])
def test_a_gaussian_is_moved_to_a_gaussian_as_its_closed_form_says(optimal):
    z = noise(50)
    assert torch.allclose(gaussian(optimal)(z), torch.tensor([1.0, -2.0]) + 3 * z, atol=2e-3)


@pytest.mark.parametrize("integrator", Integrator)
def test_straight_paths_are_followed_in_one_step(integrator):
    z = noise(50)
    flow = gaussian(True, integrator=integrator, n_steps=1)
    assert torch.allclose(flow(z), torch.tensor([1.0, -2.0]) + 3 * z, atol=1e-5)
    assert float(flow.straightness(z)) < 1e-10


def test_the_straightness_of_independent_pairs_is_the_closed_form():
    """The paths t m + σ_t x₀ differ from straight ones by (σ_t′ − (s − 1)) x₀ in speed."""
    z, m, s = noise(20000), torch.tensor([1.0, -2.0]), 3.0
    flow = gaussian(False, integrator=Integrator.RK4)
    t = (torch.arange(2000, dtype=torch.float64) + 0.5) / 2000
    apart = ((flow.velocity.widths(t)[1] - (s - 1)) ** 2).mean()
    expected = 2 * apart / (m.square().sum() + 2 * (s - 1) ** 2)
    assert float(flow.straightness(z, 100)) == pytest.approx(float(expected), rel=0.02)


def test_pixels_are_moved_between_minus_one_and_one_and_end_in_their_range():
    class Still(nn.Module):
        def forward(self, x, t):
            return torch.zeros_like(x)

    flow = Flow(Still(), (1, 2, 2), pixels=True)
    images = torch.rand(5, 1, 2, 2, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(flow(flow.place(images).flatten(1)), images)
    assert flow(torch.full((1, 4), 9.0)).tolist() == [[[[1.0, 1.0], [1.0, 1.0]]]]


def test_a_path_begins_with_the_noise_and_ends_with_the_samples():
    z, flow = noise(4), gaussian(False, n_steps=7)
    path = flow.path(z)
    assert path.shape == (8, 4, 2)
    assert torch.equal(path[0], z)
    assert torch.equal(path[-1], flow(z))
    assert flow.path(z, 3).shape == (4, 4, 2)


@pytest.mark.parametrize("integrator", Integrator)
def test_samples_need_no_memory_for_the_places_on_the_way(integrator):
    class Watched(nn.Module):
        seen, most = (), 0

        def forward(self, x, t):
            self.seen = [each for each in self.seen if each() is not None] + [weakref.ref(x)]
            self.most = max(self.most, len(self.seen))
            return -x

    watched = Watched()
    with torch.no_grad():
        Flow(watched, (2,), integrator=integrator, n_steps=40)(noise(3))
    assert watched.most <= 3


def test_where_nothing_moves_paths_are_straight():
    still = Flow(Still(), (2,))
    assert float(still.straightness(torch.randn(5, 2))) == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"integrator": "heun"}, "integrator must be one of euler, midpoint, rk4, got 'heun'"),
        ({"n_steps": 0}, "n_steps must be a whole number of at least 1"),
        ({"n_steps": 2.5}, "n_steps must be a whole number"),
    ],
)
def test_how_a_flow_is_followed_is_checked(options, message):
    with pytest.raises(OptionError, match=message):
        Flow(nn.Identity(), (2,), **options)
    flow = Flow(Still(), (2,))
    for name, value in options.items():
        setattr(flow, name, value)
    with pytest.raises(OptionError, match=message):
        flow(torch.zeros(3, 2))
