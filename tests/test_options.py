"""The border for options: what is taken, and that every wrong kind ends in one sentence."""

import time

import numpy as np
import pytest
import torch

from otgan.deadline import Deadline
from otgan.options import (
    check_backend,
    check_max_iter,
    check_on_failure,
    check_power,
    check_time_limit,
    check_tol,
    resolve_epsilon,
    resolve_reach,
    shown,
    whole_number,
)


def test_epsilon_blur_and_reach():
    assert resolve_epsilon(None, None, 2) is None
    assert resolve_epsilon(0.3, None, 2) == pytest.approx(0.3)
    for p in (1.0, 1.5, 2.0):
        assert resolve_epsilon(None, 0.3, p).item() == pytest.approx(p * 0.3**p)
        assert resolve_reach(0.3, p).item() == pytest.approx(p * 0.3**p)
    assert resolve_reach(None, 2) is None
    for several in ([0.1, 0.2], np.array([0.1, 0.2]), torch.tensor([0.1, 0.2], dtype=torch.float64)):
        assert resolve_epsilon(several, None, 2).tolist() == [0.1, 0.2]
    for one in (np.float32(0.5), np.array(0.5), torch.tensor(0.5, requires_grad=True)):
        assert resolve_epsilon(one, None, 2).item() == 0.5


@pytest.mark.parametrize("p", [0.99, 0, -1, np.inf, np.nan, True, "2", None])
def test_powers_that_are_none_are_named(p):
    with pytest.raises(ValueError, match="p must be a finite number >= 1"):
        check_power(p)


def test_powers_of_other_types_are_numbers_too():
    assert check_power(1) == 1.0
    assert check_power(np.float64(1.5)) == 1.5
    assert check_power(np.int64(2)) == 2.0
    assert check_power(np.float32(1.5)) == 1.5


NOT_POSITIVE = [0, -1.0, float("nan"), float("inf"), 10**400]
NOT_NUMBERS = [
    "0.1",
    b"1",
    True,
    1j,
    {1: 2},
    {1.0},
    object(),
    lambda: 1.0,
    [[1.0]],
    np.ones((2, 2)),
    np.array("x"),
]


@pytest.mark.parametrize("value", [*NOT_POSITIVE, *NOT_NUMBERS])
@pytest.mark.parametrize("name", ["epsilon", "blur", "reach", "tol", "time_limit"])
def test_numbers_that_are_none_are_named_in_one_sentence(name, value):
    call = {
        "epsilon": lambda: resolve_epsilon(value, None, 2.0),
        "blur": lambda: resolve_epsilon(None, value, 2.0),
        "reach": lambda: resolve_reach(value, 2.0),
        "tol": lambda: check_tol(value, torch.float64),
        "time_limit": lambda: check_time_limit(value),
    }[name]
    with pytest.raises(ValueError, match=rf"^{name} must be a positive .*, got ") as caught:
        call()
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300
    assert isinstance(caught.value, TypeError) == any(value is wrong for wrong in NOT_NUMBERS)


@pytest.mark.parametrize("value", [0, -3, 1.5, float("nan"), "5", None, True, [3]], ids=repr)
def test_counts_that_are_none_are_named(value):
    if value is None:
        assert check_max_iter(value, 7) == 7
        return
    with pytest.raises(ValueError, match=r"max_iter must be a whole number >= 1 .*, got "):
        check_max_iter(value)


def test_whole_floats_are_counts():
    assert check_max_iter(5.0) == 5
    assert check_max_iter(np.int32(5)) == 5
    assert whole_number(0, "k", "a whole number", least=0) == 0


@pytest.mark.parametrize("value", ["fast", "", None, 3, ["dense"]], ids=repr)
def test_names_that_are_unknown_are_told_what_is_known(value):
    with pytest.raises(ValueError, match=r"backend must be 'auto' or one of 'dense', 'streamed' here, got"):
        check_backend(value, ("dense", "streamed"))
    with pytest.raises(ValueError, match=r"on_failure must be 'warn', 'raise' or 'ignore', got"):
        check_on_failure(value)


@pytest.mark.parametrize("length", [1e-200, 1e200])
def test_lengths_whose_powers_leave_the_range_are_errors(length):
    for name, call in (
        ("blur", lambda v: resolve_epsilon(None, v, 2.0)),
        ("reach", lambda v: resolve_reach(v, 2.0)),
    ):
        with pytest.raises(ValueError, match=rf"{name} must be a length whose power"):
            call(length)
    assert resolve_epsilon(None, length, 1.0).item() == length


def test_both_strengths_are_one_too_many():
    with pytest.raises(ValueError, match="not both"):
        resolve_epsilon(0.1, 0.2, 2)


def test_deadlines():
    assert not Deadline().passed
    assert Deadline.after(None) == Deadline()
    assert not Deadline.after(1000).passed
    assert 0 < Deadline.after(1000).left <= 1000
    assert Deadline(time.monotonic() - 1).passed


def test_values_are_shown_short_and_in_one_line():
    assert shown("a\nb") == r"'a\nb' (str)"
    assert len(shown("x" * 1000)) < 80
    assert shown(np.ones((3, 4))) == "ndarray of shape (3, 4)"
    assert shown(None) == "None"
    assert shown(1.5) == "1.5"
