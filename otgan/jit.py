"""Functions compiled to machine code on first use and kept on disk: one decorator, one place, by numba.

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

from otgan.folders import cache_dir

__all__ = ["EXACT", "SUMS", "compiled"]

config: Any = settings
"""Its members are made when it is read."""

_IS_COMPILED, _IMPORTED = "from otgan.jit import", re.compile(r"^from (otgan[\w.]*) import", re.MULTILINE)

_LOG = logging.getLogger(__name__)

F = TypeVar("F", bound=Callable[..., Any])

EXACT = {"contract", "nsz"}
"""Freedom of the compiler where the order of operations is the method: products and sums may be fused."""

SUMS = {"contract", "nsz", "reassoc", "arcp"}
"""Freedom where sums may be taken in any order, so that vector instructions can take them."""


def compiled(fastmath: set[str], inner: bool = False) -> Callable[[F], F]:
    """Compile a function that needs no Python while it runs, for the types that it is first called with.

    Parameters
    ----------
    fastmath : set of str
        Freedoms of the compiler, as LLVM calls them: :data:`EXACT` or :data:`SUMS`.
    inner : bool, default False
        Only other compiled functions call it: it is compiled in half the time, without an entrance from Python.
    """

    def compile_(function: F) -> F:
        folder = _folder(Path(function.__code__.co_filename).parent)
        before = config.CACHE_DIR
        # Read when the function is decorated; other users of numba in this process keep what they had.
        config.CACHE_DIR = str(folder or before)
        try:
            njit: Any = numba.njit  # whose stubs do not know of wrappers
            made: Any = njit(
                nogil=True,
                error_model="numpy",
                fastmath=fastmath,
                cache=folder is not None,
                no_cpython_wrapper=inner,
                no_cfunc_wrapper=inner,
            )(function)
        finally:
            config.CACHE_DIR = before
        return made

    return compile_


@cache
def _folder(sources: Path) -> Path | None:
    """Where functions compiled from a folder of sources are kept, named after what they are made of."""
    digest = hashlib.sha256(numba.__version__.encode())
    texts = [
        text for file in sorted(sources.glob("*.py")) if _IS_COMPILED in (text := file.read_text("utf-8"))
    ]
    # Numbers of other modules are compiled in as well.
    names = sorted({name for text in texts for name in _IMPORTED.findall(text)})
    others = [spec.origin for spec in map(find_spec, names) if spec is not None and spec.origin]
    for part in (*texts, *(Path(origin).read_text("utf-8") for origin in others)):
        digest.update(part.encode())
    name = f"compiled-{digest.hexdigest()[:16]}"
    folder = next((place / name for place in _places() if _can_be_written(place / name)), None)
    if folder is None or not any(folder.rglob("*.nbi")):
        _LOG.info("compiling loops for this machine: some seconds, once%s", "" if folder else " a process")
    return folder


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
