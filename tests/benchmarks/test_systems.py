import argparse
from types import SimpleNamespace

import pytest

from benchmarks import runs, systems


def row(em, seed, label="gan", seconds=9.0):
    """A finished run of three evaluations, the last of which counts."""
    history = [
        {"step": 0, "evaluation": {"n": 9, "em": 5.0, "em_floor": 0.1}, "took": 1.0, "seconds": 1.0},
        {"step": 10, "loss": 0.5, "seconds": 60.0},
        {"step": 10, "evaluation": {"n": 9, "em": 2 * em, "em_floor": 0.1}, "took": 1.0, "seconds": 62.0},
        {"step": 20, "loss": 0.5, "seconds": 170.0},
        {"step": 20, "evaluation": {"n": 50, "em": em, "em_floor": 0.1}, "took": 1.0, "seconds": 171.0},
    ]
    return runs.Row(label, SimpleNamespace(history=history, seed=seed, step=20), seconds)


def test_a_row_shows_the_last_evaluation_and_what_evaluations_took():
    assert row(0.2, 0).evaluation["em"] == 0.2
    assert row(0.2, 0).judging == 3.0
    assert row(0.2, 0).training == 168.0


def test_every_seed_is_shown_and_the_median_one_is_marked():
    rows = [row(0.3, 0), row(0.1, 1), row(0.2, 2)]
    found = systems.cells(rows, {"W₁": "em", "its floor": "em_floor", "modes": "modes"})
    assert [cells[1:3] for cells in found] == [(0, False), (1, False), (2, True)]
    assert found[0] == ("gan", 0, False, 0.3, 0.1, None, 20, 168.0, 9.0)


def test_the_course_is_by_the_seconds_of_training_and_of_equally_many_samples():
    assert row(0.2, 0).course("em") == [(0.0, 5.0), (60.0, 0.4)]
    assert systems.at_equal_times([row(0.2, 0)], "em", [1, 2, 5]) == [("gan", 0.4, 0.4, None)]


def test_two_seeds_have_no_middle_and_the_better_is_marked():
    assert systems.median_run([row(0.3, 0), row(0.1, 1)], "em").run.seed == 1


def test_systems_are_named_with_their_options():
    assert runs.parse("gan") == ("gan", {})
    assert runs.parse("smoothed-ot:duals=nets,width=64") == (
        "smoothed-ot",
        {"duals": "nets", "width": "64"},
    )
    with pytest.raises(argparse.ArgumentTypeError, match="no system 'gam'; there are gan, "):
        runs.parse("gam")


def test_the_command_is_run_once_and_then_read(tmp_path, monkeypatch):
    commands = []
    monkeypatch.setattr(runs.subprocess, "run", lambda command, **_: commands.append(command))
    monkeypatch.setattr(runs.Run, "load", lambda folder: (folder, len(commands)))
    options = argparse.Namespace(out=tmp_path, threads=1, quick=False, minutes=None, evaluate_every=None)
    for _ in range(2):
        made = runs.train("smoothed-ot", {"duals": "nets"}, "digits:3", 4, options)
        assert made.label == "smoothed-ot duals=nets"
        assert made.run == (tmp_path / "smoothed-ot-nets-digits-3-4", 1)
    assert commands[0][1:] == [
        *("-m", "otgan", "train", "smoothed-ot", "--data", "digits:3", "--seed", "4", "--threads", "1"),
        *("--set=duals=nets", "--out", str(tmp_path / "smoothed-ot-nets-digits-3-4")),
    ]


def test_runs_of_other_lengths_are_kept_apart_and_how_often_they_are_evaluated_tells_none_apart(
    tmp_path, monkeypatch
):
    commands = []
    monkeypatch.setattr(runs.subprocess, "run", lambda command, **_: commands.append(command))
    monkeypatch.setattr(runs.Run, "load", lambda folder: folder.name)
    given = {"out": tmp_path, "threads": 1, "evaluate_every": None}
    for quick, minutes, name in (
        (True, None, "gan-digits-quick-0"),
        (False, 0.5, "gan-digits-0.5-minutes-0"),
    ):
        options = argparse.Namespace(**given, quick=quick, minutes=minutes)
        made = runs.train("gan", {"evaluate_every": "70"}, "digits", 0, options)
        assert (made.run, made.label) == (name, "gan")
    assert "--evaluate-every" not in commands[0]
    assert commands[1][-4:-2] == ["--evaluate-every", "70"]


def test_a_run_that_was_stopped_goes_on_and_its_processor_time_is_that_of_all_parts(tmp_path, monkeypatch):
    commands, clock = [], iter([0.0, 10.0, 100.0, 105.0])
    folder = tmp_path / "gan-8gaussians-2-minutes-0"

    def stopped_at_first(command, **_):
        commands.append(command)
        if len(commands) == 1:
            folder.mkdir()
            (folder / "checkpoint-00000005.pt").touch()
            raise KeyboardInterrupt

    monkeypatch.setattr(runs.subprocess, "run", stopped_at_first)
    monkeypatch.setattr(runs, "_processor_seconds", lambda: next(clock))
    monkeypatch.setattr(runs.Run, "load", lambda folder: None)
    options = argparse.Namespace(out=tmp_path, threads=1, quick=False, minutes=2.0, evaluate_every=7)
    with pytest.raises(KeyboardInterrupt):
        runs.train("gan", {}, "8gaussians", 0, options)
    assert runs.train("gan", {}, "8gaussians", 0, options).seconds == 15.0
    assert commands[1] == [*commands[0], "--resume"]
    assert commands[0][-8:-2] == ["--minutes", "2.0", "--steps", str(runs.ENDLESS), "--evaluate-every", "7"]


def test_the_command_to_measure_again_does_not_say_where_the_runs_were_kept():
    found = systems._command(["--data", "mnist", "--out", "somewhere", "--replace", "--seeds", "0"])
    assert found == "python -m benchmarks.systems --data mnist --seeds 0"


def test_a_table_of_other_systems_is_not_replaced_unawares(tmp_path, monkeypatch, capsys):
    written = []
    space = SimpleNamespace(kind="points")
    monkeypatch.setattr(systems, "record", lambda name, *_, **more: written.append(name))
    monkeypatch.setattr(systems, "picture", lambda *_: None)
    monkeypatch.setattr(systems, "absent", lambda name, rows, keys: ["gan 0"])

    def train(system, *_):
        made = row(0.2, 0, system)
        made.run.space, made.run.model = space, SimpleNamespace(classes=None)
        return made

    monkeypatch.setattr(systems, "train", train)
    monkeypatch.setattr(systems, "course", lambda *_: None)
    words = ["--systems", "wgan", "--seeds", "0", "--out", str(tmp_path)]
    systems.main(words)
    assert "not recorded: systems-8gaussians has gan 0." in capsys.readouterr().out
    assert written == []
    systems.main([*words, "--replace"])
    assert written == ["systems-8gaussians"]
