"""The figure of a report shows its samples, its plan and its numbers, without pyplot and its global state."""

import math
import subprocess
import sys

import numpy as np
import pytest

import otgan
from otgan import plot


def drawn(figure):
    """Return the panels of a report: the sets, transport, divergences, those that there are."""
    figure.draw_without_rendering()
    return {ax.get_title(loc="left").partition(":")[0].partition(",")[0]: ax for ax in figure.axes}


def bars(ax):
    """Return the lengths of the bars by their labels."""
    labels = [label.get_text().replace("\n", " ") for label in ax.get_yticklabels()]
    return dict(zip(labels, (patch.get_width() for patch in ax.patches), strict=True))


def arcs(ax):
    return [np.asarray(path.vertices) for path in ax.collections[0].get_paths()]


def test_draws_the_samples_and_the_arcs_of_the_plan_between_them(rng):
    x, y = rng.normal(size=(20, 2)), rng.normal(size=(20, 2)) + 3
    report = otgan.compare(x, y, metrics="emd", names=("here", "there"))
    ax = drawn(report.plot())["The two sets"]
    assert "20 heaviest arcs of the optimal plan, 100 % of the mass" in ax.get_title(loc="left")
    first, second = ax.collections[1:]
    assert np.array_equal(first.get_offsets(), x)
    assert np.array_equal(second.get_offsets(), y)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [
        "20 samples of here",
        "20 samples of there",
    ]
    match = report["emd"].transport.plan.argmax(1)
    expected = {(*x[i], *y[match[i]]) for i in range(20)}
    assert {tuple(segment.ravel()) for segment in arcs(ax)} == expected


def test_draws_the_heaviest_arcs_the_heavier_the_darker():
    x, y = np.array([[0.0, 0], [0, 1], [0, 2]]), np.array([[1.0, 0], [1, 1], [1, 2]])
    weights = np.array([0.2, 0.5, 0.3])
    ax = drawn(plot.report(otgan.compare(x, y, weights, weights, metrics="emd"), arcs=2))["The two sets"]
    assert "2 heaviest arcs of the optimal plan, 80 % of the mass" in ax.get_title(loc="left")
    assert [tuple(segment[0]) for segment in arcs(ax)] == [(0, 1), (0, 2)]
    alpha = ax.collections[0].get_colors()[:, 3]
    assert alpha[0] > alpha[1] > 0


def test_draws_a_part_of_many_points_and_always_the_ends_of_arcs(rng):
    report = otgan.compare(rng.normal(size=(60, 2)), rng.normal(size=(50, 2)), metrics="emd")
    ax = drawn(plot.report(report, points=10, arcs=5))["The two sets"]
    first, second = (ax.collections[k].get_offsets() for k in (1, 2))
    assert 10 <= len(first) <= 15
    for segment in arcs(ax):
        assert (first == segment[0]).all(1).any()
        assert (second == segment[1]).all(1).any()
    assert f"{len(first)} of 60 samples of x" in ax.get_legend().get_texts()[0].get_text()


def test_draws_arcs_of_a_plan_too_large_to_be_built(monkeypatch, rng):
    monkeypatch.setattr("otgan.plot.arcs._DENSE", 0)
    x = rng.normal(size=(30, 2))
    ax = drawn(plot.report(otgan.compare(x, x + np.array([10.0, 0.0]), metrics="emd"), arcs=7))[
        "The two sets"
    ]
    assert len(arcs(ax)) == 7
    for segment in arcs(ax):
        assert (x == segment[0]).all(1).any()


def test_draws_the_entropic_plan_where_there_is_no_other(rng):
    report = otgan.compare(rng.normal(size=(9, 2)), rng.normal(size=(8, 2)), metrics="tv,sinkhorn")
    ax = drawn(plot.report(report, arcs=12))["The two sets"]
    assert "12 heaviest arcs of the entropic plan" in ax.get_title(loc="left")
    plan = report["sinkhorn"].transport.plan
    share = 100 * np.sort(plan.ravel())[-12:].sum()
    assert f"{share:.3g} % of the mass" in ax.get_title(loc="left")


def test_without_a_plan_draws_the_samples(rng):
    figure = otgan.compare(rng.normal(size=(9, 2)), rng.normal(size=(8, 2)), metrics="tv").plot()
    panels = drawn(figure)
    assert list(panels) == ["The two sets", "Divergence"]
    assert len(panels["The two sets"].collections) == 2


def test_draws_many_dimensions_by_two_principal_axes(rng):
    basis = np.linalg.qr(rng.normal(size=(10, 10)))[0]
    spread = np.array([5.0, 2.0, *[0.01] * 8])
    x, y = (rng.normal(size=(n, 10)) * spread @ basis for n in (60, 40))
    ax = drawn(otgan.compare(x, y, metrics="emd").plot())["The two sets"]
    points = np.concatenate([ax.collections[k].get_offsets() for k in (1, 2)])
    both = np.concatenate([x, y])
    distances = np.linalg.norm(both[:, None] - both, axis=2)
    assert np.linalg.norm(points[:, None] - points, axis=2) == pytest.approx(distances, abs=0.2)
    shares = np.sort(np.linalg.eigvalsh(np.cov(both.T)))[::-1] / np.cov(both.T).trace()
    assert ax.get_xlabel() == f"first principal axis ({100 * shares[0]:.2g} % of the variance)"
    assert ax.get_ylabel() == f"second principal axis ({100 * shares[1]:.2g} % of the variance)"


@pytest.mark.parametrize("d", [1, 2, 3])
def test_draws_points_that_all_coincide(d):
    for n, m in ((1, 1), (5, 4)):
        panels = drawn(otgan.compare(np.ones((n, d)), np.ones((m, d))).plot())
        assert panels.keys() == {"The two sets", "Transport", "Divergence"}
        for ax in panels.values():
            assert np.isfinite([*ax.get_xlim(), *ax.get_ylim()]).all()
        assert bars(panels["Transport"])["EM"] == 0
        assert [text.get_text() for text in panels["The two sets"].get_legend().get_texts()] == [
            f"{n} samples of x",
            f"{m} samples of y",
        ]


def test_draws_sets_on_the_line_as_histograms_of_their_mass(rng):
    x, weights = rng.normal(size=80), rng.random(80)
    ax = drawn(otgan.compare(x, rng.normal(size=50) + 2, weights, metrics="emd").plot())["The two sets"]
    up, down = (patch.get_data() for patch in ax.patches)
    assert (up.values >= up.baseline).all()
    assert (down.values <= down.baseline).all()
    scale = (up.values - up.baseline).sum()
    assert (down.baseline - down.values).sum() == pytest.approx(
        scale
    )  # both masses are 1, drawn on one scale
    expected = np.histogram(x, up.edges, weights=weights / weights.sum())[0]
    assert (up.values - up.baseline) / scale == pytest.approx(expected)


def test_bars_are_the_distances_and_infinity_is_shown_as_such():
    report = otgan.compare([0.0, 1.0], [4.0, 5.0], metrics="emd,sinkhorn,js,kl,tv")
    panels = drawn(report.plot())
    assert bars(panels["Transport"]) == {"EM": 4.0, "Sinkhorn": report["sinkhorn"].value}
    ax = panels["Divergence"]
    assert bars(ax) == {"JS": math.log(2), "KL": ax.get_xlim()[1], "TV": 1.0}
    assert [patch.get_hatch() for patch in ax.patches] == [None, "////", None]
    assert [text.get_text() for text in ax.texts] == ["0.6931", "∞", "1"]


def test_a_divergence_far_beyond_the_ceilings_of_others_has_an_axis_of_its_own(rng):
    x, y = rng.normal(size=(200, 8)), rng.normal(size=(200, 8)) + 4
    far = otgan.compare(x, y, metrics="js:knn,kl:knn", test=None)
    titles = [ax.get_title(loc="left") for ax in far.plot().axes[1:]]
    assert titles == [
        "Divergence: how little they overlap",
        "Divergence: how little they overlap, without a ceiling",
    ]
    near = otgan.compare(x, x + 0.1, metrics="js:knn,kl:knn", test=None)
    assert len(near.plot().axes) == 2


def test_bars_of_costs_are_their_roots():
    report = otgan.compare([0.0, 1.0], [4.0, 6.0], metrics="emd,sinkhorn,sinkhorn_divergence", p=2)
    ax = drawn(report.plot())["Transport"]
    assert list(bars(ax).values()) == pytest.approx(
        [report["emd"].value, *(report[name].value ** 0.5 for name in ("sinkhorn", "sinkhorn_divergence"))]
    )
    label = "units of the samples (roots of order 2)\nwhiskers: one standard error, bias excluded"
    assert ax.get_xlabel() == label


def test_bars_show_the_noise_floor(rng):
    report = otgan.compare(rng.normal(size=20), rng.normal(size=20), metrics="emd")
    ax = drawn(report.plot())["Transport"]
    assert "noise floor" in [text.get_text() for text in ax.texts]
    floor = report["emd"].noise_floor.larger
    assert any(list(line.get_xdata()) == [floor, floor] for line in ax.get_lines())


@pytest.mark.parametrize("name", ["_hidden.npy", "cost in $ and $.csv", "a/very/long/" * 9])
def test_names_are_shown_as_they_are(name):
    figure = otgan.compare([0.0, 1.0], [4.0, 5.0], names=(name, "y")).plot()
    legend = drawn(figure)["The two sets"].get_legend()
    assert len(legend.get_texts()) == 2
    assert name[-31:].replace("$", r"\$") in legend.get_texts()[0].get_text()


def test_draws_the_same_figure_for_the_same_seed(rng):
    report = otgan.compare(rng.normal(size=(40, 2)), rng.normal(size=(40, 2)), metrics="emd")
    first, again, other = (
        arcs(drawn(plot.report(report, arcs=5, seed=seed))["The two sets"]) for seed in (1, 1, 2)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_pyplot_is_never_imported():
    code = "import sys, otgan.plot; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_bars_say_in_what_they_are_measured_and_where_they_end(rng):
    x, y = rng.normal(size=(20, 2)), rng.normal(size=(20, 2)) + 1
    ax = drawn(otgan.compare(x, y, metrics="js,mmd,tv").plot())["Divergence"]
    assert ax.get_xlabel() == "nats (MMD²: no unit, TV: share of the mass); dashed: the ceiling"
    ends = [line.get_xdata()[0] for line in ax.get_lines() if line.get_linestyle() == "--"]
    assert ends == [math.log(2), 2.0, 1.0]
    assert ax.get_xlim()[1] > 2
    ax = drawn(otgan.compare(x, y, metrics="emd,sliced,energy,sinkhorn_divergence", p=2).plot())["Transport"]
    assert list(bars(ax)) == ["$W_{2}$", "Sliced $W_{2}$", "Energy distance", "Sinkhorn divergence"]
    assert ax.get_xlabel().startswith("units of the samples (roots of order 2)")


def test_heavy_points_are_large(rng):
    x, weights = rng.normal(size=(20, 2)), np.r_[np.ones(18), 5.0, 0.0]
    ax = drawn(otgan.compare(x, x + 1, weights, metrics="emd", test=None).plot())["The two sets"]
    first, second = (scatter.get_sizes() for scatter in ax.collections[-2:])
    assert first[18] == pytest.approx(5 * first[0])
    assert 0 < first[19] < first[0]
    assert len(set(np.broadcast_to(second, 20))) == 1
