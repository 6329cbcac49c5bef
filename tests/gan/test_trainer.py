import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import otgan.data
from otgan.gan import Callback, DivergedError, OptionError, Run, RunError, TimeLimit, train
from otgan.gan.systems import SYSTEMS, System
from otgan.gan.systems.autoencoder import Autoencoder
from otgan.gan.systems.wgan import WGAN
from otgan.gan.training import checkpoint
from tests.gan.runs import assert_same, without_times

SMALL = {"batch": 32, "width": 16, "depth": 2}


@pytest.fixture(scope="module")
def points(tmp_path_factory):
    """A file of a few points: evaluations of it take no time."""
    path = tmp_path_factory.mktemp("data") / "points.npy"
    np.save(path, otgan.data.load("8gaussians", 300))
    return str(path)


def weights(folder):
    return checkpoint.latest(folder)


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_system_trains_writes_and_is_read_back(system, tmp_path, points):
    out = tmp_path / "run"
    run = train(system, points, 25, 1, out, options=SMALL, evaluate_every=20)
    assert run.step == 25
    pictures = {"samples"}
    if issubclass(SYSTEMS[system], Autoencoder):
        pictures |= {"reconstructions", "traversals"}
    found = {path.name for path in out.iterdir()}
    assert found == {
        "config.json",
        "metrics.jsonl",
        "checkpoint-00000025.pt",
        "curves.png",
        "evaluation.json",
        "report.html",
        *pictures,
    }
    for kind in pictures:
        drawn = sorted(path.name for path in (out / kind).iterdir())
        assert drawn == ["step-00000000.png", "step-00000020.png", "step-00000025.png"]
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert rows == run.history
    assert [row["step"] for row in rows if "evaluation" in row] == [0, 20, 25]
    result = json.loads((out / "evaluation.json").read_text())
    fresh = run.evaluate()
    assert {name: result[name] for name in fresh} == fresh
    # What a system says of its own training, which a run that is read back cannot.
    assert result.keys() == fresh.keys() or SYSTEMS[system].assess is not System.assess
    assert result["em"] > result["em_floor"] > 0
    assert result["n"] == 60
    config = json.loads((out / "config.json").read_text())
    assert (config["system"], config["seed"], config["steps"]) == (system, 1, 25)
    assert config["options"]["batch"] == 32

    again = Run.load(out)
    assert (again.step, again.system, again.history) == (25, run.system, run.history)
    assert np.array_equal(again.sample(7, seed=3), run.sample(7, seed=3))
    assert not np.array_equal(again.sample(7, seed=3), again.sample(7, seed=4))
    assert not np.array_equal(again.sample(7), again.sample(7))
    assert again.evaluate() == run.evaluate()
    assert again.evaluate("25gaussians", n=100)["modes_total"] == 25


def test_a_seed_gives_equal_bits_and_touches_no_global_state(tmp_path, points):
    before = torch.get_rng_state()
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        train("gan", points, 12, seed, tmp_path / name, options=SMALL)
    assert torch.equal(torch.get_rng_state(), before)
    assert_same(weights(tmp_path / "a"), weights(tmp_path / "b"))
    with pytest.raises(AssertionError):
        assert_same(weights(tmp_path / "a"), weights(tmp_path / "c"))


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_resumed_run_is_the_uninterrupted_one(system, tmp_path, points):
    chosen = {**SMALL, "decay": 15}
    options = {"options": chosen, "save_every": 10, "evaluate_every": 20}
    whole = train(system, points, 40, 0, tmp_path / "whole", **options)
    train(system, points, 17, 0, tmp_path / "parts", **options)
    parts = train(system, points, 40, 0, tmp_path / "parts", resume=True, options=chosen)
    assert parts.step == 40
    assert_same(weights(tmp_path / "whole"), weights(tmp_path / "parts"))
    assert without_times(whole.history)[-3:] == without_times(parts.history)[-3:]


@pytest.mark.parametrize("stop", [3, 8, 17])
@pytest.mark.parametrize(
    ("system", "more"),
    [
        ("smoothed-ot", {"features": "autoencoder:2", "duals": "table", "n_features": 5, "n_codes": 7}),
        ("sinkhorn", {"features": "wae:2+adversarial:3", "n_features": 5, "n_codes": 7}),
        ("smoothed-ot", {"features": "samples+random:3", "duals": "table"}),
    ],
)
def test_a_run_is_resumed_in_any_of_its_parts(system, more, stop, tmp_path, points):
    """While the autoencoder learns, in the space of its codes, and after."""
    options = {"options": {**SMALL, "code_width": 8, **more}, "save_every": 10, "evaluate_every": 10}
    whole = train(system, points, 20, 0, tmp_path / "whole", **options)
    train(system, points, stop, 0, tmp_path / "parts", **options)
    parts = train(system, points, 20, 0, tmp_path / "parts", resume=True, **options)
    assert_same(weights(tmp_path / "whole"), weights(tmp_path / "parts"))
    assert without_times(whole.history)[-1] == without_times(parts.history)[-1]
    assert np.array_equal(Run.load(tmp_path / "parts").sample(5, seed=0), whole.sample(5, seed=0))


def test_rates_decay_with_the_steps_whatever_their_number(tmp_path, points):
    for steps in (11, 31):
        train("wgan", points, steps, 0, tmp_path, resume=True, options={**SMALL, "lr": 0.3, "decay": 10})
        for state in checkpoint.latest(tmp_path)["optimizers"].values():
            assert [group["lr"] for group in state["param_groups"]] == [0.3 / (1 + (steps - 1) / 10)]
    with pytest.raises(OptionError, match="decay must be a number of updates"):
        train("wgan", points, 1, options={"decay": -1})


def test_steps_are_absolute_and_a_finished_run_stays_as_it_is(tmp_path, points):
    options = {"options": SMALL}
    train("gan", points, 10, 0, tmp_path, **options)
    before = {path: path.read_bytes() for path in tmp_path.glob("*.pt")}
    run = train("gan", points, 10, 0, tmp_path, resume=True, **options)
    assert run.step == 10
    assert {path: path.read_bytes() for path in tmp_path.glob("*.pt")} == before


def test_killed_at_any_instant_and_resumed_it_ends_the_same(tmp_path, points):
    script = (
        "import sys, otgan.gan; from otgan.gan import train;"
        f"train('wgan', sys.argv[2], 60, 0, sys.argv[1], resume=True, options={SMALL}, save_every=5,"
        " evaluate_every=60)"
    )

    def start(folder):
        return subprocess.Popen([sys.executable, "-c", script, str(folder), points], stderr=subprocess.PIPE)

    whole = start(tmp_path / "whole")
    killed = 0
    for instant in (5, 40):
        process = start(tmp_path / "parts")
        wanted = tmp_path / "parts" / f"checkpoint-{instant:08d}.pt"
        deadline = time.monotonic() + 120
        while process.poll() is None and not wanted.exists() and time.monotonic() < deadline:
            time.sleep(0.002)
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
            killed += 1
        process.communicate()
    assert killed > 0
    last = start(tmp_path / "parts")
    assert last.communicate()[1] == b""
    whole.communicate()
    assert (last.returncode, whole.returncode) == (0, 0)
    assert_same(weights(tmp_path / "whole"), weights(tmp_path / "parts"))
    whole_rows, rows = (
        [json.loads(line) for line in (tmp_path / name / "metrics.jsonl").read_text().splitlines()]
        for name in ("whole", "parts")
    )
    assert without_times(rows) == without_times(whole_rows)


def test_torn_checkpoint_is_refused_and_the_one_before_gives_the_same_end(tmp_path, caplog, points):
    options = {"options": SMALL, "save_every": 10}
    for name in ("whole", "torn"):
        train("gan", points, 30, 0, tmp_path / name, **options)
    last = checkpoint.saved(tmp_path / "torn")[-1]
    last.write_bytes(last.read_bytes()[:-100])
    with caplog.at_level("INFO", "otgan"):
        train("gan", points, 30, 0, tmp_path / "torn", resume=True, **options)
    assert "checkpoint-00000030.pt: torn" in caplog.text
    assert "resumed at step 20" in caplog.text
    assert_same(weights(tmp_path / "whole"), weights(tmp_path / "torn"))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"system": "wgan"}, "system"),
        ({"seed": 1}, "seed"),
        ({"data": "swissroll"}, "data: spec"),
        ({"options": {**SMALL, "lr": 1e-2}}, "options: lr"),
        ({"save_every": 7}, "save_every"),
    ],
)
def test_conflicting_configuration_is_refused(change, named, tmp_path, points):
    same = {"system": "gan", "data": points, "seed": 0, "options": SMALL}
    train(**same, steps=5, out=tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    with pytest.raises(RunError, match=named):
        train(**{**same, **change}, steps=9, out=tmp_path, resume=True)
    assert {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before


def test_a_run_goes_on_to_the_end_it_was_given(tmp_path, points):
    same = {"system": "gan", "data": points, "out": tmp_path, "options": SMALL}
    train(**same, steps=6, callbacks=EndAt(4))
    assert train(**same, resume=True).step == 6  # and not the system's own number
    assert json.loads((tmp_path / "config.json").read_bytes())["steps"] == 6


def test_a_run_of_more_steps_than_are_asked_for_stays_what_it_is(tmp_path, points, caplog):
    same = {"system": "gan", "data": points, "out": tmp_path, "options": SMALL}
    train(**same, steps=6)
    before = (tmp_path / "config.json").read_bytes()
    with caplog.at_level("WARNING", "otgan"):
        assert train(**same, steps=4, resume=True).step == 6
    assert (
        "holds a run of 6 steps, and 4 were asked for, those included: nothing is left to do" in caplog.text
    )
    assert (tmp_path / "config.json").read_bytes() == before


class EndAt(Callback):
    def __init__(self, step):
        self.step = step

    def on_step(self, run, terms):
        return run.step == self.step


def test_folders_that_hold_something_are_left_alone(tmp_path, points):
    train("gan", points, 2, 0, tmp_path / "run", options=SMALL)
    with pytest.raises(RunError, match="holds another run"):
        train("gan", points, 2, 0, tmp_path / "run", options=SMALL)
    other = tmp_path / "other"
    other.mkdir()
    (other / "notes.txt").write_text("mine")
    for resume in (False, True):
        with pytest.raises(RunError, match=r"not empty \(it holds 'notes.txt'\)"):
            train("gan", points, 2, 0, other, resume=resume, options=SMALL)
    assert [path.name for path in other.iterdir()] == ["notes.txt"]
    with pytest.raises(RunError, match="holds no run"):
        Run.load(other)
    with pytest.raises(OptionError, match="name the folder"):
        train("gan", points, 2, resume=True)


class Exploding(nn.Module):
    """A critic whose output stops being finite at its tenth call in training."""

    def __init__(self):
        super().__init__()
        self.line = nn.Linear(2, 1)
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        return self.line(x).flatten() * (float("nan") if self.calls > 3 * 25 else 1.0)


def test_nan_stops_the_run_with_step_term_and_last_good_checkpoint(tmp_path, points):
    with pytest.raises(DivergedError) as caught:
        train(
            "gan",
            points,
            60,
            0,
            tmp_path,
            options=SMALL,
            modules={"critic": Exploding()},
            save_every=10,
        )
    assert str(caught.value).startswith("step 26: js became nan; last good checkpoint: ")
    assert str(caught.value).endswith("checkpoint-00000020.pt")
    assert weights(tmp_path)["step"] == 20


def test_arrays_tensors_and_datasets_train_in_their_own_units(tmp_path, points):
    rng = np.random.default_rng(0)
    points = 1000 + 50 * rng.normal(size=(400, 3))
    run = train("sinkhorn", points, 30, 0, tmp_path, options={**SMALL, "lr": 1e-2})
    assert abs(run.sample(500, seed=0).mean() - 1000) < 50
    assert 10 < run.sample(500, seed=0).std() < 90
    assert run.evaluate()["n"] == 80
    again = Run.load(tmp_path)
    assert np.array_equal(again.sample(5, seed=0), run.sample(5, seed=0))
    with pytest.raises(RunError, match="say what to evaluate it against"):
        again.evaluate()
    assert again.evaluate(points)["em_floor"] > 0
    assert train("gan", torch.from_numpy(points), 2, options=SMALL).space.shape == (3,)
    assert train("gan", otgan.data.open_spec("digits:3"), 2, options=SMALL).sample(2).shape == (2, 1, 8, 8)
    assert train("gan", points[:, 0], 2, options=SMALL).sample(2).shape == (2, 1)


def test_small_data_shrink_the_batch_and_say_so(caplog):
    points = np.random.default_rng(0).normal(size=(30, 2))
    with caplog.at_level("WARNING", "otgan"):
        run = train("gan", points, 1, options={"width": 4, "depth": 1})
    assert run.system.batch == 24
    assert "24 samples to train on are fewer than the batch of" in caplog.text


def test_names_of_columns_survive_into_samples(tmp_path):
    points = np.random.default_rng(0).normal(size=(60, 2))
    frame = pd.DataFrame(points, columns=["height", "mass, in kg"])
    frame.to_csv(tmp_path / "people.csv", index=False)
    for k, data in enumerate((frame, tmp_path / "people.csv")):
        run = train("gan", data, 1, out=tmp_path / f"run-{k}", options={"width": 4, "depth": 1, "batch": 8})
        assert run.data.columns == ("height", "mass, in kg")
        again = Run.load(tmp_path / f"run-{k}")
        again.write_samples(tmp_path / "samples.csv", 7)
        found = pd.read_csv(tmp_path / "samples.csv")
        assert list(found.columns) == list(frame.columns)
        assert len(found) == 7


class Detached(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 2)

    def forward(self, z):
        return self.layer(z).detach()


@pytest.mark.parametrize("system", ["gan", "wgan", "wgan-gp", "sinkhorn"])
def test_a_generator_that_the_loss_does_not_reach_is_refused(points, system):
    with pytest.raises(RunError, match=r"generator cannot be trained|cut off from its parameters"):
        train(system, points, 2, options=SMALL, modules={"generator": Detached()})


@pytest.mark.parametrize("system", ["sinkhorn", "smoothed-ot", "wgan", "wgan-gp"])
def test_frozen_layers_of_ones_own_stay_as_they_are(points, system):
    generator = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 2))
    generator[0].requires_grad_(False)
    before = [each.detach().clone() for each in generator.parameters()]
    train(system, points, 2, options=SMALL, modules={"generator": generator})
    same = [torch.equal(*both) for both in zip(before, generator.parameters(), strict=True)]
    assert same == [True, True, False, False]
    generator.requires_grad_(False)
    with pytest.raises(OptionError, match="not frozen"):
        train(system, points, 2, options=SMALL, modules={"generator": generator})


def test_modules_of_ones_own_are_trained_and_asked_for_when_read_back(tmp_path, points):
    generator = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 2))
    before = generator[0].weight.detach().clone()
    run = train("wgan", points, 3, 0, tmp_path, options=SMALL, modules={"generator": generator})
    assert not torch.equal(generator[0].weight, before)
    with pytest.raises(RunError, match="pass it in modules"):
        Run.load(tmp_path)
    fresh = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 2))
    again = Run.load(tmp_path, modules={"generator": fresh})
    assert np.array_equal(again.sample(5, seed=0), run.sample(5, seed=0))
    with pytest.raises(RunError, match="does not fit"):
        Run.load(tmp_path, modules={"generator": nn.Linear(2, 2)})
    with pytest.raises(RunError, match=r"samples of shape \(3,\); those of the data have \(2,\)"):
        train("wgan", points, 3, options=SMALL, modules={"generator": nn.Linear(2, 3)})
    with pytest.raises(OptionError, match="no network 'critics'"):
        train("wgan", points, 3, options=SMALL, modules={"critics": generator})


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"system": "wgang"}, OptionError, "no system 'wgang'; there are gan, wgan"),
        ({"data": "8gausians"}, otgan.data.SpecError, "did you mean"),
        ({"options": {"bach": 3}}, OptionError, "gan has no option 'bach'; it has"),
        ({"preset": "papers"}, OptionError, "gan has no preset 'papers': there is 'paper', of gan, wgan"),
        ({"options": {"batch": "many"}}, OptionError, "batch takes int"),
        ({"options": {"batch": 0}}, OptionError, "batch must be at least 1"),
        ({"options": {"network": "dcgan", "batch": 8}}, RunError, "got points of 2 coordinates"),
        ({"options": {"saturating": "perhaps"}}, OptionError, "saturating takes bool"),
        ({"data": np.zeros((100, 2)), "options": {"batch": 90}}, RunError, "too few for a batch of 90"),
        ({"steps": 0}, OptionError, "steps must be a whole number"),
        ({"device": "abacus"}, OptionError, "expected one such as cpu"),
    ],
)
def test_bad_input_is_named(arguments, error, message, tmp_path, points):
    with pytest.raises(error, match=message):
        train(**{"system": "gan", "data": points, "steps": 3, "out": tmp_path / "run", **arguments})
    assert not (tmp_path / "run").exists()


def test_all_settings_are_shown_where_progress_is(points, capsys):
    train("gan", points, 2, 7, options=SMALL)
    assert capsys.readouterr().err == ""
    train("gan", points, 2, 7, options=SMALL, progress=True)
    shown = capsys.readouterr().err.splitlines()
    for line in (
        "system = gan",
        "seed = 7",
        "batch = 32",
        "steps = 2",
        "training_samples = 240",
        "lr = 0.0001",
    ):
        assert line in shown


def test_a_system_of_ones_own_hyperparameters(points):
    run = train(WGAN(batch=16, width=8, depth=1, clip=0.5), points, 2)
    assert run.system.clip == 0.5
    with pytest.raises(OptionError, match="give options to the system itself"):
        train(WGAN(), points, 2, options={"clip": 0.1})


def test_a_preset_sets_networks_hyperparameters_and_the_number_of_updates(tmp_path):
    images = np.random.default_rng(0).random((40, 3, 20, 20), dtype=np.float32)
    small = {"batch": 4, "width": 2}
    run = train(
        "gan",
        images,
        out=tmp_path,
        preset="paper",
        options=small,
        callbacks=TimeLimit(1e-9),
        evaluate_every=10**6,
    )
    assert (run.system.latent, run.system.network, run.system.batch) == (100, "dcgan", 4)
    settings = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    assert settings["steps"] == SYSTEMS["gan"].steps["paper"]


def test_negative_estimate_is_warned_of(caplog, points):
    class Backwards(WGAN):
        def step(self, nets, optimizers, batches):
            terms = super().step(nets, optimizers, batches)
            return {**terms, "wasserstein": -terms["wasserstein"].abs() - 1}

    with caplog.at_level("WARNING", "otgan"):
        train(Backwards(batch=16, width=8, depth=1), points, 20)
    assert "step 20: the Wasserstein estimate is negative" in caplog.text
