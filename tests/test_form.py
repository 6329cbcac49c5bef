"""The way back across the border."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from otgan.form import Form, to_plain
from otgan.pair import pair


def _form(x, y):
    return Form.of(pair(x, y))


def test_numpy_comes_back_as_floats_and_read_only_arrays_of_their_own():
    form = _form(np.zeros((3, 2)), np.zeros((4, 2)))
    values = torch.arange(3, dtype=torch.float64)[None]
    array = form.points(values, "x")
    assert isinstance(array, np.ndarray)
    assert not array.flags.writeable
    values[0, 0] = 7.0  # the solver's own memory
    assert array.tolist() == [0.0, 1.0, 2.0]
    assert type(form.scalar(torch.tensor([2.5]))) is float
    assert type(form.scalar(torch.tensor([3]))) is int
    assert form.scalar(torch.tensor([True])) is True


def test_tensors_come_back_in_the_type_and_place_of_the_points():
    form = _form(torch.zeros(3, 2), torch.zeros(4, 2))
    assert form.scalar(torch.ones(1, dtype=torch.float64)).dtype == torch.float32
    assert form.scalar(torch.ones(1, dtype=torch.int64)).dtype == torch.int64
    assert form.plan(torch.zeros(1, 3, 4, dtype=torch.float64)).shape == (3, 4)


def test_batches_keep_their_dimension_and_ragged_ones_are_lists():
    form = _form(np.zeros((2, 3, 2)), np.zeros((2, 4, 2)))
    assert form.scalar(torch.zeros(2)).shape == (2,)
    assert form.points(torch.zeros(2, 4), "y").shape == (2, 4)
    ragged = _form([np.zeros((3, 2)), np.zeros((1, 2))], [np.zeros((4, 2)), np.zeros((4, 2))])
    assert [len(f) for f in ragged.points(torch.zeros(2, 3), "x")] == [3, 1]
    assert ragged.points(torch.zeros(2, 4), "y").shape == (2, 4)  # this side is not ragged
    assert [plan.shape for plan in ragged.plan(torch.zeros(2, 3, 4))] == [(3, 4), (1, 4)]


def test_vectors_are_taken_as_points_are_handed_back():
    like = torch.zeros(2, 3, dtype=torch.float64)
    ragged = _form([np.zeros((3, 2)), np.zeros((1, 2))], [np.zeros((4, 2)), np.zeros((4, 2))])
    taken = ragged.vectors([np.ones(3), [5]], "x", like)
    assert taken.tolist() == [[1.0, 1.0, 1.0], [5.0, 0.0, 0.0]]
    single = _form(torch.zeros(3, 2), torch.zeros(4, 2))
    vector = torch.ones(3, 5, requires_grad=True)
    taken = single.vectors(vector, "x", like[:1])
    assert taken.shape == (1, 3, 5)
    assert taken.dtype == torch.float64
    assert not taken.requires_grad
    with pytest.raises(ValueError, match=r"shape \(3,\), got \(4,\)"):
        single.vectors(np.ones(4), "x", like[:1])
    with pytest.raises(ValueError, match="one row a point"):
        single.vectors(np.ones((3, 2, 2)), "x", like[:1])


def test_plain_values_are_json():
    value = [torch.ones(2), np.arange(2), (torch.tensor(1.5), 2), None, "text"]
    assert json.loads(json.dumps(to_plain(value))) == [[1.0, 1.0], [0, 1], [1.5, 2], None, "text"]
