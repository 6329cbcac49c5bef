"""TrainingData that are held, in whatever: an array, or one sentence that says what to pass."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import torch
from torch.utils.data import DataLoader, IterableDataset, TensorDataset
from torch.utils.data import Dataset as TorchDataset

from otgan.data import DataError, Dataset, SpecError
from otgan.gan.datasets.training_data import TrainingData, as_tensor, digest
from otgan.gan.errors import OptionError, RunError
from otgan.gan.networks import Space

ROWS = np.random.default_rng(0).normal(size=(60, 2))
TENSOR = torch.from_numpy(ROWS)


def with_one(value):
    rows = ROWS.copy()
    rows[2, 1] = value
    return rows


class Endless(IterableDataset):
    def __iter__(self):
        return iter(TENSOR)


class Pictures(TorchDataset):
    def __len__(self):
        return 60

    def __getitem__(self, k):
        return "picture", 0


@pytest.mark.parametrize(
    "data",
    [TensorDataset(TENSOR), DataLoader(TensorDataset(TENSOR, TENSOR[:, 0]), batch_size=7, shuffle=True)],
)
def test_data_sets_and_loaders_of_torch_are_their_samples(data):
    found, expected = TrainingData.of(data, 0), TrainingData.of(ROWS, 0)
    np.testing.assert_array_equal(found.train.points, expected.train.points)
    np.testing.assert_array_equal(found.held_out.points, expected.held_out.points)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (Endless(), "data is a torch Dataset without a length: pass its samples, stacked"),
        (Pictures(), "data is a torch Dataset whose samples are str: give it a transform to tensors"),
        ((row for row in ROWS), r"data is a generator: pass an array, such as np.array\(list"),
        ({"x": ROWS}, r"data is a dict: pass one of its arrays, such as data\['x'\]"),
        (pd.DataFrame({"a": ["x", "y"] * 30, "b": range(60)}), "data: column 'a' holds no numbers but .*: drop it"),
        (pd.DataFrame({"a": pd.date_range("2020", periods=60)}), "data: column 'a' holds no numbers but datetime64"),
        (pd.DataFrame({"a": pd.Categorical(["x", "y"] * 30)}), "data: column 'a' holds no numbers but category"),
        (pd.DataFrame({"a": pd.array([1, None] * 30, "Int64")}), "row 1, column 'a' .* is nan: expected finite"),
        ([[1, 2], [3]], "data cannot be made an array of numbers: its rows differ in length"),
        ([torch.zeros(2), torch.zeros(3)], "data is a list of tensors that cannot be stacked"),
        (ROWS.astype(object), r"got Python objects: convert them by .astype\(float\)"),
        (None, "data must be an array, a tensor or a list of numbers, got None"),
        (b"rows", "data must be an array, a tensor or a list of numbers, got b'rows'"),
        (ROWS.astype(complex), "expected real numbers, found complex numbers"),
        (np.ma.masked_greater(ROWS, 1), "data is an array with masked values: drop their rows, or fill them"),
        (scipy.sparse.csr_matrix(ROWS), r"data is a sparse csr_matrix: pass its toarray\(\)"),
        (TENSOR.to_sparse(), "data is a sparse tensor: pass a dense one"),
        (TENSOR.to("meta"), "data is a meta tensor, which holds no real numbers"),
        (with_one(np.nan), r"row 2, column 1 \(counted from 0\) is nan: expected finite numbers"),
        (with_one(-1e200), r"row 2, column 1 .* is -1e\+200: expected numbers of at most 3.4e38: divide them"),
        (ROWS[:1], "the array has 1 rows: cannot hold out 1 and keep some"),
        (ROWS[:, :0], "has no rows or no columns"),
        (ROWS + 1e10, r"column 0 .* varies by .* around 1e\+10, which single precision cannot tell apart: subtract"),
        (ROWS * 1e-200, "which single precision cannot tell apart"),
        (Dataset("d", ROWS * 1e300), "d: row 0, column 0 .* expected numbers of at most 3.4e38"),
        (Dataset("d", with_one(np.inf)), "d: row 2, column 1 .* is inf: expected finite numbers"),
        (Dataset("d", ROWS, shape=(1, 2, 2)), r"d: rows of 2 numbers are no images of shape \(1, 2, 2\)"),
    ],
)  # fmt: skip
def test_what_does_not_is_one_sentence(data, message):
    with pytest.raises(DataError, match=message) as caught:
        TrainingData.of(data, 0)
    assert len(str(caught.value).splitlines()) == 1


def test_files_are_told_the_number_that_single_precision_does_not_hold(tmp_path):
    path = tmp_path / "rows.csv"
    np.savetxt(path, with_one(-1e200), delimiter=",", header="a,b", comments="")
    with pytest.raises(
        DataError, match=r"row 2, column 1 .* is -1e\+200: expected numbers of at most 3.4e38"
    ):
        TrainingData.of(path, 0)
    np.save(tmp_path / "far.npy", ROWS + 1e10)
    with pytest.raises(DataError, match=r"far.npy: column 0 .* cannot tell apart"):
        TrainingData.of(tmp_path / "far.npy", 0)
    np.save(tmp_path / "nan.npy", with_one(np.nan))
    with pytest.raises(DataError, match="is nan: expected finite numbers"):
        TrainingData.of(tmp_path / "nan.npy", 0)
    np.save(tmp_path / "constant.npy", np.column_stack([ROWS, np.full(60, 7.0)]))
    assert TrainingData.of(tmp_path / "constant.npy", 0).space.shape == (3,)


def test_a_single_sample_held_out_is_too_few_for_codes():
    from otgan.gan import train

    small = {"batch": 4, "width": 4, "depth": 1, "latent": 2}
    with pytest.raises(RunError, match="1 sample held out is too few to judge codes by"):
        train("vae", ROWS[:6], 2, options=small)
    with pytest.raises(RunError, match="1 sample held out is too few to judge codes by"):
        train("vae", ROWS, 2, options=small).evaluate(ROWS[:4])


def test_a_description_tells_data_apart():
    data, same = TrainingData.of(ROWS, 0), TrainingData.of(ROWS.copy(), 0)
    found = data.describe()
    assert (found.spec, found.shape, found.train, found.held_out) == (None, (2,), 48, 12)
    assert same.describe() == found
    assert TrainingData.of(with_one(5.0), 0).describe().digest != found.digest
    assert TrainingData.of(ROWS, 1).describe().digest != found.digest  # others are held out
    assert digest(data.train, data.held_out) != digest(data.held_out, data.train)


def test_tensors_have_the_shape_of_a_sample():
    points = np.arange(24.0).reshape(3, 8)
    found = as_tensor(points, Space((2, 2, 2)))
    assert found.shape == (3, 2, 2, 2)
    assert found.dtype == torch.float32
    assert np.array_equal(found.numpy().reshape(3, 8), points)


def test_labels_stay_with_their_rows():
    x, label = np.arange(50.0)[:, None], np.arange(50) % 3
    for data, labels in (
        (x, label),
        (pd.DataFrame({"x": x[:, 0], "kind": label}), "kind"),
        (Dataset("mine", x, labels=label, classes=("0", "1", "2")), None),
        (Dataset("mine", x, labels=label), None),
    ):
        found = TrainingData.of(data, 0, labels=labels)
        for part in (found.train, found.held_out):
            assert np.array_equal(part.points[:, 0] % 3, part.labels)
        told, plain = found.describe(conditional=True), found.describe()
        assert (told.classes, sum(told.counts), plain.classes) == (("0", "1", "2"), 40, ())
        assert told.digest != plain.digest


class Named(TensorDataset):
    classes = ("two", "one", "none")


KINDS = torch.arange(60) % 2


@pytest.mark.parametrize(
    ("data", "classes"),
    [
        (TensorDataset(TENSOR, KINDS), ("0", "1")),
        (TensorDataset(TENSOR, 3 * KINDS), ("0", "3")),
        (Named(TENSOR, KINDS), ("two", "one", "none")),
        (Named(TENSOR, 5 * KINDS), ("0", "5")),
        (DataLoader(Named(TENSOR, KINDS), batch_size=7, shuffle=True), ("two", "one", "none")),
    ],
)
def test_labels_of_data_sets_of_torch_are_behind_their_samples(data, classes):
    found = TrainingData.of(data, 0)
    assert found.train.classes == classes
    kinds = dict(zip(map(tuple, TENSOR.float().tolist()), KINDS.tolist(), strict=True))
    for part in (found.train, found.held_out):
        assert [kinds[tuple(row)] for row in part.points.tolist()] == part.labels.tolist()


@pytest.mark.parametrize(
    "second", [torch.arange(60), torch.zeros(60), torch.zeros(60, dtype=torch.int64), KINDS / 2]
)
def test_positions_constants_and_numbers_behind_samples_are_no_labels(second):
    assert TrainingData.of(TensorDataset(TENSOR, second), 0).train.labels is None


def test_labels_that_are_given_come_before_those_of_the_data():
    found = TrainingData.of(Named(TENSOR, KINDS), 0, labels=["a"] * 30 + ["b"] * 30)
    assert found.train.classes == ("a", "b")


def test_labels_of_a_name_are_its_own():
    with pytest.raises(OptionError, match="must be the name of a column, or left out"):
        TrainingData.of("digits", 0, labels=[1, 2])
    with pytest.raises(SpecError, match="no column 'kind' of labels"):
        TrainingData.of("digits", 0, labels="kind")
