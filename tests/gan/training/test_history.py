import json

import pytest
import torch

from otgan.gan.errors import RunError
from otgan.gan.training.checkpoint import Checkpoint
from otgan.gan.training.history import history_of, read_metrics

ROWS = [
    {"step": 0, "evaluation": {"em": 1.0, "em_floor": 0.5}},
    {"step": 10, "loss": 1.0},
    {"step": 20, "loss": 0.5},
    {"step": 30, "loss": 0.2},
]


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return path


def kept(rows, step=20, **also):
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    return Checkpoint({"step": step}, {"rows": lines, **also})


def test_rows_up_to_a_step_and_not_what_a_crash_tore(file, caplog):
    with file.open("a") as opened:
        opened.write('{"step": 40, "lo')
    assert read_metrics(file) == ROWS
    assert read_metrics(file, upto=20) == ROWS[:3]
    assert read_metrics(file.with_name("none")) == []
    assert caplog.text == ""


def test_the_rows_of_a_checkpoint_are_those_that_count(file, caplog):
    assert history_of(kept(ROWS[:3]), file) == (ROWS[:3], [])
    assert caplog.text == ""
    changed = [*ROWS[:2], {"step": 20, "loss": 7.0}]
    assert history_of(kept(changed), file)[0] == changed
    assert "line 3 is damaged or was changed: it and the 1 after it are dropped" in caplog.text
    file.unlink()
    assert history_of(kept(ROWS[:3]), file)[0] == ROWS[:3]
    assert "line 1 is missing" in caplog.text


def test_a_checkpoint_of_before_they_were_kept_leaves_them_to_the_file(file):
    assert history_of(Checkpoint({"step": 10}, None), file) == (ROWS[:2], [])


def test_terms_that_are_pending_are_returned_and_checked(file):
    pending = {"names": ["loss"], "terms": torch.zeros(2, 1)}
    assert history_of(kept(ROWS[:3], pending=[pending, pending]), file)[1] == [pending, pending]
    assert history_of(kept(ROWS[:3], pending=pending), file)[1] == [pending]  # of before there were groups
    for wrong in (
        {},
        [[]],
        [pending, {}],
        {**pending, "names": ["a", "b"]},
        {**pending, "terms": [1]},
        {**pending, "names": [1]},
    ):
        with pytest.raises(RunError, match="holds no terms of a run"):
            history_of(kept(ROWS[:3], pending=wrong), file)
    with pytest.raises(RunError, match="holds no rows of a run: row 2 is no row"):
        history_of(kept([ROWS[0], 5]), file)
