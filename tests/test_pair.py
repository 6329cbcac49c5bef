"""Two measures that are to be compared: how they come to agree, and where they cannot."""

import re

import numpy as np
import pandas as pd
import pytest
import torch

import otgan
from otgan.measure import Measure
from otgan.pair import pair

X = np.array([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]])
BATCH = np.stack([X, X])


def test_pairs_promote_their_types():
    x, y = torch.zeros(2, 1), torch.ones(3, 1, dtype=torch.float64)
    for both in (pair(x, y), pair(y, x)):
        assert (both.x.dtype, both.y.dtype, both.numpy) == (torch.float64, torch.float64, False)
    half = pair(x.half(), x.bfloat16())
    assert (half.x.dtype, half.y.dtype) == (torch.float32, torch.float32)


def test_plain_lists_take_the_side_of_the_other():
    x = torch.zeros(2, 1)
    for both in (pair(x, [[1.0], [2.0]]), pair([[1.0], [2.0]], x)):
        assert (both.x.dtype, both.y.dtype, both.numpy) == (torch.float32, torch.float32, False)
    assert pair([1.0], np.zeros(2)).numpy
    assert not pair(x, x, [1, 2], None).numpy
    assert isinstance(otgan.tv(x, [0.0]), torch.Tensor)


MISMATCHED = {
    "libraries": (
        X,
        torch.tensor(X),
        TypeError,
        r"x is NumPy and y is torch: .*torch.from_numpy\(...\) or tensor.numpy",
    ),
    "libraries, reversed": (torch.tensor(X), pd.DataFrame(X), TypeError, "x is torch and y is NumPy"),
    "dimensions": (
        X,
        X[:, :1],
        ValueError,
        r"same dimension d, got 2 and 1 \(shapes \(3, 2\) and \(3, 1\)\)",
    ),
    "a line and a plane": (X, [1.0, 2.0], ValueError, "same dimension d, got 2 and 1"),
    "a batch and a set": (
        BATCH,
        X,
        ValueError,
        r"two equal batches of them, got shapes \(2, 3, 2\) and \(3, 2\)",
    ),
    "batches": (
        BATCH,
        np.stack([X] * 3),
        ValueError,
        r"got shapes \(2, 3, 2\) and \(3, 3, 2\): stack or expand",
    ),
    "NaN in y": (X, [[np.nan, 0]], ValueError, "^y must be finite"),
}


@pytest.mark.parametrize(("x", "y", "error", "message"), MISMATCHED.values(), ids=MISMATCHED.keys())
def test_pairs_that_are_refused(x, y, error, message):
    with pytest.raises(error, match=message):
        pair(x, y)


def test_two_devices_are_refused():
    def elsewhere(m):
        return Measure(m.points.to("meta"), m.weights.to("meta"), m.mass, None, False, False, False)

    x = Measure.of(torch.zeros(2, 1))
    with pytest.raises(ValueError, match=re.escape("x is on cpu and y on meta: move one with .to(device)")):
        pair(x, elsewhere(x))
    assert pair([0.0], elsewhere(x)).x.device.type == "meta"
