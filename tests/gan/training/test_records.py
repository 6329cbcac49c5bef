import json
import math

import pytest
import torch

from otgan.gan.errors import DivergedError, OptionError
from otgan.gan.training.folder import Folder
from otgan.gan.training.records import Records


def terms(a, b):
    return {"wasserstein": torch.tensor(a), "loss": torch.tensor(b)}


def test_estimate_is_a_median_and_the_rest_are_means():
    records = Records(None, "wasserstein")
    for a, b in [(1.0, 1.0), (2.0, 2.0), (300.0, 6.0)]:
        records.add(terms(a, b))
    assert records.flush(3, seconds=0.5) == {"step": 3, "wasserstein": 2.0, "loss": 3.0, "seconds": 0.5}
    assert records.flush(3) == {}
    assert len(records.history) == 1


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_first_number_that_is_not_finite_is_named_with_its_step(bad):
    records = Records(None, None)
    for value in (1.0, bad, bad):
        records.add(terms(1.0, value))
    with pytest.raises(DivergedError, match=f"step 19: loss became {bad}"):
        records.flush(20)


def test_rows_are_lines_and_a_resumed_file_holds_the_history_alone(tmp_path):
    folder = Folder(tmp_path)
    records = Records(folder, None)
    for step in (10, 20, 30):
        records.add(terms(1.0, step))
        records.flush(step)
    records.close()
    resumed = Records(folder, None, records.history[:2])
    resumed.write({"step": 25})
    resumed.close()
    assert [json.loads(line)["step"] for line in folder.metrics_file.read_text().splitlines()] == [10, 20, 25]


def test_terms_in_no_row_yet_go_on_where_they_were():
    records = Records(None, "wasserstein")
    for value in (1.0, 2.0):
        records.add(terms(value, value))
    state = records.state_dict()
    again = Records(None, "wasserstein", pending=state["pending"])
    for each in (records, again):
        each.add(terms(9.0, 9.0))
    assert again.flush(3) == records.flush(3) == {"step": 3, "wasserstein": 2.0, "loss": 4.0}
    assert "pending" not in records.state_dict()


def test_each_term_is_averaged_over_the_steps_that_had_it():
    records = Records(None, "wasserstein")
    for value in (1.0, 3.0):
        records.add({"reconstruction": torch.tensor(value)})
    records.add(terms(5.0, 7.0))
    pending = records.state_dict()["pending"]
    assert [group["names"] for group in pending] == [["reconstruction"], ["wasserstein", "loss"]]
    again = Records(None, "wasserstein", pending=pending)
    row = {"step": 3, "reconstruction": 2.0, "wasserstein": 5.0, "loss": 7.0}
    assert again.flush(3) == records.flush(3) == row
    records.add({"reconstruction": torch.tensor(1.0)})
    records.add(terms(1.0, math.inf))
    with pytest.raises(DivergedError, match="step 5: loss became inf"):
        records.flush(5)


def test_tensorboard_needs_a_folder():
    with pytest.raises(OptionError, match="need a folder"):
        Records(None, None, tensorboard=True)
