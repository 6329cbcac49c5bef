import json

import pytest
import torch

from otgan.gan.errors import DamagedError, WriteError
from otgan.gan.files import read_tensors, remove, write_json, write_whole, writing


def test_json_is_strict_and_names_that_are_no_text_are_read_back(tmp_path):
    path = tmp_path / "a.json"
    content = {"a": [1, 2.5, None], "spec": "\udcff.npy", "δ": "ε"}
    write_json(path, content)
    assert json.loads(path.read_text(encoding="utf-8")) == content
    before = path.read_bytes()
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, float("nan"))
    assert path.read_bytes() == before


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "file"
    write_whole(path, lambda file: file.write(b"old"))

    def half(file):
        file.write(b"half")
        raise KeyError

    with pytest.raises(KeyError):
        write_whole(path, half)
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_what_the_system_refuses_is_one_sentence(tmp_path):
    with (
        pytest.raises(WriteError, match="here: cannot be written: No such file or directory"),
        writing("here"),
    ):
        (tmp_path / "none" / "file").write_text("")
    remove(tmp_path / "none")  # is gone already
    (tmp_path / "file").write_text("")
    remove(tmp_path / "file")
    assert not list(tmp_path.iterdir())
    (tmp_path / "folder").mkdir()
    with pytest.raises(WriteError, match="folder: cannot be written"):
        remove(tmp_path / "folder")


def test_tensors_are_read_as_they_were_written_or_not(tmp_path):
    path, tensor = tmp_path / "a.pt", torch.arange(1000.0)
    torch.save({"x": tensor}, path)
    assert torch.equal(read_tensors(path)["x"], tensor)
    content = bytearray(path.read_bytes())
    content[content.find(tensor[500:510].numpy().tobytes())] ^= 1
    path.write_bytes(content)
    with pytest.raises(DamagedError, match="does not match its checksum"):
        read_tensors(path)
