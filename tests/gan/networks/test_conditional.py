"""Networks that are told the class, and every system by them."""

import numpy as np
import pytest
import torch
from torch import nn

from otgan.data import Dataset
from otgan.gan import OptionError, Run, RunError, train
from otgan.gan.datasets.training_data import TrainingData
from otgan.gan.networks import (
    Conditional,
    Prior,
    Space,
    beside,
    critic,
    encoder,
    generator,
    given,
    takes_label,
)
from otgan.gan.networks.velocities import code_velocity, velocity
from otgan.gan.systems import SYSTEMS
from otgan.gan.systems.coded import Coded
from otgan.gan.systems.flow_matching import FlowMatching
from otgan.gan.systems.sinkhorn import Sinkhorn
from otgan.gan.training.state import State
from tests.gan.networks.made import filled
from tests.gan.runs import assert_same

CPU = torch.device("cpu")
MEANS = np.array([[-3.0, 0.0], [3.0, 1.0], [0.0, 4.0]])
EVERY = [
    *[(name, {}) for name in SYSTEMS],
    ("smoothed-ot", {"duals": "nets"}),
    ("smoothed-ot", {"duals": "semidual"}),
    ("smoothed-ot", {"duals": "table"}),
    ("smoothed-ot", {"features": "adversarial:4", "self_terms": False}),
    ("smoothed-ot", {"features": "lipschitz:4"}),
    ("sinkhorn", {"features": "lipschitz:4"}),
    ("smoothed-ot", {"features": "autoencoder:2+samples", "n_features": 1, "n_codes": 1}),
    ("sinkhorn", {"form": "two-batch"}),
    ("sinkhorn", {"features": "autoencoder:2", "n_features": 1, "form": "two-batch"}),
    ("flow-matching", {"coupling": "sinkhorn"}),
    ("flow-matching", {"coupling": "independent"}),
    ("flow-matching", {"features": "wae:2", "n_features": 1}),
]
SMALL = {"batch": 32, "width": 8, "ema": 0.0}


def gaussians(n=240, classes=3, std=0.05):
    """Classes of equal weight about known means, in an order of which nothing follows."""
    rng = np.random.default_rng(0)
    label = rng.permutation(np.arange(n) % classes)
    return MEANS[label] + std * rng.normal(size=(n, 2)), label


def started(name, options, classes=3):
    x, label = gaussians(classes=classes)
    data = TrainingData.of(x, 0, labels=label)
    system = SYSTEMS[name].for_data("points", {**SMALL, **options, "conditional": True})
    return system, State.start(system, data, 0, CPU)


def tags(case):
    return "-".join([case[0], *map(str, case[1].values())])


@pytest.mark.parametrize("name", SYSTEMS)
def test_every_system_makes_samples_by_class_and_keeps_how(name, tmp_path):
    x, label = gaussians()
    names = np.array(["left", "right", "above"])
    run = train(
        name,
        x,
        4,
        out=tmp_path / "run",
        labels=names[label],
        conditional=True,
        options=SMALL,
        evaluate_every=4,
    )
    assert run.data.classes == ("above", "left", "right")  # in the order of their names
    drawn = run.sample(7, seed=1, label="left")
    assert not np.array_equal(drawn, run.sample(7, seed=1, label="right"))
    several = ["left", "right", "above", 1, 2, 0, "left"]
    mixed = run.sample(7, seed=1, label=several)
    assert np.array_equal(mixed[[0, 3, 6]], drawn[[0, 3, 6]])  # each row is of its own class
    loaded = Run.load(tmp_path / "run")
    for label in ("left", several, None):
        assert_same(
            torch.from_numpy(loaded.sample(7, seed=1, label=label)),
            torch.from_numpy(run.sample(7, seed=1, label=label)),
        )
    result = run.history[-1]["evaluation"]
    assert 0 <= result["conditional_accuracy"] <= 1
    assert result["conditional_accuracy_floor"] == 1  # the classes are far apart


@pytest.mark.parametrize("case", EVERY, ids=tags)
def test_labels_reach_the_generator_and_what_it_learns_by(case):
    system, state = started(*case)
    before = {key: value.clone() for key, value in state.nets["generator"].state_dict().items()}
    for _ in range(4):
        system.step(state.nets, state.optimizers, state.batches)
    # The weights that only labels meet: the last columns of the first layer that has them.
    part = next(m for m in state.nets["generator"].modules() if takes_label(m) and hasattr(m, "classes"))
    layer = next(m for m in part.modules() if isinstance(m, nn.Linear))
    key = next(k for k, m in state.nets["generator"].named_modules() if m is layer)
    moved = (layer.weight - before[f"{key}.weight"])[:, -3:]
    assert (moved != 0).any(0).all()


@pytest.mark.parametrize(("name", "steps"), [("flow-matching", 300), ("sinkhorn", 200), ("vae", 300)])
def test_samples_of_a_class_are_about_its_mean(name, steps):
    x, label = gaussians()
    options = {"batch": 60, "width": 32, "ema": 0.5}
    run = train(name, x, steps, labels=label, conditional=True, options=options, evaluate_every=steps)
    for k, mean in enumerate(MEANS):
        middle = run.sample(200, seed=0, label=k).mean(0)
        assert np.linalg.norm(middle - MEANS, axis=1).argmin() == k, (k, mean)
    assert run.history[-1]["evaluation"]["conditional_accuracy"] > 0.7


def test_a_class_is_numbers_beside_what_it_is_beside():
    label = torch.tensor([2, 0])
    rows = beside(torch.ones(2, 3), label, 3, 5.0)
    assert rows.tolist() == [[1, 1, 1, 0, 0, 5], [1, 1, 1, 5, 0, 0]]
    images = beside(torch.zeros(2, 1, 4, 5), label, 3)
    assert images.shape == (2, 4, 4, 5)
    assert torch.equal(images[:, 1:].amax((2, 3)), nn.functional.one_hot(label, 3).float())
    assert torch.equal(images[:, 1:].amin((2, 3)), images[:, 1:].amax((2, 3)))


@pytest.mark.parametrize(
    ("shape", "network"), [((2,), "mlp"), ((1, 8, 8), "mlp"), ((1, 28, 28), "dcgan"), ((3, 32, 32), "resnet")]
)
def test_a_network_says_something_else_of_another_class_and_of_rows_in_another_order(shape, network):
    space = Space(shape, classes=4)
    x = torch.rand(6, *shape, generator=torch.Generator().manual_seed(0))
    label = torch.tensor([0, 1, 2, 3, 0, 1])
    made = {
        "critic": (filled(critic, space, network, width=8, depth=2), x),
        "encoder": (filled(encoder, space, network, outputs=3, width=8, depth=2), x),
        "generator": (
            filled(generator, space, network, latent=5, width=8, depth=2, norm=False),
            torch.rand(6, 5, generator=torch.Generator().manual_seed(1)),
        ),
    }
    order = torch.tensor([4, 1, 0, 5, 3, 2])
    for name, (net, rows) in made.items():
        assert takes_label(net), name
        here = net(rows, label)
        assert here.shape == {"critic": (6,), "encoder": (6, 3), "generator": (6, *shape)}[name]
        assert torch.allclose(net(rows[order], label[order]), here[order], atol=1e-5)
        other = net(rows, (label + 1) % 4)
        assert (other != here).flatten(1 if name != "critic" else 0).reshape(6, -1).any(1).all()
        assert not takes_label(filled(critic, Space(shape), network, width=8, depth=2))


@pytest.mark.parametrize("shape", [(2,), (1, 16, 16), (1, 28, 28)])
def test_a_velocity_is_told_the_class(shape):
    net = filled(velocity, Space(shape, classes=3), "auto", width=8, depth=2)
    x, t = torch.zeros(3, *shape), torch.full((3,), 0.5)
    found = net(x, t, torch.tensor([0, 1, 2]))
    assert found.shape == x.shape
    assert not torch.equal(found[0], found[1])
    rows = filled(code_velocity, 4, width=8, depth=1, classes=3)(
        torch.zeros(2, 4), t[:2], torch.tensor([0, 2])
    )
    assert not torch.equal(rows[0], rows[1])


def test_networks_are_asked_at_labels_where_they_take_any():
    told = Conditional(nn.Linear(5, 1), 3)
    nets = {"critic": told, "encoder": nn.Linear(2, 1)}
    assert given(nets, None) is nets
    x, label = torch.ones(4, 2), torch.tensor([0, 1, 2, 0])
    assert torch.equal(given(nets, label)["critic"](x), told(x, label))
    assert given(nets, label)["encoder"] is nets["encoder"]


@pytest.mark.parametrize("power", [1.0, 2.0])
@pytest.mark.parametrize("epsilon", [0.02, 0.5])
def test_no_plan_of_a_batch_leads_from_a_class_to_another(power, epsilon):
    """The divergence is the mean of those within the classes, which one solve for each gives."""
    from otgan import sinkhorn

    system, state = started("sinkhorn", {"power": power, "epsilon": epsilon, "tol": 1e-5})
    assert isinstance(system, Sinkhorn)
    x, y = system.real(state.nets, state.batches), system.generated(state.nets, state.batches, apart=True)
    label = state.batches.label
    apart, total = [], 0.0
    for k in range(3):
        own = label == k
        value = sinkhorn(x[own][:, :2], y[own][:, :2], p=power, epsilon=epsilon, tol=1e-5)
        share = float(own.float().mean())
        apart.append(
            share * (float(value) - epsilon * np.log(share))
        )  # within a class KL is against its own product
        total += share
    assert total == pytest.approx(1)
    whole = sinkhorn(x, y, p=power, epsilon=epsilon, tol=1e-5)
    assert float(whole) == pytest.approx(sum(apart), rel=2e-3, abs=2e-3)


@pytest.mark.parametrize("coupling", ["exact", "sinkhorn", "independent"])
def test_pairs_of_flow_matching_stay_in_their_class(coupling):
    system, state = started("flow-matching", {"coupling": coupling})
    assert isinstance(system, FlowMatching)
    batches = state.batches
    for _ in range(3):
        _, x1, label = system.pairs(state.nets, batches)
        points = state.scaling.to_data(x1).numpy()
        nearest = np.linalg.norm(points[:, None] - MEANS, axis=2).argmin(1)
        assert np.array_equal(nearest, label.numpy())


def test_exact_pairs_are_the_best_within_each_class():
    from scipy.optimize import linear_sum_assignment

    system, state = started("flow-matching", {})
    ahead = system.pairs(state.nets, state.batches)
    cost = 0.0
    for k in range(3):
        own = ahead[2] == k
        costs = torch.cdist(ahead[0][own].double(), ahead[1][own].double()).square().numpy()
        cost += costs[linear_sum_assignment(costs)].sum()
    assert float((ahead[0] - ahead[1]).square().sum()) == pytest.approx(cost, rel=1e-5)


def test_maps_of_samples_are_told_no_class():
    system, state = started("smoothed-ot", {"features": "autoencoder:2+samples", "n_codes": 5})
    assert isinstance(system, Coded)
    assert not takes_label(state.nets["encoder"].network)
    assert not takes_label(state.nets["generator"].decoder)
    assert takes_label(state.nets["generator"])


class Own(nn.Module):
    """A generator of one's own, which adds the label to the noise."""

    def __init__(self, takes):
        super().__init__()
        self.layer = nn.Linear(2, 2)
        if takes:
            self.takes_label = True

    def forward(self, noise, label=None):
        return self.layer(noise) + (0 if label is None else label[:, None])


def test_a_generator_of_ones_own_is_called_with_labels():
    x, label = gaussians()
    options = {**SMALL, "latent": 2}
    run = train(
        "gan", x, 1, labels=label, conditional=True, options=options, modules={"generator": Own(True)}
    )
    apart = run.sample(5, seed=0, label=2) - run.sample(5, seed=0, label=0)
    assert np.allclose(apart, 2 * run.scaling.scale, atol=1e-4)
    with pytest.raises(RunError, match="takes_label"):
        train("gan", x, 1, labels=label, conditional=True, options=options, modules={"generator": Own(False)})


def test_what_cannot_be_made_by_class_is_said_in_words():
    x, label = gaussians()
    with pytest.raises(RunError, match="has no labels to train by class: pass labels"):
        train("gan", x, 1, conditional=True)
    with pytest.raises(RunError, match="swissroll has no labels"):
        train("gan", "swissroll", 1, conditional=True)
    plain = train("gan", x, 1, options=SMALL, labels=label)
    with pytest.raises(OptionError, match="leave label out, or train with conditional=True"):
        plain.sample(3, label=1)
    run = train("vae", x, 1, options=SMALL, labels=label, conditional=True)
    for wrong in (3, -1, "0.5", None, 1.5, True, [0, 1, 3], [[0], [1], [2]], object()):
        if wrong is not None:
            with pytest.raises(OptionError, match="label must be"):
                run.sample(3, label=wrong)
    with pytest.raises(OptionError, match="got 2"):
        run.sample(3, label=[0, 1])
    with pytest.raises(OptionError, match="say of which, label="):
        run.decode(np.zeros((1, 2)))
    with pytest.raises(OptionError, match="say of which, label="):
        run.reconstruct(x[:3])
    assert run.reconstruct(x[:3], label=label[:3]).shape == (3, 2)
    assert run.traverse(x[0], steps=3, label=0).shape == (2, 3, 2)


def test_classes_without_samples_cannot_be_asked_for():
    x, label = gaussians()
    data = Dataset("mine", x, labels=2 * label, classes=("a", "b", "c", "d", "e"))
    run = train("gan", data, 1, options=SMALL, conditional=True)
    with pytest.raises(OptionError, match="class b had no samples"):
        run.sample(2, label="b")
    assert run.sample(4, label=["a", "c", "e", 4]).shape == (4, 2)


@pytest.mark.parametrize("name", ["gan", "flow-matching", "wae-mmd", "smoothed-ot"])
def test_a_conditional_run_goes_on_to_the_same_bits(name, tmp_path):
    x, label = gaussians()
    asked = {"labels": label, "conditional": True, "options": SMALL, "save_every": 2}
    whole = train(name, x, 9, **asked)
    train(name, x, 4, out=tmp_path / "run", **asked)
    rest = train(name, x, 9, out=tmp_path / "run", resume=True, **asked)
    assert np.array_equal(whole.sample(9, seed=0), rest.sample(9, seed=0))
    with pytest.raises(RunError, match="digest"):
        train(name, x, 12, out=tmp_path / "run", resume=True, **{**asked, "labels": label[::-1]})
    with pytest.raises(RunError, match="conditional"):
        train(name, x, 12, out=tmp_path / "run", resume=True, **{**asked, "conditional": False})


def test_noise_is_of_the_prior_whatever_the_class():
    _, state = started("gan", {})
    assert state.batches.prior is Prior.NORMAL
    x, label = gaussians()
    plain = TrainingData.of(x, 0, labels=label)
    system = SYSTEMS["gan"].for_data("points", SMALL)
    other = State.start(system, plain, 0, CPU)
    assert torch.equal(state.batches.noise(), other.batches.noise())
