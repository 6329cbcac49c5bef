import numpy as np
import pandas as pd
import pytest
import torch

from otgan.data import Dataset
from otgan.data.labels import labels_of
from otgan.gan.datasets.classes import Classes
from otgan.gan.errors import OptionError, RunError

DIGITS = Classes(tuple("0123456789"), (5,) * 10)
PETS = Classes(("cat", "dog", "eel"), (2, 2, 2))
ODD = Classes(("5", "0", "cat"), (1, 3, 6))


def test_a_class_has_a_name_and_a_number():
    assert PETS.read("dog", 2).tolist() == [1, 1]
    assert PETS.read(["cat", 2, "0", 1.0], 4).tolist() == [0, 2, 0, 1]
    assert PETS.read(torch.tensor([2, 1]), 2).tolist() == [2, 1]
    assert PETS.read(pd.Series(["cat", "dog"], index=[7, 3]), 2).tolist() == [0, 1]
    for label in (3, -1, "01", 0.5, None, True):
        with pytest.raises(OptionError, match="must be a class, cat, dog, eel, or its number, got"):
            PETS.read(label, 1)


def test_of_names_that_are_numbers_there_are_no_others():
    assert ODD.read(0, 2).tolist() == [1, 1]
    assert ODD.read("5", 1).tolist() == [0]
    assert ODD.read(["cat", 5, 0, 5.0], 4).tolist() == [2, 0, 1, 0]
    assert ODD.read(np.array([5, 0]), 2).tolist() == [0, 1]
    assert ODD.read(np.int64(5), 1).tolist() == [0]
    assert DIGITS.read(range(10), 10).tolist() == list(range(10))
    for label in (2, "2", 3):
        with pytest.raises(OptionError, match="must be a class, 5, 0, cat, got"):
            ODD.read(label, 1)


def test_labels_of_any_kind_are_found_again():
    for labels in ([1.5, 2.5, 1.5], [True, False, True], [-1, 3, -1], ["a", "b", "a"]):
        index, names = labels_of("labels", labels, 3)
        for found in (labels, np.array(labels), pd.Series(labels)):
            assert Classes(names, (1, 1)).read(found, 3).tolist() == index.tolist()


def test_classes_are_drawn_by_their_shares():
    drawn = ODD.draw(20000, np.random.default_rng(0))
    assert np.allclose(np.bincount(drawn) / 20000, [0.1, 0.3, 0.6], atol=0.015)


def test_classes_of_a_data_set_are_counted():
    data = Dataset("mine", np.zeros((4, 1)), labels=np.array([0, 2, 2, 0]), classes=("a", "b", "c"))
    found = Classes.of(data)
    assert (found.names, found.counts, found.present, len(found)) == (("a", "b", "c"), (2, 0, 2), [0, 2], 3)
    assert Classes.of(Dataset("mine", np.zeros((2, 1)), labels=np.array([0, 1]))).names == ("0", "1")
    for labels, classes in (([0, 3], ("a", "b")), ([-1, 0], ("a", "b"))):
        with pytest.raises(RunError, match="labels must be from 0 to 1"):
            Classes.of(Dataset("mine", np.zeros((2, 1)), labels=np.array(labels), classes=classes))
    with pytest.raises(RunError, match="rename them apart"):
        Classes.of(Dataset("mine", np.zeros((2, 1)), labels=np.array([0, 1]), classes=("a", "a")))
    with pytest.raises(RunError, match="mine has no labels"):
        Classes.of(Dataset("mine", np.zeros((2, 1))))


def test_labels_of_other_data_are_numbered_by_their_names():
    data = Dataset(
        name="other", points=np.zeros((4, 2)), labels=np.array([0, 1, 2, 1]), classes=("cat", "0", "5")
    )
    found = ODD.numbered(data)
    assert found.labels.tolist() == [2, 1, 0, 1]
    assert found.classes == ODD.names
    assert ODD.numbered(found) is found
    assert DIGITS.numbered(Dataset(name="other", points=np.zeros((2, 2)))).labels is None
    with pytest.raises(
        RunError, match="other has samples of classes that this run has not learnt, cat: it knows 0,"
    ):
        DIGITS.numbered(data)


def test_a_class_that_is_held_out_whole_is_refused():
    some = Classes(("ant", "bee"), (0, 4))
    held_out = Dataset(name="data", points=np.zeros((2, 2)), labels=np.array([1, 0]), classes=some.names)
    with pytest.raises(RunError, match="all samples of class ant are held out"):
        some.check_learnt(held_out)
    some.check_learnt(held_out.take(slice(1)))
