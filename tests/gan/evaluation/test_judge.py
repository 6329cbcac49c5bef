import dataclasses

import numpy as np
import pytest

import otgan
from otgan.data import Modes, open_spec, open_splits
from otgan.gan.evaluation.judge import Judge, mode_coverage


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))


def test_modes_are_covered_by_a_hundredth_of_the_mass_within_a_tenth():
    modes = Modes(np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]), 0.01)
    points = np.concatenate(
        [np.tile([0.09, 0.0], (98, 1)), np.tile([1.0, -0.1], (1, 1)), np.tile([0.0, 1.11], (1, 1))]
    )
    assert mode_coverage(points, modes) == (2, 0.99)
    assert (
        mode_coverage(np.concatenate([points, points[:1]]), modes)[0] == 1
    )  # now less than 1 % is at the second


def test_distance_is_exact_and_beside_its_floor():
    train, held_out = open_splits("8gaussians", 400, 300)
    judge = Judge(train, held_out)
    samples = np.random.default_rng(0).normal(size=(200, 2)).astype(np.float32)
    found = judge(samples)
    assert found["n"] == 200
    assert found["em"] == pytest.approx(otgan.emd(samples.astype(float), held_out.points[:200]))
    assert found["em_floor"] < 0.3 < found["em"]
    assert (found["modes_floor"], found["modes_total"], found["in_modes_floor"]) == (8, 8, 1)
    assert judge(np.concatenate([samples] * 3))["n"] == 300


def test_real_samples_reach_the_floor():
    train, held_out = open_splits("8gaussians", 3000, 500)
    fresh = open_spec("8gaussians", 500, seed=9).points.astype(np.float32)
    found = Judge(train, held_out)(fresh)
    assert found["em"] < 2 * found["em_floor"]
    assert found["modes"] == 8


def test_the_floor_between_points_is_the_mean_of_several_draws():
    train, held_out = open_splits("8gaussians", 3000, 200)
    judge = Judge(train, held_out)
    drawn = [
        otgan.emd(open_spec("8gaussians", 200, seed=seed).points, held_out.points) for seed in range(5, 45)
    ]
    found = judge(train.points[:200])["em_floor"]
    assert abs(found - np.mean(drawn)) < 0.7 * np.std(drawn, ddof=1)


def test_images_are_judged_in_features_beside_floors(caplog):
    train, held_out = open_splits("digits", dtype=np.float32)
    judge = Judge(train, held_out)
    with caplog.at_level("INFO", "otgan"):
        real = judge(train.points[:300].reshape(-1, 1, 8, 8))
    assert real["classifier_accuracy"] > 0.95
    assert real["classes"] == real["classes_total"] == 10
    noise = judge(np.random.default_rng(0).uniform(size=(300, 1, 8, 8)).astype(np.float32))
    ones = judge(train.points[train.labels == 1][:100].repeat(3, axis=0).reshape(-1, 1, 8, 8))
    assert real["classifier_frechet"] < 3 * real["classifier_frechet_floor"]
    assert real["classifier_frechet"] < 0.5 * real["classifier_frechet_gaussian"]
    assert noise["classifier_frechet"] > real["classifier_frechet_gaussian"]
    assert noise["precision"] < 0.4
    assert real["precision"] > 0.5
    assert ones["classes"] <= 2
    assert ones["class_tv"] > 0.8
    assert real["class_tv"] < 0.15
    assert abs(real["kid"]) < 0.1 * noise["kid"]
    for name in ("em", "classifier_frechet", "kid", "precision", "recall", "density", "coverage", "class_tv"):
        assert f"{name}_floor" in real
    # A second judge finds the classifier where the first one left it.
    caplog.clear()
    with caplog.at_level("INFO", "otgan"):
        again = Judge(train, held_out)(train.points[:300].reshape(-1, 1, 8, 8))
    assert again == real
    assert "training a classifier" not in caplog.text


def test_images_without_labels_are_judged_by_their_pixels_alone():
    rng = np.random.default_rng(0)
    train, held_out = (
        dataclasses.replace(part, labels=None, classes=()) for part in open_splits("digits", dtype=np.float32)
    )
    found = Judge(train, held_out)(rng.uniform(size=(100, 1, 8, 8)).astype(np.float32))
    assert set(found) == {"n", "em", "em_floor"}


def test_images_of_one_class_have_no_classes_to_judge_by():
    train, held_out = open_splits("digits:3", dtype=np.float32)
    assert set(Judge(train, held_out)(train.points[:30])) == {"n", "em", "em_floor"}


@pytest.mark.parametrize("data", ["8gaussians", "digits"])
def test_samples_made_by_class_are_judged_by_it(data):
    train, held_out = open_splits(data, **({"n": 2000, "n_test": 300} if data == "8gaussians" else {}))
    train, held_out = (
        dataclasses.replace(each, points=each.points.astype(np.float32)) for each in (train, held_out)
    )
    judge, real = Judge(train, held_out), held_out.points[:200]
    right = judge(real, held_out.labels[:200])
    assert right["conditional_accuracy"] == right["conditional_accuracy_floor"] > 0.95
    wrong = held_out.labels[:200].copy()
    wrong[:50] = (wrong[:50] + 1) % len(held_out.classes)
    found = judge(real, wrong)
    assert found["conditional_accuracy"] == pytest.approx(right["conditional_accuracy"] - 0.25, abs=0.02)
    assert "conditional_accuracy" not in judge(real)
    unlabelled = Judge(dataclasses.replace(train, labels=None), dataclasses.replace(held_out, labels=None))
    assert "conditional_accuracy" not in unlabelled(real, wrong)
