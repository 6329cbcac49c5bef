import numpy as np
import pandas as pd
import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from otgan.data import DataError, SpecError, check, load, open_spec, tables
from tests.data.damage import assert_read_or_refused, damaged

FINITE = st.floats(allow_nan=False, allow_infinity=False)


def write(path, text, encoding="utf-8"):
    path.write_bytes(text.encode(encoding))
    return path


@settings(max_examples=30)
@given(values=hnp.arrays(np.float64, st.tuples(st.integers(1, 6), st.integers(1, 4)), elements=FINITE))
def test_tables_give_back_what_pandas_and_numpy_wrote(tmp_path_factory, values):
    folder = tmp_path_factory.mktemp("tables")
    frame = pd.DataFrame(values, columns=[f"axis {k}" for k in range(values.shape[1])])
    frame.to_csv(folder / "named.csv", index=False)
    frame.to_csv(folder / "named.tsv", index=False, sep="\t")
    frame.to_csv(folder / "bare.csv", index=False, header=False)
    frame.to_parquet(folder / "a.parquet")
    for name in ("named.csv", "named.tsv", "bare.csv", "a.parquet"):
        check(folder / name)
        assert np.array_equal(load(folder / name), values)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1,2\n3,4\n", [[1, 2], [3, 4]]),
        ("x,y\n1,2\n", [[1, 2]]),
        ("\ufeffx,y\r\n1,2\r\n\r\n3,4", [[1, 2], [3, 4]]),  # as a spreadsheet writes it
        ('"a, b","c"\n"1","2"\n', [[1, 2]]),
        ("0,1\n0.5,0.25\n", [[0.5, 0.25]]),  # the names of a pandas frame without names
        ("0,1,w\n5,6,7\n", [[5, 6, 7]]),
        ("0,1\n1,0\n", [[0, 1], [1, 0]]),
        ("0\n0.5\n", [[0], [0.5]]),
        ("\n\n1,2\n", [[1, 2]]),
        ("1e3,-2.5E-1\n", [[1000, -0.25]]),
        ("#x,y\n1,2\n", [[1, 2]]),
        ("x , y\n 1 , 2 \n", [[1, 2]]),
    ],
)
def test_a_first_line_is_taken_for_what_it_is(tmp_path, text, expected):
    assert np.array_equal(load(write(tmp_path / "a.csv", text)), expected)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x,y\n1,2\n3,oak\n", r"a.csv: line 3, column 'y': expected a number, found 'oak'"),
        ("1,2\n3,oak\n", r"line 2, column 1 .*found 'oak'"),
        ("1,2\n3,\n", r"line 2, column 1 .*found ''"),
        ("1,2\n3,4,5\n", r"line 2 has 3 cells: expected 2"),
        ("x,y\n1,2\n3\n", r"line 3 has 1 cells: expected 2"),
        ("x,y\n1,2,3\n", r"line 2 has 3 cells: expected 2"),
        ("1,oak\n1,2\n", r"line 1 mixes numbers with 'oak'"),
        ("x,y\n", "a header and no rows"),
        ("\n\n\n", "only blank lines"),
        (",x\n0,1\n", "column 0 .* has no name"),
        ("x;y\n1;2\n", r"line 2, column 'x;y': expected a number, found '1;2'"),
        ("x,y\n1,nan\n", r"row 0, column 'y' .* is nan"),
        ("1,2\n3,inf\n", r"row 1, column 1 .* is inf"),
        ("1,2\n1_0,3\n", r"1_0"),
        ("<!DOCTYPE html>\n<html>", "expected comma-separated text, found a web page"),
        ("version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
        ('"never closed', "a.csv"),
    ],
)
def test_tables_that_are_none_say_where(tmp_path, text, message):
    with pytest.raises(DataError, match=message) as caught:
        load(write(tmp_path / "a.csv", text))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "an empty file"),
        (b"x,y\n1,2\n\xff\xfe\xfd,3\n", "not a table in UTF-8 text"),
        (b"caf\xe9,y\n1,2\n", "not a table in UTF-8 text"),
        ("x,y\n1,2\n".encode("utf-16"), "UTF-16"),
        (b"\x93NUMPY\x01\x00", "found a NumPy array"),
        (b"PK\x03\x04....", "found a zip archive"),
        (bytes(range(128, 256)) * 99, "not a table"),
        (b"\0" * 1000, "a.csv"),
        (b"x" * 1_000_000, "not a table|a header"),
    ],
)
def test_what_is_no_text_is_refused(tmp_path, content, message):
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        load(path)
    assert "\n" not in str(caught.value)


@pytest.fixture(params=["csv", "tsv", "parquet"])
def weighted(tmp_path, request):
    """Return the path of a table of six rows, and the frame in it."""
    frame = pd.DataFrame({"x": np.arange(6.0), "w": 10.0 + np.arange(6), "y": 100.0 + np.arange(6)})
    path = tmp_path / f"a.{request.param}"
    if request.param == "parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path, index=False, sep="," if request.param == "csv" else "\t")
    return path, frame


def test_a_column_of_weights_is_no_coordinate(weighted):
    path, frame = weighted
    data = open_spec(path, weights="w")
    assert np.array_equal(data.points, frame[["x", "y"]])
    assert np.array_equal(data.weights, frame["w"])
    assert np.array_equal(load(path, weights="w"), data.points)
    assert load(path).shape == (6, 3)


def test_drawn_rows_keep_their_weights(weighted):
    path, _ = weighted
    data = open_spec(path, n=4, seed=2, weights="w")
    assert np.array_equal(data.weights, data.points[:, 0] + 10)
    assert np.array_equal(data.points, load(path, n=4, seed=2)[:, [0, 2]])


def test_one_column_can_be_taken_alone(weighted):
    path, frame = weighted
    assert np.array_equal(load(f"{path}#y")[:, 0], frame["y"])
    with pytest.raises(SpecError, match="no column 'z': it has x, w, y"):
        check(f"{path}#z")


def test_several_columns_are_taken_in_the_order_of_their_names(weighted):
    path, frame = weighted
    data = open_spec(f"{path}#y, x")
    assert np.array_equal(data.points, frame[["y", "x"]])
    assert (data.columns, data.selected) == (("y", "x"), True)
    assert not open_spec(path).selected
    carried = open_spec(f"{path}#y,x", n=3, seed=1, weights="w")
    assert np.array_equal(carried.weights, carried.points[:, 1] + 10)
    assert carried.columns == ("y", "x")
    assert open_spec(f"{path}#y,w", weights="w").columns == ("y",)
    with pytest.raises(SpecError, match="no column 'z': it has x, w, y"):
        check(f"{path}#x,z")


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_what_is_no_number_stands_beside_the_columns_that_are_taken(tmp_path, ending):
    frame = pd.DataFrame({"name": ["oak", "ash, tall"], "x": [1.0, 2.0], "day": ["1/2", "3/4"], "y": [3, 4]})
    path = tmp_path / f"a.{ending}"
    frame.to_csv(path, index=False) if ending == "csv" else frame.to_parquet(path)
    assert np.array_equal(load(f"{path}#x,y"), frame[["x", "y"]])
    with pytest.raises(
        DataError, match=r"name the columns that are coordinates, like table\.csv#height,mass"
    ):
        load(path)
    with pytest.raises(DataError, match=r"'day'.*number|'day' holds .*string"):
        load(f"{path}#x,day")
    with pytest.raises(DataError, match=r"'day'.*number|'day' holds .*string"):
        load(f"{path}#x,y", weights="day")


@pytest.mark.parametrize("text", ["x;y\n1;2\n", "1;2\n3;4\n"])
def test_semicolons_are_named_where_commas_are_wanted(tmp_path, text):
    with pytest.raises(DataError, match="parted by commas, not semicolons"):
        load(write(tmp_path / "a.csv", text))


def test_a_line_too_long_is_found_beside_the_columns_that_are_taken(tmp_path):
    path = write(tmp_path / "a.csv", "x,y,z\n1,2,3\n1,5,2,3\n")
    with pytest.raises(DataError, match="line 3 has 4 cells: expected 3"):
        load(f"{path}#x,y")


@pytest.mark.parametrize(("key", "words"), [("", "is inf"), ("#x,z", "field larger than field limit")])
def test_a_cell_that_nobody_writes_is_found_in_whatever_is_read(tmp_path, key, words):
    path = write(tmp_path / "a.csv", 'x,y,z\n1,2,3\n4,"' + "5" * 200_000 + '",6\n')
    with pytest.raises(DataError, match=words):
        load(f"{path}{key}")


def test_a_name_with_a_comma_is_one_name(tmp_path):
    path = write(tmp_path / "a.csv", '"x, in m",y\n1,2\n3,4\n')
    assert np.array_equal(load(f"{path}#x, in m"), [[1], [3]])


def test_a_column_that_is_missing_is_wrong_usage(weighted):
    path, _ = weighted
    for act in (check, load):
        with pytest.raises(SpecError, match=r"no such file.*'v'.*has the columns x, w, y"):
            act(path, weights="v")


def test_the_only_column_cannot_be_the_weights(tmp_path):
    path = write(tmp_path / "a.csv", "w\n1\n2\n")
    with pytest.raises(SpecError, match="the only one"):
        load(path, weights="w")


def test_columns_of_one_name_cannot_be_weights(tmp_path):
    path = write(tmp_path / "a.csv", "w,w,x\n1,2,3\n")
    assert load(path).shape == (1, 3)
    with pytest.raises(SpecError, match="2 columns called 'w'"):
        load(path, weights="w")


def test_a_table_without_header_has_no_named_columns(tmp_path):
    path = write(tmp_path / "a.csv", "1,2\n3,4\n")
    with pytest.raises(SpecError, match="no header"):
        load(f"{path}#x")


def test_parquet_keeps_numbers_of_every_kind_and_drops_the_index(tmp_path):
    frame = pd.DataFrame(
        {"a": np.array([1, 2], np.int8), "b": [True, False], "c": np.array([0.5, 1.5], np.float32)},
        index=pd.Index(["first", "second"], name="key"),
    )
    frame.to_parquet(tmp_path / "a.parquet")
    assert np.array_equal(load(tmp_path / "a.parquet"), [[1, 1, 0.5], [2, 0, 1.5]])


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (pd.DataFrame({"x": [1.0], "name": ["oak"]}), r"column 'name' holds .*string"),
        (pd.DataFrame({"t": pd.to_datetime(["2020-01-01"])}), r"column 't' holds timestamp"),
        (pd.DataFrame({"v": [[1.0, 2.0]]}), r"column 'v' holds list"),
        (pd.DataFrame({"x": pd.Series([], dtype=float)}), "0 rows"),
        (pd.DataFrame(index=[0, 1]), "0 columns"),
    ],
)
def test_parquet_of_anything_but_numbers_is_refused_unread(tmp_path, frame, message):
    frame.to_parquet(tmp_path / "a.parquet")
    with pytest.raises(DataError, match=rf"a.parquet: .*{message}"):
        check(tmp_path / "a.parquet")


def test_metadata_that_pandas_did_not_write(tmp_path):
    for metadata in (b"not json", b"[1]", b'{"index_columns": 3}'):
        table = pyarrow.table({"x": [1.0, 2.0]}).replace_schema_metadata({"pandas": metadata})
        pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
        assert_read_or_refused(tmp_path / "a.parquet")


def test_a_missing_value_is_named_with_its_place(tmp_path):
    pd.DataFrame({"x": [1, None, 3], "y": [1, 2, 3]}, dtype="Int64").to_parquet(tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"row 1, column 'x' .* is nan"):
        load(tmp_path / "a.parquet")


@given(cut=st.integers(0, 400), at=st.integers(0, 900), noise=st.binary(min_size=1, max_size=30))
def test_damaged_parquet_is_one_kind_of_error_or_none(tmp_path_factory, cut, at, noise):
    path = tmp_path_factory.mktemp("parquet") / "a.parquet"
    pd.DataFrame({"x": np.arange(50.0), "y": np.arange(50.0)}).to_parquet(path)
    path.write_bytes(damaged(path.read_bytes(), cut, at, noise))
    assert_read_or_refused(path)


def test_parquet_without_its_package_names_the_extra(tmp_path, monkeypatch):
    pd.DataFrame({"x": [1.0]}).to_parquet(tmp_path / "a.parquet")
    monkeypatch.setitem(__import__("sys").modules, "pyarrow.parquet", None)
    with pytest.raises(DataError, match=r"pyarrow.*pip install 'otgan\[data\]'"):
        check(tmp_path / "a.parquet")
    with pytest.raises(ImportError):
        check(tmp_path / "a.parquet")


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
@pytest.mark.parametrize("line", [0, 1, 2, 40])
def test_a_line_that_never_ends_is_not_split(tmp_path, monkeypatch, line, end):
    monkeypatch.setattr(tables, "_LONGEST", 5000)
    lines = ["1,2"] * 41
    (tmp_path / "a.csv").write_text(end.join(lines), newline="")
    assert load(tmp_path / "a.csv").shape == (41, 2)
    (tmp_path / "a.csv").write_text(end.join(lines * 1000), newline="")  # longer than a line may be
    assert load(tmp_path / "a.csv").shape == (41_000, 2)
    lines[line] = "1," * 2600 + "1"
    (tmp_path / "a.csv").write_text(end.join(lines), newline="")
    with pytest.raises(DataError, match=r"a\.csv: .*a line of more than 5000"):
        load(tmp_path / "a.csv")


def test_a_hole_of_gigabytes_is_no_table(tmp_path):
    with (tmp_path / "a.csv").open("wb") as file:
        file.write(b"x,y\n1,2\n")
        file.truncate(2**32)  # sparse: no disk is taken
    with pytest.raises(
        DataError, match=r"a\.csv: a line of more than 16777216 bytes: expected a table of numbers"
    ):
        load(tmp_path / "a.csv")


def test_messages_stay_short(tmp_path):
    (tmp_path / "wide.csv").write_text(
        ",".join(f"c{k}" for k in range(10_000)) + "\n" + ",".join(["1"] * 10_000)
    )
    (tmp_path / "long.csv").write_text("x,y\n1," + "z" * 10_000)
    for spec in ("wide.csv#no", "long.csv"):
        with pytest.raises(DataError) as caught:
            load(f"{tmp_path}/{spec}")
        assert len(str(caught.value)) < 1000


def test_a_first_line_may_lack_a_value(tmp_path):
    path = write(tmp_path / "a.csv", "1,,3\n4,5,6\nNA,8,9\n")
    with pytest.raises(DataError, match=r"line 1, column 1 \(counted from 0\): expected a number, found ''"):
        load(path)
    assert np.array_equal(open_spec(path, drop_na=True).points, [[4, 5, 6]])
    named = write(tmp_path / "b.csv", "x,na\n1,2\n")
    assert open_spec(named).columns == ("x", "na")
