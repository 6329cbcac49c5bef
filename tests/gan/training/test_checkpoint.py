import logging
import pickle

import pytest
import torch

from otgan.gan.training import checkpoint
from otgan.gan.training.checkpoint import CheckpointError

STATE = {"nets": {"generator": {"weight": torch.arange(4000.0)}}, "batches": {"epoch": 3}}


def test_round_trip_and_only_two_are_kept(tmp_path):
    for step in (100, 200, 300):
        checkpoint.save(tmp_path, step, STATE)
    assert [path.name for path in checkpoint.saved(tmp_path)] == [
        "checkpoint-00000200.pt",
        "checkpoint-00000300.pt",
    ]
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in checkpoint.saved(tmp_path)}
    state = checkpoint.latest(tmp_path)
    assert state["step"] == 300
    assert torch.equal(state["nets"]["generator"]["weight"], STATE["nets"]["generator"]["weight"])


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_torn_file_is_refused_and_the_one_before_is_used(tmp_path, share, caplog):
    checkpoint.save(tmp_path, 100, STATE)
    last = checkpoint.save(tmp_path, 200, STATE)
    content = last.read_bytes()
    last.write_bytes(content[: int(share * len(content))])
    with pytest.raises(CheckpointError, match="torn or damaged"):
        checkpoint.load(last)
    with caplog.at_level(logging.WARNING, "otgan"):
        assert checkpoint.latest(tmp_path)["step"] == 100
    assert "checkpoint-00000200.pt: torn" in caplog.text


def test_flipped_bit_is_refused(tmp_path):
    path = checkpoint.save(tmp_path, 100, STATE)
    content = bytearray(path.read_bytes())
    at = content.find(torch.arange(4000.0)[1000:1010].numpy().tobytes())
    assert at > 0
    content[at] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="does not match its checksum"):
        checkpoint.load(path)


class Foreign:
    pass


@pytest.mark.parametrize("content", [{"step": 1}, [1, 2], Foreign()])
def test_foreign_file_is_refused(tmp_path, content):
    path = tmp_path / "checkpoint-00000001.pt"
    torch.save(content, path)
    with pytest.raises(CheckpointError, match=r"not a checkpoint|cannot be read as a checkpoint"):
        checkpoint.load(path)


def test_pickle_is_not_run(tmp_path):
    path = tmp_path / "checkpoint-00000001.pt"
    path.write_bytes(pickle.dumps(Foreign()))
    with pytest.raises(CheckpointError):
        checkpoint.load(path)


def test_no_usable_checkpoint_says_so(tmp_path):
    assert checkpoint.latest(tmp_path) is None
    (tmp_path / "checkpoint-00000001.pt").write_bytes(b"")
    with pytest.raises(CheckpointError, match="no usable checkpoint"):
        checkpoint.latest(tmp_path)


def test_failed_write_leaves_the_old_file_and_no_trace(tmp_path):
    path = checkpoint.save(tmp_path, 100, STATE)
    before = path.read_bytes()
    with pytest.raises((AttributeError, pickle.PicklingError, TypeError)):
        checkpoint.save(tmp_path, 100, {"nets": lambda: None})
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
