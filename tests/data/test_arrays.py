import io
import struct
import tracemalloc
import warnings
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from otgan.data import DataError, SpecError, check, load, open_spec
from tests.data.damage import assert_read_or_refused, damaged

REAL = hnp.integer_dtypes() | hnp.unsigned_integer_dtypes() | hnp.floating_dtypes(sizes=(16, 32, 64))


def header(shape: str, descr: str = "'<f8'", version: int = 1) -> bytes:
    """Return a .npy header that says anything."""
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    length = struct.pack("<H" if version == 1 else "<I", len(text) + 1)
    return b"\x93NUMPY" + bytes([version, 0]) + length + text + b"\n"


@given(
    values=REAL.flatmap(
        lambda dtype: hnp.arrays(
            dtype,
            hnp.array_shapes(min_dims=1, max_dims=2, max_side=6),
            elements={"allow_nan": False, "allow_infinity": False} if dtype.kind == "f" else None,
        )
    ),
    fortran=st.booleans(),
)
def test_npy_and_npz_give_back_what_numpy_wrote(tmp_path_factory, values, fortran):
    folder = tmp_path_factory.mktemp("arrays")
    values = np.asfortranarray(values) if fortran else values
    expected = (values if values.ndim == 2 else values[:, None]).astype(np.float64)
    np.save(folder / "a.npy", values)
    np.savez(folder / "a.npz", any_name=values)
    np.savez_compressed(folder / "c.npz", values)
    for name in ("a.npy", "a.npz", "c.npz"):
        check(folder / name)
        points = load(folder / name)
        assert points.dtype == np.float64
        assert np.array_equal(points, expected)


def test_rows_of_a_large_array_are_drawn_without_reading_it(tmp_path):
    values = np.lib.format.open_memmap(tmp_path / "a.npy", "w+", np.float64, (4000, 1000))
    values[:, 0] = np.arange(4000)
    values.flush()
    tracemalloc.start()
    points = load(tmp_path / "a.npy", n=10, seed=1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20 < values.nbytes
    assert len(set(points[:, 0])) == 10


def test_stacks_of_images_become_rows_of_their_channels(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (5, 7, 6, 3), dtype=np.uint8)
    np.save(tmp_path / "last.npy", images)
    np.save(tmp_path / "first.npy", images.transpose(0, 3, 1, 2))
    np.save(tmp_path / "gray.npy", images[..., 0])
    last, first, gray = (open_spec(tmp_path / f"{name}.npy") for name in ("last", "first", "gray"))
    assert last.shape == first.shape == (3, 7, 6)
    assert gray.shape == (1, 7, 6)
    assert np.array_equal(last.points, first.points)
    assert np.array_equal(last.images()[2, 1], images[2, :, :, 1] / 255)
    assert np.array_equal(gray.points, images[..., 0].reshape(5, -1) / 255)


def test_numbers_are_not_scaled_because_they_are_bytes(tmp_path):
    np.save(tmp_path / "a.npy", np.array([[0, 255], [3, 4]], dtype=np.uint8))
    assert load(tmp_path / "a.npy").max() == 255


def test_an_archive_of_several_arrays_is_asked_by_key(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, labels=np.zeros(3), data=np.ones((3, 2)), weights=np.full(3, 2.0))
    assert np.array_equal(load(path), np.ones((3, 2)))
    assert np.array_equal(load(f"{path}#weights"), np.full((3, 1), 2.0))
    with pytest.raises(SpecError, match=r"no array 'x': it has labels, data, weights"):
        load(f"{path}#x")
    np.savez(path, one=np.zeros(3), two=np.ones(3))
    with pytest.raises(SpecError, match=r"several arrays \(one, two\): name one, like .*a.npz#one"):
        check(path)


def test_a_npy_file_has_no_members(tmp_path):
    np.save(tmp_path / "a.npy", np.ones(3))
    with pytest.raises(SpecError, match="no member 'x'"):
        load(f"{tmp_path}/a.npy#x")


def test_version_3_headers_are_read(tmp_path):
    (tmp_path / "a.npy").write_bytes(header("(2,)", version=3) + np.array([1.0, 2.0]).tobytes())
    assert np.array_equal(load(tmp_path / "a.npy"), [[1.0], [2.0]])


class Bomb:
    def __reduce__(self):
        return print, ("unpickled",)


@pytest.mark.parametrize("save", [np.save, np.savez])
def test_objects_are_never_unpickled(tmp_path, capsys, save):
    path = tmp_path / ("a.npy" if save is np.save else "a.npz")
    save(path, np.array([Bomb()], dtype=object))
    with pytest.raises(DataError, match=r"a\.np.*Python objects"):
        check(path)
    with pytest.raises(DataError, match="never read"):
        load(path)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("values", "found"),
    [
        (np.ones(3, dtype=complex), "complex numbers"),
        (np.array(["1", "2"]), "text"),
        (np.array([b"1"]), "text"),
        (np.array(["2020-01-01"], dtype="M8[D]"), "dates"),
        (np.zeros(3, dtype=[("x", float), ("y", float)]), "records"),
        (np.float64(3.0), "0 dimensions"),
        (np.ones((2, 1, 1, 1, 1)), "5 dimensions"),
        (np.ones((0, 2)), "no rows"),
        (np.ones((3, 0)), "no columns"),
    ],
)
def test_arrays_that_are_no_points(tmp_path, values, found):
    np.save(tmp_path / "a.npy", values)
    np.savez(tmp_path / "a.npz", values)
    for name in ("a.npy", "a.npz"):
        with pytest.raises(DataError, match=rf"{name}.*{found}"):
            check(tmp_path / name)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_number_that_is_none_is_named_with_its_place(tmp_path, bad):
    values = np.ones((6, 3), dtype=np.float32)
    values[4, 1] = bad
    np.save(tmp_path / "a.npy", values)
    with pytest.raises(DataError, match=rf"a.npy: row 4, column 1 .* is {bad}"):
        load(tmp_path / "a.npy")
    with pytest.raises(DataError, match="row 4, column 1"):
        load(tmp_path / "a.npy", n=6, seed=3)


def test_a_number_too_large_for_the_type_is_reported(tmp_path):
    np.save(tmp_path / "a.npy", np.array([[1.0, 1e300]]))
    assert load(tmp_path / "a.npy")[0, 1] == 1e300
    with pytest.raises(DataError, match=r"column 1 .* is 1e\+300, which float32 cannot hold"):
        open_spec(tmp_path / "a.npy", dtype=np.float32)


@pytest.mark.parametrize(
    "content",
    [
        header("(1099511627776,)"),
        header("(1048576, 1048576)") + bytes(80),
        header("(-4,)") + bytes(32),
        header("(4,)") + bytes(31),
        header("(4,)") + bytes(33),
        header("(4,")[:-9],
        header("(4,)")[:20],
        header("(" * 5000 + ")" * 5000),
        header("('x',)"),
        header("(4,)", descr="'no such type'") + bytes(32),
        header("(4,)", descr="'|O'") + bytes(32),
        header("(4,)").replace(b"\x01\x00", b"\x09\x00", 1) + bytes(32),
        header("(4,)").replace(b"\x01\x00", b"\x01\x07", 1) + bytes(32),
        b"\x93NUMPY\x02\x00\xff\xff\xff\x7f" + bytes(32),
        b"\x93NUMPY",
    ],
)
def test_headers_that_lie_are_found_out_before_anything_is_allocated(tmp_path, content):
    path = tmp_path / "a.npy"
    path.write_bytes(content)
    tracemalloc.start()
    with pytest.raises(DataError, match=r"a\.npy: ") as caught:
        check(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**24
    assert "\n" not in str(caught.value)


@given(cut=st.integers(0, 200), noise=st.binary(min_size=1, max_size=40), at=st.integers(0, 160))
def test_damage_anywhere_is_one_kind_of_error_or_none(tmp_path_factory, cut, noise, at):
    folder = tmp_path_factory.mktemp("damaged")
    buffers = {"a.npy": io.BytesIO(), "a.npz": io.BytesIO(), "c.npz": io.BytesIO()}
    values = np.arange(6.0).reshape(3, 2)
    np.save(buffers["a.npy"], values)
    np.savez(buffers["a.npz"], values)
    np.savez_compressed(buffers["c.npz"], values)
    for name, buffer in buffers.items():
        (folder / name).write_bytes(damaged(buffer.getvalue(), cut, at, noise))
        assert_read_or_refused(folder / name)


def test_a_zip_archive_that_promises_too_much(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x.npy", header("(1099511627776,)") + bytes(64))
    with pytest.raises(DataError, match=r"promises 8796093022208 bytes .* holds 64"):
        check(tmp_path / "a.npz")
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("readme.txt", "no arrays")
    with pytest.raises(DataError, match="without a NumPy array"):
        check(tmp_path / "a.npz")


def test_a_zip_member_that_claims_more_than_it_can_hold(tmp_path):
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", header("(4,)") + bytes(32))
    content = path.read_bytes()
    entry = content.rindex(b"PK\x01\x02")  # the central directory: its uncompressed size is at 24
    path.write_bytes(content[: entry + 24] + struct.pack("<I", 2**31) + content[entry + 28 :])
    with pytest.raises(DataError, match=r"x.*promises 2147483648 bytes, more than its \d+ can hold"):
        check(path)


def test_more_than_the_memory_is_refused(tmp_path, monkeypatch):
    np.save(tmp_path / "a.npy", np.ones((100, 20_000)))
    monkeypatch.setattr("otgan.data.sources.available", lambda need: 16_000_000)
    with pytest.raises(
        DataError,
        match=r"a.npy: 100 rows need 17.2 MiB of memory, and 15.3 MiB are free: draw fewer, or split",
    ):
        load(tmp_path / "a.npy")
    assert len(load(tmp_path / "a.npy", n=47)) == 47


@pytest.mark.parametrize(
    "shape",
    [
        "(True, 2)",
        "(2, True)",
        "(True,)",
        "(-1, 2)",
        "(0x" + "f" * 5000 + ",)",
        "(2**63, 1)",
        "(" + "1, " * 2000 + ")",
    ],
)
@pytest.mark.parametrize("suffix", ["npy", "npz"])
def test_shapes_that_numpy_never_writes(tmp_path, shape, suffix):
    content, path = header(shape) + bytes(16), tmp_path / f"a.{suffix}"
    if suffix == "npy":
        path.write_bytes(content)
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("x.npy", content)
    with pytest.raises(DataError, match=rf"a\.{suffix}") as caught:
        check(path)
    assert len(str(caught.value)) < 1000


def test_two_arrays_of_one_name(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile warns of what is done here
        for value in (1.0, 2.0):
            archive.writestr("x.npy", header("(1,)") + np.float64(value).tobytes())
    with pytest.raises(DataError, match="two of its arrays have one name"):
        check(tmp_path / "a.npz")


def test_a_header_of_python_2_is_read_without_words(tmp_path):
    content = header("(2L, 1L)") + np.array([3.0, 4.0]).tobytes()
    (tmp_path / "a.npy").write_bytes(content)
    assert np.array_equal(load(tmp_path / "a.npy"), [[3], [4]])
    # Version 3, which is younger than Python 2, with a header of Python 2: NumPy reads it or not, we say one thing.
    (tmp_path / "b.npy").write_bytes(b"\x93NUMPY\x03\0" + content[8:10] + b"\0\0" + content[10:])
    assert np.array_equal(load(tmp_path / "b.npy"), [[3], [4]])
