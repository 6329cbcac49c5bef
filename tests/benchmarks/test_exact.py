"""The benchmark of exact transport: its points, what it runs, and what it makes of what it has measured."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import exact
from benchmarks.clouds import FAMILIES, cloud, weights
from benchmarks.exact import HEADS, Key, contenders, growth, keys, measure, summary


@pytest.mark.parametrize("family", [family for family in FAMILIES if family != "mnist"])
@pytest.mark.parametrize("d", [2, 3, 64])
def test_clouds_are_two_sets_of_points_always_the_same(family, d):
    found = cloud(family, 30, d)
    if family == "moons" and d > 2:
        assert found is None
        return
    for side, again in zip(found, cloud(family, 30, d), strict=True):
        assert side.shape == (30, d)
        np.testing.assert_array_equal(side, again)
    assert not np.array_equal(*found)


def test_lattices_share_places():
    x, _ = cloud("lattice", 1000, 2)
    assert len(np.unique(x, axis=0)) < 500


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("p", [1, 2])
def test_contenders_find_one_value(weighted, p):
    values = {name: run() for name, run in contenders(Key("gaussians", 30, 2, p, weighted)).items()}
    assert {"otgan", "POT", "POT lazy"} <= set(values)
    assert ("SciPy" in values) == (not weighted)
    np.testing.assert_allclose(list(values.values()), values["otgan"], rtol=1e-9)
    assert weights(30)[0].min() > 0


def test_a_row_has_a_cell_for_every_head_and_slow_peers_are_left_out_next_time(monkeypatch):
    monkeypatch.setattr(exact, "_SECONDS", 0.0)
    monkeypatch.setattr(exact, "SIZES", (30, 60))
    slow = set()
    row = dict(zip(HEADS, measure(Key("square", 30, 2, 2, False), slow), strict=True))
    assert row["fastest peer / otgan"] > 0
    assert row["difference to POT, relative"] < 1e-9
    assert {name for name, *_ in slow} >= {"POT", "POT lazy", "SciPy"}
    row = dict(zip(HEADS, measure(Key("square", 60, 2, 2, False), slow), strict=True))
    assert row["POT (s)"] is row["fastest peer / otgan"] is None
    assert row["otgan (s)"] > 0
    again = set()
    exact._note([tuple(row.values())], ("square", 60, 2, 2, "equal"), again)
    assert ("POT", "square", 2, 2, False) in again


def test_cells_are_those_that_have_points():
    found = set(keys((50, 1000)))
    assert Key("moons", 1000, 2, 1, True) in found
    assert Key("moons", 1000, 3, 1, True) not in found
    assert Key("gaussians", 50, 2, 2, False) in found
    assert Key("square", 50, 2, 2, False) not in found


def test_a_summary_is_of_the_families_of_a_kind():
    def row(family, ratio):
        return (family, 1000, 2, 2, "equal", "certified", 1.0, None, None, None, None, ratio, None, 0.0)

    rows = [row("gaussians", 4.0), row("square", 2.0), row("clusters", 9.0), row("moons", None)]
    assert summary(rows) == [(1000, 2, 2, "equal", 3, 4.0, 2.0, True)]


def test_growth_is_the_slope_of_the_logarithms():
    rows = [(n, 2, 2, 1e-6 * n**1.5, 0.0, 0.1, 0.1) for n in (1000, 10_000, 20_000, 50_000, 200_000)]
    assert growth(rows) == [(2, 2, pytest.approx(1.5), pytest.approx(10**1.5))]


def test_the_headline_is_the_largest_problem_of_each_kind():
    rows = [(n, d, p, n / 1e3, 1e-12, 0.5) for n, d, p in [(10, 2, 2), (500, 2, 2), (100, 2, 1), (200, 3, 2)]]
    assert [line[:3] for line in exact.headline(rows)] == [(500, 2, 2), (200, 3, 2), (100, 2, 1)]
    assert exact.headline(rows)[0] == (500, 2, 2, 0.5, 0.5, 1e-12)
