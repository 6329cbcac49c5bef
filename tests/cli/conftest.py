"""The command as a user meets it, in this process and in one of its own."""

import os
import subprocess
import sys
from dataclasses import dataclass

import pytest
from click.testing import CliRunner

from otgan.cli import root


@dataclass(frozen=True)
class Ended:
    """How a run ended: its exit status and what it wrote."""

    status: int
    out: str
    err: str


@pytest.fixture
def otgan(monkeypatch, tmp_path):
    """Return a function that runs the command in this process, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments, input=None):
        result = CliRunner().invoke(root, [str(each) for each in arguments], input=input, prog_name="otgan")
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Ended(result.exit_code, result.stdout, result.stderr)

    return run


@pytest.fixture
def otgan_process(tmp_path):
    """Return a function that runs the command in a process of its own, with extra environment."""

    def run(*arguments, **environment):
        done = subprocess.run(
            [sys.executable, "-m", "otgan", *map(str, arguments)],
            cwd=tmp_path,
            env={**os.environ, **environment},
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    return run
