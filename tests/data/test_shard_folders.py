"""Folders of shards: any rows of the whole, from any number of files, by what is read of them."""

import itertools

import numpy as np
import pandas as pd
import pytest

from otgan.data import DataError, SpecError
from otgan.data.files import FORMATS, open_shard, shard_suffixes
from otgan.data.shard_folders import ShardFolder

ROWS = np.random.default_rng(4).normal(size=(23, 3))
CUTS = (0, 4, 4, 15, 23)
"""Where shards begin and end: the second of them is empty."""


def as_npy(path, rows):
    np.save(path.with_suffix(".npy"), rows)


def as_columns(path, rows):
    np.save(path.with_suffix(".npy"), np.asfortranarray(rows))


def as_parquet(path, rows):
    pd.DataFrame(rows, columns=["u", "v", "w"]).to_parquet(path.with_suffix(".parquet"), row_group_size=5)


def written(folder, write, rows=ROWS, cuts=CUTS):
    folder.mkdir()
    for k, (start, stop) in enumerate(itertools.pairwise(cuts)):
        write(folder / f"part-{k}", rows[start:stop])
    (folder / "_SUCCESS").touch()  # which writers of shards leave beside them
    (folder / ".part-0.crc").touch()
    return folder


@pytest.mark.parametrize("write", [as_npy, as_columns, as_parquet])
@pytest.mark.parametrize("size", [1, 2, 3, 5, 40])
def test_shares_are_contiguous_balanced_and_the_whole(tmp_path, write, size):
    found = ShardFolder.open(written(tmp_path / "set", write))
    assert found.rows == len(ROWS)
    ranges = [found.share(rank, size) for rank in range(size)]
    assert [start for start, _ in ranges] + [len(ROWS)] == [0, *(stop for _, stop in ranges)]
    counts = [stop - start for start, stop in ranges]
    assert max(counts) - min(counts) <= 1
    parts = [found.read(*each)[0] for each in ranges]
    assert all(part.points.shape == (count, 3) for part, count in zip(parts, counts, strict=True))
    assert np.array_equal(np.concatenate([part.points for part in parts]), ROWS)
    assert {part.columns for part in parts} == {("u", "v", "w") if write is as_parquet else ()}


def test_what_is_read_is_what_is_asked_for(tmp_path):
    npy = ShardFolder.open(written(tmp_path / "npy", as_npy))
    assert npy.read(3, 9)[1] == 6 * 3 * 8
    assert npy.read(5, 5)[1] == 0
    # Row groups of 5 rows are read whole: rows 6 to 13 of the whole are 2 to 9 of the third file, in two of its groups.
    parquet = ShardFolder.open(written(tmp_path / "parquet", as_parquet))
    assert parquet.read(6, 14)[1] == 10 * 3 * 8


def test_numbers_are_read_as_files_of_their_kind_are(tmp_path):
    pictures = np.random.default_rng(0).integers(0, 256, (6, 4, 4), dtype=np.uint8)
    found = ShardFolder.open(written(tmp_path / "set", as_npy, pictures, (0, 2, 6)))
    assert np.array_equal(found.read(1, 5)[0].points, pictures[1:5].reshape(4, 16) / 255)
    line = ShardFolder.open(written(tmp_path / "line", as_npy, np.arange(7), (0, 3, 7)))
    assert line.read(2, 6)[0].points.tolist() == [[2], [3], [4], [5]]


def test_shards_are_in_the_order_of_their_names(tmp_path):
    for name in ("b", "a", "c"):
        np.save(tmp_path / f"{name}.npy", np.array([ord(name)]))
    assert ShardFolder.open(tmp_path).read(0, 3)[0].points[:, 0].tolist() == [97, 98, 99]


def other(write, rows):
    return lambda folder: write(folder / "part-9", rows)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (other(as_npy, np.ones((2, 4))), r"part-9.npy: rows of shape \(4,\) of float64, where part-0.npy has rows"),
        (other(as_npy, np.ones((2, 3), np.float32)), r"of float32, where part-0.npy has .*float64"),
        (other(as_npy, np.ones(2)), r"part-9.npy: single numbers of float64, where"),
        (other(as_parquet, np.ones((2, 3))), r"columns u, v, w, where part-0.npy has .* alike"),
        (other(as_npy, np.array(["x"])), r"part-9.npy: expected real numbers"),
        (lambda folder: (folder / "notes.txt").write_text("x"), r"notes.txt: cannot tell what kind of file"),
        (lambda folder: (folder / "t.csv").write_text("1,2,3\n"), r"t.csv: .*text: expected a shard, one of .npy"),
        (lambda folder: (folder / "part-9.npy").touch(), r"part-9.npy: an empty file"),
        (lambda folder: (folder / "part-9.npy").mkdir(), r"part-9.npy: neither a file"),
        (lambda folder: (folder / "part-9.npy").write_bytes(b"PAR1"), r"expected a NumPy array, found a Parquet"),
        (
            lambda folder: (folder / "part-0.npy").write_bytes((folder / "part-0.npy").read_bytes()[:-8]),
            r"part-0.npy: its header promises",
        ),
    ],
)  # fmt: skip
def test_what_is_no_shard_of_the_set_is_named(tmp_path, change, message):
    folder = written(tmp_path / "set", as_npy)
    change(folder)
    with pytest.raises(DataError, match=message) as caught:
        ShardFolder.open(folder)
    assert "\n" not in str(caught.value)


def test_folders_without_rows_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"no shards in it: expected files .npy .parquet"):
        ShardFolder.open(tmp_path)
    np.save(tmp_path / "a.npy", np.empty((0, 2)))
    with pytest.raises(DataError, match="none of its 1 shards has a row"):
        ShardFolder.open(tmp_path)
    np.save(tmp_path / "a.npy", np.empty((2, 0)))
    with pytest.raises(DataError, match="no rows or no columns"):
        ShardFolder.open(tmp_path)
    for place, found in ((tmp_path / "a.npy", "a file"), (tmp_path / "none", "nothing there")):
        with pytest.raises(SpecError, match=f"expected a folder of shards, got {found}"):
            ShardFolder.open(place)


def test_a_row_that_is_not_finite_is_told_by_its_place_in_its_file(tmp_path):
    rows = ROWS.copy()
    rows[20, 1] = np.nan
    for write in (as_npy, as_parquet):
        found = ShardFolder.open(written(tmp_path / write.__name__, write, rows))
        found.read(0, 20)
        with pytest.raises(DataError, match=r"part-3.*: row 5, column ('v'|1) .* is nan"):
            found.read(18, 23)


def test_a_shard_that_is_damaged_or_gone_is_named(tmp_path):
    folder = written(tmp_path / "set", as_parquet)
    found = ShardFolder.open(folder)
    content = bytearray((folder / "part-2.parquet").read_bytes())
    content[4:200] = bytes(196)
    (folder / "part-2.parquet").write_bytes(content)
    assert len(found.read(0, 4)[0]) == 4
    with pytest.raises(DataError, match=r"part-2.parquet: damaged"):
        found.read(0, 10)
    (folder / "part-0.parquet").unlink()
    with pytest.raises(DataError, match=r"part-0.parquet"):
        found.read(0, 2)


def test_a_format_says_itself_whether_its_files_are_shards(tmp_path):
    assert shard_suffixes() == (".npy", ".parquet")
    assert sum(kind.shard is not None for kind in FORMATS) == 2
    as_npy(tmp_path / "a", ROWS)
    shard = open_shard(tmp_path / "a.npy")
    assert (shard.rows, shard.shape, shard.kind, shard.columns) == (23, (3,), "float64", ())
