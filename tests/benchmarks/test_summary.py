"""What follows from the recorded cells: counts, shortfalls, growth and charts."""

import math

import pytest
from matplotlib.text import Text

from benchmarks import charts, dots, exact, growth, render
from benchmarks.grid import Key
from benchmarks.ledger import Ledger, Outcome, Row
from benchmarks.record import RESULTS, Result, record
from benchmarks.summary import floors, groups, shortfalls, summary, write_all


def row(d, n, relative, tol, ratio, *, error=0.0, seconds=0.5, floor=None):
    peer = None if ratio is None else "POT sinkhorn"
    theirs = None if ratio is None else ratio * seconds
    return Row(d, n, relative, tol, seconds, error, 9, peer, theirs, None, ratio, floor)


@pytest.fixture
def large(tmp_path):
    rows = [(n, d, p, 1e-9 * n**2, 1e-12, 0.5) for n, d, p in exact.LARGE]
    return Result.read(record("exact-large", exact.LARGE_HEADS, rows, directory=tmp_path))


@pytest.fixture
def result(tmp_path):
    ledger = Ledger(["POT sinkhorn", "OTT plain", "OTT momentum"], tmp_path)
    for cell, said in [
        (row(2, 500, 0.01, 1e-3, 4.0), (2.0, "slower: 1 s", 3.0)),
        (row(2, 1000, 0.01, 1e-3, 16.0, seconds=1.0), (16.0, 4.0, 3.0)),
        (row(64, 500, 0.1, 1e-3, 1.0), (0.5, 0.75, "> 60 s")),
        (row(784, 500, 0.1, 1e-3, 2.0, floor=0.25), (1.0, 1.5, 2.0)),
        (row(64, 500, 0.1, 1e-6, None), ("> 60 s", "> 60 s", "> 60 s")),
        (row(64, 500, 0.001, 1e-6, None, error=1e-2), ("> 60 s", "> 60 s", "> 60 s")),
    ]:
        ledger.add(Outcome(cell, dict(zip(ledger.peers, said, strict=True))))
    return ledger.write(["a note"], [])


def test_the_summary_counts_and_averages_the_cells(result):
    found = summary(result)
    assert found.name == "entropic-summary"
    assert found.rows == (
        (0.1, 1e-3, 2, 2, 2, 1.0, pytest.approx(math.sqrt(2)), 2),
        (0.1, 1e-6, 1, 1, 0, None, None, 0),
        (0.01, 1e-3, 2, 2, 2, 4.0, pytest.approx(8.0), 0),
        (0.001, 1e-6, 1, 0, 0, None, None, 0),
    )
    assert found.command == result.command


def test_groups_are_of_all_and_of_every_axis(result):
    rows = {row[:2]: row[2:] for row in groups(result).rows}
    assert rows["all", None] == (6, 5, 4, 1.0, pytest.approx(128**0.25), 2)
    assert rows["d", 2] == (2, 2, 2, 4.0, pytest.approx(8.0), 0)
    assert rows["n", 1000][0] == 1
    assert [value for name, value in rows if name == "ε / mean cost"] == [0.001, 0.01, 0.1]
    assert sum(row[0] for (name, _), row in rows.items() if name == "L1 error asked") == 6


def test_shortfalls_are_what_is_slow_or_was_not_reached_the_worst_first(result):
    assert [(row[0], row[-1]) for row in shortfalls(result).rows] == [(64, None), (64, 1.0), (784, 2.0)]


def test_floors_are_of_the_cells_that_have_one(result):
    assert floors(result).rows == ((500, 1e-3, 0.5, 9, 0.25, 2.0),)


def test_results_of_a_gpu_keep_their_mark(result):
    assert summary(Result(**{**vars(result), "name": "entropic-cuda"})).name == "entropic-summary-cuda"


def test_all_tables_are_written(result, tmp_path):
    write_all(result, tmp_path)
    names = {path.stem for path in tmp_path.glob("*.json")}
    assert names >= {"entropic-summary", "entropic-groups", "entropic-short", "entropic-floor"}


def test_the_exponent_is_that_of_the_power_law_from_500_on():
    times = {n: 3e-8 * n**2.1 for n in (500, 1000, 2000, 5000)}
    assert growth.exponent(times | {200: 9.0}) == pytest.approx(2.1)
    assert growth.exponent({200: 1.0, 500: 2.0, 1000: 4.0}) is None
    assert growth.predicted(times, 10_000) == pytest.approx(3e-8 * 10_000**2.1)
    assert growth.predicted({500: 1.0}, 10_000) == math.inf


def test_growth_has_a_line_of_otgan_and_one_of_the_fastest_peer(result):
    key = Key(2, growth.LARGEST, 0.01, 1e-3)
    rows = [row(2, n, 0.01, 1e-3, 4.0, seconds=1e-6 * n**2) for n in (500, 1000, 2000)]
    rows.append(row(2, 5000, 0.01, 1e-3, 4.0, error=1.0))
    ours, theirs = growth.table(rows, {key: 100.0, Key(64, growth.LARGEST, 0.01, 1e-3): 1.0})
    assert ours[:4] == (2, 0.01, 1e-3, "otgan")
    assert ours[4:] == (None, 0.25, 1.0, 4.0, None, 100.0, pytest.approx(2.0))
    assert theirs[3:] == ("fastest peer", None, 1.0, 4.0, 16.0, 2e0, None, pytest.approx(0.374, abs=0.001))


def test_growth_goes_on_where_it_stopped(result, tmp_path):
    assert growth.recorded(tmp_path / "growth.json") == {}
    found = growth.of_cells(result)
    assert found.name == "growth"
    lines = [(*line[:9], 7.0, None) if line[:3] == (2, 0.01, 1e-3) else line for line in found.rows]
    Result(**{**vars(found), "rows": tuple(lines)}).write(tmp_path)
    assert growth.recorded(tmp_path / "growth.json") == {Key(2, growth.LARGEST, 0.01, 1e-3): 7.0}


def test_only_what_is_affordable_and_new_is_solved_at_the_largest_size(monkeypatch):
    monkeypatch.setattr(growth, "LARGEST", 40)
    rows = [row(2, n, 0.1, 1e-3, 4.0, seconds=1e-9 * n**2) for n in (500, 1000, 2000)]
    rows += [row(2, n, 0.01, 1e-3, 4.0, seconds=n**2) for n in (500, 1000, 2000)]
    largest = {}
    growth.measure(rows, 1.0, largest, lambda: True)
    assert largest == {}
    growth.measure(rows, 1.0, largest, lambda: False)
    assert list(largest) == [Key(2, 40, 0.1, 1e-3)]
    before = dict(largest)
    growth.measure(rows, 1.0, largest, lambda: pytest.fail("nothing is left"))
    assert largest == before


def test_families_have_the_time_of_their_fastest_member(result, tmp_path):
    peers = Result.read(tmp_path / "entropic-peers.json")
    found = charts.families(result, peers)
    assert found[2, 0.01, 1e-3, "otgan"] == {500: 0.5, 1000: 1.0}
    assert found[2, 0.01, 1e-3, "OTT"] == {500: 3.0, 1000: 3.0}
    assert (64, 0.1, 1e-6, "POT") not in found
    assert (64, 0.001, 1e-6, "otgan") not in found  # it did not reach the error


def sources_of(chart, folder):
    """What a chart is drawn from: the tables made for a test, or those that were recorded."""
    made = [folder / f"{name}.json" for name in chart.sources]
    return [Result.read(path if path.exists() else RESULTS / path.name) for path in made]


@pytest.mark.parametrize("chart", charts.CHARTS, ids=lambda chart: chart.name)
@pytest.mark.usefixtures("result", "large")
def test_charts_are_small_readable_and_the_same_each_time(chart, tmp_path):
    sources = sources_of(chart, tmp_path)
    texts = []
    for name in ("one.svg", "two.svg"):
        charts.save(chart.draw(*sources), tmp_path / name, charts.digest(sources))
        texts.append((tmp_path / name).read_text(encoding="utf-8"))
    assert texts[0] == texts[1]
    assert charts.digest(sources) in texts[0]
    assert "<text" in texts[0]  # letters, not outlines
    assert charts.PAPER in texts[0]  # a ground of its own: read on dark pages as well


def test_marks_in_rows_are_the_values_of_their_columns():
    found = Result.read(RESULTS / "tests-power.json")
    (ax,) = dots.power(found).axes
    rows = [label.get_text() for label in ax.get_yticklabels()]
    drawn = {
        line.get_label(): dict(zip((rows[int(y)] for y in line.get_ydata()), line.get_xdata(), strict=True))
        for line in ax.lines
        if line.get_marker() != "None"
    }
    assert drawn == {
        test: {row[0]: row[k] for row in found.rows} for k, test in enumerate(found.columns[1:], start=1)
    }


def test_ratios_of_batches_leave_out_what_did_not_arrive():
    found = Result.read(RESULTS / "batch.json")
    (ax,) = dots.batch_ratios(found).axes
    values = sorted(value for line in ax.lines if line.get_marker() != "None" for value in line.get_xdata())
    assert values == sorted(row[-1] for row in found.rows if row[-1] is not None and row[3] != "otgan")


@pytest.mark.parametrize("chart", [each for each in charts.CHARTS if each.draw.__module__ == dots.__name__])
def test_letters_are_read_on_a_telephone(chart):
    """On a page of 390 pixels a chart has 350: its letters are then eight pixels high, or more."""
    figure = chart.draw(*sources_of(chart, RESULTS))
    figure.draw_without_rendering()
    sizes = [each.get_fontsize() for each in figure.findobj(Text) if each.get_text().strip()]
    assert min(sizes) * 350 / (72 * figure.get_figwidth()) >= 7.5


def test_numbers_that_are_read_keep_their_digits(result, tmp_path):
    charts.save(charts.ratios(result), tmp_path / "ratios.svg", "")
    text = (tmp_path / "ratios.svg").read_text(encoding="utf-8")
    assert "ε 0.001, error 1e-06" in text
    assert "ε 0.01, error 0.001" in text


def test_the_chart_of_ratios_marks_what_falls_short(result):
    figure = charts.ratios(result)
    said = {ax.get_title(): [text.get_text() for text in ax.texts] for ax in figure.axes}
    assert said == {"d = 2": ["4.0", "16"], "d = 64": ["×", "alone", "1.0"], "d = 784": ["2.0"]}
    framed = {ax.get_title(): [patch.get_linewidth() > 0 for patch in ax.patches] for ax in figure.axes}
    assert framed == {"d = 2": [False, False], "d = 64": [True, False, True], "d = 784": [True]}


def test_the_chart_of_exact_transport_has_a_curve_for_each_dimension_and_power(large):
    (ax,) = charts.certified(large).axes
    curves = {line.get_label(): list(line.get_xdata()) for line in ax.lines}
    assert set(curves) == {f"d = {d}, p = {p}" for d in (2, 3, 64) for p in (1, 2)} - {
        "d = 64, p = 1",  # one point is no curve
        "d = 64, p = 2",
    }
    assert curves["d = 2, p = 2"][-1] == 500_000


@pytest.mark.usefixtures("large")
def test_charts_of_the_whole_grid_stay_below_sixty_kilobytes(tmp_path):
    from itertools import product

    from benchmarks.grid import DIMENSIONS, EPSILONS, SIZES, TOLERANCES

    names = ["POT a", "OTT a", "RegOT a", "MDOT-TNT", "GeomLoss"]
    ledger = Ledger(names, tmp_path)
    for key in product(DIMENSIONS, SIZES, EPSILONS, TOLERANCES):
        ledger.add(Outcome(row(*key, 2.0), dict.fromkeys(names, 1.25)))
    ledger.write([], [])
    for chart in charts.CHARTS:
        sources = sources_of(chart, tmp_path)
        charts.save(chart.draw(*sources), tmp_path / "chart.svg", "")
        assert (tmp_path / "chart.svg").stat().st_size < 60_000


@pytest.mark.usefixtures("large")
@pytest.mark.parametrize("chart", charts.CHARTS, ids=lambda chart: chart.name)
def test_charts_of_a_record_that_goes_on_are_drawn(chart, tmp_path):
    ledger = Ledger(["POT a"], tmp_path)
    ledger.add(Outcome(row(2, 200, 0.1, 1e-3, 2.0), {"POT a": 1.0}))
    ledger.write([], [])
    chart.draw(*sources_of(chart, tmp_path)).draw_without_rendering()


def test_a_stale_chart_is_found_and_drawn_anew(result, tmp_path, capsys):
    root = tmp_path / "project"
    (root / "docs").mkdir(parents=True)
    (root / "README.md").write_text("no block\n")
    folder = root / RESULTS.relative_to(render.ROOT)
    result.write(folder)
    assert render.main(["--check"], root) == 1
    assert capsys.readouterr().out == "docs/pictures/entropic-ratios.svg: does not show what was measured\n"
    assert render.main([], root) == 0
    assert render.main(["--check"], root) == 0
    Result(**{**vars(result), "date": "2000-01-01"}).write(folder)
    assert render.main(["--check"], root) == 1
