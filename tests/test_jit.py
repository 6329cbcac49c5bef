"""Compiled functions: where they are kept, what is compiled anew, and machines on which nothing can be kept."""

import os
import subprocess
import sys
import textwrap

import pytest
from numba.core import config

from otgan import jit


def compiled_in(folder, source, call, **environment):
    """Run a module with compiled functions in a fresh process; return what it prints."""
    (folder / "loops.py").write_text("from otgan.jit import SUMS, compiled, part\n" + textwrap.dedent(source))
    code = f"import sys; sys.path.insert(0, {str(folder)!r}); import loops; {call}"
    found = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        check=True,
        capture_output=True,
        text=True,
        timeout=300,
    )
    return found.stdout.strip()


SOURCE = """
@compiled(SUMS)
def inner(x):
    return x + {constant}

@compiled(SUMS)
def outer(x):
    return 2 * inner(x)
"""

COUNT = "print(loops.outer(1.0), sum(loops.outer.stats.cache_hits.values()))"


def test_functions_are_kept_and_compiled_anew_where_what_they_call_changes(tmp_path):
    kept = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    source = SOURCE.format(constant=1)
    assert compiled_in(tmp_path, source, COUNT, **kept) == "4.0 0"
    assert compiled_in(tmp_path, source, COUNT, **kept) == "4.0 1"
    # numba alone would not see it: the function that is called has not changed.
    assert compiled_in(tmp_path, SOURCE.format(constant=2), COUNT, **kept) == "6.0 0"


PARTS = """
@part(SUMS)
def inner(x, how):
    return x + {constant} if how == 1 else x - 1

@part(SUMS)
def between(x):
    return 3 * inner(x, 1)

@compiled(SUMS)
def outer(x):
    return 2 * between(x) + inner(x, 0)
"""


def test_parts_are_kept_within_what_calls_them_alone(tmp_path):
    kept = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    source = PARTS.format(constant=1)
    assert compiled_in(tmp_path, source, COUNT, **kept) == "12.0 0"
    assert compiled_in(tmp_path, source, COUNT, **kept) == "12.0 1"
    assert {file.name.partition("-")[0] for file in tmp_path.rglob("*.nb?")} == {"loops.outer"}
    assert compiled_in(tmp_path, PARTS.format(constant=2), COUNT, **kept) == "18.0 0"


def test_parts_can_be_called_from_python(tmp_path):
    source = PARTS.format(constant=1)
    call = "print(loops.inner(1.0, 1), loops.between(1), loops.outer(1.0), loops.inner(1.0, 0))"
    for environment in ({}, {"NUMBA_DISABLE_JIT": "1"}):
        assert compiled_in(tmp_path, source, call, **environment) == "2.0 6 12.0 0.0"


def test_numbers_that_loops_take_from_other_modules_are_part_of_the_name(tmp_path, monkeypatch):
    (tmp_path / "loops.py").write_text(
        "from otgan.jit import SUMS\nfrom otgan.entropic.tuning import TUNING\n"
    )
    (tmp_path / "other.py").write_text("from otgan.geometry.base import Geometry\n")
    read, names = [], []
    real = jit.Path.read_text
    monkeypatch.setattr(
        jit.Path, "read_text", lambda path, *rest: read.append(path.name) or real(path, *rest)
    )
    monkeypatch.setattr(jit, "_places", lambda: iter([tmp_path / "kept"]))
    names.append(jit._folder.__wrapped__(tmp_path).name)
    assert "tuning.py" in read
    assert "base.py" not in read
    (tmp_path / "loops.py").write_text("from otgan.jit import SUMS\n")
    names.append(jit._folder.__wrapped__(tmp_path).name)
    (tmp_path / "other.py").write_text("")  # nothing in it is compiled
    names.append(jit._folder.__wrapped__(tmp_path).name)
    assert names[0] != names[1] == names[2]


@pytest.mark.skipif(os.name != "posix", reason="permissions are those of POSIX")
def test_where_nothing_can_be_kept_functions_work_all_the_same(tmp_path):
    blocked = tmp_path / "blocked"
    blocked.write_text("a file where a folder would be")
    environment = {"XDG_CACHE_HOME": str(blocked), "HOME": str(blocked), "TMPDIR": str(tmp_path)}
    source = SOURCE.format(constant=1)
    assert compiled_in(tmp_path, source, COUNT, **environment) == "4.0 0"
    assert compiled_in(tmp_path, source, COUNT, **environment) == "4.0 1"  # in the temporary folder
    call = "import otgan.jit as j; print(list(j._places())); " + COUNT
    none = f"import otgan.jit as j; j._can_be_written = lambda folder: False; import loops; {COUNT}"
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {none}"
    for _ in range(2):
        found = subprocess.run(
            [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=300
        )
        assert found.stdout.strip() == "4.0 0"
    assert str(tmp_path) in compiled_in(tmp_path, source, call, **environment)


@pytest.mark.skipif(os.name != "posix", reason="permissions are those of POSIX")
def test_folders_that_others_can_write_to_are_not_read_from(tmp_path):
    assert jit._can_be_written(tmp_path / "own")
    assert (tmp_path / "own").stat().st_mode & 0o077 == 0
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    assert not jit._can_be_written(shared)
    assert not jit._can_be_written(shared / "below")


def test_numbas_own_choice_is_respected_and_left_alone(monkeypatch, tmp_path):
    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path))
    jit._folder.cache_clear()
    try:
        assert jit._folder(tmp_path).parent == tmp_path

        @jit.compiled(jit.SUMS)
        def one():
            return 1

        assert one() == 1
        assert str(tmp_path) == config.CACHE_DIR
    finally:
        jit._folder.cache_clear()
