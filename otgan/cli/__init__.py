"""The command ``otgan``: a thin shell over the functions, one file a command.

Exit status: 0; 1 for what a file contains and for a run that fails; 2 for usage, unknown names included; 3 where
``--strict`` asks for convergence and there is none; 130 on interruption, 143 where SIGTERM ended a training. Data go to stdout, everything else to stderr.

A command is a line in :data:`COMMANDS` and a module whose ``command`` is imported only when it is called, so that
``otgan --help`` imports nothing but click.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import io
import logging
import os
import sys
import traceback
import warnings
from collections.abc import Sequence
from types import TracebackType
from typing import Any

import click

import otgan
from otgan.plain import plain, plain_lines

__all__ = ["COMMANDS", "main", "root"]

COMMANDS = {
    "measure": ("otgan.cli.measure", "Measure how far apart two sets of samples are."),
    "test": ("otgan.cli.two_sample", "Test whether two sets of samples are draws of one population."),
    "pairwise": ("otgan.cli.all_pairs", "Measure the distances between all pairs of several sets."),
    "lines": ("otgan.cli.lines", "The parallel lines: Example 1 of the Wasserstein GAN paper."),
    "train": ("otgan.cli.train", "Train a generative model."),
    "sample": ("otgan.cli.sample", "Draw samples from a trained model."),
    "evaluate": ("otgan.cli.evaluate", "Compare a trained model with data."),
    "runs": ("otgan.cli.overview", "Compare trained models."),
    "data": ("otgan.cli.data", "List, describe and fetch data sets."),
}
"""Where each command lives, and what it is for."""

_INTERRUPTED = 130


class _Commands(click.Group):
    """A group whose commands are imported when they are called, and whose errors are one line."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(COMMANDS[name][0]).command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            raise click.UsageError(
                f"no command {args[0]!r}: there are {', '.join(COMMANDS)}",
                ctx,
            )
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, words) for name, (_, words) in COMMANDS.items()])

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run, and turn every ending into an exit status; a user's mistake never shows a traceback."""
        run = functools.partial(super().main, args, prog_name, complete_var, standalone_mode=False, **extra)
        if not standalone_mode:
            return run()
        status: Any
        try:
            status = run()
            sys.stdout.flush()
        except click.ClickException as error:
            _say(error)
            status = error.exit_code
        except click.Abort:
            click.echo("otgan: interrupted", err=True)
            status = _INTERRUPTED
        except BrokenPipeError:
            # Whoever read the output has gone. Python would complain once more when it flushes stdout at exit.
            with contextlib.suppress(OSError, io.UnsupportedOperation):
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            status = 1
        sys.exit(status if isinstance(status, int) else 0)


def _say(error: click.ClickException) -> None:
    """Write an error in one line, with where to read more after wrong usage; the help where nothing was asked for."""
    if isinstance(error, getattr(click.exceptions, "NoArgsIsHelpError", ())):
        click.echo(error.format_message(), err=True)
        return
    context = error.ctx if isinstance(error, click.UsageError) else None
    command = "otgan" if context is None else context.command_path
    # Click wraps what it says itself; a name keeps its blanks, its line breaks as \\n.
    message = plain(" ".join(error.format_message().split()))
    more = f" (see {command} --help)" if isinstance(error, click.UsageError) else ""
    click.echo(f"{command}: error: {message}{more}", err=True)


def _show_bug(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Show the traceback of a bug, in which names of files and the like may stand, in characters that print."""
    click.echo(plain_lines("".join(traceback.format_exception(kind, error, trace)).rstrip("\n")), err=True)


def _show_warning(message: Warning | str, *_: object, **__: object) -> None:
    """Show a warning of whatever library in one line."""
    click.echo(f"otgan: warning: {plain(message)}", err=True)


def _show_waiting() -> None:
    """Say on a terminal that loops are being compiled: commands show the other messages of the library themselves."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("otgan: %(message)s"))
    log = logging.getLogger("otgan.jit")
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False  # training has a handler for all the others, which would say it again


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    no_args_is_help=True,
    epilog="Exit status: 0; 1 what a file contains, or the run; 2 usage; 3 not converged under --strict.",
)
@click.version_option(otgan.__version__, prog_name="otgan")
def root() -> None:
    """Optimal-transport distances between sample sets, each with a certificate."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command ``otgan``."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that has no ε is shown a question mark
    sys.excepthook = _show_bug
    warnings.showwarning = _show_warning
    if sys.stderr.isatty():
        _show_waiting()
    root.main(None if arguments is None else list(arguments), prog_name="otgan")
