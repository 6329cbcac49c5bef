"""What the commands of training share: how a run's mistakes become messages, and what its numbers look like."""

from __future__ import annotations

import contextlib
import json
import logging
import sys
from collections.abc import Iterator
from typing import Any

import click

from otgan.cli import common
from otgan.plain import plain

__all__ = ["on_stderr", "run_mistakes", "sampler", "show"]


@contextlib.contextmanager
def run_mistakes() -> Iterator[None]:
    """As :func:`otgan.cli.common.mistakes`, for runs: status 2 for names and options, 1 for folders, disks and divergence.

    A training that a signal ends has the status of that signal, 130 or 143.
    """
    from otgan.gan.errors import Interrupted, OptionError, reason

    try:
        with common.mistakes():
            yield
    except click.ClickException as error:
        if isinstance(error.__cause__, OptionError):
            raise click.UsageError(error.message, click.get_current_context()) from error.__cause__
        raise
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise click.ClickException(f"{where}{reason(error)}") from error
    except Interrupted as error:  # the log has said where to resume
        raise click.exceptions.Exit(130) from error


sampler: common.Decorator = click.option(
    "--sampler",
    metavar="NAME",
    default="prior",
    show_default=True,
    help="The law of the codes: prior; of a system with an encoder mixture or transport, fitted to the codes of the data.",
)


class _Plain(logging.Formatter):
    """One line a message, in characters that print."""

    def format(self, record: logging.LogRecord) -> str:
        return plain(super().format(record))


@contextlib.contextmanager
def on_stderr() -> Iterator[None]:
    """Show on stderr what the library logs."""
    logger, handler = logging.getLogger("otgan"), logging.StreamHandler(sys.stderr)
    level = logger.level
    handler.setFormatter(_Plain("otgan: %(message)s"))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


def show(result: dict[str, Any], as_json: bool) -> None:
    """Print an evaluation on stdout."""
    if as_json:
        click.echo(json.dumps(result))  # in ASCII
        return
    for name, value in result.items():
        common.say(plain(f"{name:24} {value:.4f}" if isinstance(value, float) else f"{name:24} {value}"))
