import copy
import json
import pickle
import struct
import subprocess
import sys
import warnings
import zipfile

import numpy as np
import pytest
import safetensors.numpy
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from otgan.data import DataError, SpecError, check, load, open_spec
from tests.data.damage import assert_read_or_refused, damaged

FINITE = st.floats(allow_nan=False, allow_infinity=False, width=32)


@settings(max_examples=25)
@given(values=hnp.arrays(np.float32, hnp.array_shapes(min_dims=1, max_dims=2, max_side=5), elements=FINITE))
def test_tensors_come_back_as_they_were_saved(tmp_path_factory, values):
    folder = tmp_path_factory.mktemp("tensors")
    torch.save(torch.from_numpy(values), folder / "a.pt")
    torch.save({"only": torch.from_numpy(values)}, folder / "a.pth")
    safetensors.numpy.save_file({"only": values}, folder / "a.safetensors")
    for name in ("a.pt", "a.pth", "a.safetensors"):
        check(folder / name)
        points = load(folder / name)
        assert points.dtype == np.float64
        assert np.array_equal(points, values if values.ndim == 2 else values[:, None])


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.bool])
def test_types_of_torch(tmp_path, dtype):
    tensor = torch.tensor([[0, 1], [1, 1]]).to(dtype)
    torch.save(tensor, tmp_path / "a.pt")
    safetensors.torch.save_file({"a": tensor}, tmp_path / "a.safetensors")
    for name in ("a.pt", "a.safetensors"):
        assert np.array_equal(load(tmp_path / name), [[0, 1], [1, 1]])


def test_parameters_and_views_are_read(tmp_path):
    torch.save(torch.nn.Parameter(torch.arange(6.0).reshape(2, 3)).T, tmp_path / "a.pt")
    assert np.array_equal(load(tmp_path / "a.pt"), np.arange(6.0).reshape(2, 3).T)


def test_images_of_bytes_are_scaled(tmp_path):
    images = torch.arange(2 * 3 * 4 * 5, dtype=torch.uint8).reshape(2, 3, 4, 5)
    torch.save(images, tmp_path / "a.pt")
    data = open_spec(tmp_path / "a.pt")
    assert data.shape == (3, 4, 5)
    assert np.array_equal(data.images(), images.numpy() / 255)


@pytest.mark.parametrize("suffix", ["pt", "safetensors"])
def test_several_tensors_are_asked_by_key(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    tensors = {"left": torch.zeros(3, 2), "right": torch.ones(4, 2)}
    if suffix == "pt":
        torch.save({**tensors, "step": 7}, path)
    else:
        safetensors.torch.save_file(tensors, path)
    assert np.array_equal(load(f"{path}#right"), np.ones((4, 2)))
    with pytest.raises(SpecError, match=r"several arrays \(left, right\)"):
        load(path)
    with pytest.raises(SpecError, match=r"no array 'up': it has left, right"):
        load(f"{path}#up")


class Bomb:
    def __reduce__(self):
        return print, ("unpickled",)


@pytest.mark.parametrize("content", [Bomb(), {"x": Bomb(), "y": torch.ones(2)}, [np.ones(3)]])
def test_objects_are_never_unpickled(tmp_path, capsys, content):
    torch.save(content, tmp_path / "a.pt")
    with pytest.raises(DataError, match=r"a.pt: does not hold tensors alone.*never unpickled") as caught:
        load(tmp_path / "a.pt")
    assert capsys.readouterr().out == ""
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([torch.ones(2)], "holds a list: expected a tensor"),
        (3.0, "holds a float"),
        ({"step": 3}, "a dict without tensors"),
        (torch.ones(3, dtype=torch.complex64), "complex numbers"),
        (torch.eye(3).to_sparse(), "sparse"),
        (torch.ones(()), "0 dimensions"),
        (torch.ones(0, 2), "no rows"),
        (torch.tensor([[1.0], [torch.nan]]), "row 1, column 0 .* is nan"),
    ],
)
def test_tensors_that_are_no_points(tmp_path, content, message):
    torch.save(content, tmp_path / "a.pt")
    with pytest.raises(DataError, match=rf"a.pt.*{message}"):
        load(tmp_path / "a.pt")


def saved(folder, content):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # nested tensors of a layout that is to go, and the like
        torch.save(content() if callable(content) else content, folder / "a.pt")
    return folder / "a.pt"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (lambda: torch.empty(3, 2, device="meta"), "on the device meta, whose values are not in the file"),
        (lambda: torch.nested.nested_tensor([torch.ones(2, 2), torch.ones(3, 2)]), "a nested tensor"),
        (
            lambda: torch.nested.nested_tensor([torch.ones(2, 2)], layout=torch.jagged),
            "nested|never unpickled",
        ),
        (lambda: torch.eye(3).to_sparse_csr(), "a sparse or quantized tensor"),
        (
            lambda: torch.quantize_per_tensor(torch.ones(3, 2), 0.1, 0, torch.qint8),
            "a sparse or quantized tensor",
        ),
        (lambda: torch.ones(3, 2, dtype=torch.complex64).conj(), "complex numbers"),
        (torch.as_strided(torch.ones(4), (3, 2), (0, 0)), "more than its file holds"),
        ({1: torch.ones(2), "1": torch.ones(3)}, "two of its tensors have one name"),
        ({"\x1b[2J\n": torch.ones(2), "b": torch.ones(3)}, r"several arrays \(\\x1b\[2J\\n, b\)"),
    ],
)
def test_tensors_of_odd_kinds_are_refused_in_one_line(tmp_path, content, message):
    with pytest.raises(DataError, match=rf"a.pt.*{message}") as caught:
        load(saved(tmp_path, content))
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "dtype", [torch.float8_e4m3fn, torch.float8_e5m2, torch.uint16, torch.uint32, torch.uint64]
)
def test_narrow_types_and_those_without_a_sign(tmp_path, dtype):
    assert np.array_equal(load(saved(tmp_path, torch.tensor([[1.0, 2.0]]).to(dtype))), [[1, 2]])


def test_views_that_are_yet_to_be_negated_are_negated(tmp_path):
    tensor = torch.tensor([[1 + 2j, 3 - 4j]]).conj().imag
    assert tensor.is_neg()
    assert np.array_equal(load(saved(tmp_path, tensor)), [[-2, 4]])


def test_strides_that_overlap_are_read_where_the_file_holds_as_much(tmp_path):
    tensor = torch.as_strided(torch.arange(12.0), (5, 2), (1, 1))
    assert np.array_equal(load(saved(tmp_path, tensor)), tensor.numpy())


def test_members_that_overlap_are_not_read_many_times(tmp_path):
    # Each entry of the directory says that its megabyte is the one megabyte there is.
    path = saved(tmp_path, torch.zeros(2**17, dtype=torch.float64))
    with zipfile.ZipFile(path, "a") as archive:
        (data,) = (info for info in archive.infolist() if info.filename.endswith("data/0"))
        for k in range(1, 50):
            more = copy.copy(data)
            more.filename = more.filename[:-1] + str(k)
            archive.filelist.append(more)
        archive._didModify = True
    with pytest.raises(DataError, match=r"a\.pt: its members claim more bytes than the file has"):
        check(path)


def test_a_type_that_torch_has_not(tmp_path):
    header = json.dumps({"x": {"dtype": "F4", "shape": [2, 2], "data_offsets": [0, 2]}}).encode()
    (tmp_path / "a.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(2))
    with pytest.raises(DataError, match=r"a\.safetensors"):
        load(tmp_path / "a.safetensors")


def test_a_tensor_has_no_members(tmp_path):
    torch.save(torch.ones(2), tmp_path / "a.pt")
    with pytest.raises(SpecError, match="no array 'x': it holds one Tensor"):
        load(f"{tmp_path}/a.pt#x")


def test_a_tensor_that_claims_more_than_its_file_holds(tmp_path):
    # Stride 0 makes one stored number a trillion: a legal tensor, whose rows nobody could hold.
    torch.save(torch.ones(1).expand(2**40), tmp_path / "a.pt")
    with pytest.raises(DataError, match=r"claims the shape \(1099511627776,\), more than its file holds"):
        load(tmp_path / "a.pt")


def test_what_is_no_archive_of_torch_is_refused_without_importing_torch(tmp_path):
    (tmp_path / "pickle.pt").write_bytes(pickle.dumps([1.0, 2.0]))
    (tmp_path / "text.pt").write_text("hello")
    torch.save(torch.ones(100), tmp_path / "cut.pt")
    (tmp_path / "cut.pt").write_bytes((tmp_path / "cut.pt").read_bytes()[:200])
    np.savez(tmp_path / "npz.npz", np.ones(3))
    (tmp_path / "npz.npz").rename(tmp_path / "npz.pt")
    with (
        zipfile.ZipFile(tmp_path / "deflated.pt", "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        archive.writestr("a/data.pkl", b"\0" * 1000)
    script = """
import sys
from pathlib import Path
from otgan.data import DataError, check
for path in sorted(Path(sys.argv[1]).glob("*.pt")):
    try:
        check(path)
    except DataError as error:
        print(error)
assert "torch" not in sys.modules
"""
    done = subprocess.run(
        [sys.executable, "-X", "utf8", "-c", script, tmp_path],
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    for line, words in zip(
        done.stdout.splitlines(),
        [
            "cut.pt: not an archive of torch.save",
            "deflated.pt: a compressed archive",
            "npz.pt: a zip archive, but not one of torch.save",
            "pickle.pt: expected an archive of torch.save, found a pickle",
            "text.pt: expected an archive of torch.save, found bytes that start b'hell'",
        ],
        strict=True,
    ):
        assert words in line


def test_archives_of_old_torch_are_refused(tmp_path):
    torch.save(torch.ones(3), tmp_path / "a.pt", _use_new_zipfile_serialization=False)
    with pytest.raises(DataError, match="found a pickle, which is never read"):
        check(tmp_path / "a.pt")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 7,
        struct.pack("<Q", 2**40) + b"{}",
        struct.pack("<Q", 10) + b"not json!!",
        struct.pack("<Q", 2) + b"{}",
        struct.pack("<Q", 62)
        + b'{"x":{"dtype":"F64","shape":[9999999],"data_offsets":[0,16]}}  '
        + bytes(16),
    ],
)
def test_broken_safetensors(tmp_path, content):
    (tmp_path / "a.safetensors").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.safetensors: ") as caught:
        check(tmp_path / "a.safetensors")
    assert "\n" not in str(caught.value)


@settings(max_examples=40)
@given(cut=st.integers(0, 100), at=st.integers(0, 900), noise=st.binary(min_size=1, max_size=30))
def test_damage_anywhere_is_one_kind_of_error_or_none(tmp_path_factory, cut, at, noise):
    folder = tmp_path_factory.mktemp("damaged")
    torch.save(torch.arange(6.0), folder / "a.pt")
    safetensors.numpy.save_file({"x": np.arange(6.0)}, folder / "a.safetensors")
    for path in (folder / "a.pt", folder / "a.safetensors"):
        path.write_bytes(damaged(path.read_bytes(), cut, at, noise))
        assert_read_or_refused(path)
