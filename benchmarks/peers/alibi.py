"""Tests of alibi-detect, which runs in an environment of its own: it wants a NumPy before 2.

This file is run by that environment's interpreter as a server, and imported by ours as its client; it imports neither's packages
at its head. Make the environment with ``pip install alibi-detect torch==2.13.0 "numpy<2"``.
"""

from __future__ import annotations

import atexit
import os
import pickle
import subprocess
import sys
from functools import cache
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["INTERPRETER", "ask", "version"]

INTERPRETER = "OTGAN_ALIBI"
"""The environment variable that holds the path of the interpreter; without it these contenders stay away."""


def ask(test: str, x: NDArray[Any], y: NDArray[Any], permutations: int, seed: int) -> float:
    """Return the p-value of a permutation test.

    Parameters
    ----------
    test : {"MMDDrift", "LSDDDrift"}
    x, y : ndarray of float64, shape (n, d) and (m, d)
    permutations, seed : int
    """
    return float(_answer((test, *((side.shape, side.tobytes()) for side in (x, y)), permutations, seed)))


def version() -> str:
    """Return the version that the server runs."""
    return str(_answer(None))


def _answer(question: Any) -> Any:
    server = _server(os.environ[INTERPRETER])
    assert server.stdin is not None
    assert server.stdout is not None
    _send(server.stdin, question)
    return pickle.load(server.stdout)


@cache
def _server(interpreter: str) -> subprocess.Popen[bytes]:
    """One server a process that asks."""
    server = subprocess.Popen([interpreter, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    atexit.register(_close, server)
    return server


def _close(server: subprocess.Popen[bytes]) -> None:
    server.communicate()  # without more questions it ends
    _server.cache_clear()


def _send(pipe: IO[bytes], value: Any) -> None:
    pickle.dump(value, pipe)
    pipe.flush()


def _serve() -> None:
    """Answer questions until there are no more."""
    pipe = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what the packages print must not come between answers
    import numpy as np
    import torch
    from alibi_detect import __version__
    from alibi_detect.cd import LSDDDrift, MMDDrift

    torch.set_num_threads(1)
    tests = {"MMDDrift": MMDDrift, "LSDDDrift": LSDDDrift}
    while True:
        try:
            question = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        if question is None:
            _send(pipe, __version__)
            continue
        test, first, second, permutations, seed = question
        x, y = (np.frombuffer(held).reshape(shape).astype(np.float32) for shape, held in (first, second))
        np.random.seed(seed)  # noqa: NPY002 (the state that the package draws from)
        torch.manual_seed(seed)
        found = tests[test](x, backend="pytorch", n_permutations=permutations, device="cpu").predict(y)
        _send(pipe, float(found["data"]["p_val"]))


if __name__ == "__main__":
    _serve()
