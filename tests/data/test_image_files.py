import gzip
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from otgan.data import DataError, SpecError, check, load, open_spec
from otgan.data.image_files import CIFAR10_CLASSES
from tests.data.damage import assert_read_or_refused, damaged

CODES = {"u1": 8, "i1": 9, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}


def idx(values: np.ndarray, shape: tuple[int, ...] | None = None) -> bytes:
    """Return an IDX file of an array, or one that claims another shape."""
    shape = values.shape if shape is None else shape
    code = CODES[values.dtype.str[1:]]
    start = bytes([0, 0, code, len(shape)]) + struct.pack(f">{len(shape)}I", *shape)
    return start + values.astype(values.dtype.newbyteorder(">")).tobytes()


@settings(max_examples=50)
@given(
    values=st.sampled_from(list(CODES)).flatmap(
        lambda code: hnp.arrays(
            np.dtype(code),
            hnp.array_shapes(min_dims=1, max_dims=3, max_side=4),
            elements={"allow_nan": False, "allow_infinity": False} if code[0] == "f" else None,
        )
    )
)
def test_idx_files_give_back_their_numbers(tmp_path_factory, values):
    folder = tmp_path_factory.mktemp("idx")
    (folder / "items-ubyte").write_bytes(idx(values))
    (folder / "items.idx.gz").write_bytes(gzip.compress(idx(values)))
    (folder / "any name").write_bytes(idx(values))
    scale = 255 if values.dtype == np.uint8 and values.ndim == 3 else 1
    for path in folder.iterdir():
        check(path)
        assert np.array_equal(load(path), values.reshape(len(values), -1).astype(float) / scale)


def test_stacks_in_idx_files_are_images(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (5, 4, 6), dtype=np.uint8)
    (tmp_path / "a-idx3-ubyte").write_bytes(idx(images))
    data = open_spec(tmp_path / "a-idx3-ubyte", n=3, seed=1)
    assert data.shape == (1, 4, 6)
    assert data.points.min() >= 0
    assert data.points.max() <= 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (idx(np.zeros((2, 3), np.uint8), (2**32 - 1, 2**8)), "promises 1099511627520 bytes"),
        (idx(np.zeros((2, 3), np.uint8))[:-1], "more than the file's"),
        (idx(np.zeros((2, 3), np.uint8)) + b"\0", "1 bytes follow the 6"),
        (idx(np.zeros((2, 3), np.uint8))[:6], "ends within its header"),
        (idx(np.zeros((2, 3), np.uint8), (0, 3)), "no rows"),
        (idx(np.zeros(8, np.uint8), (2, 1, 2, 1, 2)), "5 dimensions"),
        (b"\0\0\x07\x01" + bytes(8), "not an IDX file: it starts with 00 00 07 01"),
        (b"hello world", "not an IDX file"),
        (b"\0\0", "not an IDX file"),
        (b"\x80\x04pickle", "not an IDX file"),
    ],
)
@pytest.mark.parametrize("end", ["", ".gz"])
def test_idx_headers_that_lie(tmp_path, content, message, end):
    path = tmp_path / f"a-ubyte{end}"
    path.write_bytes(gzip.compress(content) if end else content)
    if end and ("more than" in message or "follow" in message):
        message = "promises 6 bytes, but it holds"  # a gzipped file shows its size only when it is read
        check(path)
    else:
        with pytest.raises(DataError, match=message):
            check(path)
    with pytest.raises(DataError, match=rf"a-ubyte{end}: .*{message}") as caught:
        load(path)
    assert "\n" not in str(caught.value)


def test_gzip_and_name_must_agree(tmp_path):
    content = idx(np.zeros((2, 3), np.uint8))
    (tmp_path / "a-ubyte.gz").write_bytes(content)
    (tmp_path / "a-ubyte").write_bytes(gzip.compress(content))
    with pytest.raises(DataError, match=r"called \.gz, but not compressed"):
        check(tmp_path / "a-ubyte.gz")
    with pytest.raises(DataError, match=r"compressed by gzip, though not called \.gz"):
        check(tmp_path / "a-ubyte")


@pytest.mark.parametrize("keep", [3, 12, 30, -1, -8])
def test_truncated_gzip(tmp_path, keep):
    content = gzip.compress(idx(np.random.default_rng(0).integers(0, 256, (9, 9), dtype=np.uint8)))
    (tmp_path / "a-ubyte.gz").write_bytes(content[:keep])
    with pytest.raises(DataError, match=r"a-ubyte.gz: damaged or truncated"):
        load(tmp_path / "a-ubyte.gz")


@given(cut=st.integers(0, 60), at=st.integers(0, 90), noise=st.binary(min_size=1, max_size=20))
def test_damage_anywhere_is_one_kind_of_error_or_none(tmp_path_factory, cut, at, noise):
    folder = tmp_path_factory.mktemp("damaged")
    content = idx(np.arange(60, dtype=np.float32).reshape(5, 3, 4))
    (folder / "plain.idx").write_bytes(damaged(content, cut, at, noise))
    (folder / "gzipped.idx.gz").write_bytes(damaged(gzip.compress(content), cut, at, noise))
    for path in folder.iterdir():
        assert_read_or_refused(path)


@pytest.fixture
def mnist_like(tmp_path):
    """Return a folder in MNIST's layout: 30 and 12 images that show their number in their first pixel."""
    for prefix, count, end in (("train", 30, ".gz"), ("t10k", 12, "")):
        images = np.zeros((count, 28, 28), np.uint8)
        images[:, 0, 0] = np.arange(count)
        labels = (np.arange(count) % 10).astype(np.uint8)
        for name, values in (
            (f"{prefix}-images-idx3-ubyte", images),
            (f"{prefix}-labels-idx1-ubyte", labels),
        ):
            content = gzip.compress(idx(values)) if end else idx(values)
            (tmp_path / f"{name}{end}").write_bytes(content)
    return tmp_path


def test_mnist_carries_its_labels(mnist_like):
    data = open_spec(mnist_like)
    assert data.shape == (1, 28, 28)
    assert data.classes == tuple("0123456789")
    assert np.array_equal(np.round(data.points[:, 0] * 255), np.arange(30))
    assert np.array_equal(data.labels, np.arange(30) % 10)
    assert np.array_equal(np.round(load(f"{mnist_like}:3")[:, 0] * 255), [3, 13, 23])
    assert len(open_spec(mnist_like, split="test")) == 12


def test_images_and_labels_of_mnist_must_belong_together(mnist_like):
    images, labels = (mnist_like / f"t10k-{kind}-ubyte" for kind in ("images-idx3", "labels-idx1"))
    good = labels.read_bytes()
    labels.write_bytes(idx(np.zeros(11, np.uint8)))
    with pytest.raises(DataError, match=r"labels.*expected 12 labels, found an array of shape \(11,\)"):
        check(mnist_like, split="test")
    labels.write_bytes(idx(np.full(12, 77, np.uint8)))
    with pytest.raises(DataError, match="item 0 has the label 77: expected 0 to 9"):
        load(mnist_like, split="test")
    labels.unlink()
    with pytest.raises(DataError, match="t10k-labels-idx1-ubyte is missing beside it"):
        check(mnist_like, split="test")
    labels.write_bytes(good)
    images.write_bytes(good)
    with pytest.raises(DataError, match="expected images of bytes"):
        check(mnist_like, split="test")


def test_the_real_mnist(mnist_dir):
    data = open_spec("mnist:3", n=50, seed=1, data_dir=mnist_dir.parent)
    assert data.points.shape == (50, 784)
    assert set(data.labels) == {3}
    everything = open_spec(mnist_dir)
    assert np.bincount(everything.labels).tolist() == [
        5923,
        6742,
        5958,
        6131,
        5842,
        5421,
        5918,
        6265,
        5851,
        5949,
    ]
    assert everything.points.max() == 1
    assert everything.points.mean() == pytest.approx(0.1306604762738429)
    rows = {row.tobytes() for row in everything.points[everything.labels == 3]}
    assert all(row.tobytes() in rows for row in data.points)
    assert len(load(mnist_dir, split="test")) == 10_000


def records(labels: np.ndarray, pixels: np.ndarray) -> bytes:
    """Return CIFAR-10 records, pixels of shape (n, 3, 32, 32)."""
    return (
        np.concatenate([labels[:, None], pixels.reshape(len(pixels), -1)], axis=1).astype(np.uint8).tobytes()
    )


@pytest.fixture
def cifar10_folder(tmp_path):
    """Return a folder in CIFAR-10's binary layout, and its training labels and pixels."""
    folder = tmp_path / "cifar-10-batches-bin"
    folder.mkdir()
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (50, 3, 32, 32), dtype=np.uint8)
    labels = np.arange(50) % 10
    for k in range(5):
        part = slice(10 * k, 10 * k + 10)
        (folder / f"data_batch_{k + 1}.bin").write_bytes(records(labels[part], pixels[part]))
    (folder / "test_batch.bin").write_bytes(records(labels[:7], pixels[:7]))
    return folder, labels, pixels


def test_cifar10_carries_its_labels_and_channels(cifar10_folder):
    folder, labels, pixels = cifar10_folder
    data = open_spec(folder)
    assert data.shape == (3, 32, 32)
    assert np.array_equal(data.images(), pixels / 255)
    assert np.array_equal(data.labels, labels)
    assert len(load(folder, split="test")) == 7
    assert np.array_equal(load(folder / "data_batch_2.bin"), pixels[10:20].reshape(10, -1) / 255)


def test_a_class_of_cifar10_goes_by_name_or_number(cifar10_folder):
    folder, labels, pixels = cifar10_folder
    cats = pixels[labels == CIFAR10_CLASSES.index("cat")].reshape(5, -1) / 255
    for spec in (f"{folder}:cat", f"{folder}:3"):
        assert np.array_equal(load(spec), cats)
    for label in ("kitten", "10", "-1", "³"):
        with pytest.raises(SpecError, match="it has airplane, automobile"):
            check(f"{folder}:{label}")


def test_a_class_may_have_no_rows_left(cifar10_folder):
    folder, _, _ = cifar10_folder
    with pytest.raises(DataError, match="truck has no rows"):
        load(f"{folder}:truck", split="test")


def test_batches_may_be_short_but_not_torn(cifar10_folder):
    folder, _, pixels = cifar10_folder
    (folder / "data_batch_5.bin").write_bytes(b"")
    assert len(load(folder)) == 40
    (folder / "data_batch_5.bin").write_bytes(bytes(3072))
    with pytest.raises(DataError, match=r"data_batch_5.bin: 3072 bytes are no whole number"):
        check(folder)
    (folder / "data_batch_5.bin").write_bytes(records(np.array([3, 10]), pixels[:2]))
    with pytest.raises(DataError, match=r"data_batch_5.bin: item 1 has the label 10"):
        load(folder)
    (folder / "data_batch_5.bin").unlink()
    with pytest.raises(DataError, match=r"data_batch_5.bin missing: an incomplete copy"):
        check(folder)


def test_the_pickled_version_is_never_read(tmp_path):
    (tmp_path / "data_batch_1").write_bytes(b"\x80\x04.")
    (tmp_path / "batches.meta").write_bytes(b"\x80\x04.")
    with pytest.raises(
        DataError, match=r"never read because unpickling may run code.*otgan data fetch cifar10"
    ):
        check(tmp_path)


def test_drawing_with_labels_is_the_beginning_of_a_larger_draw(cifar10_folder):
    folder, labels, pixels = cifar10_folder
    small, large = open_spec(folder, n=5, seed=3), open_spec(folder, n=50, seed=3)
    assert np.array_equal(small.points, large.points[:5])
    assert np.array_equal(small.labels, large.labels[:5])
    order = [int(np.flatnonzero((pixels / 255 == image).all((1, 2, 3)))[0]) for image in large.images()]
    assert sorted(order) == list(range(50))
    assert np.array_equal(large.labels, labels[order])
