"""Reports as text: aligned, at most 100 columns, and honest in the last digit."""

import numpy as np
import pytest

import otgan
from otgan.distances import METRICS
from otgan.report.text import WIDTH, _rounded, wrapped

EVERYTHING = (*METRICS, "js:knn", "js:histogram", "kl:knn")


@pytest.mark.parametrize("scale", [1e-7, 1.0, 1e9])
@pytest.mark.parametrize("p", [1, 1.5])
def test_no_line_is_wider_than_100_columns(scale, p, rng):
    x, y = rng.normal(size=(30, 3)) * scale, rng.normal(size=(25, 3)) * scale + scale
    names = ("/a/very/long/path/to/some/folder/with/samples-of-x.npy", "mnist:3")
    report = otgan.compare(x, y, metrics=EVERYTHING, p=p, bins=4, permutations=3, names=names, max_iter=3)
    assert max(map(len, str(report).splitlines())) <= WIDTH


def test_a_table_is_the_numbers_of_the_report():
    report = otgan.compare(
        np.zeros((3, 2)), np.ones((4, 2)), metrics="emd,js,kl,tv,sinkhorn", names=("here", "there")
    )
    lines = report.table().splitlines()
    assert lines[0] == "here (3 samples) against there (4 samples), d = 2, cost euclidean, p = 1"
    header = next(line for line in lines if line.startswith("distance"))
    table = lines[lines.index(header) + 1 :][:5]
    rows = {line.split("  ")[0]: line.split() for line in table}
    assert list(rows) == ["EM (W_1)", "JS (nats)", "KL (nats)", "TV", "Sinkhorn OT_ε"]
    assert "1.41421" in rows["EM (W_1)"]
    assert "0.693147" in rows["JS (nats)"]
    assert "∞" in rows["KL (nats)"]
    assert rows["TV"][1] == "1"
    for line in table:
        assert line[header.index("certificate") - 1] == " "


def test_an_uncertainty_says_what_it_is_once_and_where_there_is_one():
    x, y = [0.0, 1.0], [5.0, 7.0]
    told = otgan.compare(x, y, metrics="emd,sinkhorn,tv").table()
    assert told.count("± ") == 3
    assert (
        told.count(
            "\n\n± after a value: by how much other samples of these sizes would move it, one standard error;"
        )
        == 1
    )
    assert "±" not in otgan.compare(x, y, metrics="tv,js").table()
    assert "±" not in otgan.compare(x, x, metrics="emd", p=2).table()


def test_a_noise_floor_says_what_it_is(rng):
    report = otgan.compare(rng.normal(size=30), rng.normal(size=30), metrics="emd,mmd")
    lines = report.table().splitlines()
    header, first = next((line, lines[k + 1]) for k, line in enumerate(lines) if line.startswith("distance"))
    floor = report["emd"].noise_floor
    assert "noise floor" in header
    assert first[: header.index("noise floor") + len("noise floor")].split()[-1] == f"{floor.larger:.3g}"
    assert f"± {floor.larger_error:.2g}" in first
    assert report.table().count("noise floor: the mean distance between random halves of one set") == 1
    assert "over 8 halvings" in " ".join(report.table().split())


def test_the_words_follow_the_table():
    report = otgan.compare([0.0, 1.0], [5.0, 6.0], metrics="tv")
    assert str(report) == report.table() + "\n\n" + "\n".join(wrapped(w, "! ") for w in report.warnings)
    assert repr(report) == "Report(tv=1, 1 warning)"
    assert repr(otgan.compare([0.0], [2.0], metrics="emd", p=2)) == "Report(emd=2, p = 2, 0 warnings)"


def test_printed_bounds_are_bounds(rng):
    for bound in [*rng.normal(size=50), *(10.0 ** rng.uniform(-12, 12, 50))]:
        assert float(_rounded(bound, down=True)) <= bound <= float(_rounded(bound))
        assert float(_rounded(bound, down=True)) == pytest.approx(bound, rel=2e-4)
    assert _rounded(0.0) == "0"


def test_permutations_are_a_table_of_their_own(rng):
    report = otgan.compare(rng.normal(size=20), rng.normal(size=20), metrics="emd,tv", permutations=4)
    last = report.table().split("\n\n")[-2:]
    assert last[0] == "4 random splits of the pooled samples, as if they were one population:"
    assert last[1].splitlines()[0].split() == ["distance", "mean", "95", "%", "below", "estimator", "p-value"]
    assert [line.split()[0] for line in last[1].splitlines()[1:]] == ["EM", "TV"]
