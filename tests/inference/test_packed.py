"""Sets that are packed come out as batches of the same."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch

from otgan.inference.collection import Collection
from otgan.inference.packed import Packed
from otgan.namespace import is_tensor


def _sets(rng: np.random.Generator, dtype: type = np.float64) -> list[np.ndarray]:
    return [rng.normal(size=(n, 3)).astype(dtype) for n in (4, 6, 4, 5)]


def test_a_batch_holds_the_sets_at_its_places_in_their_order(rng: np.random.Generator) -> None:
    sets = _sets(rng)
    packed = Packed.of(Collection.of(sets, None, "sets").measures, [2, 0, 3, 2])
    batch = packed.batch([3, 0, 3])
    assert batch.sizes == (5, 4, 5)
    assert not batch.weighted
    for k, place in enumerate((3, 0, 3)):
        np.testing.assert_array_equal(batch.points[k, : len(sets[place])], sets[place])


def test_each_set_is_sent_once(rng: np.random.Generator) -> None:
    packed = Packed.of(Collection.of(_sets(rng), None, "sets").measures, [1, 1, 0, 1, 0])
    assert len(packed.points) == 6 + 4


def test_weights_of_one_set_give_all_of_its_batch_theirs(rng: np.random.Generator) -> None:
    weights = [None, [1, 2, 3, 4, 5, 6], None, None]
    packed = Packed.of(Collection.of(_sets(rng), weights, "sets").measures, [0, 1, 2])
    mixed = packed.batch([0, 1])
    assert mixed.weighted
    np.testing.assert_allclose(mixed.weights[0, :4], 0.25)
    np.testing.assert_allclose(mixed.weights[1], np.arange(1, 7) / 21)
    assert not packed.batch([0, 2]).weighted


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_tensors_and_types_come_back_from_a_pickle(rng: np.random.Generator, dtype: type) -> None:
    sets = [torch.from_numpy(each) for each in _sets(rng, dtype)]
    packed = pickle.loads(pickle.dumps(Packed.of(Collection.of(sets, None, "sets").measures, [0, 2])))
    batch = packed.batch([2, 0])
    assert is_tensor(batch.points)
    assert torch.equal(batch.points, torch.stack([sets[2], sets[0]]))
