import math

import pytest
import torch

import otgan
from otgan.gan.losses.ground_cost import ground_cost
from otgan.gan.losses.potentials import Potentials
from otgan.gan.losses.regularizers import KL, REGULARIZERS
from otgan.gan.losses.semidiscrete import SemiDual

KINDS = [("kl", 2.0), ("kl", 1.0), ("l2", 2.0)]


def clouds(m=37, n=501, k=3, dtype=torch.float64):
    rng = torch.Generator().manual_seed(0)
    x, y = torch.randn(m, k, generator=rng, dtype=dtype), torch.randn(n, k, generator=rng, dtype=dtype) + 1
    return x, y, torch.randn(n, generator=rng, dtype=dtype) / 3


@pytest.mark.parametrize(("name", "power"), KINDS)
def test_reply_is_that_of_the_whole_matrix(name, power):
    x, y, psi = clouds()
    smoothing = REGULARIZERS[name](0.5)
    found = SemiDual(smoothing, y, power).reply(x, psi)
    x.requires_grad_()
    cost = ground_cost(x, y, power)
    with torch.no_grad():
        f = smoothing.half_step(psi, cost.mT)
        density = smoothing.density(f, psi, cost)
    total = (density * cost).mean()
    (pull,) = torch.autograd.grad(total, x)
    assert torch.allclose(density.mean(1), torch.ones(len(x), dtype=x.dtype))
    assert float(found.value) == pytest.approx(float(smoothing.dual(f, psi, cost.detach())), rel=1e-9)
    assert torch.allclose(found.marginal, density.mean(0))
    assert float(found.cost) == pytest.approx(float(total.detach()), rel=1e-9)
    assert torch.allclose(found.pull, pull, atol=1e-12)


@pytest.mark.parametrize(("name", "power"), KINDS)
def test_blocks_do_not_show(monkeypatch, name, power):
    x, y, psi = clouds()
    transport = SemiDual(REGULARIZERS[name](0.5), y, power)
    whole, gap = transport.reply(x, psi), transport.gap(x, psi)
    monkeypatch.setattr("otgan.gan.losses.semidiscrete._ENTRIES", 4 * len(y))
    for a, b in zip(transport.reply(x, psi), whole, strict=True):
        assert torch.allclose(a, b)
    assert torch.allclose(transport.gap(x, psi).gap, gap.gap)


@pytest.mark.parametrize(("name", "power"), KINDS)
def test_gradient_of_the_semi_dual_is_what_the_marginal_lacks(name, power):
    x, y, psi = clouds(n=23)
    transport, step = SemiDual(REGULARIZERS[name](0.5), y, power), 1e-5
    marginal = transport.reply(x, psi).marginal
    for j in (0, 11, 22):
        ahead, behind = psi.clone(), psi.clone()
        ahead[j] += step
        behind[j] -= step
        slope = (transport.reply(x, ahead).value - transport.reply(x, behind).value) / (2 * step)
        assert float(slope) == pytest.approx((1 - float(marginal[j])) / len(y), abs=1e-8)


@pytest.mark.parametrize(("name", "power"), KINDS)
def test_gap_bounds_what_the_dual_lacks(name, power):
    x, y, psi = clouds(m=40, n=60)
    smoothing = REGULARIZERS[name](0.5)
    optimal = smoothing.solve(x, y, power, 1e-9)
    cost = ground_cost(x, y, power)
    best = float(smoothing.dual(*optimal, cost))
    transport = SemiDual(smoothing, y, power)
    found = transport.gap(x, psi)
    assert float(found.value) <= best + 1e-9
    assert float(found.value + found.gap) >= best - 1e-9
    assert float(transport.gap(x, optimal[1]).gap) == pytest.approx(0, abs=1e-7)


def test_table_finds_the_exact_semi_discrete_solution():
    """A law of few places that batches are drawn from: the solver knows the potentials that stochastic ascent must find."""
    places, y, _ = clouds(m=25, n=40, k=2)
    exact = otgan.transport(places.numpy(), y.numpy(), p=2, epsilon=0.5, tol=1e-10)
    transport, table = SemiDual(KL(0.5), y, 2.0), Potentials()
    table.reset_parameters()
    table.fit(len(y))
    rng = torch.Generator().manual_seed(1)
    for ascent in range(3000):
        batch = places[torch.randint(len(places), (20,), generator=rng)]
        marginal = transport.reply(batch, table.current.double()).marginal
        table.ascend(transport.smoothing.ascent(marginal, 1 / (2 + ascent / 5)).float())
    found = table.average.double()
    expected = torch.tensor(exact.g)
    assert (found - found.mean() - expected + expected.mean()).abs().max() < 0.05
    lacking = float(exact.value - transport.reply(places, found).value)
    assert 0 <= lacking + 1e-6 < 1e-3
    assert float(transport.gap(places, found).gap) < 0.01 * exact.value
    # Pinsker: the plan of the table is as near to the optimal one as its gap says.
    cost = ground_cost(places, y, 2.0)
    plan = KL(0.5).density(KL(0.5).half_step(found, cost.mT), found, cost)
    optimal = torch.tensor(exact.plan) * plan.numel()
    distance = float((plan - optimal).abs().mean())
    assert distance <= KL(0.5).plan_error(float(transport.gap(places, found).gap))


def test_bounds_of_plans():
    assert KL(2.0).plan_error(0.5) == pytest.approx(math.sqrt(2 * 0.5 / 2))
    assert KL(2.0).plan_error(0.5, mass=2.5) == pytest.approx(math.sqrt(12 / 3 * 0.5 / 2))
    assert REGULARIZERS["l2"](2.0).plan_error(0.5) == pytest.approx(0.5)
