"""What the commands share: how mistakes become messages, what options mean, how files are written."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

from otgan.mistakes import MistakeError, OtganError
from otgan.plain import plain, plain_json, plain_lines

__all__ = [
    "DPI",
    "data_dir",
    "figure_file",
    "heartbeat",
    "hint_of_size",
    "json_flag",
    "memory_limit",
    "mistakes",
    "note",
    "quiet_stdout",
    "say",
    "say_json",
    "seed",
    "silenced",
    "usage",
    "writable",
    "write",
]

DPI = 150
"""Pixels an inch of the figures that are made of pixels."""


@contextlib.contextmanager
def mistakes() -> Iterator[None]:
    """Turn what otgan itself complains of into exit statuses: 2 for a name that means nothing, else 1.

    Memory that could not be had, by whomever, is such a complaint too. Any other error, a ValueError of NumPy's
    included, is a bug and keeps its traceback.
    """
    try:
        yield
    except OtganError as error:
        from otgan.data import SpecError

        if isinstance(error, SpecError):
            raise click.UsageError(str(error), click.get_current_context()) from error
        raise click.ClickException(str(error)) from error
    except (MemoryError, RuntimeError) as error:
        if not _out_of_memory(error):
            raise
        words = str(error).partition("\n")[0]
        raise click.ClickException(f"not enough memory{words and f': {words}'}") from error


def _out_of_memory(error: MemoryError | RuntimeError) -> bool:
    """Whether an error says that memory could not be had: torch has few kinds, and says so in a RuntimeError."""
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or "can't allocate memory" in str(error)
    )


@contextlib.contextmanager
def usage() -> Iterator[None]:
    """Turn a mistake in arguments alone into wrong usage."""
    try:
        yield
    except MistakeError as error:
        raise click.UsageError(str(error), click.get_current_context()) from error


@contextlib.contextmanager
def quiet_stdout() -> Iterator[None]:
    """Keep stdout for data: whatever libraries print goes to stderr."""
    with contextlib.redirect_stdout(sys.stderr):
        yield


@contextlib.contextmanager
def silenced() -> Iterator[None]:
    """Keep from stderr what libraries in C write there themselves about a file; what is wrong with it is raised."""
    sys.stderr.flush()
    try:
        kept = os.dup(2)
    except OSError:  # there is no stderr
        yield
        return
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


_FIRST, _SLOWEST = 2.0, 64.0
"""Seconds until something is said of what runs, and the longest silence then: from one time to the next it doubles."""


@contextlib.contextmanager
def heartbeat() -> Iterator[None]:
    """Say now and then on stderr what is running, where there is no terminal for a bar."""
    if sys.stderr.isatty():
        yield
        return
    ended = threading.Event()

    def beat() -> None:
        from otgan.progress import current

        silence = _FIRST
        while not ended.wait(silence):
            words = current()
            if words is not None:
                note(words)
            silence = min(2 * silence, _SLOWEST)

    thread = threading.Thread(target=beat, name="otgan-heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


_LARGE = 5e7
"""Pairs of samples from which on a report takes so long that somebody may rather draw some of them."""

_SECONDS, _MORE = 2.5e-7, 2e-9
"""What a pair takes in a report of the default distances on two cores, about, and more of it a dimension."""

_ENOUGH = 2000


def hint_of_size(n: int, m: int, d: int) -> None:
    """Say of large sets about how long a report takes, and what takes less."""
    if n * m < _LARGE:
        return
    minutes, seconds = (round(size * (_SECONDS + _MORE * d)) for size in (n * m / 60, _ENOUGH**2))
    note(
        f"{n} × {m} samples: by default a report takes about {max(1, minutes)} minute{'s' if minutes > 1 else ''}; "
        f"one of --n {_ENOUGH} takes {max(2, seconds)} s"
    )


def note(message: str) -> None:
    """Tell the user something on stderr."""
    click.echo(f"otgan: {plain(message)}", err=True)


def say(text: object) -> None:
    """Write lines on stdout, in characters that print."""
    click.echo(plain_lines(text))


def say_json(value: Any, indent: int | None = 2) -> None:
    """Write a value on stdout as JSON, in characters that print."""
    click.echo(plain_json(value, indent))


def writable(*suffixes: str) -> Callable[[click.Context, click.Parameter, Path | None], Path | None]:
    """Return what refuses before the work a file that could not be written after it."""

    def check(ctx: click.Context, parameter: click.Parameter, path: Path | None) -> Path | None:
        if path is None:
            return None
        trouble = None
        if path.suffix.lower() not in suffixes:
            trouble = f"expected a name that ends in {', '.join(suffixes)}"
        elif not path.parent.is_dir():
            trouble = f"there is no folder {path.parent}"
        elif not os.access(path if path.exists() else path.parent, os.W_OK):
            trouble = "it cannot be written"
        if trouble:
            raise click.BadParameter(f"{path}: {trouble}", ctx, parameter)
        return path

    return check


def write(path: Path, draw: Callable[[Path], object]) -> None:
    """Have a file written, whole or not at all, and say where."""
    partial = path.with_name(f".{path.stem}.partial{path.suffix}")
    try:
        draw(partial)
        partial.replace(path)
    except OSError as error:
        raise click.ClickException(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        partial.unlink(missing_ok=True)
    note(f"wrote {path}")


Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

figure_file: Decorator = click.option(
    "--plot",
    type=click.Path(dir_okay=False, path_type=Path),
    callback=writable(".png", ".svg", ".pdf"),
    metavar="FILE",
    help="Draw a figure into FILE (.png, .svg, .pdf).",
)

json_flag: Decorator = click.option("--json", "as_json", is_flag=True, help="Write JSON instead of a table.")

seed: Decorator = click.option(
    "--seed",
    type=click.IntRange(0),
    metavar="S",
    default=0,
    show_default=True,
    help="What every draw follows from.",
)


class _Size(click.ParamType):
    """A size of memory."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        from otgan.sizes import parse

        try:
            return parse(value)
        except MistakeError as error:
            raise click.BadParameter(str(error), ctx, param) from error


memory_limit: Decorator = click.option(
    "--memory",
    type=_Size(),
    envvar="OTGAN_MEMORY",
    metavar="SIZE",
    help="Take no more memory than this for data and solving, such as 2GiB; $OTGAN_MEMORY by default, else what is free.",
)

data_dir: Decorator = click.option(
    "--data-dir",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="Where to look for MNIST and CIFAR-10 before $OTGAN_DATA, ./data and the cache.",
)
