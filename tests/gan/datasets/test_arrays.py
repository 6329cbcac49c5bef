"""Samples that are held, in whatever: an array in single precision, or an error."""

import warnings

import numpy as np
import pandas as pd
import pytest
import torch

import otgan.data
from otgan.data import DataError, Dataset
from otgan.gan.datasets.arrays import array_of, narrow, rows_of, suspect
from otgan.gan.errors import OptionError

ROWS = np.random.default_rng(0).normal(size=(60, 2))
TENSOR = torch.from_numpy(ROWS)


def with_one(value):
    rows = ROWS.copy()
    rows[2, 1] = value
    return rows


def matrix():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NumPy advises against its own class
        return np.asmatrix(ROWS)


@pytest.mark.parametrize(
    "held",
    [
        ROWS.tolist(),
        pd.DataFrame(ROWS),
        pd.DataFrame(ROWS).astype("Float64"),
        matrix(),
        np.ma.masked_array(ROWS),
        TENSOR,
        list(TENSOR),
        TENSOR.clone().requires_grad_(),
        torch.complex(ROWS_IMAGINARY := torch.zeros_like(TENSOR), -TENSOR).conj().imag,
    ],
    ids=["list", "frame", "nullable", "matrix", "unmasked", "tensor", "tensors", "grad", "negative view"],
)
def test_what_holds_numbers_is_an_array_of_them(held):
    assert np.array_equal(np.asarray(array_of("data", held), np.float64), ROWS)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float8_e4m3fn])
def test_types_that_numpy_has_not_are_widened(dtype):
    assert np.array_equal(array_of("data", TENSOR.to(dtype)), TENSOR.to(dtype).float().numpy())


def test_single_precision_is_that_of_the_readers():
    """Bytes of images become the same numbers by way of float64, so that runs of before go on."""
    images = np.arange(256, dtype=np.uint8).reshape(4, 8, 8)
    direct = otgan.data.sources.stack("images", images).draw(None, 0, dtype=np.float32)
    wide = otgan.data.sources.stack("images", images).draw(None, 0, dtype=np.float64)
    assert np.array_equal(narrow(wide).points, direct.points)
    kept = np.full((4, 1), 1e-40)
    kept[0] = 0
    assert narrow(Dataset("d", kept.astype(np.float32))).points.dtype == np.float32


def test_rows_for_a_run_are_finite_and_held_by_single_precision():
    for wrong in (with_one(np.nan), with_one(1e200), ROWS.astype(complex), "rows", None, [[1], [1, 2]]):
        with pytest.raises(OptionError, match=r"^x "):
            rows_of("x", wrong)


def test_columns_that_single_precision_blurs_are_suspect():
    assert not suspect(ROWS)
    assert suspect(np.column_stack([ROWS, 1e6 + 0.5 * ROWS[:, 0]]).astype(np.float32))
    with pytest.raises(DataError, match="column 2"):
        narrow(Dataset("d", np.column_stack([ROWS, 1e9 + ROWS[:, 0]])))
