import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist
from scipy.stats import chisquare

import otgan
from otgan.gan import OptionError, couple, couplings
from otgan.gan.couplings import DensePlan, generator_of


def batches(n, m, shape, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, *shape)), rng.normal(0.5, size=(m, *shape))


@pytest.mark.parametrize("n", [1, 2, 33, 300])
@pytest.mark.parametrize("shape", [(3,), (1, 4, 4)])
def test_without_replacement_equal_batches_are_assigned_as_scipy_assigns_them(n, shape):
    x0, x1 = batches(n, n, shape)
    i, j = couple(x0, x1, replace=False)
    assert i.tolist() == list(range(n))
    assert sorted(j.tolist()) == list(range(n))
    costs = cdist(x0.reshape(n, -1), x1.reshape(n, -1), "sqeuclidean")
    assert costs[i, j].sum() == pytest.approx(costs[linear_sum_assignment(costs)].sum(), rel=1e-9)


def shares(i, j, shape):
    return np.bincount(i * shape[1] + j, minlength=shape[0] * shape[1]).reshape(shape)


@pytest.mark.parametrize("epsilon", [None, 0.5])
@pytest.mark.parametrize(("n", "m"), [(6, 6), (6, 4), (4, 9)])
def test_pairs_have_the_law_of_the_plan(epsilon, n, m):
    x0, x1 = batches(n, m, (2,))
    plan = otgan.transport(x0, x1, epsilon=epsilon).plan
    rng, drawn = np.random.default_rng(1), np.zeros((n, m))
    for _ in range(500):
        i, j = couple(x0, x1, epsilon, rng=rng)
        assert len(i) == len(j) == n
        drawn += shares(i, j, (n, m))
    assert not drawn[plan == 0].any()
    there = plan > 0
    expected = plan[there] / plan[there].sum() * drawn.sum()
    assert chisquare(drawn[there], expected, sum_check=False).pvalue > 1e-4


@pytest.mark.parametrize("epsilon", [None, 0.5])
@pytest.mark.parametrize(("n", "m"), [(7, 3), (3, 7), (5, 5), (1, 4), (4, 1)])
def test_without_replacement_no_pair_comes_twice(epsilon, n, m):
    x0, x1 = batches(n, m, (2,))
    i, j = couple(x0, x1, epsilon, replace=False, rng=0)
    assert len(i) == n
    assert len(set(zip(i.tolist(), j.tolist(), strict=True))) == n
    assert (otgan.transport(x0, x1, epsilon=epsilon).plan[i, j] > 0).all()


def test_the_first_of_distinct_pairs_has_the_law_of_the_plan():
    plan = torch.tensor([[0.5, 0.1], [0.0, 0.4]])
    source, first = np.random.default_rng(0), np.zeros((2, 2))
    for _ in range(4000):
        i, j = DensePlan.of(plan).pairs(1, False, source)
        first += shares(i.numpy(), j.numpy(), (2, 2))
    assert first[1, 0] == 0
    assert chisquare(first[plan.numpy() > 0], 4000 * np.array([0.5, 0.1, 0.4])).pvalue > 1e-4


@pytest.mark.parametrize("kind", [np.asarray, torch.as_tensor])
@pytest.mark.parametrize("replace", [True, False])
@pytest.mark.parametrize("entries", [1, 45, 90])
def test_of_large_plans_the_same_pairs_come_block_by_block(kind, replace, entries, monkeypatch):
    x0, x1 = (kind(x) for x in batches(13, 9, (2,)))
    expected = couple(x0, x1, 0.5, replace, rng=4, tol=1e-10)
    monkeypatch.setattr(couplings, "_ENTRIES", entries)
    assert all(map(np.array_equal, couple(x0, x1, 0.5, replace, rng=4, tol=1e-10), expected))


def test_a_large_plan_is_not_held(monkeypatch):
    x0, x1 = batches(60, 50, (2,))
    monkeypatch.setattr(couplings, "_ENTRIES", 500)
    monkeypatch.setattr(otgan.Transport, "plan", property(lambda _: pytest.fail("the matrix was made")))
    i, j = couple(x0, x1, 1.0, rng=0)
    assert len(i) == len(j) == 60


def test_entropic_plans_are_as_near_to_the_batches_as_asked():
    x0, x1 = (torch.tensor(x, dtype=torch.float32) for x in batches(50, 50, (2,)))
    for tol in (1e-3, 1e-6):
        assert couplings.plan_between(x0, x1, 0.3, tol).marginal_error <= tol


def test_columns_are_drawn_within_their_rows():
    plan = torch.tensor([[0.0, 2.0, 0.0], [1.0, 0.0, 3.0]])
    i = torch.tensor([0, 1]).repeat(2000)
    j = DensePlan.of(plan).partners(i, np.random.default_rng(0))
    assert set(j[i == 0].tolist()) == {1}
    assert chisquare(np.bincount(j[i == 1], minlength=3)[[0, 2]], [500, 1500]).pvalue > 1e-4


def test_indices_are_of_the_kind_of_the_samples_and_follow_from_a_seed():
    x0, x1 = batches(20, 20, (2,))
    for epsilon in (None, 1.0):
        arrays = couple(x0, x1, epsilon, rng=3)
        tensors = couple(torch.tensor(x0), torch.tensor(x1), epsilon, rng=3)
        assert all(isinstance(each, np.ndarray) and each.dtype == np.int64 for each in arrays)
        assert all(each.dtype == torch.int64 and each.device.type == "cpu" for each in tensors)
        assert all(np.array_equal(a, b) for a, b in zip(arrays, tensors, strict=True))
        by_torch = [couple(x0, x1, epsilon, rng=torch.Generator().manual_seed(5))[1] for _ in range(2)]
        assert np.array_equal(*by_torch)
        assert not np.array_equal(couple(x0, x1, epsilon)[0], couple(x0, x1, epsilon)[0])


def test_no_global_state_is_read_or_written():
    x0, x1 = batches(5, 5, (2,))
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    couple(torch.tensor(x0), torch.tensor(x1), 0.5)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002


def test_no_gradient_passes_through_indices():
    x0 = torch.zeros(3, 2, requires_grad=True)
    i, _ = couple(x0, torch.ones(3, 2))
    assert not i.requires_grad


def test_a_solve_that_fails_is_told():
    x0, x1 = batches(40, 40, (2,))
    with pytest.warns(otgan.ConvergenceWarning):
        couple(1e3 * x0, 1e3 * x1 + 5e3, 1e-7)


@pytest.mark.parametrize("replace", [True, False])
def test_no_pairs_come_from_a_plan_that_was_not_found(replace):
    x0, x1 = batches(6, 6, (2,))
    with (
        pytest.warns(otgan.ConvergenceWarning),
        pytest.raises(OverflowError, match="epsilon is too far below"),
    ):
        couple(x0, x1, 1e-30, replace)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"x0": [[0.0]]}, "x0 must be a tensor or an array of at least one sample"),
        ({"x1": np.zeros((0, 2))}, "x1 must be a tensor or an array of at least one sample"),
        ({"x1": np.float64(3)}, "x1 must be a tensor or an array"),
        ({"x1": torch.zeros(3, 2)}, "x0 and x1 must be of one library"),
        ({"x1": np.zeros((3, 3))}, "samples of x0 and x1 must have one size"),
        ({"x1": np.full((3, 2), np.nan)}, "x1 must be finite"),
        ({"x0": np.zeros((3, 2), complex)}, "x0 must hold real numbers"),
        ({"x0": torch.zeros(3, 2).to_sparse(), "x1": torch.zeros(3, 2)}, "x0 must be a dense tensor"),
        ({"x0": np.zeros((3, 0)), "x1": np.zeros((3, 0))}, "x0 has samples of dimension 0"),
        ({"epsilon": -1.0}, "epsilon must be"),
        ({"epsilon": 1.0, "tol": 0}, "tol must be a positive number"),
        ({"replace": 1}, "replace must be True or False"),
        ({"rng": -1}, "rng must be a generator of NumPy or torch, a seed or None, got -1"),
        ({"rng": np.random.RandomState(0)}, "rng must be a generator"),
    ],
)
def test_what_cannot_be_coupled_is_said_in_a_sentence(given, message):
    with pytest.raises(ValueError, match=message):
        couple(**{"x0": np.zeros((3, 2)), "x1": np.ones((3, 2)), **given})


def test_generators_are_taken_as_they_are():
    source = np.random.default_rng(0)
    assert generator_of(source) is source
    with pytest.raises(OptionError, match="rng must be"):
        generator_of(True)


@pytest.mark.parametrize("epsilon", [None, 0.5])
def test_partners_have_the_law_of_the_row(epsilon):
    x0, x1 = batches(6, 4, (2,))
    solved = otgan.transport(x0, x1, epsilon=epsilon)
    i = torch.arange(6).repeat(3000)
    j = couplings.draw_partners(solved, i, np.random.default_rng(2))
    drawn, plan = shares(i.numpy(), j.numpy(), (6, 4)), solved.plan
    assert not drawn[plan == 0].any()
    expected = 3000 * plan / plan.sum(1, keepdims=True)
    assert chisquare(drawn[plan > 0], expected[plan > 0], ddof=5, sum_check=False).pvalue > 1e-4
