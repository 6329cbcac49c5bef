"""The schedule of ε: from the costs down to each problem's own ε, and no further."""

import pytest
import torch

from otgan.entropic.schedule import levels


@pytest.mark.parametrize(
    ("start", "epsilon", "expected"),
    [
        ([64.0], [1.0], [[64.0], [16.0], [4.0]]),
        ([60.0], [1.0], [[60.0], [15.0], [3.75]]),
        ([1.0], [1.0], []),
        ([0.5], [1.0], []),
        ([4.0, 64.0], [1.0, 2.0], [[4.0, 64.0], [1.0, 16.0], [1.0, 4.0]]),
        ([0.5, 8.0], [1.0, 1.0], [[1.0, 8.0], [1.0, 2.0]]),
    ],
)
def test_every_problem_falls_to_its_own_epsilon_and_waits_there(start, epsilon, expected):
    found = levels(torch.tensor(start), torch.tensor(epsilon))
    assert [level.tolist() for level in found] == expected
