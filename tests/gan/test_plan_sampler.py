import numpy as np
import pytest
import torch

import otgan
from otgan.gan import PlanSampler
from otgan.mistakes import MistakeError


def test_the_map_is_the_plan_of_flat_samples():
    x0, x1 = torch.randn(6, 1, 2, 2, generator=torch.Generator().manual_seed(0)), torch.ones(4, 1, 2, 2)
    for epsilon in (None, 0.7):
        found = PlanSampler(epsilon).get_map(x0, x1)
        expected = otgan.transport(x0.flatten(1).double(), x1.flatten(1).double(), epsilon=epsilon).plan
        assert torch.allclose(found, expected, atol=1e-6)
        assert isinstance(PlanSampler(epsilon).get_map(x0.numpy(), x1.numpy()), np.ndarray)


def test_pairs_are_drawn_from_any_matrix_of_masses():
    for pi in (np.diag([1.0, 2.0, 0.0]), torch.diag(torch.tensor([1, 2, 0]))):
        i, j = PlanSampler(rng=0).sample_map(pi, 50)
        assert type(i) is type(pi)
        assert set(i.tolist()) == {0, 1}
        assert i.tolist() == j.tolist()
        i, j = PlanSampler(rng=0).sample_map(pi, 2, replace=False)
        assert sorted(i.tolist()) == [0, 1]


def test_pairs_without_mass_are_not_drawn_beside_any_however_small():
    sampler = PlanSampler(rng=0)
    for masses, there in (([1, 1e-310, 0, 0], {0, 1}), ([0, 1e300, 0, 1e-300], {1, 3})):
        for _ in range(20):
            _, j = sampler.sample_map(np.array([masses]), 2, replace=False)
            assert set(j.tolist()) == there


@pytest.mark.parametrize("dtype", ["f2", ">f8", "u2", "u8", "?", "longdouble"])
def test_masses_are_of_any_real_type(dtype):
    pi = np.array([[0, 1], [0, 0]], dtype)
    assert [each.tolist() for each in PlanSampler(rng=0).sample_map(pi, 3)] == [[0] * 3, [1] * 3]


def test_masses_of_any_size_are_drawn_by_their_shares():
    """The total of the one is beyond double precision, and a half of the other below it."""
    for size in (1.7e308, 5e-324):
        i, j = PlanSampler(rng=0).sample_map(np.full((2, 2), size), 4000)
        counts = np.bincount(2 * i + j, minlength=4)
        assert ((counts > 850) & (counts < 1150)).all()  # five standard deviations


def test_labels_go_with_their_samples():
    x0, x1 = torch.arange(8.0)[:, None], torch.arange(8.0).flip(0)[:, None]
    sampler = PlanSampler(rng=0)
    z0, z1, y0, y1 = sampler.sample_plan_with_labels(x0, x1, x0[:, 0], 10 * x1[:, 0])
    assert torch.equal(z0, z1)  # the plan is the identity
    assert torch.equal(y0, z0[:, 0])
    assert torch.equal(y1, 10 * z1[:, 0])
    assert sampler.sample_plan_with_labels(x0, x1)[2:] == (None, None)


@pytest.mark.parametrize("kind", [np.asarray, torch.as_tensor])
def test_paths_go_where_the_plans_lead(kind):
    """Populations that are shifted, and listed in another order: the optimal plan on the line keeps the order of the places."""
    places = np.array([0.0, 1.0, 2.0, 3.0])
    x = np.stack([places, places[::-1] + 5, places[[2, 0, 3, 1]] + 9], 1)[:, :, None]
    path = PlanSampler(rng=0).sample_trajectory(kind(x))
    assert type(path) is type(kind(x))
    assert path[:, :, 0].tolist() == [[place, place + 5, place + 9] for place in places]


def test_what_is_no_argument_is_refused():
    sampler, x = PlanSampler(), np.zeros((3, 2))
    for call, message in (
        (lambda: PlanSampler(-1), "epsilon must be positive, or None"),
        (lambda: PlanSampler(1.0, tol=-1e-3), "tol must be positive, or None"),
        (lambda: PlanSampler("exact"), "epsilon must be a number"),
        (lambda: PlanSampler(rng="a"), "rng must be a generator"),
        (lambda: sampler.sample_map([[1.0]], 1), "pi must be a matrix of masses"),
        (lambda: sampler.sample_map(np.eye(2) + 0j, 1), "pi must hold real numbers"),
        (lambda: sampler.sample_map(np.array([["a"]]), 1), "pi must hold real numbers"),
        (lambda: sampler.sample_map(torch.eye(2).to_sparse(), 1), "pi must be a dense tensor"),
        (
            lambda: sampler.sample_plan_with_labels(x, x, [1, 2, 3]),
            "y0 must hold one label a sample, 3, in a tensor",
        ),
        (
            lambda: sampler.sample_plan_with_labels(x, x, np.array(1)),
            "y0 must hold one label a sample, 3, in a tensor",
        ),
        (lambda: sampler.sample_plan_with_labels(None, x, x), "x0 must be a tensor or an array"),
        (lambda: sampler.sample_map(np.zeros((2, 2)), 1), "pi must be a matrix of masses"),
        (lambda: sampler.sample_map(np.eye(2), 3, replace=False), "batch_size must be at most the 2 pairs"),
        (lambda: sampler.sample_map(np.eye(2), 0), "batch_size must be a whole number"),
        (lambda: sampler.sample_plan(x, x, "yes"), "replace must be True or False"),
        (lambda: sampler.sample_plan_with_labels(x, x, y1=np.zeros(2)), "y1 must hold one label a sample, 3"),
        (lambda: sampler.sample_trajectory(np.zeros(3)), r"x must have the shape \(n, times, ...\)"),
    ):
        with pytest.raises(MistakeError, match=message):
            call()


def test_the_names_of_torchcfm_are_answered_with_ours():
    with pytest.raises(TypeError, match="PlanSampler has no keyword 'reg': it is epsilon here"):
        PlanSampler(reg=0.1)


@pytest.mark.parametrize("name", ["ExactOptimalTransport", "SchrodingerBridge"])
def test_it_stands_in_for_the_sampler_of_torchcfm(name):
    torchcfm = pytest.importorskip("torchcfm")
    matcher = getattr(torchcfm, f"{name}ConditionalFlowMatcher")(sigma=0.5)
    assert hasattr(matcher, "ot_sampler")
    matcher.ot_sampler = PlanSampler(None if name == "ExactOptimalTransport" else 0.5, rng=0)
    generator = torch.Generator().manual_seed(0)
    x0 = torch.randn(64, 1, 3, 3, generator=generator)
    x1 = torch.randn(64, 1, 3, 3, generator=generator)
    labels = torch.arange(64)
    t, xt, ut = matcher.sample_location_and_conditional_flow(x0, x1)
    assert (t.shape, xt.shape, ut.shape) == ((64,), (64, 1, 3, 3), (64, 1, 3, 3))
    *_, y0, y1 = matcher.guided_sample_location_and_conditional_flow(x0, x1, labels, labels)
    assert y0.shape == y1.shape == (64,)


def test_its_plan_costs_what_that_of_torchcfm_does():
    optimal_transport = pytest.importorskip("torchcfm.optimal_transport")
    generator = torch.Generator().manual_seed(0)
    x0, x1 = torch.randn(40, 3, generator=generator), torch.randn(40, 3, generator=generator) + 1
    theirs = optimal_transport.OTPlanSampler("exact").get_map(x0, x1)
    ours = PlanSampler().get_map(x0, x1).numpy()
    costs = (torch.cdist(x0.double(), x1.double()) ** 2).numpy()
    assert (ours * costs).sum() == pytest.approx((theirs * costs).sum(), rel=1e-6)
