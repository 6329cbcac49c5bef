"""Groups of similar size, and that a ragged batch solved in groups is what its problems are alone."""

import numpy as np
import pytest
import torch

import otgan
from otgan.entropic import ragged
from otgan.entropic.problem import Solution
from otgan.entropic.ragged import Assembly, groups_of_similar_size


def test_every_problem_is_in_one_group_that_holds_it():
    rng = np.random.default_rng(0)
    rows, columns = rng.integers(1, 400, 200).tolist(), rng.integers(1, 400, 200).tolist()
    groups = list(groups_of_similar_size(rows, columns))
    assert sorted(k for members, _, _ in groups for k in members) == list(range(200))
    for members, n, m in groups:
        assert n == max(rows[k] for k in members)
        assert m == max(columns[k] for k in members)
    padded = sum(len(members) * n * m for members, n, m in groups)
    assert padded < 0.7 * 200 * max(rows) * max(columns)


def test_little_padding_is_not_worth_a_group():
    assert len(list(groups_of_similar_size([10, 20, 30], [30, 20, 10]))) == 1
    assert len(list(groups_of_similar_size([64] * 100, [64] * 100))) == 1
    assert [group[1:] for group in groups_of_similar_size([500, 5], [500, 5])] == [(5, 5), (500, 500)]


@pytest.mark.parametrize("reach", [None, 2.0])
def test_groups_change_no_result(monkeypatch, reach):
    rng = np.random.default_rng(1)
    x = [rng.normal(size=(n, 2)) for n in (3, 30, 12, 1, 25)]
    y = [0.5 + rng.normal(size=(m, 2)) for m in (20, 4, 9, 33, 1)]
    a = [rng.uniform(0.1, 1, len(points)) for points in x]
    options = {"blur": 0.5, "tol": 1e-9, "reach": reach}
    whole = otgan.transport(x, y, a, **options)
    monkeypatch.setattr(ragged, "_WORTH", 50)
    assert len(list(groups_of_similar_size([len(u) for u in x], [len(v) for v in y]))) > 1
    grouped = otgan.transport(x, y, a, **options)
    assert grouped.value == pytest.approx(whole.value, abs=1e-8)
    assert grouped.status == whole.status
    for k in range(5):
        assert grouped.f[k] == pytest.approx(whole.f[k], abs=1e-6)
        assert grouped.plan[k] == pytest.approx(whole.plan[k], abs=1e-8)
    again = otgan.transport(x, y, a, **{**options, "reach": None, "init": whole if reach is None else None})
    assert all(again.converged)


def test_padding_beyond_a_group_is_as_the_first_point():
    assembly = Assembly(torch.zeros(2, 3), torch.zeros(2, 4))
    ones = torch.ones(1)
    for k, value in ((1, 5.0), (0, 7.0)):
        part = Solution(
            torch.tensor([[value, 2.0]]), torch.tensor([[3.0]]), ones, ones * value, ones.long() * (k + 1)
        )
        assembly.add(torch.tensor([k]), part)
    solution = assembly.solution()
    assert solution.f.tolist() == [[7.0, 2.0, 7.0], [5.0, 2.0, 5.0]]
    assert solution.g.tolist() == [[3.0] * 4] * 2
    assert solution.error.tolist() == [7.0, 5.0]
    assert solution.iterations.tolist() == [1, 2]
