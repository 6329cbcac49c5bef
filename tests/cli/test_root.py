"""The command as a whole: quick to help, one line for every mistake, an exit status for every ending."""

import contextlib
import os
import subprocess
import sys

import pytest
from click.testing import CliRunner

import otgan as package
from otgan import mistakes
from otgan.cli import COMMANDS, main, root
from otgan.data import DataError
from otgan.exact.simplex import SimplexError
from otgan.status import ConvergenceError

HEAVY = "{'numpy', 'torch', 'scipy', 'sklearn', 'matplotlib', 'ot', 'pandas'}"


def heavy_imports(*arguments):
    """Return which heavy modules a run imports."""
    code = (
        "import sys\nfrom otgan.cli import main\n"
        f"try:\n    main({list(map(str, arguments))!r})\n"
        f"except SystemExit:\n    print(*sorted({HEAVY} & sys.modules.keys()), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True)
    return set(done.stderr.splitlines()[-1].split())


def test_help_lists_every_command_and_imports_nothing_heavy(otgan):
    shown = otgan("--help")
    assert shown.status == 0
    assert shown.err == ""
    assert all(name in shown.out for name in COMMANDS)
    assert heavy_imports("--help") == set()


@pytest.mark.parametrize("name", ["measure", "lines", "data"])
def test_the_help_of_a_command_imports_nothing_heavy(otgan, name):
    assert otgan(name, "--help").status == 0
    assert otgan(name, "-h").out == otgan(name, "--help").out
    assert heavy_imports(name, "--help") == set()


def test_a_bad_file_is_found_before_torch_is_imported(tmp_path):
    (tmp_path / "bad.npy").write_bytes(b"no array")
    assert heavy_imports("measure", "digits", tmp_path / "bad.npy") <= {"numpy"}


def test_the_version(otgan):
    assert otgan("--version").out == f"otgan, version {package.__version__}\n"


@pytest.mark.parametrize("arguments", [(), ("data",)])
def test_nothing_asked_is_answered_with_the_help(otgan, arguments):
    shown = otgan(*arguments)
    assert "Commands:" in shown.out + shown.err
    assert "error" not in shown.err


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("mesure",), "otgan: error: no command 'mesure': there are measure, "),
        (("--colour",), "otgan: error: No such option"),
        (("measure", "digits"), "otgan measure: error: Missing argument 'B'"),
        (("measure", "digits", "digits", "--nn", "3"), "otgan measure: error: No such option"),
        (("data", "drop"), "otgan data: error: No such command 'drop'"),
    ],
)
def test_wrong_usage_is_one_line_and_status_2(otgan, arguments, line):
    ended = otgan(*arguments)
    assert ended.status == 2
    assert ended.err.startswith(line)
    assert ended.err.endswith("--help)\n")
    assert ended.err.count("\n") == 1
    assert ended.out == ""


def test_interruption_is_status_130(otgan, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("otgan.teach.parallel_lines.table", interrupted)
    ended = otgan("lines")
    assert (ended.status, ended.out, ended.err.strip()) == (130, "", "otgan: interrupted")


BUGS = [
    ZeroDivisionError,
    ValueError,
    TypeError,
    KeyError,
    OverflowError,
    FloatingPointError,
    RuntimeError,
    ImportError,
    AssertionError,
]


@pytest.mark.parametrize("kind", BUGS)
@pytest.mark.parametrize(
    ("arguments", "broken"),
    [
        (("lines",), "otgan.teach.parallel_lines.table"),
        (("measure", "lines@0", "lines@1"), "otgan.report.comparison.pair"),
        (("measure", "lines@0", "lines@1"), "otgan.data.open_spec"),
        (("measure", "lines@0", "lines@1"), "otgan.report.MeasurementSpec.of"),
        (("data", "info", "lines@0"), "otgan.data.open_spec"),
        (("data", "list"), "otgan.data.check"),
        (("train", "wgan"), "otgan.gan.trainer.train"),
        (("evaluate", "nowhere"), "otgan.gan.run.Run.load"),
        (("sample", "nowhere", "--out", "a.npy"), "otgan.gan.run.Run.load"),
    ],
)
def test_a_bug_keeps_its_traceback(kind, arguments, broken, monkeypatch, tmp_path):
    def raises(*_, **__):
        raise kind("a bug")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(broken, raises)
    error = CliRunner().invoke(root, arguments).exception
    assert type(error) is kind
    assert error.args == ("a bug",)


@pytest.mark.parametrize(
    "kind",
    [
        mistakes.WrongValueError,
        mistakes.WrongKindError,
        mistakes.NoSuchNameError,
        mistakes.OutOfRangeError,
        mistakes.TooLargeError,
        mistakes.NotInstalledError,
        mistakes.UnsupportedError,
        SimplexError,
        ConvergenceError,
        DataError,
    ],
)
def test_what_otgan_complains_of_is_one_line(kind, otgan, monkeypatch):
    def raises(*_, **__):
        raise kind("expected this, got that")

    monkeypatch.setattr("otgan.report.comparison.pair", raises)
    ended = otgan("measure", "lines@0", "lines@1")
    assert (ended.status, ended.out) == (1, "")
    assert ended.err == "otgan: error: expected this, got that\n"


def test_a_reader_that_goes_away_is_no_error():
    reader, writer = os.pipe()
    os.close(reader)  # before anything is written, however busy the machine
    command = [sys.executable, "-m", "otgan", "data", "list"]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, b"")


def test_a_terminal_without_greek_is_shown_something(otgan_process):
    ended = otgan_process("lines", "--n", "4", "--thetas", "0", PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert (ended.status, ended.err) == (0, "")
    assert "EM" in ended.out


def test_main_takes_arguments(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("otgan, version")


def test_bugs_and_warnings_do_not_steer_the_terminal():
    code = (
        "import warnings\nfrom otgan.cli import COMMANDS, main, root\nimport otgan.teach.parallel_lines as module\n"
        "def broken(*_, **__):\n    warnings.warn('\\x1b[2J\\n')\n    raise ZeroDivisionError('\\x9b31m')\n"
        "module.table = broken\nmain(['lines'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, encoding="utf-8", check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith("otgan: warning: \\x1b[2J\\n\nTraceback")
    assert done.stderr.endswith("ZeroDivisionError: \\x9b31m\n")
    assert done.stderr.replace("\n", "").isprintable()


def said_to_a_terminal(folder, *arguments, **environment):
    """Return what a command writes to stderr where that is a terminal."""
    main, other = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "otgan", *arguments],
        cwd=folder,
        env={**os.environ, **environment},
        stderr=other,
        stdout=subprocess.DEVNULL,
    )
    os.close(other)
    said = b""
    with contextlib.suppress(OSError):  # the end of a terminal
        while part := os.read(main, 4096):
            said += part
    os.close(main)
    assert process.wait(300) == 0, said
    return said


@pytest.mark.skipif(os.name != "posix", reason="needs a pseudo-terminal")
def test_a_terminal_is_told_what_is_waited_for_once(tmp_path):
    (tmp_path / "x.csv").write_text("0.0\n1.0\n")
    kept = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "NUMBA_CACHE_DIR": ""}
    words = b"otgan: compiling loops for this machine: some seconds, once"
    for expected in (1, 0):
        assert said_to_a_terminal(tmp_path, "measure", "x.csv", "x.csv", **kept).count(words) == expected


@pytest.mark.skipif(os.name != "posix", reason="needs a pseudo-terminal")
def test_a_terminal_is_told_of_training_once(tmp_path):
    train = ("train", "wgan-gp", "--quiet", "--out", "run", "--steps")
    said_to_a_terminal(tmp_path, *train, "1")
    assert said_to_a_terminal(tmp_path, *train, "2", "--resume").count(b"resumed at step 1") == 1
