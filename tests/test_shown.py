"""Results in notebooks, and plans as pictures."""

import re

import numpy as np
import pytest
import torch

import otgan

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(20, 2)), RNG.normal(size=(25, 2)) + 1


@pytest.mark.parametrize("convert", [np.asarray, torch.tensor])
@pytest.mark.parametrize("epsilon", [None, 0.1])
def test_a_plan_is_drawn_between_its_points(convert, epsilon):
    figure = otgan.transport(convert(X), convert(Y), epsilon=epsilon).plot(arcs=12, names=("here", "there"))
    (ax,) = figure.axes
    kind = "optimal" if epsilon is None else "entropic"
    assert ax.get_title(loc="left").startswith(f"The two sets, and the 12 heaviest arcs of the {kind} plan")
    np.testing.assert_allclose(ax.collections[1].get_offsets(), X)
    np.testing.assert_allclose(ax.collections[2].get_offsets(), Y)
    assert "20 samples of here" in [text.get_text() for text in ax.get_legend().get_texts()]


def test_points_far_away_and_without_mass_are_where_they_are():
    weights = np.r_[0, np.ones(19)]
    figure = otgan.transport(1e6 + X, 1e6 + Y, weights).plot()
    np.testing.assert_allclose(figure.axes[0].collections[1].get_offsets(), 1e6 + X)
    assert otgan.transport(X[:, 0], Y[:, 0]).plot().axes[0].get_xlabel() == "value"


def test_what_has_no_points_is_not_drawn():
    cost = np.linalg.norm(X[:, None] - Y, axis=2)
    with pytest.raises(ValueError, match="which cost='precomputed' does not tell"):
        otgan.transport(cost, cost="precomputed").plot()
    with pytest.raises(ValueError, match="a plot is of one problem, got a batch"):
        otgan.transport(X[None], Y[None]).plot()


def test_notebooks_show_results():
    t = otgan.transport(X, Y, epsilon=0.1)
    html = t._repr_html_()
    assert html.startswith("<div><p>Transport(value=")
    assert f"{t.lower:.6g} and {t.upper:.6g}" in html
    assert re.search(r'<img alt="[^"]+" src="data:image/png;base64,[\w+/=]+">', html)
    cost = np.linalg.norm(X[:, None] - Y, axis=2)
    matrix = otgan.transport(cost, cost="precomputed")._repr_html_()
    assert "img" not in matrix
    assert "the exact cost is between" in matrix
    assert otgan.transport(X[None], Y[None])._repr_html_().count("<p>") == 1


def test_notebooks_show_reports():
    report = otgan.compare(X, Y, names=("<script>", "y & z"))
    html = report._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt; and y &amp; z are different: p = 0.005" in html
    assert "<th>noise floor</th>" in html
    assert f">{report['emd'].value:.6g}</td>" in html
    assert html.count("<tr>") == 1 + len(report)
    assert html.count("<img") == 1
    for sentence in report.warnings:
        assert sentence[:20] in html
    quiet = otgan.compare([0.0, 1, 1], [0.0, 0, 1], metrics="tv", test=None)._repr_html_()
    assert "<b>" not in quiet
