import itertools
import math
from functools import partial

import pytest
import torch

import otgan
from otgan.gan.datasets.training_data import TrainingData
from otgan.gan.errors import OptionError
from otgan.gan.losses.potentials import Duals
from otgan.gan.systems import smoothed_ot
from otgan.gan.systems.base import descend
from otgan.gan.systems.smoothed_ot import SmoothedOT
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
    if duals == "table" and features:
        features = "random:4"
    system, state = start(samples, duals=duals, regularizer=regularizer, features=features)
    for _ in range(3):
        terms = system.step(state.nets, state.optimizers, state.batches)
        if duals == "table":
            terms |= {"gap": torch.tensor(state.assess(system)["gap"])}
        assert set(terms) == {"smoothed", "gap", "transport_cost"}
        assert all(torch.isfinite(value) and not value.requires_grad for value in terms.values())
        assert terms["gap"] > -1e-4
        if duals == "sinkhorn":
            assert terms["gap"] < 0.02
        if features == 4:
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
    x, y, cost = system.drawn(other.nets, other.batches)
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
        ({"features": "autoencoder", "duals": "nets"}, "duals=nets are functions of samples, not of codes"),
        ({"features": 64, "duals": "table"}, "takes features that stay as they are, got adversarial:64"),
        ({"duals": "table", "self_terms": True}, "self_terms are between batches"),
        ({"duals": "table", "lr_table": 1.0}, r"lr_table must be in \[0, 1\)"),
        (
            {"features": "autoencoder+random", "n_codes": 5, "duals": "table"},
            "takes features that stay as they are",
        ),
    ]:
        with pytest.raises(OptionError, match=message):
            SmoothedOT(**options)


@pytest.mark.parametrize("regularizer", ["kl", "l2"])
@pytest.mark.parametrize("power", [1.0, 2.0])
def test_table_descends_the_transport_to_all_data(samples, regularizer, power):
    """The update is that of Σ π c over the batch and the whole data set, π being the reply to the table."""
    options = {"duals": "table", "n_dual": 1, "regularizer": regularizer, "power": power}
    (system, state), (_, other) = start(samples, **options), start(samples, **options)
    system.step(state.nets, state.optimizers, state.batches)
    found = [p.grad for p in state.nets["generator"].parameters()]
    other.batches.noise()  # of the ascent
    y, potentials = other.nets["generator"](other.batches.noise()), state.nets["table"].average
    cost = torch.cdist(y, other.batches.points) ** power
    with torch.no_grad():
        f = system.smoothing().half_step(potentials, cost.mT)
        plan = system.smoothing().density(f, potentials, cost)
    expected = torch.autograd.grad((plan * cost).mean(), list(other.nets["generator"].parameters()))
    for a, b in zip(found, expected, strict=True):
        assert torch.allclose(a, b, atol=1e-4)
    assert potentials.abs().max() > 0


def test_table_needs_no_more_ascents_than_are_good_enough(samples):
    counts = []
    for enough in (None, 1e9):
        system, state = start(samples, duals="table", n_dual=5, enough=enough, power=2.0)
        system.step(state.nets, state.optimizers, state.batches)
        counts.append(int(state.nets["table"].ascents))
    assert counts == [5, 1]


@pytest.mark.parametrize("duals", Duals)
def test_assessment_bounds_the_gap_and_leaves_the_training_alone(samples, duals):
    system, state = start(samples, duals=duals, n_dual=2)
    other = start(samples, duals=duals, n_dual=2)[1]
    for _ in range(2):
        system.step(state.nets, state.optimizers, state.batches)
        found = state.assess(system)
        assert found == state.assess(system)
        assert found["gap"] >= 0
        expected = (2 * found["gap"] / system.strength) ** 0.5
        assert found["gradient_error_bound"] == pytest.approx(expected, rel=1e-3)
        system.step(other.nets, other.optimizers, other.batches)
        state.step += 1
    for name, net in state.nets.items():
        assert net.training
        for key, value in net.state_dict().items():
            assert torch.equal(value, other.nets[name].state_dict()[key])
    assert state.batches.state_dict()["position"] == other.batches.state_dict()["position"]
    assert torch.equal(state.batches.rng.get_state(), other.batches.rng.get_state())


def test_nothing_is_said_of_transport_while_the_autoencoder_learns(samples):
    system, state = start(samples, features="autoencoder:2", duals="table", n_features=1)
    assert state.assess(system) == {}
    system.step(state.nets, state.optimizers, state.batches)
    assert set(state.assess(system)) == {"gap", "gradient_error_bound"}


@pytest.mark.parametrize("duals", ["nets", "semidual", "sinkhorn"])
@pytest.mark.parametrize("regularizer", ["kl", "l2"])
def test_self_terms_are_between_two_batches_of_the_generator(samples, duals, regularizer):
    options = {"duals": duals, "regularizer": regularizer, "n_dual": 1, "lr_dual": 0.0, "self_terms": True}
    (system, state), (_, other) = start(samples, **options), start(samples, **options)
    terms = system.step(state.nets, state.optimizers, state.batches)
    assert set(terms) == {"smoothed", "gap", "transport_cost", "self_term"}
    found = [p.grad for p in state.nets["generator"].parameters()]

    smoothing = system.smoothing()
    if duals != "sinkhorn":
        other.batches.real(), other.batches.noise()  # of the ascent
    pairs = [(other.batches.real(), other.nets["generator"](other.batches.noise())) for _ in range(2)]
    loss = 0
    for x, y in pairs:
        cost = torch.cdist(x, y) ** system.power
        with torch.no_grad():
            phi, _ = system.potentials(other.nets, x, y, cost)
            plan = smoothing.density(phi, smoothing.half_step(phi, cost), cost)
        loss = loss + (plan * cost).mean() / 2
    y, z = (y for _, y in pairs)
    cost = torch.cdist(y, z) ** system.power
    with torch.no_grad():
        plan = smoothing.density(*smoothing.solve(y, z, system.power, system.tol), cost)
    loss = loss - (plan * cost).mean() / 2
    expected = torch.autograd.grad(loss, list(other.nets["generator"].parameters()))
    for a, b in zip(found, expected, strict=True):
        assert torch.allclose(a, b, atol=1e-4)


def test_features_that_learn_ascend_a_distance_between_two_batches_on_either_side(samples, monkeypatch):
    options = {"features": "adversarial:4", "self_terms": True, "n_dual": 1, "lr_dual": 0.0, "tol": 1e-6}
    (system, state), (_, other) = start(samples, **options), start(samples, **options)
    found = []

    def spied(optimizer, loss):
        descend(optimizer, loss)
        found.append([p.grad.clone() for group in optimizer.param_groups for p in group["params"]])

    monkeypatch.setattr(smoothed_ot, "descend", spied)
    system.step(state.nets, state.optimizers, state.batches)

    sides = []
    for more in (False, True):
        x = system.real(other.nets, other.batches, more=more)
        sides.append((x, system.generated(other.nets, other.batches, apart=True)))
    (x, y), (x2, y2) = sides
    between = partial(otgan.sinkhorn, p=system.power, epsilon=system.strength, tol=1e-6)
    crossed = [between(a, b) for a, b in itertools.product((x, x2), (y, y2))]
    lacking = -sum(crossed) / 4 + (between(x, x2) + between(y, y2)) / 2
    expected = torch.autograd.grad(lacking, list(other.nets["features"].parameters()))
    for a, b in zip(found[0], expected, strict=True):
        assert torch.allclose(a, b, atol=1e-5)
    assert max(float(a.abs().max()) for a in found[0]) > 1e-3


def test_self_terms_keep_what_plain_transport_shrinks():
    """Of normal points in 8 dimensions, batches of 64: the scale at which a loss is least, x being drawn anew and anew."""
    rng = torch.Generator().manual_seed(0)
    smoothing, scales = SmoothedOT(strength=0.5).smoothing(), torch.linspace(0.4, 1.2, 9)
    plain, debiased = torch.zeros(9), torch.zeros(9)
    for _ in range(40):
        x, y, z = torch.randn(3, 64, 8, generator=rng)
        for k, scale in enumerate(scales):
            cross = smoothing.transport(x, scale * y, 2.0, 1e-3)[1]
            plain[k] += cross
            debiased[k] += cross - smoothing.transport(scale * y, scale * z, 2.0, 1e-3)[1] / 2
    assert float(scales[plain.argmin()]) < 0.75
    assert float(scales[debiased.argmin()]) == pytest.approx(1, abs=0.101)


def test_images_have_other_defaults_where_no_codes_are_compared():
    plain = SmoothedOT.for_data("images")
    assert (plain.features, plain.self_terms, plain.batch) == ("autoencoder:32", True, 500)
    for given in ({"features": "samples"}, {"duals": "nets"}, {"features": 8, "duals": "semidual"}):
        system = SmoothedOT.for_data("images", given)
        assert (system.self_terms, system.batch, system.lr) == (False, 100, 5e-4)
    table = SmoothedOT.for_data("images", {"duals": "table"})
    assert (table.features, table.self_terms) == ("autoencoder:32", False)


@pytest.mark.parametrize("kind", ["points", "small", "images"])
def test_self_terms_are_by_default_where_there_may_be_some(kind):
    assert SmoothedOT.for_data(kind).self_terms
    for given in ({"duals": "nets"}, {"duals": "table"}):
        assert not SmoothedOT.for_data(kind, given).self_terms
    assert SmoothedOT.for_data(kind, {"features": "lipschitz:8"}).self_terms


def test_a_gap_that_is_no_number_is_not_zero(samples):
    system, state = start(samples, duals="nets")
    with torch.no_grad():
        for parameter in state.nets["phi"].parameters():
            parameter.fill_(float("nan"))
    assert all(math.isnan(value) for value in state.assess(system).values())
