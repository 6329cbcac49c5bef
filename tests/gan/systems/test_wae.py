import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment
from torch import nn

import otgan
from otgan.gan.datasets.training_data import TrainingData
from otgan.gan.errors import OptionError
from otgan.gan.losses.mmd import mmd
from otgan.gan.systems.wae import WAEGAN, WAEMMD
from otgan.gan.training.state import State

CPU = torch.device("cpu")
SMALL = {"batch": 24, "latent": 2, "width": 16, "depth": 1}


@pytest.fixture(scope="module")
def samples():
    return TrainingData.of("8gaussians", 0)


def test_paper_defaults():
    for paper in (WAEGAN(), WAEMMD()):
        assert (paper.penalty, paper.beta1, paper.latent, paper.batch, paper.lr) == (10, 0.5, 8, 100, 1e-3)
        assert paper.encoder == "deterministic"
    assert WAEMMD(prior="uniform").prior_variance == pytest.approx(1 / 12)


@pytest.mark.parametrize("power", [1.0, 2.0])
def test_objective_is_cost_and_discrepancy(samples, power):
    system = WAEMMD(**SMALL, power=power)
    nets = State.start(system, samples, 0, CPU).nets
    x, z = torch.randn(2, 10, 2, generator=torch.Generator().manual_seed(0))
    cost, penalty = system.objective(nets, x, torch.empty(10, 0), z)
    code = nets["encoder"](x)
    expected = (x - nets["generator"](code)).norm(dim=1).pow(power).mean()
    assert float(cost.detach()) == pytest.approx(float(expected.detach()), rel=1e-5)
    assert float(penalty.detach()) == pytest.approx(float(mmd(code, z, 4.0).detach()), rel=1e-5)


def test_the_penalty_of_an_adversary_is_that_its_verdict_on_codes_is_wrong(samples):
    system = WAEGAN(**SMALL, critic_width=8)
    nets = State.start(system, samples, 0, CPU).nets
    x = torch.randn(10, 2, generator=torch.Generator().manual_seed(0))
    _, penalty = system.objective(nets, x, torch.empty(10, 0), torch.empty(0))
    expected = -nets["critic"](nets["encoder"](x)).sigmoid().log().mean()
    assert float(penalty.detach()) == pytest.approx(float(expected.detach()), rel=1e-5)


@pytest.mark.parametrize("kind", [WAEGAN, WAEMMD])
@pytest.mark.parametrize("encoder", ["deterministic", "gaussian", "implicit"])
def test_training_lowers_the_objective(samples, kind, encoder):
    system = kind(**SMALL, encoder=encoder, **({"critic_width": 16} if kind is WAEGAN else {}))
    state = State.start(system, samples, 0, CPU)
    terms = [system.step(state.nets, state.optimizers, state.batches) for _ in range(120)]
    costs = [float(term["cost"]) for term in terms]
    assert sum(costs[-10:]) < 0.6 * sum(costs[:10])
    assert all(value.ndim == 0 and not value.requires_grad for value in terms[0].values())


def test_the_adversary_learns_to_tell_codes_from_the_prior(samples):
    system = WAEGAN(**SMALL, critic_width=32, critic_depth=2, lr=0.0, lr_critic=1e-2)
    state = State.start(system, samples, 0, CPU)
    before = [p.clone() for name in ("generator", "encoder") for p in state.nets[name].parameters()]
    values = [
        float(system.step(state.nets, state.optimizers, state.batches)["critic_value"]) for _ in range(60)
    ]
    after = [p for name in ("generator", "encoder") for p in state.nets[name].parameters()]
    assert sum(values[-10:]) > sum(values[:10]) + 1
    # It is the prior's draws that it takes for those of the prior.
    z, code = state.batches.noise(), state.nets["encoder"](state.batches.real())
    assert state.nets["critic"](z).mean() > state.nets["critic"](code).mean() + 0.5
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


class Table(nn.Module):
    """A deterministic encoder that is free at each of its samples: a code for each row, in their order."""

    def __init__(self, codes):
        super().__init__()
        self.codes = nn.Parameter(codes.clone())

    def forward(self, x):
        assert len(x) == len(self.codes)
        return self.codes


class Still:
    """Batches that are always the same ones, of no classes."""

    label = None

    def __init__(self, x, z):
        self.x, self.z, self.rng = x, z, torch.Generator()

    def real(self):
        return self.x

    def noise(self):
        return self.z


@pytest.fixture(scope="module")
def discrete():
    """Forty samples, as many draws of the prior, and a generator that is fixed."""
    rng = torch.Generator().manual_seed(0)
    x, z = torch.randn(2, 40, 2, generator=rng, dtype=torch.float64)
    generator = nn.Linear(2, 2).double()
    with torch.no_grad():
        generator.weight.copy_(torch.tensor([[1.5, 0.4], [-0.3, 0.8]]))
        generator.bias.copy_(torch.tensor([0.5, -0.2]))
    return x, z, generator.requires_grad_(False)


@pytest.mark.parametrize("power", [1.0, 2.0])
def test_theorem_1_transport_is_the_least_cost_over_encoders_that_match_the_prior(discrete, power):
    """Encoders that permute the draws of the prior have Q_Z = P_Z; the best of them is found by SciPy."""
    x, z, generator = discrete
    system = WAEMMD(latent=2, power=power)
    costs = torch.cdist(x, generator(z)) ** power
    order = linear_sum_assignment(costs.numpy())[1]

    def cost_of(permutation):
        nets = {"generator": generator, "encoder": Table(z[permutation])}
        return float(system.objective(nets, x, torch.empty(40, 0), z)[0].detach())

    least = cost_of(order)
    assert least == pytest.approx(float(costs.numpy()[range(40), order].mean()), rel=1e-12)
    assert least == pytest.approx(float(otgan.transport(x, generator(z), p=power).value), rel=1e-9)
    rng = np.random.default_rng(0)
    assert all(cost_of(rng.permutation(40)) > least for _ in range(20))
    # Without the constraint it is another number: the nearest sample of the generator for each x.
    assert cost_of(costs.argmin(1).numpy()) < 0.9 * least


def test_the_relaxed_optimum_lies_below_transport_and_nears_it_with_the_penalty(discrete):
    """The descent of the system's own steps, over encoders that are free at each sample."""
    x, z, generator = discrete
    transport = float(otgan.transport(x, generator(z), p=2).value)
    order = linear_sum_assignment((torch.cdist(x, generator(z)) ** 2).numpy())[1]
    found = []
    for penalty in (0.1, 3.0, 300.0):
        system = WAEMMD(latent=2, penalty=penalty)
        nets = {"generator": generator, "encoder": Table(z[order])}
        optimizers = {"autoencoder": torch.optim.Adam(nets["encoder"].parameters(), lr=5e-2)}
        terms = [system.step(nets, optimizers, Still(x, z)) for _ in range(120)]
        assert float(terms[0]["cost"]) == pytest.approx(transport, rel=1e-9)
        found.append({name: float(value) for name, value in terms[-1].items()})
    costs, penalties = [[each[name] for each in found] for name in ("cost", "latent_penalty")]
    assert costs[0] < 0.1 * costs[2]
    assert costs[0] < costs[1] < costs[2] < transport
    assert penalties[0] > penalties[1] > penalties[2]


@pytest.mark.parametrize("kind", ["small", "images", "color images"])
def test_by_class_the_noisier_penalty_weighs_less_unless_it_is_chosen(kind):
    assert WAEMMD.for_data(kind, {"conditional": True}).penalty < WAEMMD.for_data(kind).penalty / 5
    assert WAEMMD.for_data(kind, {"conditional": True, "penalty": 7.0}).penalty == 7.0
    assert WAEMMD.for_data("points", {"conditional": True}) == WAEMMD(
        conditional=True, **WAEMMD.presets["points"]
    )


def test_options_are_checked():
    with pytest.raises(OptionError, match="penalty must be a positive number"):
        WAEMMD(penalty=0.0)
    with pytest.raises(OptionError, match="power must be a positive number"):
        WAEGAN(power=-1.0)
    with pytest.raises(OptionError, match="encoder must be one of deterministic, gaussian, implicit"):
        WAEGAN(encoder="none")
