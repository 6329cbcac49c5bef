"""``otgan runs`` and ``otgan train --seeds``: runs side by side."""

import json

import numpy as np
import pytest

SMALL = ("--set", "batch=8", "--set", "width=4", "--set", "depth=1", "--steps", "2", "--quiet")


@pytest.fixture
def points(tmp_path):
    path = tmp_path / "points.npy"
    np.save(path, np.random.default_rng(0).normal(size=(100, 2)))
    return path


def test_several_seeds_are_runs_of_one_table(otgan, points, tmp_path):
    out = tmp_path / "runs"
    ended = otgan("train", "gan", "--data", points, "--seeds", "0..2", "--out", out, *SMALL)
    assert ended.status == 0
    lines = ended.out.splitlines()
    assert lines[0].split()[:6] == ["run", "system", "data", "seed", "step", "minutes"]
    assert [line.split()[0] for line in lines[1:]] == [*(str(out / f"seed-{k}") for k in range(3)), "median"]
    rows = json.loads(otgan("runs", out, "--json").out)
    assert [(row["seed"], row["step"], row["system"]) for row in rows] == [(k, 2, "gan") for k in range(3)]
    assert all(row["em"] > 0 and row["em_floor"] > 0 and row["minutes"] >= 0 for row in rows)
    median = float(lines[-1].split()[lines[0].split().index("EM")])  # what has no median is a dash
    assert median == pytest.approx(np.median([row["em"] for row in rows]), rel=1e-3)
    again = otgan("runs", out / "seed-1", out / "seed-2")
    assert (again.status, len(again.out.splitlines())) == (0, 3)


@pytest.mark.parametrize("seeds", ["4..2", "a", "1,1", "-1", "1..x", "", "0..999999999999"])
def test_what_is_no_list_of_seeds_is_wrong_usage(otgan, seeds):
    ended = otgan("train", "gan", "--seeds", seeds)
    assert ended.status == 2
    assert "is no list of at most 1000 seeds: write 0..4, or 0,3,7" in ended.err


def test_one_seed_and_several_are_not_both_given(otgan):
    ended = otgan("train", "gan", "--seed", 0, "--seeds", "0..1")
    assert ended.status == 2
    assert "give --seed or --seeds, not both" in ended.err


def test_folders_without_runs_are_an_error(otgan, tmp_path):
    ended = otgan("runs", tmp_path)
    assert (ended.status, ended.out) == (1, "")
    assert "holds no run" in ended.err


def test_help_of_a_system_lists_its_hyperparameters(otgan):
    ended = otgan("train", "wgan-gp", "--help")
    assert ended.status == 0
    assert "Hyperparameters of wgan-gp" in ended.out
    assert "10.0" in ended.out
    assert "Hyperparameters" not in otgan("train", "--help").out
