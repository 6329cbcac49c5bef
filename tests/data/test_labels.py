import math

import numpy as np
import pandas as pd
import pytest
import torch

from otgan.data import DataError
from otgan.data.labels import labels_of, labels_of_words


@pytest.mark.parametrize(
    ("labels", "index", "names"),
    [
        ([7, 3, 7], [1, 0, 1], ("3", "7")),
        (np.array([1.0, 0.0, 2.0]), [1, 0, 2], ("0", "1", "2")),
        ([0.5, 1.0, 0.5], [0, 1, 0], ("0.5", "1.0")),
        (["cat", "ant", "cat"], [1, 0, 1], ("ant", "cat")),
        (pd.Series(["b", "a", "b"], dtype="category"), [1, 0, 1], ("a", "b")),
        (pd.Series(["b", "a", "b"]), [1, 0, 1], ("a", "b")),
        (torch.tensor([[4], [2], [2]]), [1, 0, 0], ("2", "4")),
        ([True, False, True], [1, 0, 1], ("False", "True")),
    ],
)
def test_labels_of_any_kind_are_numbers_with_names(labels, index, names):
    found, known = labels_of("labels", labels, 3)
    assert found.tolist() == index
    assert found.dtype == np.int64
    assert known == names


@pytest.mark.parametrize(
    "labels",
    [
        None,
        3,
        "abc",
        [1, 2],
        np.ones((3, 2)),
        [1.0, np.nan, 2.0],
        [[1], [1, 2], [3]],
        np.array([1j, 2, 3]),
        ["a", None, "b"],
        ["a", math.nan, "b"],
        np.array(["a", None, "b"], object),
        pd.Series(["a", None, "b"]),
        pd.Series(["a", None, "b"], dtype="string"),
        pd.Series(["a", None, "b"], dtype="category"),
        torch.ones(3, dtype=torch.bfloat16),
    ],
)
def test_what_is_no_label_a_sample_is_refused(labels):
    with pytest.raises(DataError, match=r"^labels must hold|^labels cannot"):
        labels_of("labels", labels, 3)


def test_numbers_that_are_no_classes_are_refused():
    with pytest.raises(DataError, match="at most, got 20000"):
        labels_of("labels", np.random.default_rng(0).permutation(20000), 20000)


def test_cells_are_numbers_where_all_of_them_are():
    assert labels_of_words("column", ["10", "9", "9.0"])[1] == ("9", "10")
    assert labels_of_words("column", ["10", "nine", "9"])[1] == ("10", "9", "nine")
    # Months and postal codes are names, which begin with zeros.
    assert labels_of_words("column", ["10", "02", "01"])[1] == ("01", "02", "10")
    with pytest.raises(DataError, match="row 1 "):
        labels_of_words("column", ["a", "", "b"])
