"""Binned divergences: NumPy's bins, sparse, and never where nobody asked for them."""

import math

import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.distance import jensenshannon

import otgan
from otgan.divergences import histogram
from otgan.pair import pair


def numpy_masses(x, y, bins, a=None, b=None):
    """Masses in NumPy's bins over the joint range, dense."""
    pooled = np.concatenate([x, y])
    if isinstance(bins, (int, str)):
        bins = [np.histogram_bin_edges(column, bins) for column in pooled.T]
    p, q = np.histogramdd(x, bins, weights=a)[0].ravel(), np.histogramdd(y, bins, weights=b)[0].ravel()
    return p / p.sum(), q / q.sum()


def check(x, y, mine, bins, a=None, b=None):
    p, q = numpy_masses(x, y, bins, a, b)
    options = {"estimator": "histogram"} | mine
    assert otgan.kl(x, y, a, b, **options) == pytest.approx(scipy.stats.entropy(p, q), abs=1e-12)
    assert otgan.js(x, y, a, b, **options) == pytest.approx(jensenshannon(p, q) ** 2, abs=1e-12)
    assert otgan.tv(x, y, a, b, **options) == pytest.approx(0.5 * np.abs(p - q).sum(), abs=1e-12)


@pytest.fixture
def clouds():
    rng = np.random.default_rng(0)
    return rng.normal(size=(300, 2)), rng.normal(size=(200, 2)) * [1, 3] + 0.5


@pytest.mark.parametrize("bins", [1, 2, 7, "scott", "fd", "sturges"])
def test_counts_and_rules_are_numpys(clouds, bins):
    check(*clouds, {"bins": bins}, bins)


def test_counts_with_weights(clouds):
    rng = np.random.default_rng(1)
    check(*clouds, {"bins": 6}, 6, rng.random(300), rng.random(200))


@given(
    arrays(np.float64, st.tuples(st.integers(2, 9), st.just(1)), elements=st.integers(-8, 8)),
    st.integers(1, 12),
)
def test_samples_on_the_edges_fall_as_in_numpy(x, bins):
    x = x / 10  # tenths are no binary fractions: quotient and edge round differently
    if np.ptp(x) > 0:
        check(x[:-1], x[1:], {"bins": bins}, bins)


def test_explicit_edges(clouds):
    x, y = clouds
    same = np.linspace(-15, 15, 12)
    check(x, y, {"bins": same}, [same, same])
    each = [np.array([-15.0, 0.0, 0.1, 15.0]), np.linspace(-20, 20, 5)]
    check(x, y, {"bins": each}, each)
    check(x, y, {"bins": [list(edges) for edges in each]}, each)


def test_the_last_bin_is_closed_on_both_sides():
    assert otgan.tv([1.0, 2.0], [2.0, 3.0], estimator="histogram", bins=[1, 2, 3]) == 0.5
    assert otgan.tv([2.5, 3.0], [2.0], estimator="histogram", bins=[1, 2, 3]) == 0


def test_samples_outside_the_edges_are_an_error_unless_told_where_to_go():
    x, y = [0.5, -1.0, -2.0, 7.0], [0.5, 0.6, 5.0, -9.0]
    with pytest.raises(ValueError, match=r"3 samples of x are outside the bin edges.*outside='overflow'"):
        otgan.js(x, y, estimator="histogram", bins=[0, 1])
    with pytest.raises(ValueError, match="1 sample of y is outside"):
        otgan.js(x, y, estimator="histogram", bins=[-5, 10])
    over = {"estimator": "histogram", "bins": [0, 1], "outside": "overflow"}
    check(np.array(x)[:, None], np.array(y)[:, None], over, [np.array([-100, 0, 1, 100.0])])
    # What has no mass is nowhere.
    assert otgan.js(x, y, [1, 0, 0, 0], [1, 1, 0, 0], estimator="histogram", bins=[0, 1]) == 0


def test_bin_widths_are_multiples_that_no_sample_moves():
    x, y = [[0.05, 0.05]], [[0.95, 0.05]]
    assert otgan.tv(x, y, estimator="histogram", bin_width=1) == 0
    assert otgan.tv(x, y, estimator="histogram", bin_width=0.5) == 1
    assert otgan.tv(x, y, estimator="histogram", bin_width=[1, 0.01]) == 0
    assert otgan.tv(x, [[-0.05, 0.05]], estimator="histogram", bin_width=1) == 1
    # Far samples change nothing, which equal bins over the range cannot say.
    far = [[0.05, 0.05], [900.0, 900.0]]
    near = [[0.95, 0.05], [900.0, 900.0]]
    assert otgan.tv(far, near, estimator="histogram", bin_width=0.5) == 0.5
    assert otgan.tv(far, near, estimator="histogram", bins=10) == 0


def test_bin_width_agrees_with_edges(clouds):
    x, y = clouds
    check(x, y, {"bin_width": 0.7}, [0.7 * np.arange(-40, 40)] * 2)


def test_bins_of_hundreds_of_dimensions_are_never_built():
    rng = np.random.default_rng(0)
    x = rng.random((50, 784))
    cells = histogram(pair(x, x[:25]), bins=100)
    assert cells.x_cells.item() == 50  # of 100**784
    assert cells.shared.item() == 25


def test_flat_dimensions_and_single_points():
    x = np.array([[1.0, 5.0], [2.0, 5.0], [3.0, 5.0], [4.0, 5.0]])
    for bins in (4, "scott", "fd", "sturges"):
        assert otgan.tv(x, x[:2], estimator="histogram", bins=bins) == 0.5
    assert otgan.kl([[3.0]], [[3.0]], estimator="histogram", bins=5) == 0


def test_fd_does_not_merge_everything_where_half_of_the_samples_share_a_value():
    x = np.concatenate([np.zeros(80), np.linspace(1, 2, 20)])
    y = np.zeros(100)
    value = otgan.tv(x, y, estimator="histogram", bins="fd")
    assert value == pytest.approx(0.2)
    assert value == otgan.tv(x, y, estimator="histogram", bins="sturges")


def test_each_problem_of_a_batch_has_its_own_range(clouds):
    x, y = clouds
    ragged = [x, 100 * x[:50]], [y, 100 * y[:20]]
    over = {"bins": [-1.0, 1.0], "outside": "overflow"}
    for options in ({"bins": 9}, {"bins": "scott"}, {"bin_width": 0.5}, over):
        together = otgan.js(*ragged, estimator="histogram", **options)
        assert together == pytest.approx(
            [otgan.js(u, v, estimator="histogram", **options) for u, v in zip(*ragged, strict=True)]
        )


def test_zero_weights_do_not_stretch_the_range():
    x, y = [0.0, 0.4, 1e6], [0.6, 1.0]
    assert otgan.tv(x, y, [1, 1, 0], estimator="histogram", bins=2) == 1
    assert otgan.tv(x[:2], y, estimator="histogram", bins=2) == 1
    assert otgan.tv([0.0, 0.4, -1e308], y, [1, 1, 0], estimator="histogram", bins=2) == 1


@pytest.mark.parametrize("bins", [5, "scott", "fd", "sturges"])
@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_the_unit_of_the_samples_is_irrelevant(clouds, bins, scale):
    x, y = clouds
    value = otgan.tv(x * scale, y * scale, estimator="histogram", bins=bins)
    assert value == pytest.approx(otgan.tv(x, y, estimator="histogram", bins=bins), abs=1e-12)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, r"exactly one of bins= .* and bin_width=.* got neither"),
        ({"bins": 3, "bin_width": 1}, "got both"),
        ({"bins": 0}, "bins must be a whole number of bins, .*, got 0"),
        ({"bins": True}, "bins must be a whole number of bins, .*, got True"),
        ({"bins": "doane"}, "'scott', 'fd', 'sturges', got 'doane'"),
        ({"bins": [1]}, "at least two"),
        ({"bins": [0, 1, 1]}, r"increasing.*got \[0.0, 1.0, 1.0\]"),
        ({"bins": [0, math.nan, 1]}, "increasing"),
        ({"bins": [[0, 1], [0, 1], [0, 1]]}, "each of the 2 dimensions, got 3 sequences"),
        ({"bin_width": 0}, "positive finite length"),
        ({"bin_width": math.inf}, "positive finite length"),
        ({"bin_width": [1, 2, 3]}, "bin_width must be one length or 2 of them"),
        ({"bin_width": 1e-300}, "too small"),
        ({"bins": 3, "outside": "overflow"}, "bin edges only"),
        ({"bins": [-99, 99], "outside": "drop"}, "'error' or 'overflow', got 'drop'"),
    ],
)
def test_errors_name_what_is_wrong(clouds, options, message):
    with pytest.raises(ValueError, match=message):
        otgan.kl(*clouds, estimator="histogram", **options)


def test_a_fractional_number_of_bins_is_no_number_of_bins(clouds):
    with pytest.raises(ValueError, match="whole number of bins"):
        otgan.kl(*clouds, estimator="histogram", bins=2.5)


def test_rules_know_no_weights(clouds):
    x, y = clouds
    with pytest.raises(ValueError, match="bins='scott' finds bins for samples without weights only"):
        otgan.js(x, y, np.ones(300), estimator="histogram", bins="scott")


def test_a_range_beyond_float64_is_an_error():
    with pytest.raises(ValueError, match="range of the samples is infinite"):
        otgan.tv([-1e308], [1e308], estimator="histogram", bins=2)


def test_gradients_reach_the_weights():
    x = torch.tensor([[0.1], [0.2], [1.3]], dtype=torch.float64)
    y = torch.tensor([[0.4], [1.6], [2.5]], dtype=torch.float64)
    a = torch.tensor([0.3, 0.3, 0.4], dtype=torch.float64, requires_grad=True)
    for f in (otgan.kl, otgan.js, otgan.tv):
        assert torch.autograd.gradcheck(lambda a, f=f: f(x, y, a, estimator="histogram", bin_width=1.0), (a,))
