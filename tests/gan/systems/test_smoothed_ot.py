import itertools

import pytest
import torch

from otgan.gan.datasets.training_data import TrainingData
from otgan.gan.errors import OptionError
from otgan.gan.systems.smoothed_ot import Duals, SmoothedOT
from otgan.gan.training.state import State

CPU = torch.device("cpu")
SMALL = {"batch": 24, "latent": 2, "width": 16, "depth": 1, "strength": 0.2}


@pytest.fixture(scope="module")
def samples():
    return TrainingData.of("8gaussians", 0)


def start(samples, **options):
    system = SmoothedOT(**{**SMALL, **options})
    return system, State.start(system, samples, 0, CPU)


@pytest.mark.parametrize(("duals", "regularizer"), [*itertools.product(Duals, ["kl", "l2"])])
@pytest.mark.parametrize("features", [0, 4])
def test_step_reports_a_lower_bound_and_what_it_lacks(samples, duals, regularizer, features):
    system, state = start(samples, duals=duals, regularizer=regularizer, features=features)
    for _ in range(3):
        terms = system.step(state.nets, state.optimizers, state.batches)
        assert list(terms) == ["smoothed", "gap", "transport_cost"]
        assert all(torch.isfinite(value) and not value.requires_grad for value in terms.values())
        assert terms["gap"] > -1e-4
        if duals == "sinkhorn":
            assert terms["gap"] < 0.02
        if features:
            assert 0 <= terms["transport_cost"] <= 4.001  # between points of the unit sphere


def test_longer_ascent_narrows_the_gap(samples):
    gaps = []
    for n_dual in (1, 150):
        system, state = start(samples, duals="nets", n_dual=n_dual, lr=0.0, lr_dual=1e-2)
        gaps.append(float(system.step(state.nets, state.optimizers, state.batches)["gap"]))
    assert gaps[1] < 0.5 * gaps[0]


def test_ascent_stops_where_the_gap_is_small_enough(samples):
    counts = []
    for enough in (None, 1e9):
        system, state = start(samples, duals="nets", n_dual=7, enough=enough)
        system.step(state.nets, state.optimizers, state.batches)
        counts.append(state.batches.position // 24 - 1)  # all batches but the generator's
    assert counts == [7, 1]


@pytest.mark.parametrize("duals", ["nets", "semidual"])
def test_generator_descends_the_cost_under_a_plan_that_is_constant(samples, duals):
    """The update is that of Σ π̃ c alone: the networks of the potentials pass no gradient to the generator."""
    system, state = start(samples, duals=duals, n_dual=1, lr_dual=0.0)
    other = start(samples, duals=duals, n_dual=1, lr_dual=0.0)[1]
    system.step(state.nets, state.optimizers, state.batches)
    found = [p.grad for p in state.nets["generator"].parameters()]

    other.batches.real(), other.batches.noise()
    x, z = other.batches.real(), other.batches.noise()
    y = other.nets["generator"](z)
    cost = system.cost(other.nets, x, y)
    with torch.no_grad():
        phi, _ = system.potentials(other.nets, x, y, cost)
        plan = system.smoothing().density(phi, system.smoothing().half_step(phi, cost), cost)
    assert torch.allclose(plan.mean(0), torch.ones(24), atol=1e-4)
    expected = torch.autograd.grad((plan * cost).mean(), list(other.nets["generator"].parameters()))
    for a, b in zip(found, expected, strict=True):
        assert torch.allclose(a, b, atol=1e-6)


def test_attached_baseline_descends_something_else(samples):
    gradients = []
    for attached in (False, True):
        system, state = start(samples, duals="nets", attached=attached, half_step=False, lr_dual=0.0)
        system.step(state.nets, state.optimizers, state.batches)
        gradients.append(torch.cat([p.grad.flatten() for p in state.nets["generator"].parameters()]))
    assert (gradients[0] - gradients[1]).norm() > 1e-3 * gradients[0].norm()


def test_options_are_checked():
    for options, message in [
        ({"regularizer": "l1"}, "regularizer must be one of kl, l2"),
        ({"duals": "net"}, "duals must be one of"),
        ({"strength": 0.0}, "positive"),
        ({"attached": True}, "baseline for duals=nets"),
    ]:
        with pytest.raises(OptionError, match=message):
            SmoothedOT(**options)
