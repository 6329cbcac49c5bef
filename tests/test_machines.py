"""What runs the tests as other machines would: it leaves nothing out without saying so, and takes no failure for none."""

import sys

import pytest

from tests import machines, order
from tests.machines import Row, Setting, counts


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("2569 passed, 43 skipped in 332.51s (0:05:32)", {"passed": 2569, "skipped": 43}),
        ("=== 1 failed, 2 passed, 3 errors in 0.23s ===", {"failed": 1, "passed": 2, "error": 3}),
        ("1 skipped in 0.06s\n\nreal 5 minutes", {"skipped": 1}),
        ("Fatal Python error: Illegal instruction", {}),
    ],
)
def test_the_numbers_are_those_of_the_last_line(line, found):
    assert {name: number for name, number in counts(line).items() if name in found} == found
    assert bool(counts(line)) == bool(found)


def test_what_the_environment_presets_or_the_processor_lacks_is_named(monkeypatch):
    monkeypatch.setenv("MKL_CBWR", "AVX2")
    assert "presets MKL_CBWR=AVX2" in Setting("x", 1, {"MKL_CBWR": "COMPATIBLE"}).missing()
    assert "lacks it" in Setting("x", 1, {"NOWHERE": "1"}, (), "raise SystemExit(4)").missing()
    assert "lacks it" in Setting("x", 1, {"NOWHERE": "1"}, (), "print('AVX2')", "AVX512").missing()
    assert (
        Setting("x", 1, {"NOWHERE": "1"}, (), "import os; print(os.environ['NOWHERE'])", "1").missing() == ""
    )
    assert "left out, because" in str(Row("x", reason="because"))


@pytest.mark.parametrize(
    ("code", "failed", "passed"),
    [("assert 1 + 1 == 2", 0, 1), ("assert 1 + 1 == 3", 1, 0), ("import os; os._exit(4)", 1, 0)],
)
def test_a_run_counts_what_fails_and_what_ends_badly(code, failed, passed, tmp_path, capsys):
    (tmp_path / "test_one.py").write_text(f"def test_one():\n    {code}\n", encoding="utf-8")
    arguments = (
        str(tmp_path / "test_one.py"),
        "--numprocesses=0",
        "-p",
        "no:cacheprovider",
        f"--rootdir={tmp_path}",
    )
    row = machines.run(sys.executable, [Setting("one", 1)], arguments, tmp_path / "log")
    assert (row.failed, row.passed, row.what) == (failed, passed, "one")
    assert ("FAILED" in capsys.readouterr().out) == (failed == 1 and "assert" in code)


def test_orders_are_reversed_or_drawn_from_a_seed():
    class Config:
        def __init__(self, value):
            self.getoption = lambda _: value

    found = {}
    for value in ("", "reversed", "3", "4"):
        found[value] = list(range(50))
        order.pytest_collection_modifyitems(Config(value), found[value])
    assert found[""] == list(range(50))
    assert found["reversed"] == list(range(49, -1, -1))
    assert sorted(found["3"]) == list(range(50))
    assert len({tuple(items) for items in found.values()}) == 4
