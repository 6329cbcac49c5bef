"""Distances between all pairs of sets: those of the functions, however they are batched, stored or shared out."""

import contextlib
import signal
import sqlite3
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.cluster import DBSCAN
from sklearn.neighbors import KNeighborsClassifier

import otgan
from otgan.distances import METRICS, metric_of
from otgan.inference import table, workers

RNG = np.random.default_rng(0)
SETS = [RNG.normal(size=(n, 2)) + 0.2 * k for k, n in enumerate((12, 7, 12, 20, 9))]
WEIGHTS = [None, RNG.random(7), RNG.random(12), None, RNG.random(9)]


def by_hand(sets, others, key, weights=None, other_weights=None):
    name, _, estimator = key.partition(":")
    options = {"estimator": estimator} if estimator else {"p": 1} if metric_of(name).uses_p else {}
    a, b = weights or [None] * len(sets), other_weights or [None] * len(others)
    return [
        [getattr(otgan, name)(x, y, u, v, **options) for y, v in zip(others, b, strict=True)]
        for x, u in zip(sets, a, strict=True)
    ]


@pytest.mark.parametrize("key", [*METRICS, "js:knn"])
@pytest.mark.parametrize("weighted", [False, True], ids=["alike", "weighted"])
def test_they_are_those_of_the_functions(key, weighted):
    if weighted and key == "js:knn":
        with pytest.raises(ValueError, match="takes samples without weights"):
            otgan.pairwise(SETS, distance=key, weights=WEIGHTS)
        return
    weights = WEIGHTS if weighted else None
    found = otgan.pairwise(SETS, distance=key, weights=weights)
    np.testing.assert_allclose(found, by_hand(SETS, SETS, key, weights, weights), rtol=1e-6, atol=1e-9)
    if metric_of(key.partition(":")[0]).symmetric:
        np.testing.assert_array_equal(found, found.T)


def test_they_are_taken_to_other_sets():
    others = [RNG.normal(size=(6, 2)), SETS[1]]
    found = otgan.pairwise(SETS, others, distance="energy", other_weights=[RNG.random(6), None])
    assert found.shape == (5, 2)
    assert found[1, 1] == pytest.approx(0, abs=1e-12)
    plain = otgan.pairwise(SETS, others)
    np.testing.assert_allclose(plain, by_hand(SETS, others, "emd"), rtol=1e-9)


@pytest.mark.parametrize("entries", [1, 500, 2**24])
def test_batches_change_nothing(monkeypatch, entries):
    monkeypatch.setattr(table, "_ENTRIES", entries)
    np.testing.assert_allclose(otgan.pairwise(SETS), by_hand(SETS, SETS, "emd"), rtol=1e-9, atol=1e-12)


def test_sets_with_names_give_a_frame():
    named = dict(zip("abcde", SETS, strict=True))
    found = otgan.pairwise(named, weights={"b": WEIGHTS[1]})
    assert isinstance(found, pd.DataFrame)
    assert list(found.index) == list(found.columns) == list("abcde")
    assert found.loc["b", "c"] == pytest.approx(otgan.emd(SETS[1], SETS[2], WEIGHTS[1]))
    half = otgan.pairwise(SETS, {"z": SETS[0]})
    assert (list(half.index), list(half.columns)) == ([0, 1, 2, 3, 4], ["z"])


def test_columns_are_matched_by_name():
    x = pd.DataFrame(SETS[0], columns=["u", "v"])
    y = pd.DataFrame(SETS[1][:, ::-1], columns=["v", "u"])
    assert otgan.pairwise([x, y])[0, 1] == pytest.approx(otgan.emd(SETS[0], SETS[1]))
    with pytest.raises(ValueError, match="only y has 'w'"):
        otgan.pairwise([x, y.rename(columns={"v": "w"})])


def test_tensors_are_sets_too():
    found = otgan.pairwise([torch.tensor(x, requires_grad=True) for x in SETS])
    assert isinstance(found, np.ndarray)
    np.testing.assert_allclose(found, otgan.pairwise(SETS), rtol=1e-12)


def test_processes_change_nothing():
    np.testing.assert_array_equal(otgan.pairwise(SETS, n_jobs=2), otgan.pairwise(SETS))


def deadly(folder, chance, deaths):
    """A cost that kills its process at random, `deaths` times in all."""
    folder = str(folder)

    def cost(x, y):
        import os
        import random
        import signal

        import numpy as np

        if random.random() < chance and len(os.listdir(folder)) < deaths:
            open(os.path.join(folder, str(os.getpid())), "w").close()
            os.kill(os.getpid(), signal.SIGKILL)
        return np.abs(x[:, None] - y[None]).sum(2)

    return cost


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="the system has no such signal")
def test_a_worker_that_is_killed_costs_its_batches_only(tmp_path, monkeypatch):
    monkeypatch.setattr(table, "_MOST", 2)
    found = otgan.pairwise(SETS, cost=deadly(tmp_path, 0.5, 1), n_jobs=2)
    assert len(list(tmp_path.iterdir())) >= 1
    np.testing.assert_array_equal(found, otgan.pairwise(SETS, cost=deadly(tmp_path, 0.0, 0)))


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="the system has no such signal")
def test_workers_that_are_killed_again_and_again_end_in_words(tmp_path, monkeypatch):
    monkeypatch.setattr(workers, "_LIVES", 1)
    with pytest.raises(otgan.mistakes.WorkerError, match="tasks to go: 1"):
        otgan.pairwise(SETS[:2], cost=deadly(tmp_path, 1.0, 99), n_jobs=2)


def test_a_cost_that_is_not_symmetric_is_measured_both_ways():
    def ahead(x, y):
        return np.maximum(y[None, :, 0] - x[:, None, 0], 0) + 0.1

    found = otgan.pairwise(SETS[:3], cost=ahead)
    expected = [[otgan.emd(x, y, cost=ahead) for y in SETS[:3]] for x in SETS[:3]]
    off = ~np.eye(3, dtype=bool)
    np.testing.assert_allclose(found[off], np.array(expected)[off], rtol=1e-9)
    with pytest.raises(ValueError, match="leave out store"):
        otgan.pairwise(SETS[:3], cost=ahead, store="never.db")


def test_finished_distances_are_kept(tmp_path, monkeypatch):
    store, asked = tmp_path / "store.db", []
    values = table._values
    monkeypatch.setattr(table, "_values", lambda pairs, *rest: (asked.extend(pairs), values(pairs, *rest))[1])
    first = otgan.pairwise(SETS[:4], store=store)
    assert len(asked) == 6
    np.testing.assert_array_equal(otgan.pairwise(SETS[:4], store=store), first)
    assert len(asked) == 6
    # What is asked again is known by what it holds, in whatever order and by whatever name.
    more = otgan.pairwise({"e": SETS[4], "d": SETS[3], "a": SETS[0]}, store=store)
    assert len(asked) == 8
    assert more.loc["a", "d"] == first[0, 3]
    otgan.pairwise(SETS[:2], store=store, p=2)
    otgan.pairwise(SETS[:2], store=store, weights=WEIGHTS[:2])
    assert len(asked) == 10


def test_infinities_are_kept(tmp_path):
    store = tmp_path / "store.db"
    for _ in range(2):
        assert otgan.pairwise(SETS[:2], distance="kl", store=store).tolist() == [[0, np.inf], [np.inf, 0]]


KILLED = """
import sys, numpy as np, otgan
from otgan.inference import table
table._MOST = 1
sets = list(np.random.default_rng(0).normal(size=(40, 300, 2)))
print("on", flush=True)
otgan.pairwise(sets, store=sys.argv[1])
print("done", flush=True)
"""


def kept_in(store):
    with contextlib.closing(sqlite3.connect(store, timeout=60)) as held:
        tables = held.execute("SELECT name FROM sqlite_master").fetchall()
        return dict(held.execute("SELECT key, value FROM numbers").fetchall()) if tables else {}


def test_a_run_that_is_killed_goes_on(tmp_path):
    store, kept = tmp_path / "store.db", {}
    with subprocess.Popen([sys.executable, "-c", KILLED, store], stdout=subprocess.PIPE) as running:
        assert running.stdout.readline() == b"on\n"
        deadline = time.monotonic() + 60
        while len(kept) < 5 and time.monotonic() < deadline:
            time.sleep(0.05)
            kept = kept_in(store) if store.exists() else {}
        running.send_signal(signal.SIGKILL)
    kept = kept_in(store)
    assert len(kept) >= 5
    sets = list(np.random.default_rng(0).normal(size=(40, 300, 2)))
    found = otgan.pairwise(sets, store=store)
    assert found[3, 7] == pytest.approx(otgan.emd(sets[3], sets[7]))
    after = kept_in(store)
    assert len(after) == 40 * 39 // 2
    assert kept.items() <= after.items()


def test_a_file_that_is_no_store_is_refused(tmp_path):
    (tmp_path / "text.db").write_text("nothing of the kind " * 99)
    with pytest.raises(OSError, match="not a store of distances"):
        otgan.pairwise(SETS, store=tmp_path / "text.db")
    with pytest.raises(TypeError, match="store must be the path of a file"):
        otgan.pairwise(SETS, store=3)


def test_scikit_learn_takes_the_matrix():
    rng = np.random.default_rng(0)
    sets = [rng.normal(size=(15, 2)) + 3 * (k % 2) for k in range(12)]
    matrix = otgan.pairwise(sets)
    labels = DBSCAN(eps=1.5, min_samples=2, metric="precomputed").fit_predict(matrix)
    assert len(set(labels[::2])) == len(set(labels[1::2])) == 1
    assert labels[0] != labels[1]
    fitted = KNeighborsClassifier(3, metric="precomputed").fit(matrix, [k % 2 for k in range(12)])
    assert fitted.score(matrix, [k % 2 for k in range(12)]) == 1


def test_time_is_of_each_solve():
    np.testing.assert_allclose(otgan.pairwise(SETS, time_limit=60), otgan.pairwise(SETS), rtol=1e-9)


def test_progress_is_shown_when_asked(capsys):
    otgan.pairwise(SETS, progress=True)
    assert "/10" in capsys.readouterr().err
    otgan.pairwise(SETS)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("given", "kind", "message"),
    [
        ({"sets": 3}, TypeError, "sets must be a list of sets of samples, or a mapping"),
        ({"sets": "ab"}, TypeError, "sets must be a list of sets"),
        ({"sets": []}, ValueError, "got none"),
        (
            {"sets": [np.zeros((2, 3, 1))]},
            ValueError,
            r"sets\[0\] must be one set of samples, got a batch of 2",
        ),
        ({"sets": [[1.0], [[1.0, 2.0]]]}, ValueError, "same dimension d, got 1 and 2"),
        ({"weights": [None]}, TypeError, "those of each of the 5 sets"),
        ({"sets": {"a": [1.0]}, "weights": {"b": [1.0]}}, ValueError, "weights name no set of sets: 'b'"),
        ({"other_weights": [None] * 5}, ValueError, "pass other with them"),
        ({"distance": "emd,js"}, ValueError, "one distance, got 2"),
        ({"n_jobs": 0}, TypeError, "n_jobs must be a whole number but 0"),
        ({"n_jobs": 1.5}, TypeError, "n_jobs must be a whole number but 0"),
        ({"cost": "precomputed"}, ValueError, "leaves no samples"),
    ],
)
def test_what_cannot_be_measured(given, kind, message):
    with pytest.raises(kind, match=message):
        otgan.pairwise(**{"sets": SETS, **given})


def test_a_cost_of_tensors_is_given_tensors():
    def far(x, y):
        return torch.cdist(x, y)

    sets = [torch.tensor(x) for x in SETS[:3]]
    np.testing.assert_allclose(otgan.pairwise(sets, cost=far), otgan.pairwise(SETS[:3]), rtol=1e-6, atol=1e-6)
    assert otgan.pairwise_tests(sets, cost=far, permutations=3).distances.shape == (3, 3)


def test_a_cost_that_does_not_vanish_is_measured_between_equal_sets():
    def lifted(x, y):
        return np.abs(x - y.T) + 1

    found = otgan.pairwise([[0.0, 1.0], [2.0, 3.0]], cost=lifted)
    assert found[0, 0] == pytest.approx(otgan.emd([0.0, 1.0], [0.0, 1.0], cost=lifted)) == 1


@pytest.mark.parametrize(
    "sets",
    [pd.DataFrame({"a": [1.0]}), pd.Series({"a": [1.0]}), pd.DataFrame({"g": [1], "v": [2]}).groupby("g")],
)
def test_tables_are_no_lists_of_sets(sets):
    with pytest.raises(TypeError, match="sets must be a list of sets"):
        otgan.pairwise(sets)


def test_names_differ_and_stores_are_stores(tmp_path):
    with pytest.raises(ValueError, match="names that differ"):
        otgan.pairwise({1: [0.0], "1": [1.0]})
    with contextlib.closing(sqlite3.connect(tmp_path / "other.db")) as other:
        other.execute("CREATE TABLE numbers (key TEXT, number REAL)")
    with pytest.raises(OSError, match="not a store of distances"):
        otgan.pairwise(SETS, store=tmp_path / "other.db")
    np.testing.assert_array_equal(
        otgan.pairwise(np.stack([SETS[0], SETS[2]])), otgan.pairwise([SETS[0], SETS[2]])
    )


@pytest.mark.parametrize("n_jobs", [None, 2])
@pytest.mark.parametrize("distance", ["sinkhorn", "sinkhorn_divergence"])
def test_what_does_not_converge_is_said_and_not_kept(tmp_path, distance, n_jobs):
    store = tmp_path / "store.db"
    for _ in range(2):  # the second time it must not be taken for a result
        with pytest.warns(otgan.ConvergenceWarning, match="some distances did not converge: .*max_iter"):
            otgan.pairwise(SETS[:3], distance=distance, epsilon=1e-3, max_iter=1, n_jobs=n_jobs, store=store)
    assert kept_in(store) == {}


def test_a_store_tells_long_lists_of_edges_apart(tmp_path):
    edges, counted = np.linspace(-9, 9, 2001), []
    for shift in (0.0, 0.004):
        options = {
            "distance": "tv:histogram",
            "bins": [np.r_[edges[:1000], edges[1000:] + shift]],
            "store": tmp_path / "s.db",
        }
        line = [x[:, :1] for x in SETS[:2]]
        otgan.pairwise(line, **options)
        counted.append(len(kept_in(tmp_path / "s.db")))
    assert counted == [1, 2]
