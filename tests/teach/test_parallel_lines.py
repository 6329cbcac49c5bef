"""The parallel lines: closed forms, what draws and bins make of them, and how it is said."""

import dataclasses
import json
import math

import pytest
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

import otgan
from otgan.teach import parallel_lines
from otgan.teach.parallel_lines import DISTANCES, THETAS, WAYS, closed_form, draw, gradient, table


@pytest.fixture(scope="module")
def found():
    return table(n=64)


def values(row):
    return [getattr(row, name) for name in DISTANCES]


@pytest.mark.parametrize("theta", [-2.0, 1e-300, 0.5])
def test_closed_forms(theta):
    assert values(closed_form(theta)) == [abs(theta), math.log(2), math.inf, math.inf, 1]
    assert values(closed_form(0.0)) == [0, 0, 0, 0, 0]


def test_slopes_are_differences_of_the_closed_forms_where_these_are_finite():
    h = 1e-3
    for theta in (-0.5, 0.3):
        ahead, behind = values(closed_form(theta + h)), values(closed_form(theta - h))
        for slope, high, low in zip(values(gradient(theta)), ahead, behind, strict=True):
            if math.isinf(high):
                assert slope is None
            else:
                assert slope == pytest.approx((high - low) / (2 * h))
    assert values(gradient(0.0)) == [None] * 5


def test_draws_by_an_outside_reference(found):
    x, y = draw(0.0, 64, 0, 0), draw(0.5, 64, 0, 1)
    row = next(row for row in found.rows if (row.theta, row.way) == (0.5, "draws"))
    # As many draws of each: an assignment is the best plan, and its algorithm ends at the best, not near it.
    cost = cdist(x, y)
    assert row.emd == pytest.approx(cost[linear_sum_assignment(cost)].mean(), rel=1e-13)
    assert values(row)[1:] == [math.log(2), math.inf, math.inf, 1]


def test_independent_draws_have_a_floor_and_follow_theta(found):
    emd = found.column("draws", "emd")
    assert 0.01 < emd[0] < 0.15
    assert emd[2:] == pytest.approx(THETAS[2:], abs=0.1)
    few, many = (
        sum(table([0.0], n=n, seed=seed).column("draws", "emd")[0] for seed in range(5)) for n in (16, 256)
    )
    assert many < few / 2  # the floor falls with √n
    # No point is drawn twice, so these are at their ceilings also where the lines coincide.
    assert found.column("draws", "js")[0] == math.log(2)
    assert found.column("draws", "kl")[0] == math.inf
    assert found.column("draws", "tv")[0] == 1


def test_moved_draws_give_the_closed_forms(found):
    for name in DISTANCES:
        assert found.column("shared draws", name) == pytest.approx(
            found.column("closed form", name), abs=1e-12
        )


def test_bins_mislead_both_ways():
    fine = table([0.0], n=1000, bin_width=0.02)
    assert 0.09 < fine.column("bins", "tv")[0] < 0.17  # where the lines coincide
    coarse = table([0.0, 0.05, 0.099, 0.101], n=1000, bin_width=0.1)
    at_zero, *hidden, crossed = coarse.column("bins", "tv")
    assert hidden == [at_zero, at_zero]
    assert at_zero < 0.1
    assert crossed == 1
    assert coarse.column("bins", "js")[1] == pytest.approx(
        otgan.js(draw(0.0, 1000, 0, 0), draw(0.05, 1000, 0, 1), estimator="histogram", bin_width=0.1)
    )
    assert all(math.isnan(value) for value in coarse.column("bins", "emd"))


def test_reverse_kl_is_kl_the_other_way(found):
    x, y = draw(0.0, 64, 0, 0), draw(0.0, 64, 0, 1)
    options = {"estimator": "histogram", "bin_width": 0.1}
    assert found.column("bins", "kl")[0] == otgan.kl(x, y, **options)
    assert found.column("bins", "kl_reverse")[0] == otgan.kl(y, x, **options)
    assert otgan.kl(x, y, **options) != otgan.kl(y, x, **options)


def test_one_seed_one_table_and_it_is_frozen(found):
    assert table(n=64) == found
    assert table(n=64, seed=1) != found
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.n = 3


def test_rows_come_theta_by_theta_in_every_way(found):
    assert [(row.theta, row.way) for row in found.rows] == [(t, way) for t in THETAS for way in WAYS]


def test_as_text(found):
    text = str(found)
    for word in ("EM", "JS", "KL(P₀‖P_θ)", "TV", "closed form", "64 draws of each, exact", "bins of 0.1"):
        assert word in text
    lines = text.splitlines()
    closed = [line.split() for line in lines if "closed form" in line]
    assert [line[0] for line in closed] == ["0", "0.05", "0.1", "0.5", "1"]
    assert closed[1][3:] == ["0.050", "0.693", "∞", "∞", "1.000"]
    assert next(line for line in lines if "in bins" in line).split()[5] == "–"
    assert max(map(len, lines)) <= 100


def test_the_notes_name_each_misleading_number(found):
    floor, noise, blind = found.notes
    assert "at their ceilings even at θ = 0" in floor
    assert f"TV is {found.column('bins', 'tv')[0]:.3f} at θ = 0, where it is 0" in noise
    assert f"TV is {found.column('bins', 'tv')[1]:.3f} at θ = 0.05, where it is 1" in blind
    assert table([0.5], n=8).notes == ()


def test_as_strict_json(found):
    data = found.to_dict()
    back = json.loads(json.dumps(data, allow_nan=False))
    assert back == data
    assert (back["schema"], back["n"], back["seed"], back["bin_width"]) == (1, 64, 0, 0.1)
    assert back["thetas"] == list(THETAS)
    assert len(back["rows"]) == len(THETAS) * len(WAYS)
    row = next(row for row in back["rows"] if (row["theta"], row["way"]) == (1.0, "bins"))
    assert (row["emd"], row["kl"], row["tv"]) == (None, "inf", 1.0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"thetas": [math.nan]}, "thetas must be finite"),
        ({"thetas": [math.inf]}, "thetas must be finite"),
        ({"n": 0}, "n must be a whole number >= 1, got 0"),
        ({"bin_width": 0.0}, "bin_width must be a positive finite length"),
        ({"bin_width": -1.0}, "bin_width must be a positive finite length"),
    ],
)
def test_errors_name_what_is_wrong(arguments, message):
    with pytest.raises(ValueError, match=message):
        table(**arguments)


def test_no_theta_no_rows():
    empty = parallel_lines.table([])
    assert (empty.rows, empty.notes) == ((), ())
    assert "closed form" not in str(empty)
