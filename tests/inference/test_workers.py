"""Tasks spread over workers: each is done once or again, in whatever order, and what is known is not done."""

import os
import signal

import numpy as np
import pytest

import otgan
from otgan.inference import workers
from otgan.inference.store import Store
from otgan.inference.workers import filled, spread
from otgan.mistakes import WorkerError

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(25, 2)), RNG.normal(size=(30, 2)) + 0.5


def square(k):
    return k * k


@pytest.mark.parametrize("n_jobs", [None, 1, 2])
def test_every_task_is_done(n_jobs):
    assert dict(spread(square, [(k,) for k in range(7)], n_jobs)) == {k: k * k for k in range(7)}
    assert list(spread(square, [], n_jobs)) == []


def test_numbers_of_tasks_are_put_together_and_kept(tmp_path):
    done, ticks = [], []

    def task(k):
        done.append(k)
        return [k, np.inf][: 1 + k % 2], ["short"] if k == 3 else []

    for expected in ([0, 1, 2, 3], [3]):  # which fell short
        done.clear()
        with Store(tmp_path / "store.db") as store:
            values, words = filled(
                task,
                [(k,) for k in range(4)],
                2,
                n_jobs=None,
                sharing=None,
                tick=ticks.append,
                store=store,
                keys=["a", "b", "c", "d"],
            )
        assert words == ["short"]
        np.testing.assert_array_equal(values, [[0, np.nan], [1, np.inf], [2, np.nan], [3, np.inf]])
        assert done == expected


def deadly(folder, deaths):
    """A distance whose computation kills its process a few times."""

    def cost(x, y):
        import os
        import signal

        import numpy as np

        if len(os.listdir(folder)) < deaths:
            open(os.path.join(folder, str(os.getpid())), "w").close()
            os.kill(os.getpid(), signal.SIGKILL)
        return np.abs(x[:, None] - y[None]).sum(2)

    return cost


killing = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="the system has no such signal")


@killing
def test_a_worker_that_is_killed_costs_its_tests_only(tmp_path):
    sets = [X, Y, X + 1]
    options = {"distance": "emd", "permutations": 9}
    found = otgan.pairwise_tests(sets, cost=deadly(tmp_path, 1), n_jobs=2, **options)
    assert len(os.listdir(tmp_path)) >= 1
    expected = otgan.pairwise_tests(sets, cost=deadly(tmp_path, 0), **options)
    np.testing.assert_array_equal(found.p_values, expected.p_values)


@killing
def test_workers_that_are_killed_again_and_again_end_in_words(tmp_path, monkeypatch):
    monkeypatch.setattr(workers, "_LIVES", 1)
    with pytest.raises(WorkerError, match="tasks to go: 1"):
        otgan.pairwise_tests([X, Y], cost=deadly(tmp_path, 99), distance="emd", permutations=9, n_jobs=2)


@pytest.mark.parametrize("distance", ["energy", "sinkhorn_divergence"])
def test_splits_by_workers_are_those_of_one_process(monkeypatch, distance):
    options = {"distance": distance, "permutations": 39, "seed": 4}
    monkeypatch.setattr("otgan.distances.splits._SPLITS", 10)
    found = otgan.two_sample_test(X, Y, n_jobs=2, **options)
    expected = otgan.two_sample_test(X, Y, **options)
    assert found.p_value == expected.p_value
    np.testing.assert_allclose(found.null, expected.null, rtol=1e-9)


def test_finished_tests_are_kept(tmp_path, monkeypatch):
    from otgan.inference import groups

    asked, one = [], groups._one
    monkeypatch.setattr(groups, "_one", lambda *task: (asked.append(1), one(*task))[1])
    options = {"distance": "energy", "permutations": 19, "store": tmp_path / "store.db"}
    first = otgan.pairwise_tests([X, Y, X + 1], **options)
    again = otgan.pairwise_tests([X, Y, X + 1], **options)
    assert len(asked) == 3
    for name in ("distances", "p_values", "adjusted", "effects"):
        np.testing.assert_array_equal(getattr(again, name), getattr(first, name))
    otgan.pairwise_tests([X, Y, X + 1], **{**options, "permutations": 29})
    otgan.pairwise_tests([X, Y, X + 1], seed=1, **options)
    otgan.pairwise_tests([X, Y, X + 2], **options)
    assert len(asked) == 3 + 3 + 3 + 2  # of the last ones the first pair is known
    with pytest.raises(ValueError, match="leave out store"):
        otgan.pairwise_tests([X, Y], cost=lambda u, v: abs(u[:, None] - v[None]).sum(2), store="never.db")
