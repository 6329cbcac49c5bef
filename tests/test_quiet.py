"""NumPy's warnings within calls of otgan, and within a user's own functions."""

import threading
import warnings

import numpy as np
import pytest

import otgan
from otgan.quiet import as_the_caller, quiet


@quiet
def overflowing(depth=0):
    if depth:
        return overflowing(depth - 1)
    return (np.array([1e300]) ** 2)[0]


def test_nothing_is_said_within_and_all_is_as_before_after_it():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert overflowing() == np.inf
        assert overflowing(3) == np.inf
        with pytest.raises(RuntimeWarning):
            np.array([1e300]) ** 2


def test_it_holds_for_every_thread():
    found = []

    def work():
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found.extend(overflowing(1) for _ in range(100))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [np.inf] * 400


def test_a_failure_leaves_numpy_as_it_was():
    @quiet
    def failing():
        raise KeyError

    before = np.geterr()
    with pytest.raises(KeyError):
        failing()
    assert np.geterr() == before


def noisy(x, y):
    np.array([1e300]) ** 2
    return abs(x[:, None] - y).sum(-1)


@pytest.mark.parametrize("solve", [otgan.emd, lambda *a, **k: otgan.compare(*a, metrics="emd", **k)])
def test_a_users_function_sees_numpy_as_its_caller_set_it(solve):
    x, y = np.array([[0.0], [1.0]]), np.array([[1.0], [3.0]])
    with np.errstate(over="ignore"):
        solve(x, y, cost=noisy)
    with np.errstate(over="raise"), pytest.raises(FloatingPointError):
        solve(x, y, cost=noisy)
    with np.errstate(over="warn"), pytest.warns(RuntimeWarning, match="overflow"):
        solve(x, y, cost=noisy)


def test_outside_of_calls_nothing_changes():
    before = np.geterr()
    with as_the_caller():
        assert np.geterr() == before
