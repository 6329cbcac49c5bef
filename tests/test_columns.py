"""Names of coordinates: what is compared with what where tables name their columns."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch

import otgan
from otgan.columns import names_of
from otgan.measure import Measure
from otgan.pair import pair

RNG = np.random.default_rng(0)
HEIGHT, MASS = RNG.normal(170, 8, 40), RNG.normal(70, 12, 40)
X = pd.DataFrame({"height": HEIGHT, "mass": MASS})
Y = pd.DataFrame({"mass": MASS[::-1] + 1, "height": HEIGHT[::-1]})
BY_NAME = otgan.emd(X.to_numpy(), Y[["height", "mass"]].to_numpy())


@pytest.mark.parametrize("table", [pd.DataFrame, pl.DataFrame], ids=["pandas", "polars"])
def test_tables_are_matched_by_name(table):
    x, y = table(dict(X)), table(dict(Y))
    assert otgan.emd(x, y) == BY_NAME
    assert otgan.compare(x, y, metrics="emd")["emd"].value == BY_NAME
    assert otgan.emd(X.to_numpy(), Y.to_numpy()) > BY_NAME  # by position it would have been another number


@pytest.mark.parametrize("plain", [np.asarray, lambda frame: frame.to_numpy().tolist()])
def test_against_what_has_no_names_position_counts(plain):
    assert otgan.emd(X, plain(Y)) == otgan.emd(plain(X), Y) == otgan.emd(X.to_numpy(), Y.to_numpy())
    numbered = pd.DataFrame(Y.to_numpy())  # 0 and 1 are no names
    assert otgan.emd(X, numbered) == otgan.emd(X.to_numpy(), Y.to_numpy())


def test_batches_of_tables_are_matched_by_name():
    values = otgan.emd([X, Y], [Y, X])
    np.testing.assert_allclose(values, [BY_NAME, BY_NAME], rtol=1e-12)
    with pytest.raises(ValueError, match=r"only x\[0\] has 'mass'; only x\[1\] has 'age'"):
        otgan.emd([X, X.rename(columns={"mass": "age"})], [X, X])


def test_names_that_differ_are_listed():
    other = Y.rename(columns={"mass": "age"})
    with pytest.raises(ValueError, match=r"only x has 'mass'; only y has 'age'\. Select or rename"):
        otgan.emd(X, other)
    with pytest.raises(ValueError, match="only y has 'age'"):
        otgan.sinkhorn(X, X.assign(age=1.0), epsilon=1.0)  # sooner than that the dimensions differ
    many = pd.DataFrame(np.ones((3, 9)), columns=list("abcdefghi"))
    with pytest.raises(ValueError, match="'f' and 3 more"):
        otgan.emd(many, many.rename(columns=str.upper))


def test_a_name_that_is_there_twice_matches_nothing():
    twice = pd.DataFrame(np.ones((3, 3)), columns=["a", "a", "b"])
    assert otgan.emd(twice, twice) == 0
    with pytest.raises(ValueError, match="different orders, and 'a' more than once"):
        otgan.emd(twice, twice[["b", "a"]])


def test_what_has_names():
    assert names_of(X) == names_of(pa.Table.from_pandas(X)) == ("height", "mass")
    assert names_of(X["height"]) is names_of(X.to_numpy()) is names_of(torch.ones(2, 2)) is None
    assert names_of(pd.DataFrame(columns=pd.MultiIndex.from_tuples([("a", "b")]))) is None


def test_measures_carry_names():
    x = Measure.of(X)
    y = Measure.of(torch.tensor(Y.to_numpy()), columns=["mass", "height"])
    assert x.columns == ("height", "mass")
    both = pair(Measure.of(torch.tensor(X.to_numpy()), columns=x.columns), y)
    assert both.y.columns == x.columns
    np.testing.assert_array_equal(both.y.points[0].numpy(), Y[["height", "mass"]].to_numpy())
    assert both.y.points.is_contiguous()
    assert x.take(np.array([0])).columns == x.columns
    for wrong, kind in (("height", TypeError), (["height"], ValueError), ([1, 2], TypeError)):
        with pytest.raises(kind, match="columns must be 2 names, one for each coordinate"):
            Measure.of(X, columns=wrong)


def test_gradients_reach_the_columns_they_are_of():
    y = torch.tensor(Y.to_numpy(), requires_grad=True)
    x = Measure.of(torch.tensor(X.to_numpy()), columns=("height", "mass"))
    otgan.emd(x, Measure.of(y, columns=("mass", "height"))).backward()
    straight = torch.tensor(Y[["height", "mass"]].to_numpy().copy(), requires_grad=True)
    otgan.emd(torch.tensor(X.to_numpy()), straight).backward()
    np.testing.assert_allclose(y.grad.numpy(), straight.grad.numpy()[:, ::-1], rtol=1e-12)


def test_reports_call_columns_by_their_names():
    x, y = X.assign(mass=1000 * MASS), Y.assign(mass=1000 * MASS)
    found = otgan.compare(x, y, metrics="emd")
    assert any(words.startswith("column 'mass' makes up") for words in found.warnings)
    assert found.to_dict()["columns"] == ["height", "mass"]
    axes = found.plot().axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("height", "mass")
    line = otgan.compare(x[["mass"]], y[["mass"]], metrics="emd")
    assert line.plot().axes[0].get_xlabel() == "mass"
    assert otgan.compare(X.to_numpy(), Y.to_numpy(), metrics="emd").to_dict()["columns"] is None
