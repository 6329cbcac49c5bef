"""The seam that every cost fills, held to the distances of SciPy and scikit-learn."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from sklearn.metrics.pairwise import haversine_distances

from otgan.costs import COSTS, resolve
from tests.problems import cloud, simplex_weights

NAMES = sorted(set(COSTS) - {"precomputed"})
POWERS = [1, 1.5, 2, 3]


def reference(name, x, y):
    if name == "circle":
        return np.arccos(np.cos(np.subtract.outer(np.ravel(x), np.ravel(y))))
    return haversine_distances(x, y) if name == "haversine" else cdist(x, y, name)


def points(name, n, seed=0):
    if name == "haversine":
        return np.random.default_rng(seed).uniform((-1.5, -3), (1.5, 3), (n, 2))
    return cloud(n, 1, seed) * 5 if name == "circle" else cloud(n, 4, seed)


def batch(name, n, seed=0):
    return torch.from_numpy(np.stack([points(name, n, seed), points(name, n, seed + 10)]))


def made(name, p, x, y):
    """The cost as a function of blocks makes it, or by name."""
    if name == "custom":
        return resolve(torch.cdist, p, 2).pose(x, y, None, None)[1]
    return resolve(name, p, 2).pose(x, y, None, None)[1]


@pytest.fixture(params=[*NAMES, "custom"])
def name(request):
    return request.param


@pytest.fixture(params=POWERS)
def p(request):
    return request.param


@pytest.fixture
def case(name, p):
    """A cost, batches of points some of which coincide, and the costs between them."""
    x, y = batch(name, 9), batch(name, 7, seed=1)
    y[:, :2] = x[:, 1:3]
    kind = "euclidean" if name == "custom" else name
    expected = np.stack([reference(kind, x[k], y[k]) ** p for k in range(2)])
    return made(name, p, x, y), x, y, torch.from_numpy(expected)


@pytest.mark.parametrize("options", [{}, {"exact": True}, {"direct": True}])
def test_blocks_are_the_costs_within_their_bound(case, options):
    cost, x, y, expected = case
    found = cost.block(x, y, **options)
    error = cost.error(x, y, **options)
    bound = error.relative * expected + error.x[..., None] + error.y[:, None]
    # The reference has roundings of its own; those of haversines are the roots of an angle's.
    slack = 1e-12 * expected.max() if cost.name != "cosine" else 1e-15
    assert ((found - expected).abs() <= bound + slack).all()
    assert found.dtype == torch.float64


def test_parts_of_a_block_are_entries_and_rows(case):
    cost, x, y, expected = case
    np.testing.assert_allclose(
        cost.entries(x[0, :7], y[0]), expected[0, :7].diagonal(), rtol=1e-9, atol=1e-12
    )
    origin = cost.origin(x, y)
    rows = cost.block(x[:, 3:5], y, origin=origin)
    np.testing.assert_allclose(rows, expected[:, 3:5], rtol=1e-9, atol=1e-12)


def test_no_cost_is_above_its_bounds(case):
    cost, x, y, expected = case
    of_x, of_y = cost.majorant(x, y)
    assert (expected <= (of_x[..., None] + of_y[:, None]) * (1 + 1e-9)).all()
    assert (expected.amax((1, 2)) <= cost.largest(x, y) * (1 + 1e-9)).all()


def test_distances_are_at_least_their_share_of_the_euclidean_ones(case):
    cost, x, y, expected = case
    share = cost.share(x.shape[2])
    assert (expected ** (1 / cost.p) >= share * torch.cdist(x, y) * (1 - 1e-9)).all()
    if cost.name in {"euclidean", "cityblock", "chebyshev"}:
        assert share > 0


def test_means_are_those_of_independent_draws(case):
    cost, x, y, expected = case
    a, b = simplex_weights(9), simplex_weights(7)
    weights = [torch.from_numpy(np.stack([w, 3 * w])) for w in (a, b)]
    np.testing.assert_allclose(cost.mean(x, y, *weights), [a @ c @ b for c in expected.numpy()], rtol=1e-9)


@pytest.mark.parametrize("direct", [False, True])
def test_exponents_are_formed_by_blocks(case, direct):
    cost, x, y, expected = case
    f, g = torch.from_numpy(cloud(2, 9)), torch.from_numpy(cloud(2, 7))
    scale = torch.tensor([0.3, 2.0], dtype=torch.float64)
    out = torch.empty(2, 2, 7, dtype=torch.float64)
    cost.exponents(x, y, f, g, scale, torch.float64, direct).fill(slice(3, 5), out)
    whole = (f[..., None] + g[:, None] - expected) / scale[:, None, None]
    np.testing.assert_allclose(out, whole[:, 3:5], rtol=1e-8, atol=1e-8)


def test_gradients_are_the_slopes_of_the_costs(case):
    cost, x, y, _ = case
    x[:, 1:3] += 0.05  # only the first pairs below coincide, on purpose
    x[:, 0] = y[:, 0]
    mass = torch.from_numpy(np.random.default_rng(3).uniform(0, 1, (2, 9, 7)))
    mass[:, 0, 0] = 0  # a coincident pair may have a corner there
    pulls = cost.gradients(x, y, mass.clone(), cost.block(x, y, exact=True))
    step = 1e-6
    for side, pull in enumerate(pulls):
        for i, k in ((4, 0), (5, x.shape[2] - 1)):
            moved = [x.clone(), y.clone()]
            ends = []
            for sign in (1, -1):
                moved[side][:, i, k] = (x, y)[side][:, i, k] + sign * step
                ends.append((mass * cost.block(*moved, direct=True)).sum((1, 2)))
            np.testing.assert_allclose(pull[:, i, k], (ends[0] - ends[1]) / (2 * step), rtol=1e-5, atol=1e-6)
    of_pairs = cost.entry_gradients(x[0, :7], y[0], mass[0, :7].diagonal())
    diagonal = torch.diag_embed(mass[:1, :7].diagonal(dim1=1, dim2=2))
    whole = cost.gradients(x[:1, :7], y[:1], diagonal, cost.block(x[:1, :7], y[:1], exact=True))
    for found, expected in zip(of_pairs, whole, strict=True):
        np.testing.assert_allclose(found, expected[0], rtol=1e-9, atol=1e-12)
    graphed = cost.differentiable_gradients(x, y, mass)
    for found, expected in zip(graphed, pulls, strict=True):
        np.testing.assert_allclose(found.detach(), expected, rtol=1e-9, atol=1e-12)


def test_coincident_points_pull_with_no_force_and_give_no_nan(name, p):
    x = batch(name, 5)
    cost = made(name, p, x, x)
    mass = torch.eye(5, dtype=torch.float64).expand(2, 5, 5).clone()
    for pull in (
        *cost.gradients(x, x, mass.clone(), cost.block(x, x, exact=True)),
        *cost.differentiable_gradients(x, x, mass),
    ):
        np.testing.assert_allclose(pull.detach(), 0, atol=1e-7)


def test_costs_grow_with_the_distance_of_their_places(case):
    cost, x, y, expected = case
    places = cost.places(x[0], y[0])
    if places is None:
        assert cost.name in {"custom", "circle"}
        return
    apart = torch.cdist(places.x, places.y, p=places.order, compute_mode="donot_use_mm_for_euclid_dist")
    if places.angle:
        apart = 2 * torch.asin((0.5 * apart).clamp_max(1))
    found = places.factor * apart**places.p
    np.testing.assert_allclose(found, expected[0], rtol=1e-9, atol=1e-12)
    assert places.divided(4.0).factor == places.factor / 4


def test_a_normal_form_has_costs_of_order_one_and_the_same_ratios(case):
    cost, x, y, expected = case
    normal = cost.normal(x, y, rooted=False)
    inner = [(side - normal.origin) / normal.unit[:, None, None] for side in (x, y)]
    found = normal.cost.block(*inner, exact=True) * (normal.length**cost.p)[:, None, None]
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


DEFINITE = [
    ("euclidean", 1),
    ("euclidean", 1.5),
    ("euclidean", 2),
    ("cityblock", 1),
    ("cosine", 1),
    ("haversine", 1),
    ("circle", 1),
]


@pytest.mark.parametrize(("name", "p"), DEFINITE)
def test_kernels_of_definite_costs_are_positive_semidefinite(name, p):
    x = batch(name, 40)[:1]
    matrix = made(name, p, x, x).block(x, x, exact=True)[0]
    for epsilon in (0.1, 1.0, 10.0):
        values = np.linalg.eigvalsh((-matrix / (epsilon * matrix.mean())).exp())
        assert values.min() >= -1e-12


def test_which_costs_are_definite():
    assert [(n, p) for n in NAMES for p in POWERS if resolve(n, p, 2).definite] == sorted(DEFINITE)
