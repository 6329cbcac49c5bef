import os

import numpy as np
import pytest

from otgan.data import DataError, SpecError, check, load
from otgan.data.files import FORMATS


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.npy", b"PK\x03\x04" + bytes(30), "expected a NumPy array, found a zip archive"),
        ("a.npz", b"\x93NUMPY" + bytes(30), "expected a NumPy archive, found a NumPy array"),
        ("a.parquet", b"x,y\n1,2\n", "expected a Parquet table, found bytes that start b'x,y"),
        ("a.pt", b"\x80\x02" + bytes(30), "expected an archive of torch.save, found a pickle"),
        ("a.npy", b"<!DOCTYPE html>", "found a web page"),
        ("a.npy", b"version https://git-lfs.github.com/spec/v1", "found a Git LFS pointer"),
        ("a.parquet", b"PAR1 and then nothing", "not a readable Parquet file"),
        ("a.npz", b"PK\x03\x04 and then nothing", "not a readable .npz file"),
        ("a.bin", b"hello", "5 bytes are no whole number of CIFAR-10 records"),
        ("a.csv", b"", "an empty file"),
        (
            "a.h5",
            b"\x89HDF\r\n",
            "cannot tell what kind of file this is by its name: expected one of .npy .npz",
        ),
        ("a.pkl", b"\x80\x04.", "cannot tell what kind"),
        ("a.png", b"\x89PNG", "cannot tell what kind"),
        ("a.gz", b"\x1f\x8b\x08 and then nothing", "damaged or truncated"),
    ],
)
def test_a_file_is_what_its_name_says(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    for act in (check, load):
        with pytest.raises(DataError, match=message) as caught:
            act(tmp_path / name)
        assert str(caught.value).startswith(str(tmp_path / name))
        assert "\n" not in str(caught.value)


def test_the_ending_counts_in_any_case(tmp_path):
    np.save(tmp_path / "a.npy", np.ones(3))
    (tmp_path / "a.npy").rename(tmp_path / "A.NPY")
    assert load(tmp_path / "A.NPY").shape == (3, 1)


def test_endings_belong_to_one_kind_each():
    endings = [suffix for kind in FORMATS for suffix in kind.suffixes]
    assert len(set(endings)) == len(endings)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
def test_what_is_neither_file_nor_folder_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "a.npy")
    with pytest.raises(DataError, match=r"a\.npy: neither a file nor a folder"):
        check(tmp_path / "a.npy")


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="nothing is hidden from the superuser"
)
def test_a_file_that_may_not_be_read(tmp_path):
    np.save(tmp_path / "a.npy", np.ones(3))
    (tmp_path / "a.npy").chmod(0)
    with pytest.raises(DataError, match=r"a\.npy: Permission denied"):
        check(tmp_path / "a.npy")


def test_a_file_has_no_test_split(tmp_path):
    np.save(tmp_path / "a.npy", np.ones(3))
    with pytest.raises(SpecError, match="no test split"):
        check(tmp_path / "a.npy", split="test")
