"""``otgan train``, ``otgan sample`` and ``otgan evaluate``: exit statuses, streams and files."""

import errno
import json
import os
import re

import numpy as np
import pytest

from otgan.cli import main
from otgan.gan import SYSTEMS, Run


@pytest.fixture(scope="module")
def points(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "points.npy"
    np.save(path, np.random.default_rng(0).normal(size=(200, 2)))
    return str(path)


@pytest.fixture
def otgan(capsys):
    def run(*arguments):
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        shown = capsys.readouterr()
        return ended.value.code, shown.out, shown.err

    return run


SMALL = ("--set", "batch=16", "--set", "width=8", "--set", "depth=1")


def test_help_names_every_system(otgan):
    status, shown, _ = otgan("train", "--help")
    words = re.findall(r"[\w-]+", shown)
    assert status == 0
    assert set(SYSTEMS) <= set(words)


def test_train_resume_sample_and_evaluate(otgan, points, tmp_path):
    out = tmp_path / "run"
    arguments = ("train", "gan", "--data", points, "--out", out, *SMALL, "--json")
    status, shown, errors = otgan(*arguments, "--steps", 30)
    assert status == 0
    assert json.loads(shown) == Run.load(out).evaluate()
    assert "step/s" in errors
    assert "EM" in errors

    status, shown, errors = otgan(*arguments, "--steps", 40, "--resume", "--quiet")
    assert status == 0
    assert "resumed at step 30" in errors
    assert "step/s" not in errors
    assert json.loads(shown)["step"] == 40

    for ending in ("npy", "csv", "png"):
        file = tmp_path / f"samples.{ending}"
        assert otgan("sample", out, "-n", 9, "--seed", 3, "--out", file)[0] == 0
        assert file.stat().st_size > 0
    assert np.array_equal(np.load(tmp_path / "samples.npy"), Run.load(out).sample(9, seed=3))
    rows = np.loadtxt(tmp_path / "samples.csv", delimiter=",", dtype=np.float32)
    assert np.array_equal(rows, np.load(tmp_path / "samples.npy"))

    status, shown, _ = otgan("evaluate", out, "--json")
    assert (status, json.loads(shown)) == (0, Run.load(out).evaluate())
    status, shown, _ = otgan("evaluate", out, "--against", "8gaussians", "-n", 50)
    assert status == 0
    assert "modes_total" in shown


def test_samples_are_drawn_and_judged_by_another_law_of_the_codes(otgan, points, tmp_path):
    out, file = tmp_path / "run", tmp_path / "x.npy"
    arguments = ("train", "wae-mmd", "--data", points, "--out", out, *SMALL, "--steps", 3, "--quiet")
    assert otgan(*arguments)[0] == 0
    assert otgan("sample", out, "-n", 9, "--seed", 3, "--sampler", "mixture", "--out", file)[0] == 0
    assert np.array_equal(np.load(file), Run.load(out).sample(9, seed=3, sampler="mixture"))
    status, shown, _ = otgan("evaluate", out, "--sampler", "mixture", "--json")
    assert (status, json.loads(shown)) == (0, Run.load(out).evaluate(sampler="mixture"))
    for command in (("sample", out, "--out", file), ("evaluate", out)):
        status, _, errors = otgan(*command, "--sampler", "gmm")
        assert status == 2
        assert "sampler must be one of prior, mixture, transport, got 'gmm'" in errors


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["train", "wgang"], 2, "no system 'wgang'"),
        (["train", "gan", "--data", "8gausians"], 2, "did you mean '8gaussians'"),
        (["train", "gan", "--steps", "0"], 2, "--steps"),
        (["train", "gan", "--set", "bach=3"], 2, "no option 'bach'"),
        (["train", "gan", "--set", "batch"], 2, "NAME=VALUE"),
        (["train", "gan", "--device", "abacus"], 2, "such as cpu"),
        (["train", "gan", "--device", "cuda:99"], 2, "device: torch finds"),
        (["train", "gan", "--threads", "99999999999"], 2, "--threads"),
        (["train", "gan", "--steps", "1e3"], 2, "--steps"),
        (["train", "gan", "--steps", "9" * 30], 2, "steps must be less than 2**63"),
        (["train", "gan", "--save-every", "0"], 2, "--save-every"),
        (["train", "gan", "--set", "lr=nan"], 2, "option lr takes float, got 'nan'"),
        (["train", "gan", "--set", "lr=-1"], 2, "lr must not be negative, got -1"),
        (["train", "gan", "--set", "=3"], 2, "NAME=VALUE"),
        (
            ["train", "vae", "--preset", "paper"],
            2,
            "vae has no preset 'paper': there is 'paper', of gan, wgan",
        ),
        (
            ["train", "gan", "--data", "POINTS", "--out", "POINTS/run", *SMALL],
            1,
            "cannot hold a run: Not a directory",
        ),
        (["train", "gan", "--data", "POINTS", "--set", "batch=999"], 1, "too few for a batch of 999"),
        (
            ["train", "gan", "--data", "POINTS", "--set", "network=resnet", "--set", "batch=4"],
            1,
            "takes images",
        ),
        (["sample", "nowhere", "--out", "x.npy"], 1, "holds no run"),
        (["sample", "nowhere", "--out", "x.exe"], 2, ".npy"),
        (["evaluate", "nowhere"], 1, "holds no run"),
        (["evaluate", "nowhere", "-n", "1"], 2, "-n"),
    ],
)
def test_mistakes_are_one_line_and_leave_nothing(
    otgan, points, arguments, status, message, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    code, shown, errors = otgan(*[text.replace("POINTS", points) for text in arguments])
    assert code == status
    assert shown == ""
    assert message in errors
    assert len(errors.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_holds_a_run_is_left_alone(otgan, points, tmp_path):
    arguments = ("train", "gan", "--data", points, "--out", tmp_path / "run", "--steps", 2, "--quiet", *SMALL)
    assert otgan(*arguments)[0] == 0
    before = sorted((path, path.read_bytes()) for path in (tmp_path / "run").glob("*.*") if path.is_file())
    status, _, errors = otgan(*arguments)
    assert status == 1
    assert "holds another run" in errors
    assert before == sorted((p, p.read_bytes()) for p in (tmp_path / "run").glob("*.*") if p.is_file())
    status, _, errors = otgan(*arguments, "--resume", "--set", "lr=0.5")
    assert status == 1
    assert "lr" in errors


def test_what_disks_refuse_and_what_is_damaged_is_one_line(otgan, points, tmp_path, monkeypatch):
    out = tmp_path / "run"
    arguments = ("train", "gan", "--data", points, "--out", out, "--quiet", *SMALL)
    assert otgan(*arguments, "--steps", 2)[0] == 0
    with monkeypatch.context() as patched:

        def refuse(*arguments):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        patched.setattr(os, "fsync", refuse)
        for command in (
            (*arguments, "--steps", 4, "--resume"),
            ("sample", out, "--out", tmp_path / "samples.npy"),
            ("sample", out, "--out", tmp_path / "samples.png"),
        ):
            status, shown, errors = otgan(*command)
            assert (status, shown) == (1, "")
            assert "cannot be written: No space left on device" in errors
            assert len(errors.strip().splitlines()) == 1
    assert not list(tmp_path.rglob(".*"))
    status, _, errors = otgan("sample", out, "-n", 10**12, "--out", tmp_path / "samples.npy")
    assert status == 1
    assert "1000000000000 samples need" in errors
    content = (out / "config.json").read_text()
    for command in (
        ("sample", out, "--out", tmp_path / "s.npy"),
        ("evaluate", out),
        (*arguments, "--resume"),
    ):
        for damaged in ("5", content[:-40], content.replace('"seed": 0', '"seed": 1')):
            (out / "config.json").write_text(damaged)
            status, shown, errors = otgan(*command)
            assert (status, shown) == (1, "")
            assert "config.json" in errors
            assert len(errors.strip().splitlines()) == 1
    (out / "config.json").write_text(content)
    (out / "metrics.jsonl").write_bytes(b"5\n\xff\n")
    status, _, errors = otgan(*arguments, "--steps", 4, "--resume")
    assert status == 0
    assert "metrics.jsonl: line 1 is damaged or was changed: it and the 1 after it are dropped" in errors


def test_samples_are_made_by_the_classes_of_a_table(otgan, tmp_path):
    rng, out = np.random.default_rng(0), tmp_path / "run"
    label = rng.permutation(np.arange(80) % 2)
    names = ["low", '"high, very"']
    lines = [f"{x},{names[k]}" for x, k in zip(5 * label + rng.normal(size=80), label, strict=True)]
    table = tmp_path / "table.csv"
    table.write_text("\n".join(["x,kind", *lines]), encoding="utf-8")
    arguments = (
        "train",
        "vae",
        "--data",
        table,
        "--conditional",
        "--out",
        out,
        *SMALL,
        "--steps",
        3,
        "--json",
    )
    status, _, errors = otgan(*arguments)
    assert status == 1
    assert "holds" in errors or "found" in errors  # words are no coordinates
    status, shown, _ = otgan(*arguments, "--labels", "kind")
    assert status == 0
    assert json.loads(shown)["conditional_accuracy_floor"] > 0.8
    run = Run.load(out)
    assert run.data.classes == ("high, very", "low")
    assert run.evaluate()["conditional_accuracy"] == json.loads(shown)["conditional_accuracy"]
    file = tmp_path / "samples.npy"
    for told, classes in (("high, very", ["high, very"]), ('low,"high, very"', ["low", "high, very"])):
        assert otgan("sample", out, "-n", 4, "--seed", 1, "--label", told, "--out", file)[0] == 0
        assert np.array_equal(np.load(file), run.sample(4, seed=1, label=4 // len(classes) * classes))
    for unknown in ("low\nhigh", ""):
        assert otgan("sample", out, "--label", unknown, "--out", file)[0] == 2
    status, _, errors = otgan("sample", out, "--label", "middle", "--out", file)
    assert status == 2
    assert "label must be a class, high, very, low, or its number, got 'middle'" in errors
    status, shown, _ = otgan("evaluate", out, "--against", table, "--labels", "kind", "--json")
    assert status == 0
    assert json.loads(shown) == run.evaluate(table, labels="kind")
    status, _, errors = otgan("evaluate", out, "--labels", "kind")
    assert status == 2
    assert "labels are of other data: say which, against" in errors
