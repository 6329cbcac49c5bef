import numpy as np
import pytest
import torch
from scipy.optimize import linprog

import otgan
from otgan.gan.datasets.training_data import TrainingData
from otgan.gan.errors import OptionError
from otgan.gan.losses.mmd import mmd
from otgan.gan.systems.wae import WAEGAN, WAEMMD
from otgan.gan.training.state import State
from tests.proofs import enclosure

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
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


@pytest.fixture(scope="module")
def discrete():
    """Fifty samples, fifty atoms of the prior with weights, and a generator that sends them two by two to one point."""
    rng = np.random.default_rng(0)
    x, a = rng.normal(size=(50, 2)), rng.dirichlet(np.ones(50))
    b, decoded = rng.dirichlet(np.ones(50)), rng.normal(size=(25, 2)).repeat(2, axis=0)
    return x, a, b, decoded


def least_cost_over_encoders(x, a, b, decoded):
    """Return bounds of min Σ a_i Q(z_j|x_i) ‖x_i − G(z_j)‖² over Q(z|x) with Σ_i a_i Q(z_j|x_i) = b_j."""
    n, m = len(a), len(b)
    square = np.square(x[:, None] - decoded).sum(-1)
    costs = a[:, None] * square
    rows = np.kron(np.eye(n), np.ones(m))
    columns = np.kron(a, np.eye(m))
    solved = linprog(
        costs.ravel(), A_eq=np.concatenate([rows, columns]), b_eq=np.concatenate([np.ones(n), b])
    )
    assert solved.success
    return enclosure(square, a, b, a[:, None] * solved.x.reshape(n, m), solved.eqlin.marginals[:n] / a)


def test_theorem_1_transport_is_the_least_cost_over_encoders_that_match_the_prior(discrete):
    x, a, b, decoded = discrete
    lower, upper = least_cost_over_encoders(x, a, b, decoded)
    assert upper - lower <= 1e-6 * upper
    # The law of G(z), whose atoms are half as many, knows nothing of the latent space.
    transport = otgan.transport(x, decoded[::2], a, b.reshape(-1, 2).sum(1))
    assert lower <= transport.value <= upper
    # Without the constraint it is another number.
    nearest = (a * np.square(x[:, None] - decoded).sum(-1).min(1)).sum()
    assert nearest < 0.9 * lower


def test_the_relaxed_optimum_lies_below_transport(discrete):
    """min over Q of cost + λ D, D = KL of the law of the codes from the prior, solved over tables Q(z|x)."""
    x, a, b, decoded = (torch.from_numpy(part) for part in discrete)
    exact = otgan.transport(x, decoded, a, b).value
    costs = (x[:, None] - decoded).square().sum(-1)
    logits = torch.zeros(50, 50, dtype=torch.float64, requires_grad=True)
    found = []
    for penalty in (0.3, 1.0):
        optimizer = torch.optim.LBFGS([logits], max_iter=300, line_search_fn="strong_wolfe")

        def objective(penalty=penalty, optimizer=optimizer):
            optimizer.zero_grad()
            joint = a[:, None] * logits.softmax(1)
            codes = joint.sum(0)
            value = (joint * costs).sum() + penalty * torch.xlogy(codes, codes / b).sum()
            value.backward()
            return value

        optimizer.step(objective)
        found.append(float(objective().detach()))
    assert found[0] < found[1] < 0.8 * float(exact)


def test_options_are_checked():
    with pytest.raises(OptionError, match="penalty must be a positive number"):
        WAEMMD(penalty=0.0)
    with pytest.raises(OptionError, match="power must be a positive number"):
        WAEGAN(power=-1.0)
    with pytest.raises(OptionError, match="encoder must be one of deterministic, gaussian, implicit"):
        WAEGAN(encoder="none")
