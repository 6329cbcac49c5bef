"""Functions compiled to machine code on first use and kept on disk: one place, by numba.

numba's own cache does not see a change in a function that the compiled one calls, and raises where neither the package
nor the home can be written. So the folder is named after all that is compiled together, and is where something can be
written: numba's own choice (``NUMBA_CACHE_DIR``), the user's cache, a temporary folder of the user; or there is none.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import re
import stat
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

import numba
from numba.core import config as settings
from numba.core.event import Listener, register

from otgan.folders import cache_dir
from otgan.parts import Part

__all__ = ["EXACT", "SUMS", "compiled", "part"]

config: Any = settings
"""Its members are made when it is read."""

_IS_COMPILED, _IMPORTED = "from otgan.jit import", re.compile(r"^from (otgan[\w.]*) import", re.MULTILINE)

_LOG = logging.getLogger(__name__)

F = TypeVar("F", bound=Callable[..., Any])

EXACT = {"contract", "nsz"}
"""Freedom of the compiler where the order of operations is the method: products and sums may be fused."""

SUMS = {"contract", "nsz", "reassoc", "arcp"}
"""Freedom where sums may be taken in any order, so that vector instructions can take them."""


def compiled(fastmath: set[str]) -> Callable[[F], F]:
    """Compile a function that needs no Python while it runs, for the types that it is first called with.

    It is what Python calls, and is kept on disk; functions that it calls in turn are parts of it.

    Parameters
    ----------
    fastmath : set of str
        Freedoms of the compiler, as LLVM calls them: :data:`EXACT` or :data:`SUMS`.
    """

    def compile_(function: F) -> F:
        folder = _folder(Path(function.__code__.co_filename).parent)
        before = config.CACHE_DIR
        # Read when the function is decorated; other users of numba in this process keep what they had.
        config.CACHE_DIR = str(folder or before)
        try:
            # Nothing calls it as C would.
            options: Any = {**_options(fastmath), "no_cfunc_wrapper": True, "cache": folder is not None}
            made: Any = numba.njit(**options)(function)
        finally:
            config.CACHE_DIR = before
        return made

    return compile_


def part(fastmath: set[str]) -> Callable[[F], F]:
    """Compile a function as a part of those that call it: in a third of the time, where it lies several calls deep.

    Parameters
    ----------
    fastmath : set of str
        As for :func:`compiled`.
    """

    def compile_(function: F) -> F:
        made: Any = function if config.DISABLE_JIT else Part(function, targetoptions=_options(fastmath))
        return made

    return compile_


def _options(fastmath: set[str]) -> dict[str, Any]:
    return {"nogil": True, "error_model": "numpy", "fastmath": fastmath}


@cache
def _folder(sources: Path) -> Path | None:
    """Where functions compiled from a folder of sources are kept, named after what they are made of."""
    digest = hashlib.sha256(numba.__version__.encode())
    texts = [
        text for file in sorted(sources.glob("*.py")) if _IS_COMPILED in (text := file.read_text("utf-8"))
    ]
    # Numbers of other modules are compiled in as well.
    names = sorted({Part.__module__, *(name for text in texts for name in _IMPORTED.findall(text))})
    others = [spec.origin for spec in map(find_spec, names) if spec is not None and spec.origin]
    for text in (*texts, *(Path(origin).read_text("utf-8") for origin in others)):
        digest.update(text.encode())
    name = f"compiled-{digest.hexdigest()[:16]}"
    return next((place / name for place in _places() if _can_be_written(place / name)), None)


class _Teller(Listener):
    """Tells of the wait when the first loop is compiled that was not kept; once."""

    def on_start(self, event: Any) -> None:
        """Look whose function it is."""
        function = event.data["dispatcher"].py_func
        if function.__module__.partition(".")[0] == __package__:
            _tell(_folder(Path(function.__code__.co_filename).parent) is not None)

    def on_end(self, event: Any) -> None:
        """Say nothing more."""


@cache
def _tell(kept: bool) -> None:
    _LOG.info("compiling loops for this machine: some seconds, once%s", "" if kept else " a process")


register("numba:compile", _Teller())


def _places() -> Iterator[Path]:
    if config.CACHE_DIR:
        yield Path(config.CACHE_DIR)
    with contextlib.suppress(RuntimeError):  # the user has no home
        yield cache_dir()
    user = str(os.getuid()) if hasattr(os, "getuid") else "user"
    yield Path(tempfile.gettempdir()) / f"otgan-{user}"


def _can_be_written(folder: Path) -> bool:
    """Whether files can be made there, by this user only: what is read back from it is run."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
        for each in (folder, folder.parent) if hasattr(os, "getuid") else ():  # elsewhere modes say nothing
            state = each.stat()
            foreign = state.st_uid not in {os.getuid(), 0}
            if foreign or (state.st_mode & stat.S_IWOTH and not state.st_mode & stat.S_ISVTX):
                return False
    except OSError:
        return False
    return True
