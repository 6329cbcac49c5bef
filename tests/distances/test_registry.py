"""What is true of every metric of the registry, whatever it computes: a new one is held to it by its line there."""

import ast
import importlib
import inspect
import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

import otgan
import otgan.distances
from otgan import plot
from otgan.cli import root
from otgan.distances import METRICS, metric_of
from otgan.pair import pair
from otgan.report import MeasurementSpec

RNG = np.random.default_rng(3)
X, Y = RNG.normal(size=(14, 2)), RNG.normal(size=(11, 2)) + 0.6
GRID_X, GRID_Y = RNG.integers(0, 3, (14, 2)).astype(float), RNG.integers(0, 4, (11, 2)).astype(float)
A, B = RNG.random(14) + 0.1, RNG.random(11) + 0.1
SETS = {"points": (X, Y), "grid": (GRID_X, GRID_Y)}

every = pytest.mark.parametrize("name", METRICS)


def call(name, *sets, p=1):
    """The function at the power that reports use, by default."""
    metric = metric_of(name)
    return metric.function(*sets, **({"p": p} if metric.uses_p else {}))


# ---- one line makes it known everywhere ------------------------------------------------------------------------------


@every
def test_it_is_a_function_of_the_package_with_a_docstring(name):
    metric = metric_of(name)
    assert getattr(otgan, name) is getattr(otgan.distances, name) is metric.function
    assert name in otgan.__all__
    assert name in dir(otgan)
    assert list(inspect.signature(metric.function).parameters)[:4] == ["x", "y", "a", "b"]
    assert ("p" in inspect.signature(metric.function).parameters) == metric.uses_p
    first, *rest = inspect.getdoc(metric.function).splitlines()
    assert first.endswith(".")
    assert "Examples" in rest


@every
def test_its_own_options_are_keywords_of_its_function(name):
    parameters = inspect.signature(metric_of(name).function).parameters
    for option in metric_of(name).options:
        assert parameters[option.name].default == option.default
        assert option.check(option.default) == option.default


@every
def test_it_is_in_reports_in_json_and_in_figures(name):
    report = otgan.compare(X, Y, metrics=name, permutations=3)
    metric, each = metric_of(name), report[name]
    assert each.value == pytest.approx(call(name, X, Y), rel=1e-9)
    assert (each.metric, each.title, each.unit) == (name, metric.title(each.p), metric.unit(each.p))
    assert (each.p is not None) == metric.uses_p
    assert metric.label(each.p) in str(report)
    assert metric.certificate(each) in str(report)
    assert metric.floor <= each.value <= metric.ceiling
    assert each.null.permutations == 3
    assert each.noise_floor.draws == 8
    plain = json.loads(report.to_json())["distances"][name]
    assert (plain["metric"], plain["title"], plain["unit"]) == (name, each.title, each.unit)
    assert plain.keys() == json.loads(otgan.compare(X, Y, metrics="emd").to_json())["distances"]["emd"].keys()
    figure = plot.report(report)
    figure.draw_without_rendering()
    (bars,) = figure.axes[1:]
    assert len(bars.patches) == 1
    first = each.title.split()[0].replace("_", "")
    assert first in bars.get_yticklabels()[0].get_text().translate(str.maketrans("", "", "${}_"))


@every
def test_it_is_in_the_command_and_in_its_help(name, tmp_path):
    runner = CliRunner()
    helped = runner.invoke(root, ["measure", "--help"], prog_name="otgan")
    assert name in helped.stdout.split("--metrics")[1].split("--option")[0].replace(",", "").split()
    for label, points in (("a", X), ("b", Y)):
        np.save(tmp_path / f"{label}.npy", points)
    ended = runner.invoke(
        root, ["measure", *(str(tmp_path / f"{label}.npy") for label in "ab"), "--metrics", name, "--json"]
    )
    assert ended.exit_code == 0, ended.stderr
    assert json.loads(ended.stdout)["distances"][name]["metric"] == name


def test_no_module_bears_the_name_of_a_public_function():
    package = Path(otgan.__file__).parent
    modules = {path.stem for folder in (package, package / "distances") for path in folder.glob("*.py")}
    modules |= {path.name for path in package.iterdir() if path.is_dir()}
    assert not modules & (METRICS.keys() | {"compare", "transport"})


def test_type_checkers_are_told_nothing_that_is_not_so():
    tree = ast.parse(Path(otgan.__file__).read_text(encoding="utf-8"))
    (seen,) = (node for node in tree.body if isinstance(node, ast.If))
    told = {name.name: node.module for node in seen.body for name in node.names}
    for name in told.keys() & METRICS.keys():
        assert getattr(importlib.import_module(told[name]), name) is getattr(otgan, name)
        assert METRICS[name].partition(":")[0] == told[name]


def test_the_registry_loads_nothing_heavy():
    code = (
        "import sys, otgan, otgan.cli.measure as m; m.command.get_help(m.click.Context(m.command)); "
        "sys.exit(bool({'numpy', 'torch', 'scipy', 'ot'} & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# ---- a line that leads nowhere ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "got"),
    [
        ("otgan.distances.earth_mover:METRIC", "the metric 'emd'"),
        ("otgan.distances.earth_mover:emd", "function"),
        ("otgan.distances.earth_mover:nothing", "NoneType"),
        ("otgan.distances.earth_mover", "NoneType"),
    ],
)
def test_a_line_that_leads_to_another_thing_is_an_error_never_another_distance(monkeypatch, place, got):
    monkeypatch.setitem(METRICS, "wasserstein", place)
    for ask in (
        lambda: metric_of("wasserstein"),
        lambda: otgan.wasserstein,
        lambda: otgan.compare(X, Y, metrics="wasserstein"),
    ):
        with pytest.raises(
            TypeError, match=rf"must be the place of a Metric .* called wasserstein, got {got} at"
        ):
            ask()


def test_an_unknown_metric_is_answered_with_those_there_are():
    with pytest.raises(
        ValueError, match=r"unknown metric 'enrgy' \(did you mean 'energy'\?\): known are emd, js"
    ):
        metric_of("enrgy")
    with pytest.raises(AttributeError, match="has no attribute 'wasserstein'"):
        _ = otgan.distances.wasserstein


PLUG = '''
"""How far the centers of the boxes of two sets are apart."""
from otgan.distances.metric import Metric
from otgan.distances.scaled import in_units, lengths
from otgan.form import Form
from otgan.pair import pair

def centers(x, y, a=None, b=None):
    both = pair(x, y, a, b)
    return Form.of(both).scalar(between(both))

def between(both):
    inside, unit = in_units(both)
    middle = [(side.points.amax(1) + side.points.amin(1)) / 2 for side in (inside.x, inside.y)]
    return lengths((middle[0] - middle[1]).norm(dim=1) * unit, both.x.dtype)

class Centers(Metric):
    symbol = "c"
    def title(self, p): return "Centers"
    def unit(self, p): return "units of the samples"
    def power(self, p): return 1.0
    def evaluate(self, both, terms): return between(both)

METRIC = Centers(centers)
'''


def test_a_metric_of_a_users_own_is_one_file_and_one_line(monkeypatch, tmp_path):
    (tmp_path / "plugged.py").write_text(PLUG, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(METRICS, "centers", "plugged:METRIC")
    x, y = [[0.0, 0.0], [2.0, 4.0], [1.0, 1.0], [0.0, 1.0]], [[4.0, 6.0], [4.0, 6.0], [4.0, 6.0], [4.0, 6.0]]
    assert otgan.centers(x, y) == 5.0
    report = otgan.compare(x, y, metrics="centers,emd", permutations=2)
    assert report["centers"].value == 5.0
    assert report["centers"].standard_error is None  # it has no slope in the weights
    assert "Centers" in report.table()
    assert "Centers" in [text.get_text() for text in report.plot().axes[1].get_yticklabels()]
    ended = CliRunner().invoke(
        root, ["measure", "8gaussians", "swissroll", "--n", "9", "--metrics", "centers", "--json"]
    )
    assert list(json.loads(ended.stdout)["distances"]) == ["centers"]


# ---- what it says of itself is so ------------------------------------------------------------------------------------


@every
@pytest.mark.parametrize("sets", SETS)
def test_it_is_symmetric_where_it_says_so(name, sets):
    x, y = SETS[sets]
    there, back = call(name, x, y, A, B), call(name, y, x, B, A)
    if metric_of(name).symmetric:
        assert back == pytest.approx(there, rel=1e-6, abs=1e-12)
    else:  # on one support, so that both ways are finite
        there, back = call(name, x, x, A, A**2), call(name, x, x, A**2, A)
        assert back != pytest.approx(there, rel=1e-6)


@every
@pytest.mark.parametrize("sets", SETS)
def test_it_is_zero_between_equal_sets_where_it_says_so(name, sets):
    x = SETS[sets][0]
    order = np.random.default_rng(0).permutation(len(x))
    value = call(name, x, x[order], A, A[order])
    if metric_of(name).vanishes:
        assert value == pytest.approx(0, abs=1e-6)
    else:
        assert abs(value) > 1e-3


@every
@pytest.mark.parametrize("p", [1, 2, 3])
def test_its_value_grows_with_the_sets_as_it_says(name, p):
    power = metric_of(name).power(p)
    near, far = call(name, GRID_X, GRID_Y, p=p), call(name, 64 * GRID_X, 64 * GRID_Y, p=p)
    assert far == pytest.approx(64.0**power * near, rel=1e-6)


@every
def test_the_value_alone_is_the_value(name):
    spec, both = MeasurementSpec.of(name), pair(X, Y, A, B)
    metric, terms = spec.requests[0].metric, spec.terms(spec.requests[0])
    assert metric.statistic(terms)(both) == pytest.approx(metric.measured(both, terms).value, rel=1e-9)


@every
def test_a_sample_of_weight_zero_is_left_out(name):
    far, weights = np.vstack([GRID_X[:5], [[1e200, -1e200]], GRID_X[5:]]), np.insert(A, 5, 0)
    expected = call(name, GRID_X, GRID_Y, A, B)
    assert call(name, far, GRID_Y, weights, B) == pytest.approx(expected, rel=1e-9)
    assert call(name, GRID_Y, far, B, weights) == pytest.approx(call(name, GRID_Y, GRID_X, B, A), rel=1e-9)


@every
def test_the_order_of_the_samples_does_not_matter(name):
    order = np.random.default_rng(1).permutation(len(X))
    assert call(name, X[order], Y, A[order], B) == pytest.approx(call(name, X, Y, A, B), rel=1e-6)


@every
def test_a_batch_is_a_loop(name):
    xs = [GRID_X[:5], GRID_X[3:12], GRID_X]
    ys = [GRID_Y[2:9], GRID_Y, GRID_Y[:4]]
    a, b = [A[: len(x)] for x in xs], [B[: len(y)] for y in ys]
    expected = [call(name, *problem) for problem in zip(xs, ys, a, b, strict=True)]
    np.testing.assert_allclose(call(name, xs, ys, a, b), expected, rtol=1e-6, atol=1e-12)
    stacked = np.stack([GRID_X, GRID_X + 1]), np.stack([GRID_Y, GRID_Y[::-1]])
    expected = [call(name, *problem) for problem in zip(*stacked, strict=True)]
    np.testing.assert_allclose(call(name, *stacked), expected, rtol=1e-6, atol=1e-12)


@every
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_tensors_come_back_as_tensors(name, dtype):
    x, y = torch.tensor(GRID_X, dtype=dtype), torch.tensor(GRID_Y, dtype=dtype)
    value = call(name, x, y)
    assert (value.shape, value.dtype) == ((), dtype)
    assert float(value) == pytest.approx(call(name, GRID_X, GRID_Y), rel=1e-4)


@every
def test_gradients_are_numbers_where_points_and_sets_coincide(name):
    for other in (GRID_X, GRID_Y):
        x, a = (torch.tensor(each, requires_grad=True) for each in (GRID_X, A))
        y, b = (
            torch.tensor(other, requires_grad=True),
            torch.ones(len(other), dtype=torch.float64, requires_grad=True),
        )
        value = call(name, x, y, a, b)
        value.backward()
        for each in (x, y, a, b):
            assert each.grad is None or bool(torch.isfinite(each.grad).all())


@every
def test_two_equal_sets_give_no_push(name):
    metric = metric_of(name)
    x, y = (torch.tensor(X, requires_grad=True) for _ in range(2))
    value = call(name, x, y)
    if not (metric.vanishes and metric.by_lengths):
        return  # they have a minimum elsewhere, or no slope at all
    value.backward()
    assert x.grad.abs().max() < 1e-6
    assert y.grad.abs().max() < 1e-6


@every
def test_one_sample_on_either_side(name):
    options = {"biased": True} if "biased" in inspect.signature(metric_of(name).function).parameters else {}
    value = metric_of(name).function([[0.0, 0.0]], [[3.0, 4.0]], **options)
    assert not math.isnan(value)
