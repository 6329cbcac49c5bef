"""Exponentials of tensors."""

from __future__ import annotations

import pytest
import torch

from otgan.geometry.exponentials import exp2_


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_powers_overwrite_their_exponents(dtype):
    t = torch.linspace(-99, 100, 300, dtype=dtype)
    expected = 2 ** t.double()
    found = exp2_(t)
    assert found.data_ptr() == t.data_ptr()
    torch.testing.assert_close(found.double(), expected, rtol=1e-6, atol=0)


def test_what_would_underflow_slowly_is_zero_in_float32_alone():
    t = torch.tensor([-101.0, -140.0, -torch.inf])
    assert exp2_(t.clone()).tolist() == [0, 0, 0]
    assert exp2_(t.double()).tolist() == [2.0**-101, 2.0**-140, 0]
