"""Reports of sets that ranks share row by row, against those of one process; and the command on folders of shards."""

import json
from pathlib import Path

import pytest

import otgan
from tests.distributed import shards
from tests.distributed.world import SIZE


@pytest.fixture
def found(scenarios):
    """What each rank found."""
    return scenarios["cases.shards"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The folders that the ranks were given, for one process."""
    place = tmp_path_factory.mktemp("alone") / "shards"
    shards.write_folders(place)
    return place


def timeless(report):
    """A report without what takes time."""
    distances = {name: {**each, "seconds": 0} for name, each in report["distances"].items()}
    return {**report, "seconds": 0, "distances": distances}


def near(value, expected, rel):
    """Whether a number is that of one process, up to the order of sums; both may be missing."""
    return value is expected is None or value == pytest.approx(expected, rel=rel)


@pytest.mark.parametrize("name", shards.REPORTS)
def test_reports_are_those_of_one_process_and_the_same_on_all_ranks(found, name):
    first = timeless(found[0]["reports"][name])
    for each in found[1:]:
        assert timeless(each["reports"][name]) == first
    x, y, a, b = shards.sets(name)
    options = {"metrics": "emd,sinkhorn_divergence,energy"} | shards.REPORTS[name]
    alone = otgan.compare(x, y, a, b, **options).to_dict()
    assert first["verdict"] == alone["verdict"]  # to the last bit
    assert [first[key] for key in ("n", "m", "d")] == [90, 71, 3]
    assert near(first["mass"], alone["mass"], 1e-14)
    assert list(first["distances"]) == list(alone["distances"])
    rel = 1e-5 if name == "far" else 1e-9  # far from 0 the samples have few digits, of which means lose some
    for metric, each in first["distances"].items():
        one = alone["distances"][metric]
        same = ("unit", "title", "p", "cost", "options", "status", "estimator")
        assert [each[key] for key in same] == [one[key] for key in same]
        for key in ("value", "epsilon", "lower", "upper", "standard_error"):
            if (metric, key) != ("bures", "standard_error"):
                assert near(each[key], one[key], rel), (metric, key)
    assert any("samples that several processes have" in words for words in first["warnings"])


def test_tensors_give_what_arrays_do(found):
    for each in found:
        assert each["tensor"] == each["reports"]["plain"]["distances"]["energy"]["value"]


REASONS = {
    "nan": "on rank 3: x must be finite",
    "metric": "metrics must be such as the ranks of a group share, emd, sinkhorn, sinkhorn_divergence, energy, mmd, bures, got js:knn",
    "one rank's metric": "on rank 3: metrics must be such as the ranks of a group share",
    "permutations": "permutations are of all samples in one process, got 9",
    "bandwidth": "mmd over the ranks of a group needs a bandwidth",
    "options": "seed must be the same on all ranks",
    "dimension": "x and y must have the same dimension d, got 3 and 2",
    "batch": "x must be one set of samples, got a batch",
    "no mass": "the weights of x must have a positive total, got 0 on all ranks",
    "no rows": "x has no samples on any rank",
    "function": "energy over the ranks of a group needs a distance that is known to be symmetric",
    "latitude": "must hold latitudes between",
    "samples": "the samples of this report are in several processes",
    "one sample": "x must have two samples with mass or more for the unbiased estimate of mmd, got 1",
}


@pytest.mark.parametrize("name", REASONS)
def test_what_cannot_be_shared_is_raised_on_all_ranks(found, name):
    raised = [each["mistakes"][name] for each in found]
    assert None not in raised
    for kind, text in raised:
        assert REASONS[name].removeprefix("on rank 3: ") in text
        assert kind == ("UnsupportedError" if name == "samples" else "WrongValueError")
    if REASONS[name].startswith("on rank 3"):
        assert all(text.startswith("on rank 3: ") for _, text in raised[:3])


def test_a_group_is_as_it_was_after_a_mistake_and_takes_measures(found):
    assert len({each["mistakes"]["after"] for each in found}) == 1
    assert {each["mistakes"]["measure"] for each in found} == {None}


def test_a_report_of_a_group_says_that_it_has_no_samples():
    report = otgan.compare([0.0, 1.0], [1.0, 2.0], metrics="energy", test=None)
    elsewhere = type(report)(
        **{name: getattr(report, name) for name in report.__dataclass_fields__} | {"_both": None}
    )
    assert elsewhere.to_dict() == report.to_dict()
    assert "<img" not in elsewhere._repr_html_()
    with pytest.raises(otgan.mistakes.UnsupportedError, match="are in several processes"):
        elsewhere.plot()


# ---- the command -----------------------------------------------------------------------------------------------------


def ended(found, name):
    """How the command ended on each rank: its status, what it wrote on stdout and on stderr."""
    return [each["commands"][name] for each in found]


@pytest.mark.parametrize("name", ["npy", "parquet", "few"])
def test_the_first_rank_writes_the_report_of_all_rows(found, folder, name):
    (status, out, _), *others = ended(found, name)
    assert status == 0
    assert others == [(0, "", "")] * (SIZE - 1)
    shared = json.loads(out)
    status, out, _ = shards.command(folder, *shards.CALLS[name], "--shards", "--json")
    assert status == 0
    alone = json.loads(out)  # without torchrun
    for metric, each in alone["distances"].items():
        assert shared["distances"][metric]["value"] == pytest.approx(each["value"], rel=1e-10, abs=1e-12)
    assert shared["verdict"] == alone["verdict"]
    for one, all_ in zip(alone["inputs"], shared["inputs"], strict=True):
        rows = one["rows"][0][1]
        assert one["rows"] == [[0, rows]]
        assert (one["spec"], one["shards"], one["columns"]) == (all_["spec"], all_["shards"], all_["columns"])
        assert [start for start, _ in all_["rows"]] + [rows] == [0, *(stop for _, stop in all_["rows"])]


def test_numbers_are_those_of_the_rows(found):
    x, y, _, _ = shards.sets("plain")
    for name in ("npy", "parquet"):  # whose columns are in another order
        report = json.loads(ended(found, name)[0][1])
        assert report["distances"]["energy"]["value"] == pytest.approx(otgan.energy(x, y), rel=1e-10)


def test_no_rank_reads_the_whole(found):
    large = json.loads(ended(found, "large")[0][1])
    assert (large["n"], large["distances"]["bures"]["value"]) == (shards.ROWS, 0.0)
    for side in large["inputs"]:
        assert side["bytes"] == [8 * shards.ROWS // SIZE] * SIZE
    few, _ = json.loads(ended(found, "few")[0][1])["inputs"]
    assert few["rows"] == [[0, 0], [0, 1], [1, 2], [2, 3]]
    assert few["bytes"] == [0, 24, 24, 24]


MESSAGES = {
    "width of one rank": (1, "wide/2.npy: rows of shape (2,) of float64, where 0.npy has rows of shape (3,)"),
    "rows of one rank": (1, "other and right: not the same shards on rank 3 as on rank 0"),
    "row of one rank": (1, "torn/2.npy: row 82, column 0 (counted from 0) is inf"),
    "metric": (2, "metrics must be such as the ranks of a group share"),
    "plot": (2, "--plot draws samples of one process"),
    "no folder": (2, "nowhere: expected a folder of shards, got nothing there"),
    "file": (2, "expected a folder of shards, got a file"),
}


@pytest.mark.parametrize("name", MESSAGES)
def test_what_is_wrong_on_one_rank_ends_all_with_one_message(found, name):
    status, message = MESSAGES[name]
    for each in ended(found, name):
        assert each[:2] == (status, "")
        assert message in each[2]
        assert len(each[2].splitlines()) == 1


def test_strictness_ends_all_ranks_alike(found):
    first, *others = ended(found, "strict")
    assert {each[0] for each in (first, *others)} == {3}
    assert "error: not converged: sinkhorn" in first[2]
    assert {each[1:] for each in others} == {("", "")}


def test_shards_and_what_goes_with_them_are_checked(folder, monkeypatch):
    def text(*arguments):
        status, out, err = shards.command(folder, *arguments)
        assert (status, out) == (2, "")
        return err

    assert "--n is of samples that are drawn or read whole" in text("left", "right", "--shards", "--n", "5")
    assert "--weights-a is of samples" in text("left", "right", "--shards", "--weights-a", "w")
    assert "--device cpu belongs to --shards" in text("left/0.npy", "right/0.npy", "--device", "cpu")
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert "there is no GPU" in text("left", "right", "--shards", "--device", "cuda")
    status, _, err = shards.command(folder, "left", "large", "--shards")
    assert status == 1
    assert "large: rows of 1 numbers, where left has rows of 3" in err


def test_one_process_draws_what_it_reads_as_one(folder):
    status, out, _ = shards.command(
        folder, "left", "right", "--shards", "--metrics", "emd", "--plot", "a.png"
    )
    x, y, _, _ = shards.sets("plain")
    assert status == 0
    assert out == otgan.compare(x, y, metrics="emd", names=("left", "right")).table() + "\n"
    assert (Path(folder) / "a.png").is_file()
