"""``otgan train``: train a generative model in a folder."""

from __future__ import annotations

import contextlib
import datetime
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from otgan.cli import common
from otgan.cli.overview import rows_of, show_table
from otgan.cli.runs import on_stderr, run_mistakes, show
from otgan.gan.registry import CLASSES

__all__ = ["command"]


_MOST = 1000
"""Seeds of one call."""

_MINUTES = 5
"""How long one of several processes waits for another that says nothing."""

_NAMES = list(CLASSES)
_HELP = f"""Train SYSTEM and evaluate it: {", ".join(_NAMES[:-1])} or {_NAMES[-1]}.

The folder receives config.json, metrics.jsonl, the last two checkpoints, samples/, curves.png, evaluation.json and report.html;
of systems with an encoder reconstructions/ and traversals/ too.

Under torchrun its processes train together: torchrun --nproc-per-node 2 -m otgan train SYSTEM ...

`otgan train SYSTEM --help` lists the hyperparameters of a system as well.
"""


class _Seeds(click.ParamType):
    """Seeds, from one to another or one by one."""

    name = "seeds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> list[int]:
        first, dots, last = str(value).partition("..")
        found: range | list[int]
        try:
            found = range(int(first), int(last) + 1) if dots else [int(part) for part in first.split(",")]
        except ValueError:
            found = []
        if not 0 < len(found) <= _MOST or min(found) < 0 or len(set(found)) < len(found):
            self.fail(f"{value!r} is no list of at most {_MOST} seeds: write 0..4, or 0,3,7", param, ctx)
        return list(found)


class _Train(click.Command):
    """The command, whose help lists the hyperparameters of the system that is named before ``--help``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Note which system is meant before anything is parsed: help ends the parsing."""
        ctx.meta["system"] = next((word for word in args if word in CLASSES), None)
        return super().parse_args(ctx, args)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the options, and of a system its hyperparameters."""
        super().format_options(ctx, formatter)
        if ctx.meta.get("system") is None:
            return
        from otgan.gan.systems import SYSTEMS
        from otgan.gan.systems.described import hyperparameters

        with formatter.section(f"Hyperparameters of {ctx.meta['system']} (--set NAME=VALUE)"):
            formatter.write_dl(
                [
                    (each.name, f"{each.meaning or each.type}  [default: {each.default}]")
                    for each in hyperparameters(SYSTEMS[ctx.meta["system"]])
                ]
            )


@click.command("train", cls=_Train, short_help="Train a generative model.", help=_HELP)
@click.argument("system")
@click.option(
    "--data", default="8gaussians", show_default=True, help="A name or path, as for `otgan measure`."
)
@click.option(
    "--steps",
    type=click.IntRange(min=1),
    help="Generator updates in all.  [default: the system's own, or with --resume the run's]",
)
@click.option(
    "--minutes",
    type=click.FloatRange(0, min_open=True),
    metavar="M",
    help="Minutes of training after which to stop, evaluations not counted, if --steps do not come first.",
)
@common.seed
@click.option(
    "--seeds",
    type=_Seeds(),
    metavar="A..B|A,B,...",
    help="Train once for each seed, into OUT/seed-SEED, and show the runs and their medians.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for checkpoints, metrics and pictures.  [default: runs/SYSTEM-DATA-seedSEED]",
)
@click.option("--resume", is_flag=True, help="Go on with the run in the folder.")
@click.option(
    "--set",
    "options",
    multiple=True,
    metavar="NAME=VALUE",
    help="A hyperparameter of the system, such as batch=64, network=resnet or lr=1e-4; may be repeated.",
)
@click.option(
    "--preset",
    metavar="paper",
    help="Networks and settings of the papers' size for CIFAR-10, in place of the defaults for the data: hours of a GPU.",
)
@click.option(
    "--conditional",
    is_flag=True,
    help="Make samples by class, of data with labels; short for --set conditional=true.",
)
@click.option(
    "--labels",
    metavar="COLUMN",
    help="The column of a table that holds the class of each row, numbers or words.",
)
@click.option("--device", help="Where to train, such as cpu or cuda.  [default: cuda where there is one]")
@click.option(
    "--threads",
    type=click.IntRange(1, 1024),
    help="Threads of the CPU; results depend on it in the last bits.  [default: torch's own]",
)
@click.option("--save-every", type=click.IntRange(min=1), help="Steps between checkpoints.  [default: 100]")
@click.option(
    "--evaluate-every",
    type=click.IntRange(min=1),
    help="Steps between evaluations.  [default: about 25 a run]",
)
@common.data_dir
@click.option("--tensorboard", is_flag=True, help="Write the metrics for TensorBoard too.")
@click.option("--quiet", is_flag=True, help="Neither settings nor a progress bar.")
@common.json_flag
def command(
    system: str,
    data: str,
    minutes: float | None,
    seed: int,
    seeds: list[int] | None,
    out: Path | None,
    options: tuple[str, ...],
    device: str | None,
    threads: int | None,
    data_dir: Path | None,
    quiet: bool,
    as_json: bool,
    **how: Any,
) -> None:
    """Train SYSTEM and evaluate it; `how` are arguments of the function of that name that are given on as they are."""
    folders = _folders(f"{system}-{_file_name(data)}", seed, seeds, out)
    with run_mistakes(), on_stderr(), contextlib.ExitStack() as stack:
        from otgan.data import check

        given = dict(_assignment(text) for text in options)
        check(data, data_dir=data_dir)  # before torch is loaded
        from otgan.gan.callbacks import TimeLimit
        from otgan.gan.trainer import train

        if threads is not None:
            import torch

            torch.set_num_threads(threads)
        group, device, speaks = _joined(stack, device)
        for each, folder in folders.items():
            run = train(
                system,
                data,
                seed=each,
                out=folder,
                options=given,
                device=device,
                data_dir=data_dir,
                progress=not quiet,
                callbacks=None if minutes is None else TimeLimit(minutes),
                group=group,
                **how,
            )
            if speaks:
                common.note(f"the run is in {folder}")
        result = next(row["evaluation"] for row in reversed(run.history) if "evaluation" in row)
    if speaks and seeds is None:
        show(result, as_json)
    elif speaks:
        _show_runs(folders, as_json)


def _show_runs(folders: dict[int, Path], as_json: bool) -> None:
    """Show the runs of several seeds, and their medians."""
    rows = rows_of(folders.values())
    if as_json:
        common.say_json(rows)
    else:
        show_table(rows, median=True)


def _joined(stack: contextlib.ExitStack, device: str | None) -> tuple[Any, str | None, bool]:
    """Join the processes that torchrun started: return their group, if any, where to train, and whether this one speaks."""
    from otgan.distributed.launch import is_launched, launched

    if not is_launched():
        return None, device, True
    import torch
    import torch.distributed as dist

    gpus = torch.cuda.is_available() and (device is None or device.startswith("cuda"))
    group = stack.enter_context(launched("cuda" if gpus else "cpu", datetime.timedelta(minutes=_MINUTES)))
    return group, device, dist.get_rank() == 0


def _folders(name: str, seed: int, seeds: list[int] | None, out: Path | None) -> dict[int, Path]:
    """The folder of the run of each seed."""
    if seeds is None:
        return {seed: out or Path("runs") / f"{name}-seed{seed}"}
    if click.get_current_context().get_parameter_source("seed") is not ParameterSource.DEFAULT:
        raise click.UsageError("give --seed or --seeds, not both")
    return {each: (out or Path("runs") / name) / f"seed-{each}" for each in seeds}


def _assignment(text: str) -> tuple[str, str]:
    name, mark, value = text.partition("=")
    if not mark or not name:
        raise click.UsageError(f"--set takes NAME=VALUE, got {text!r}")
    return name.strip().replace("-", "_"), value.strip()


def _file_name(data: str) -> str:
    """Return a data spec as a part of a folder's name."""
    return "".join(letter if letter.isalnum() or letter in ".-@" else "-" for letter in Path(data).name)
