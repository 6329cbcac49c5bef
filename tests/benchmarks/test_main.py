import pytest

from benchmarks import __main__ as benchmarks


def test_the_benchmarks_are_the_modules_with_a_main():
    names = benchmarks.names()
    assert "startup" in names
    assert not {"__init__", "__main__", "record", "render"} & set(names)


def test_an_unknown_benchmark_is_refused_with_those_that_there_are(capsys):
    with pytest.raises(SystemExit) as stop:
        benchmarks.main(["no-such"])
    assert stop.value.code == 2
    assert "no benchmark no-such; there are" in capsys.readouterr().err


@pytest.fixture
def two_benchmarks(tmp_path, monkeypatch):
    """Stand-ins that write down how they were called; the first fails when told to."""
    started = []

    class Done:
        def __init__(self, returncode):
            self.returncode = returncode

    def run(command, check):
        assert not check
        started.append(command[2:])
        return Done(int("fails" in command[2]))

    monkeypatch.setattr(benchmarks, "names", lambda: ["fails", "works"])
    monkeypatch.setattr(benchmarks.subprocess, "run", run)
    monkeypatch.setattr(benchmarks.render, "main", lambda argv: started.append("rendered") or 0)
    return started


def test_each_runs_in_its_process_and_the_pages_are_rendered(two_benchmarks):
    assert benchmarks.main(["works", "--quick"]) == 0
    assert two_benchmarks == [["benchmarks.works", "--quick"], "rendered"]


def test_the_first_failure_ends_it_with_its_status(two_benchmarks, capsys):
    assert benchmarks.main([]) == 1
    assert two_benchmarks == [["benchmarks.fails"]]
    assert "benchmarks.fails ended with status 1" in capsys.readouterr().err
