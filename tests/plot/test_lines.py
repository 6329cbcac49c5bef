"""The figure of the parallel lines shows the numbers of their table."""

import math

import numpy as np
import pytest

from otgan import plot
from otgan.teach.parallel_lines import table


def series(ax):
    return {line.get_label(): line for line in ax.get_lines() if not line.get_label().startswith("_")}


@pytest.fixture(scope="module")
def lines():
    return table([-0.5, 0.0, 0.05, 0.5], n=16)


@pytest.fixture(scope="module")
def axes(lines):
    figure = plot.parallel_lines(lines)
    figure.draw_without_rendering()
    return dict(zip(("emd", "js", "kl", "tv"), figure.axes, strict=True))


def test_parallel_lines_every_finite_number_is_drawn_where_it_is(lines, axes):
    for name, ax in axes.items():
        for way in ("draws", "shared draws", "bins"):
            line = series(ax)[lines.label(way)]
            known = np.array(lines.column(way, name))
            finite = np.isfinite(known)
            assert list(line.get_xdata()) == list(lines.thetas)
            assert np.asarray(line.get_ydata())[finite] == pytest.approx(known[finite])


def test_parallel_lines_infinity_is_a_height_of_its_own(lines, axes):
    heights = np.asarray(series(axes["kl"])[lines.label("draws")].get_ydata())
    assert len(set(heights)) == 1
    ticks = dict(
        zip(
            axes["kl"].get_yticks(),
            (label.get_text() for label in axes["kl"].get_yticklabels()),
            strict=True,
        )
    )
    assert ticks[heights[0]] == "∞"
    finite = [value for value in lines.column("bins", "kl") if math.isfinite(value)]
    assert heights[0] > max(finite, default=0)


def test_parallel_lines_the_closed_form_breaks_at_zero(axes):
    for name, ceiling in (("js", math.log(2)), ("tv", 1.0)):
        line = series(axes[name])["closed form"]
        x, y = np.asarray(line.get_xdata()), np.asarray(line.get_ydata())
        assert np.isnan(x).sum() == 1
        assert set(y[~np.isnan(x)]) == {ceiling}


def test_parallel_lines_legend_names_every_way(lines):
    figure = plot.parallel_lines(lines)
    labels = [label.get_text() for label in figure.legends[0].get_texts()]
    assert labels == [lines.label(way) for way in ("closed form", "draws", "shared draws", "bins")]


def test_parallel_lines_it_can_be_written(lines, tmp_path):
    plot.parallel_lines(lines).savefig(tmp_path / "lines.png")
    assert (tmp_path / "lines.png").stat().st_size > 10_000


def test_parallel_lines_one_theta_is_enough():
    assert len(plot.parallel_lines(table([0.0], n=8)).axes) == 4
