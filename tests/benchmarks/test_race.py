"""Who runs in a cell, for how long, and what is written of it."""

import math

import pytest

from benchmarks import race
from benchmarks.grid import Key, grid, problems
from benchmarks.ledger import HEADS, Ledger, Outcome, Row, rows_of
from benchmarks.peers import Attempt, Contender, Otgan
from benchmarks.problems import gaussians
from benchmarks.record import Result

KEY = Key(2, 30, 0.1, 1e-3)


class Stub(Contender):
    """A peer that takes so long and reaches such an error, and says what it was allowed."""

    package = "otgan"

    def __init__(self, name, seconds, error, words="(no finite answer)", sparse=False):
        self.name, self.seconds, self.error, self.words, self.sparse = name, seconds, error, words, sparse
        self.allowed = []

    def attempt(self, problem, tol, limit):
        self.allowed.append(limit)
        return Attempt(self.seconds, self.error, "", lambda: None, words=self.words)


@pytest.fixture
def small():
    return gaussians(30, 2, 0.1)


def row(key, ratio=4.0, peer="fast", error=0.0, seconds=0.5):
    theirs = None if ratio is None else ratio * seconds
    return Row(key.d, key.n, key.relative, key.tol, seconds, error, 9, peer, theirs, 1e-6, ratio, None)


def ledger_of(tmp_path, peers, said):
    ledger = Ledger([peer.name for peer in peers], tmp_path)
    for key, cells in said.items():
        ledger.add(Outcome(row(key), dict(zip(ledger.peers, cells, strict=True))))
    return ledger


def test_the_grid_has_every_cell_once_and_easy_ones_first():
    cells = grid(quick=False)
    assert len(cells) == len(set(cells)) == 5 * 4 * 3 * 2
    assert set(grid(quick=True)) < set(cells)
    for place, key in enumerate(cells):
        assert not any(key != later and key.is_harder_than(later) for later in cells[place:])


def test_cells_of_the_same_points_share_their_costs():
    first, second = (problem for _, problem in problems([Key(2, 9, 0.1, 1e-3), Key(2, 9, 0.01, 1e-3)], "cpu"))
    assert first.cost is second.cost
    assert second.relative == 0.01


def test_a_row_holds_recomputed_errors_and_the_fastest_peer(tmp_path, small):
    peers = [Stub("slow", 3.0, 1e-4), Stub("fast", 2.0, 1e-5), Stub("wrong", 0.1, 0.5)]
    ledger = Ledger([peer.name for peer in peers], tmp_path)
    found = race.measure(KEY, small, peers, ledger, 4.0)
    assert found.row.key == KEY
    assert found.row.error == Otgan().attempt(small, 1e-3, 1.0).error <= 1e-3
    assert (found.row.peer, found.row.peer_error) == ("fast", 1e-5)
    assert found.row.ratio == pytest.approx(found.row.peer_seconds / found.row.seconds)
    assert found.row.floor is None
    assert found.tried == {"slow": 3.0, "fast": 2.0, "wrong": "> 0.1 s (error 5.0e-01)"}


def test_who_follows_a_fast_peer_has_little_time(tmp_path, small):
    fast, slow, off, broken = (
        Stub("fast", 0.1, 1e-5),
        Stub("slow", 9.0, math.inf, "(stopped)"),
        Stub("off", 0.4, 0.2),
        Stub("broken", 1e-3, 2.0),
    )
    ledger = Ledger(["fast", "slow", "off", "broken"], tmp_path)
    tried = race.measure(KEY, small, [fast, slow, off, broken], ledger, 60.0).tried
    assert slow.allowed == [pytest.approx(race.RACE * 0.1)]
    assert tried["slow"] == "slower: 9 s (stopped)"
    assert tried["off"] == "slower: 0.4 s (error 2.0e-01)"
    assert tried["broken"] == "breaks down: 0.001 s (error 2.0e+00)"


def test_a_cell_that_no_peer_reaches_has_no_ratio(tmp_path, small):
    peer = Stub("late", 50.0, 0.5)
    ledger = Ledger(["late"], tmp_path)
    ledger.add(race.measure(KEY, small, [peer], ledger, 2.0))
    assert ledger.rows[KEY][7:11] == (None, None, None, None)
    assert ledger.failures("late") == [KEY]


def test_who_fails_in_an_easier_cell_is_dropped_in_harder_ones(tmp_path):
    dense, sparse, _, raced = peers = [
        Stub("dense", 1.0, 1e-5),
        Stub("sparse", 1.0, 1e-5, sparse=True),
        Stub("broken", 1.0, 1e-5),
        Stub("raced", 1.0, 1e-5),
    ]
    said = ("> 2 s (stopped)", "> 2 s (stopped)", "breaks down: 0.1 s", "slower: 1 s (stopped)")
    ledger = ledger_of(tmp_path, peers, {KEY: said})

    def run_at(*key):
        runners, dropped = race.in_order(Key(*key), peers, ledger)
        assert {peer.name for peer in runners} | set(dropped) == set(ledger.peers)
        return runners, dropped

    assert run_at(2, 40, 0.1, 1e-6) == (
        [raced],
        dict.fromkeys(("dense", "sparse", "broken"), "not run: failed at n = 30, ε = 0.1, error 0.001"),
    )
    # A smaller ε may be easier for a solver of sparse plans; other points, and easier cells, are open to all.
    assert run_at(2, 40, 0.01, 1e-3)[0] == [sparse, raced]
    assert run_at(64, 40, 0.1, 1e-6)[0] == peers
    assert run_at(2, 20, 0.1, 1e-3)[0] == peers
    assert dense.allowed == []


def test_those_begin_that_were_fastest_nearby(tmp_path):
    peers = [Stub("a", 1.0, 1e-5), Stub("b", 1.0, 1e-5), Stub("c", 1.0, 1e-5)]
    ledger = ledger_of(
        tmp_path,
        peers,
        {Key(2, 20, 0.1, 1e-3): (0.1, 0.2, "slower: 1 s"), Key(2, 30, 0.1, 1e-3): (0.4, 0.3, "slower: 1 s")},
    )
    assert [peer.name for peer in race.in_order(Key(2, 40, 0.1, 1e-3), peers, ledger)[0]] == ["b", "a", "c"]
    assert [peer.name for peer in race.in_order(Key(2, 25, 0.1, 1e-3), peers, ledger)[0]] == ["a", "b", "c"]


def test_shares_use_up_the_time_and_no_more():
    left = 60.0
    for runners in range(18, 0, -1):
        share = race.fair_share(left, runners)
        assert 0 < share <= left
        left -= share
    assert left == pytest.approx(0)


@pytest.mark.parametrize(
    ("seconds", "left", "rounds"),
    [
        ((0.1, 0.1), 60, 9),
        ((1.0,), 5.5, 5),
        ((1.0,), 4.5, 3),
        ((1.0,), 2.5, 1),
        ((1.0,), 1.5, 0),
        ((9.0,), -1, 0),
    ],
)
def test_short_races_are_run_again_an_odd_number_of_times(seconds, left, rounds):
    assert race.repeats(seconds, left) == rounds


def test_what_is_compiled_is_in_no_time(tmp_path, small):
    class Compiler(Stub):
        def attempt(self, problem, tol, limit):
            self.uncounted += 100.0
            return super().attempt(problem, tol, limit)

    peers = [Compiler("compiler", 0.5, 0.5), Stub("next", 0.5, 0.5)]
    race.measure(KEY, small, peers, Ledger(["compiler", "next"], tmp_path), 10.0)
    assert peers[1].allowed[0] > 10.0


def test_cells_are_taken_up_where_a_run_stopped(tmp_path):
    peers = [Stub("fast", 1.0, 1e-5), Stub("slow", 1.0, 1e-5)]
    keys = [Key(64, 20, 0.1, 1e-3), Key(2, 30, 0.1, 1e-3), Key(2, 30, 0.1, 1e-6)]
    ledger = ledger_of(
        tmp_path, peers, {key: (float(i + 1), "> 2 s (stopped)") for i, key in enumerate(keys)}
    )
    written = ledger.write(["a note"], [])
    assert written.columns == HEADS
    again = Ledger(ledger.peers, tmp_path)
    again.resume()
    assert again.rows == ledger.rows
    assert again.tried == ledger.tried
    assert set(again.failures("slow")) == set(keys)
    with pytest.raises(SystemExit, match="other peers, fast, slow"):
        Ledger(["fast"], tmp_path).resume()
    Ledger(["fast"], tmp_path / "nowhere").resume()


def test_cells_with_other_columns_are_not_taken_up(tmp_path):
    result = Ledger(["fast"], tmp_path).write([], [])
    other = Result(**{**vars(result), "columns": ("d",), "rows": ((2,),)})
    with pytest.raises(SystemExit, match="other columns, d: start afresh"):
        rows_of(other)


@pytest.mark.parametrize("limit", [0.0, 5.0])  # once, and in turns
def test_the_floor_is_timed_where_points_are_images_and_epsilon_is_large(tmp_path, limit):
    problem, ledger = gaussians(20, 784, 0.1), Ledger(["fast"], tmp_path)
    found = race.measure(Key(784, 20, 0.1, 1e-3), problem, [Stub("fast", 0.1, 1e-5)], ledger, limit)
    assert found.row.floor > 0
    assert found.row.seconds > 0
    assert race.product_and_exponentials(problem)().shape == (20, 20)
    other = race.measure(Key(784, 20, 0.01, 1e-3), problem.at(0.01), [Stub("fast", 0.1, 1e-5)], ledger, limit)
    assert other.row.floor is None


def test_who_is_expected_to_arrive_has_more_time_than_others(tmp_path, small):
    peers = [Stub(name, 0.1, 0.5) for name in "abcdefghi"]
    said = (*["slower: 1 s"] * 8, 0.1)
    ledger = ledger_of(tmp_path, peers, {Key(2, 20, 0.1, 1e-3): said})
    race.measure(KEY, small, peers, ledger, 60.0)
    (expected,), (other,) = peers[-1].allowed, peers[0].allowed
    assert expected > other
