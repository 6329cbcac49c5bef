"""The look at all costs: blocks as accurate as they are said to be, and the least of them for rows and columns."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from otgan.costs import resolve
from otgan.deadline import Deadline
from otgan.exact.endings import OutOfTimeError
from otgan.exact.search import blocks as module
from otgan.exact.search.blocks import Blocks
from otgan.exact.search.tiles import Tiles

COSTS = ["euclidean", "cityblock", "cosine", cdist]


def _problem(n=90, m=70, d=9):
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((n, d)), rng.standard_normal((m, d)) + 0.3
    y[:4] = x[:4]
    y[4] = x[4] + 1e-7
    return x, y


def _made(cost, p, x, y):
    return resolve(cost, p, 2).pose(x, y, None, None)[1]


@pytest.fixture(params=COSTS)
def cost(request):
    return request.param


@pytest.mark.parametrize("p", [1, 2, 3])
def test_blocks_are_the_costs_within_their_bound(cost, p):
    x, y = _problem()
    rule = _made(cost, p, x, y)
    expected = rule.block(x[None], y[None], direct=True)[0]
    error = rule.error(x[None], y[None], exact=True)
    bound = error.relative * expected + error.x[0][:, None] + error.y[0]
    blocks = Blocks(x, y, rule)
    found = np.concatenate([blocks.fill(k, k + 30, blocks.room(30)).copy() for k in (0, 30, 60)])
    assert (np.abs(found - expected) <= 2 * bound).all()
    rough = Blocks(x, y, rule, single=True, unit=4.0).fill(20, 50, np.empty((30, 70), np.float32))
    assert rough.dtype == np.float32
    np.testing.assert_allclose(rough, expected[20:50] / 4, atol=2e-3 * expected.max())


@pytest.mark.parametrize("tile", [2**17, 700])
def test_lists_and_transforms_are_those_of_all_costs(cost, tile, monkeypatch):
    monkeypatch.setattr(module, "_TILE", tile)
    monkeypatch.setattr(module, "_ROWS", 1 if tile < 1000 else 96)
    x, y = _problem()
    rule = _made(cost, 1, x, y)
    costs = rule.block(x[None], y[None], direct=True)[0]
    rng = np.random.default_rng(1)
    f, g = 0.3 * rng.standard_normal(90), 0.3 * rng.standard_normal(70)
    tiles = Tiles(x, y, rule)
    lists = tiles.lists(f, g, 5)
    reduced = costs - f[:, None] - g
    by_rows, by_columns = np.sort(reduced, 1), np.sort(reduced, 0)
    listed = (reduced <= by_rows[:, 4:5]) | (reduced <= by_columns[4])
    np.testing.assert_array_equal(lists.codes, np.flatnonzero(listed))
    np.testing.assert_allclose(lists.row_reach, by_rows[:, 4], atol=1e-12)
    np.testing.assert_allclose(lists.column_reach, by_columns[4], atol=1e-12)
    np.testing.assert_allclose(tiles.costs(lists.codes), costs.ravel()[lists.codes], atol=1e-12)
    infinite = np.full(90, np.inf)
    np.testing.assert_allclose(tiles.transform(g, infinite), (costs - g).min(1), atol=1e-12)
    np.testing.assert_allclose(tiles.transform(g, f), np.minimum((costs - g).min(1), f), atol=1e-12)


@pytest.mark.parametrize("some", [0.1, 0.9])
def test_what_is_violated_is_found_from_the_points_asked_about(cost, some):
    x, y = _problem()
    rule = _made(cost, 1, x, y)
    costs = rule.block(x[None], y[None], direct=True)[0]
    rng = np.random.default_rng(2)
    f = (costs - costs.min(0)).min(1) + 0.2 * rng.random(90)
    g = costs.min(0)
    rows, columns = (np.flatnonzero(rng.random(k) < some) for k in (90, 70))
    codes, low, under = Tiles(x, y, rule).violated(f, g, rows, columns, 200, 1e-9)
    asked = np.zeros((90, 70), bool)
    asked[rows], asked[:, columns] = True, True
    expected = asked & (costs - f[:, None] - g < -1e-9)
    np.testing.assert_array_equal(codes, np.flatnonzero(expected))
    np.testing.assert_allclose(low, np.minimum(f, (costs - g).min(1))[rows], atol=1e-12)
    np.testing.assert_allclose(under, np.minimum(g, (costs - f[:, None]).min(0))[columns], atol=1e-12)


def test_time_is_looked_at():
    x, y = _problem()
    with pytest.raises(OutOfTimeError):
        Tiles(x, y, resolve("euclidean", 2, 2), Deadline.after(0.0)).transform(np.zeros(70), np.zeros(90))
