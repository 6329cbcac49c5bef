import subprocess
import sys

import numpy as np
import pytest

import otgan.data
from otgan.data import DataError, SpecError, check, load, load_weights, open_spec, open_splits
from otgan.plain import plain


@pytest.fixture
def rows(tmp_path):
    """Return a file of twenty rows that show their number."""
    path = tmp_path / "rows.npy"
    np.save(path, np.column_stack([np.arange(20.0), np.arange(20.0) ** 2]))
    return path


def test_the_package_imports_nothing_heavy():
    script = """
import sys, otgan.data
otgan.data.load("8gaussians")
heavy = {"torch", "scipy", "sklearn", "pandas", "pyarrow", "PIL", "pooch", "requests", "tqdm", "safetensors"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", script], check=True)


def test_the_top_level_package_hands_it_on():
    script = "import otgan; print(otgan.data.load('lines@2', n=1)[0, 0])"
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, encoding="utf-8")
    assert done.stdout == "2.0\n"


def test_rows_come_in_file_order_or_drawn_without_replacement(rows):
    assert np.array_equal(load(rows)[:, 0], np.arange(20))
    drawn = load(rows, n=12, seed=3)
    assert len(set(drawn[:, 0])) == 12
    assert np.array_equal(drawn[:, 0] ** 2, drawn[:, 1])
    assert np.array_equal(drawn, load(rows, n=12, seed=3))
    assert not np.array_equal(drawn, load(rows, n=12, seed=4))
    assert np.array_equal(drawn[:5], load(rows, n=5, seed=3))
    assert sorted(load(rows, n=20)[:, 0]) == list(range(20))


def test_every_row_is_drawn_equally_often(rows):
    counts = np.zeros(20)
    for seed in range(400):
        counts[load(rows, n=5, seed=seed)[:, 0].astype(int)] += 1
    assert np.abs(counts - 100).max() < 40  # four and a half standard deviations


@pytest.mark.parametrize("spec", ["digits", "digits:3"])
def test_more_rows_than_there_are(spec):
    count = len(load(spec))
    with pytest.raises(DataError, match=f"{spec} has {count} rows: cannot draw {count + 1}"):
        load(spec, n=count + 1)


def test_points_have_the_type_asked_for_and_belong_to_the_caller(rows):
    for spec in (rows, "8gaussians", "digits"):
        data = open_spec(spec, dtype=np.float32)
        assert type(load(spec)) is np.ndarray
        assert data.points.dtype == np.float32
        assert type(data.points) is np.ndarray
        assert data.points.flags.writeable
        assert data.points.flags.c_contiguous
        assert np.allclose(data.points, load(spec), atol=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n": 0}, "at least 1, got 0"),
        ({"n": -3}, "at least 1"),
        ({"n": 2.5}, "at least 1"),
        ({"n": True}, "at least 1"),
        ({"seed": -1}, "seed"),
        ({"seed": 1.5}, "seed"),
        ({"split": "validation"}, "'train' or 'test'"),
    ],
)
def test_options_are_checked(options, message):
    for spec in ("8gaussians", "digits"):
        with pytest.raises(SpecError, match=message):
            load(spec, **options)


def test_points_are_floating_point_numbers():
    with pytest.raises(SpecError, match="floating-point type, got int64"):
        open_spec("digits", dtype=np.int64)


WRONG_SPECS = [
    None,
    3,
    1.5,
    True,
    b"rows.npy",
    ["rows.npy"],
    {"a": 1},
    np.ones((3, 2)),
    object(),
    str,
    iter("ab"),
    ("a", "b"),
]
WRONG_NUMBERS = [
    "3",
    2.5,
    float("nan"),
    float("inf"),
    True,
    [3],
    (3,),
    np.ones(2),
    {},
    object(),
    b"3",
    1j,
    -1,
    np.float64(3),
    "x" * 500,
]


@pytest.mark.parametrize("act", [check, load, open_spec, open_splits, otgan.data.modes])
@pytest.mark.parametrize("spec", WRONG_SPECS, ids=lambda value: type(value).__name__)
def test_a_spec_of_a_wrong_kind(act, spec):
    with pytest.raises(
        SpecError,
        match=r"^expected (data|the name of a mixture) as a text or a path, got .*: give one, like '8",
    ):
        act(spec)


@pytest.mark.parametrize("name", ["n", "n_test", "seed"])
@pytest.mark.parametrize("value", WRONG_NUMBERS, ids=lambda value: type(value).__name__)
def test_a_number_of_a_wrong_kind(rows, name, value):
    words = (
        "a seed that is a whole number, 0 or more" if name == "seed" else "a number of rows n of at least 1"
    )
    for spec in (rows, "8gaussians"):
        for act in (load, open_spec, open_splits) if name != "n_test" else (open_splits,):
            with pytest.raises(SpecError, match=rf"^expected {words}, got .*: give one") as caught:
                act(spec, **{name: value})
            assert str(caught.value).isprintable()


def test_numbers_of_numpy_are_numbers(rows):
    assert len(load(rows, n=np.int64(3), seed=np.uint8(4))) == 3


@pytest.mark.parametrize(
    "split",
    [None, 3, b"train", ["train"], {"train"}, np.array(["train", "test"]), True, "", "TRAIN"],
    ids=repr,
)
def test_a_split_of_a_wrong_kind(rows, split):
    for act in (check, load, open_spec):
        with pytest.raises(
            SpecError, match=r"^expected the split 'train' or 'test', got .*: give one of these$"
        ):
            act(rows, split=split)


@pytest.mark.parametrize("folder", [3, 1.5, b"data", ["data"], {}, True, np.ones(2), ""], ids=repr)
def test_a_folder_of_a_wrong_kind(folder):
    for act in (check, load, open_spec, open_splits):
        with pytest.raises(
            SpecError, match=r"^expected the folder to look for data in.*, got .*: give one, like 'data'$"
        ):
            act("mnist", data_dir=folder)


@pytest.mark.parametrize(
    "weights", [3, 1.5, b"w.npy", [1.0] * 20, {}, True, np.ones(20), ""], ids=lambda value: repr(value)[:9]
)
def test_weights_of_a_wrong_kind(rows, weights):
    for spec in (rows, "8gaussians"):
        for act in (check, load, open_spec):
            with pytest.raises(
                SpecError, match=r"^expected the weights.*, got .*: give one, like 'weights.npy' or the name"
            ):
                act(spec, weights=weights)


@pytest.mark.parametrize("dtype", ["f99", "abc", 3, [1], object(), int, "i4", complex, object, str, {"a": 1}])
def test_a_type_of_a_wrong_kind(rows, dtype):
    for act in (open_spec, open_splits):
        with pytest.raises(
            SpecError, match=r"^expected a floating-point type, got .*: give one, like 'float64'$"
        ):
            act(rows, dtype=dtype)


@pytest.mark.parametrize("count", [None, "3", 2.5, float("nan"), 0, -1, [3], True], ids=repr)
def test_a_number_of_rows_for_weights_of_a_wrong_kind(rows, count):
    with pytest.raises(SpecError, match=r"^expected a number of rows of at least 1, got"):
        load_weights(rows, count)


def test_more_rows_than_memory_holds_are_not_generated():
    for n in (10**15, 10**30):
        with pytest.raises(
            DataError, match=r"8gaussians: 10+ rows need .* of memory, and .* are free: draw fewer"
        ):
            load("8gaussians", n=n)


def test_whole_numbers_too_large_for_the_type_are_reported(tmp_path):
    np.save(tmp_path / "a.npy", np.array([[1, 70_000]]))
    with pytest.raises(DataError, match=r"row 0, column 1 .* is 70000, which float16 cannot hold"):
        open_spec(tmp_path / "a.npy", dtype=np.float16)


@pytest.mark.parametrize("mark", ["\x1b[2J", "\n", "\u202e", "\x9b", "\r"])
def test_names_do_not_steer_the_terminal(tmp_path, mark):
    path = tmp_path / f"{mark}a.csv"
    path.write_text(f"x{mark.strip()},y\n1,z\n", newline="")
    for spec in (path, f"{path}#{mark}", f"{tmp_path}/{mark}b.npy"):
        with pytest.raises(DataError) as caught:
            load(spec)
        assert str(caught.value).isprintable()
        assert plain(mark) in str(caught.value)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("mnits", r"'mnits' \(did you mean 'mnist'\?\)"),
        ("8gausians:3", r"did you mean '8gaussians'\?"),
        ("line@3", r"did you mean 'lines'\?"),
        ("no/such/file.npy", r"no such file or built-in name: 'no/such/file.npy'; built-in names are digits"),
        ("no/such/file.npz#x", "no such file"),
        ("", "no such file"),
        ("x" * 5000, "no such file"),
        ("a\0b", "no such file"),
    ],
)
def test_an_unknown_name_is_wrong_usage_and_says_what_is_known(spec, message):
    for act in (check, load):
        with pytest.raises(SpecError, match=message) as caught:
            act(spec)
        for name in otgan.data.NAMES:
            assert name in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_file_wins_over_its_parts_and_a_name_over_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save(tmp_path / "swissroll.npy", np.zeros((2, 2)))
    (tmp_path / "swissroll.npy").rename(tmp_path / "a#b:c.npy")
    assert load("a#b:c.npy").shape == (2, 2)
    (tmp_path / "swissroll").mkdir()
    assert len(load("swissroll")) == 1000
    with pytest.raises(DataError, match="no pictures in this folder"):
        load("./swissroll")
    with pytest.raises(DataError, match="no pictures in this folder"):
        load(tmp_path / "swissroll")


def test_a_file_without_classes_has_none_to_take(rows):
    with pytest.raises(SpecError, match=r"rows.npy has no classes, so there is no class '3' to take"):
        check(f"{rows}:3")


def test_weights_of_a_file_go_with_its_rows(rows, tmp_path):
    np.save(tmp_path / "w.npy", np.arange(20.0) + 0.5)
    assert np.array_equal(load_weights(tmp_path / "w.npy", 20), np.arange(20.0) + 0.5)
    data = open_spec(rows, n=7, seed=1, weights=tmp_path / "w.npy")
    assert np.array_equal(data.weights, data.points[:, 0] + 0.5)
    assert open_spec(rows).weights is None


def test_weights_follow_a_class(tmp_path):
    np.save(tmp_path / "w.npy", np.arange(1797.0))
    data = open_spec("digits:3", n=20, seed=2, weights=str(tmp_path / "w.npy"))
    whole = load("digits")
    assert np.array_equal(whole[data.weights.astype(int)], data.points)


def test_weights_of_generated_rows(tmp_path):
    np.save(tmp_path / "w.npy", np.arange(1.0, 11))
    assert np.array_equal(
        open_spec("swissroll", n=10, weights=tmp_path / "w.npy").weights, np.arange(1.0, 11)
    )
    with pytest.raises(DataError, match=r"w.npy: 10 weights for 11 rows"):
        load("swissroll", n=11, weights=tmp_path / "w.npy")


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.ones(19), r"19 weights for 20 rows: expected one per row"),
        (np.ones((20, 2)), r"expected one column of weights, found 2"),
        (np.r_[np.ones(19), -1], r"weight of row 19 .* is -1.0"),
        (np.zeros(20), r"all weights are 0"),
        (np.r_[np.ones(19), np.nan], r"row 19, column 0 .* is nan"),
    ],
)
def test_weights_that_are_none(rows, tmp_path, weights, message):
    np.save(tmp_path / "w.npy", weights)
    with pytest.raises(DataError, match=rf"w.npy: .*{message}"):
        open_spec(rows, weights=tmp_path / "w.npy")


def test_weights_in_a_column_are_checked_too(tmp_path):
    (tmp_path / "a.csv").write_text("x,w\n1,2\n3,-4\n")
    with pytest.raises(DataError, match=r"a.csv#w: the weight of row 1 .* is -4.0"):
        load(tmp_path / "a.csv", weights="w")
    (tmp_path / "a.csv").write_text("x,w\n1,2\n3,nan\n")
    with pytest.raises(DataError, match=r"a.csv: row 1, column 'w' .* is nan"):
        load(tmp_path / "a.csv", weights="w")


def test_weights_that_are_nowhere(rows):
    for act in (check, load):
        with pytest.raises(SpecError, match="no such file or built-in name: 'w'"):
            act(rows, weights="w")


def test_checking_reads_no_data(rows, tmp_path):
    np.save(tmp_path / "nan.npy", np.full(3, np.nan))
    check(tmp_path / "nan.npy")
    check(rows, weights=tmp_path / "nan.npy")
    script = f"""
import sys
from otgan.data import check
for spec in ("digits:3", "8gaussians", {str(rows)!r}):
    check(spec)
assert not {{"torch", "sklearn", "scipy"}} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", script], check=True)


def test_splits_of_synthetic_data_are_two_streams():
    train, test = open_splits("8gaussians", n=50, n_test=30, seed=1)
    assert (len(train), len(test)) == (50, 30)
    assert np.array_equal(train.points, load("8gaussians", n=50, seed=1))
    assert np.array_equal(test.points, load("8gaussians", n=30, seed=1, split="test"))
    assert not set(map(tuple, train.points)) & set(map(tuple, test.points))


def test_splits_of_a_file_part_its_rows(rows):
    train, test = open_splits(rows, seed=1)
    assert (len(train), len(test)) == (16, 4)
    assert sorted([*train.points[:, 0], *test.points[:, 0]]) == list(range(20))
    train, again = open_splits(rows, n=3, n_test=4, seed=1)
    assert len(train) == 3
    assert np.array_equal(again.points, test.points)
    with pytest.raises(DataError, match="16 rows beside the 4 held out: cannot take 17"):
        open_splits(rows, n=17)
    with pytest.raises(SpecError, match="cannot hold out 20"):
        open_splits(rows, n_test=20)


def test_splits_of_digits_keep_their_labels():
    train, test = open_splits("digits", n_test=300, dtype=np.float32)
    assert (len(train), len(test)) == (1497, 300)
    assert train.points.dtype == np.float32
    assert train.shape == test.shape == (1, 8, 8)
    assert np.bincount(np.concatenate([train.labels, test.labels])).sum() == 1797


def test_splits_of_mnist_are_its_own(mnist_dir):
    train, test = open_splits("mnist:3", n=20, data_dir=mnist_dir.parent)
    assert (len(train), len(test)) == (20, 1010)
