import errno
import os

import pytest

from otgan.gan import errors
from otgan.gan.errors import Interrupted, RunError, Terminated, reason


def test_what_ends_a_run_can_be_caught_as_one():
    for kind in (errors.WriteError, errors.DamagedError, errors.DivergedError):
        assert issubclass(kind, RunError)
    assert issubclass(errors.OptionError, ValueError)


def test_signals_end_as_python_ends_them_with_a_message():
    assert issubclass(Interrupted, KeyboardInterrupt)
    ended = Terminated("stopped")
    assert (ended.code, str(ended)) == (143, "stopped")
    with pytest.raises(SystemExit):
        raise ended


def test_reasons_are_a_few_words_of_one_line():
    assert reason(OSError(errno.ENOSPC, "x", "/some/file")) == os.strerror(errno.ENOSPC)
    assert reason(ValueError("a\n  b")) == "a b"
    assert reason(ValueError("a" * 500)) == "a" * 200
    assert reason(KeyError()) == "KeyError"
