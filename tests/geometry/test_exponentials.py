"""Exponentials of tensors."""

from __future__ import annotations

import math

import pytest
import torch

from otgan.geometry.exponentials import exp, exp2_


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


@pytest.mark.parametrize(("dtype", "least"), [(torch.float32, -80.0), (torch.float64, -600.0)])
def test_exponentials_end_before_they_underflow(dtype, least):
    t = torch.tensor([-math.inf, 2 * least, least, -1.0, 0.0, 3.0, math.nan], dtype=dtype)
    found = exp(t)
    assert found[:3].tolist() == [float(torch.tensor(least, dtype=dtype).exp())] * 3
    torch.testing.assert_close(found[3:], t[3:].exp(), rtol=0, atol=0, equal_nan=True)


def test_exponentials_have_two_derivatives():
    t = torch.tensor([-700.0, -3.0, 0.5], dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(exp(t).sum(), t, create_graph=True)
    (bend,) = torch.autograd.grad(slope.sum(), t)
    expected = [0, math.exp(-3), math.exp(0.5)]
    assert slope.tolist() == pytest.approx(expected)
    assert bend.tolist() == pytest.approx(expected)
