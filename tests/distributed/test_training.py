"""A training by several processes against that by one: the same weights, and the same ends."""

import contextlib
import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch

from otgan.gan import Run
from tests.distributed import training
from tests.distributed.world import TIMEOUT
from tests.gan.runs import assert_same, without_times

CLOSE = 1e-8
"""Difference of weights in double precision after all steps."""

SINGLE = 1e-5
"""Difference of gradients in single precision, relative to their length."""


@pytest.fixture(scope="module")
def found(scenarios):
    """What each of three ranks found: two of them together, all together, one alone."""
    return scenarios["training.of_all"]


@pytest.fixture(scope="module")
def alone(found):
    """Weights and first gradients by one process, by case."""
    return found[0]["alone"] | found[1]["alone"] | found[2]["alone"]


@pytest.fixture(scope="module")
def two(scenarios):
    """What two ranks found."""
    return scenarios["training.of_two"]


def check_weights(weights, expected):
    assert weights.keys() == expected.keys()
    for name, value in weights.items():
        assert np.isfinite(value).all(), name
        assert np.abs(value - expected[name]).max(initial=0) <= CLOSE, name


@pytest.mark.parametrize("name", training.CASES)
def test_two_ranks_train_as_one_process(found, alone, name):
    first, second = (each["two"][name][0] for each in found[:2])
    check_weights(first, alone[name][0])
    for key, value in first.items():
        assert np.array_equal(value, second[key]), key  # to the last bit


@pytest.mark.parametrize("name", training.THREE)
def test_three_ranks_train_as_one_process(found, alone, name):
    for each in found:
        check_weights(each["three"][name][0], alone[name][0])


@pytest.mark.parametrize("name", training.CASES)
def test_first_gradients_are_those_of_the_whole_batch(found, name):
    expected = found[0]["single alone"] | found[1]["single alone"] | found[2]["single alone"]
    for each in found[:2]:
        for key, gradients in expected[name][1].items():
            whole, part = (
                np.concatenate([one.ravel() for one in several])
                for several in (gradients, each["single"][name][1][key])
            )
            assert np.linalg.norm(part - whole) <= SINGLE * np.linalg.norm(whole), key


def test_networks_of_ones_own_begin_as_those_of_the_first_and_stay_the_same(found):
    expected = found[0]["own alone"]
    for step, weights, evaluations, samples, prepared in (each["own"] for each in found):
        assert step == 3
        assert not prepared  # networks are left as they were
        for name, value in weights.items():
            assert np.array_equal(value, found[0]["own"][1][name]), name
            assert value == pytest.approx(expected[1][name], abs=1e-5), name
        assert evaluations == found[0]["own"][2]
        assert np.array_equal(samples, found[0]["own"][3])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("steps", "steps must be the same on all ranks, got 3"),
        ("options", "options: batch must be the same on all ranks, got 6"),
        ("data", "data must be the same on all ranks"),
        ("system", "system must be the same on all ranks, got gan on rank 0 and wgan on rank 1"),
        ("module", "modules: critic must be the same on all ranks"),
    ],
)
def test_other_arguments_on_one_rank_are_raised_on_all(two, name, message):
    for each in two:
        kind, text = each["ends"][name]
        assert kind == "WrongValueError"
        assert text.startswith(message)


def test_bad_input_on_one_rank_is_raised_on_all(two):
    kinds, texts = zip(*(each["ends"]["bad"] for each in two), strict=True)
    assert kinds == ("OptionError", "OptionError")
    assert texts[0] == f"on rank 1: {texts[1]}"


def test_what_goes_wrong_in_a_folder_is_raised_on_all(two):
    kinds, texts = zip(*(each["ends"]["occupied"] for each in two), strict=True)
    assert kinds == ("RunError", "RunError")
    assert texts[1] == f"on rank 0: {texts[0]}"
    assert "is not empty" in texts[0]


def test_what_a_callback_of_one_rank_raises_ends_all(two):
    assert two[1]["ends"]["callback"] == ("FloatingPointError", "of one's own")
    assert two[0]["ends"]["callback"] == ("RankError", "rank 1 stopped at FloatingPointError: of one's own")


def test_a_callback_of_one_rank_ends_the_training_of_all(two):
    assert [each["ends"]["stopped"] for each in two] == [2, 2]


def test_a_training_that_diverges_does_so_on_all(two):
    assert {each["ends"]["diverged"][0] for each in two} == {"DivergedError"}


def test_a_network_that_returns_no_rows_is_refused(two):
    for each in two:
        kind, text = each["ends"]["scalar"]
        assert kind == "RunError"
        assert "the critic must return a row for each row" in text


def test_weights_that_drift_apart_are_found(two):
    for each in two:
        kind, text = each["drift"]
        assert kind == "RankError"
        assert text.startswith("the weights on rank 1 are no longer those on rank 0")


def test_a_group_of_which_a_rank_was_killed_goes_on_to_the_same_end(scenarios, two):
    kind, text, seconds = scenarios["training.killed"][0]
    assert kind == "RankError"
    assert "ended" in text
    assert seconds < 10
    assert scenarios["training.killed"][1] is None
    assert_same(*two[0]["states"])
    for rank, each in enumerate(two):
        (step, folderless, history), (_, _, again) = each["resumed"]
        assert step == 8
        assert folderless == (rank > 0)
        assert without_times(history)[-3:] == without_times(again)[-3:]
        assert without_times(history) == without_times(two[0]["resumed"][0][2])
    assert "report.html" in two[0]["files"]
    assert "checkpoint-00000008.pt" in two[0]["files"]
    assert np.array_equal(*two[0]["read"])


def test_a_rank_that_hangs_ends_the_others_within_the_timeout(scenarios):
    kind, text, seconds = scenarios["training.hangs"][0]
    assert kind == "RankError"
    assert "did not answer" in text
    assert seconds >= 0.9 * TIMEOUT


def test_an_evaluation_may_take_longer_than_the_timeout(scenarios):
    assert training.SLOW > TIMEOUT
    assert scenarios["training.waits"] == [2, 2]


@pytest.mark.skipif(not torch.distributed.is_available(), reason="this build of torch has no process groups")
def test_torchrun_trains_by_two_of_which_one_speaks(tmp_path):
    np.save(tmp_path / "points.npy", np.random.default_rng(0).normal(size=(60, 2)))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command += [
        "-m",
        "otgan",
        "train",
        "wgan",
        "--data",
        str(tmp_path / "points.npy"),
        "--steps",
        "3",
        "--set",
        "batch=8",
    ]
    command += ["--device", "cpu", "--out", "run", "--json", "--quiet"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        command,
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as both:
        try:
            shown, said = both.communicate(timeout=training.LONGEST)
        finally:
            if hasattr(os, "killpg"):
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(both.pid, signal.SIGKILL)
            both.kill()
    assert both.returncode == 0, said[-2000:]
    assert said.count("the run is in run") == 1
    assert json.loads(shown) == Run.load(tmp_path / "run").evaluate()
