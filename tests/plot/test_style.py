"""Figures are read whatever style the caller has: letters in ink on paper, every axis with its name, no legend over the data."""

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import style
from matplotlib.colors import to_hex
from matplotlib.text import Text

import otgan
from otgan import plot
from otgan.gan.evaluation.figures import curves_figure
from otgan.plot.palette import PAPER, contrast
from otgan.plot.style import on_paper

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(2, 20, 2))
HISTORY = [
    {"step": 0, "evaluation": {"em": 2.0, "em_floor": 1.0}},
    {"step": 1, "loss": 1.0},
    {"step": 2, "evaluation": {"em": 1.5, "em_floor": 1.0}},
]
FIGURES = {
    "a report": lambda: otgan.compare(X, Y, metrics="emd,js,kl", test=None).plot(),
    "one on the line": lambda: otgan.compare(X[:, 0], Y[:, 0], metrics="emd", test=None).plot(),
    "a plan": lambda: otgan.transport(X, Y).plot(),
    "a test": lambda: otgan.two_sample_test(X, Y, permutations=19).plot(),
    "all pairs": lambda: plot.pairwise(otgan.pairwise([X, Y, X + 1])),
    "the lines": lambda: plot.parallel_lines(otgan.teach.parallel_lines.table([0.0, 0.5], n=4)),
    "a run": lambda: curves_figure(HISTORY, None),
}


def letters(figure):
    figure.draw_without_rendering()
    return [each for each in figure.findobj(Text) if each.get_text().strip() and each.get_visible()]


def ground_of(text):
    """Return what a text stands on: the field of a heat map, or the paper."""
    axes = text.axes
    if axes is None or not axes.images or text not in axes.texts:
        return PAPER
    (image,), (column, row) = axes.images, text.get_position()
    return to_hex(image.cmap(image.norm(np.asarray(image.get_array())[int(row), int(column)])))


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize("theme", ["default", "dark_background", "ggplot"])
def test_letters_are_read_in_every_style(name, theme):
    with style.context(theme):
        figure = FIGURES[name]()
        assert to_hex(figure.get_facecolor()) == PAPER
        assert {to_hex(ax.get_facecolor()) for ax in figure.axes} == {PAPER}
        for text in letters(figure):
            assert contrast(to_hex(text.get_color()), ground_of(text)) >= 4.5, text


@pytest.mark.parametrize("name", FIGURES)
def test_every_axis_has_a_name(name):
    figure = FIGURES[name]()
    for ax in figure.axes:
        if not ax.axison or ax.images:
            continue
        shared = [other for other in figure.axes if other is ax or ax.get_shared_x_axes().joined(ax, other)]
        assert any(other.get_xlabel() for other in shared) or ax.get_label() == "<colorbar>"
        assert ax.get_ylabel() or ax.get_title(loc="left").startswith(("Transport", "Divergence"))


@pytest.mark.parametrize("name", ["a report", "one on the line", "a plan", "a run"])
def test_legends_cover_no_data(name):
    figure = FIGURES[name]()
    figure.draw_without_rendering()
    legends = [ax.get_legend() for ax in figure.axes if ax.get_legend() is not None]
    assert legends
    for legend in legends:
        assert not legend.get_window_extent().overlaps(legend.axes.get_window_extent())


def test_the_style_of_the_caller_stays():
    before = dict(mpl.rcParams)
    on_paper(lambda: None)()
    assert dict(mpl.rcParams) == before
