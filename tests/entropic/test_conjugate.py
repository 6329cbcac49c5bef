"""Conjugate gradients against a direct solution, one system and many."""

import pytest
import torch

from otgan.deadline import Deadline
from otgan.entropic import conjugate
from otgan.entropic.conjugate import System, conjugate_gradients
from otgan.geometry.dense import DenseKernel


def systems(batch, *, flat=False):
    """Return systems I − s Kᵀ w K s that are positive definite, and their matrices."""
    rng = torch.Generator().manual_seed(3)
    kernel = torch.rand(batch, 9, 7, generator=rng, dtype=torch.float64)
    side, weight = torch.ones(batch, 7, dtype=torch.float64), torch.rand(batch, 9, generator=rng).double()
    gram = kernel.mT @ (weight[..., None] * kernel)
    largest = torch.linalg.eigvalsh(gram)[:, -1:]
    side = side * (1.0 if flat else 0.8) / largest.sqrt()
    matrix = torch.eye(7, dtype=torch.float64) - side[..., None] * gram * side[:, None]
    system = System(
        DenseKernel(kernel),
        side,
        weight,
        lambda z: z,
        lambda direction: torch.full_like(direction[:, :1], 2.0),
    )
    return system, matrix


@pytest.mark.parametrize("batch", [1, 4])
def test_solutions_are_the_direct_ones(batch):
    system, matrix = systems(batch)
    b = torch.randn(batch, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x, used, flat = conjugate_gradients(system, b, torch.full((batch,), 1e-12).double(), 50)
    assert torch.allclose(x, torch.linalg.solve(matrix, b), atol=1e-10)
    assert used <= 10
    assert not flat


@pytest.mark.parametrize("batch", [1, 4])
def test_a_direction_without_curvature_is_followed_to_the_end(batch):
    system, matrix = systems(batch, flat=True)
    null = torch.linalg.eigh(matrix)[1][..., 0]
    x, used, flat = conjugate_gradients(system, null, torch.full((batch,), 1e-12).double(), 50)
    assert flat
    assert used == 1
    assert torch.allclose(x, 2 * null)


def test_problems_of_a_batch_do_not_see_each_other():
    system, _ = systems(3)
    b = torch.randn(3, 7, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    b[1] = 0
    x, _, _ = conjugate_gradients(system, b, torch.full((3,), 1e-3).double(), 50)
    for k in range(3):
        alone = System(
            system.kernel.take(torch.tensor([k])),
            system.side[k : k + 1],
            system.weight[k : k + 1],
            system.precondition,
            system.farthest,
        )
        single, _, _ = conjugate_gradients(alone, b[k : k + 1], torch.tensor([1e-3]), 50)
        assert torch.allclose(x[k], single[0], atol=1e-12)


def test_looking_seldom_changes_no_solution():
    system, _ = systems(3)
    b = torch.randn(3, 7, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    b[2] = 0
    forcing = torch.tensor([1e-2, 1e-10, 1e-3], dtype=torch.float64)
    often = conjugate._many(system, b, forcing, 50, Deadline(), 1)
    seldom = conjugate._many(system, b, forcing, 50, Deadline(), 4)
    assert torch.allclose(often[0], seldom[0], atol=1e-14)
    assert often[1] <= seldom[1] < often[1] + 4
    null = torch.linalg.eigh(systems(3, flat=True)[1])[1][..., 0]
    assert conjugate._many(systems(3, flat=True)[0], null, forcing, 50, Deadline(), 4)[2]


@pytest.mark.parametrize("batch", [1, 2])
def test_it_stops_at_the_limit(batch):
    system, _ = systems(batch)
    b = torch.randn(batch, 7, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    assert conjugate_gradients(system, b, torch.full((batch,), 1e-15).double(), 2)[1] == 2
