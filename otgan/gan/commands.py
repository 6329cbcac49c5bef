"""The commands ``otgan train``, ``otgan sample`` and ``otgan evaluate``: thin shells over the functions."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from otgan.data.errors import DataError, SpecError
from otgan.gan.errors import OptionError, RunError

__all__ = ["evaluate", "sample", "train"]

_DATA = "A name or path, as for `otgan measure`."


class _Failure(click.ClickException):
    """One line on stderr, and exit status 1: the contents of a file, or a run, are not what they must be."""

    def __init__(self, error: Exception) -> None:
        super().__init__(" ".join(str(error).split()))


class _Misuse(_Failure):
    """One line on stderr, and exit status 2: a name or an option is not what it must be."""

    exit_code = 2


@contextmanager
def _said_plainly() -> Iterator[None]:
    """Turn the library's errors into one line: status 2 for names and options, 1 for contents and runs."""
    try:
        yield
    except (OptionError, SpecError) as error:
        raise _Misuse(error) from error
    except (RunError, DataError, MemoryError) as error:
        raise _Failure(error) from error


@contextmanager
def _log_on_stderr() -> Iterator[None]:
    logger, handler = logging.getLogger("otgan"), logging.StreamHandler(sys.stderr)
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


@click.command(short_help="Train a generative model.")
@click.argument("system")
@click.option("--data", default="8gaussians", show_default=True, help=_DATA)
@click.option(
    "--steps", type=click.IntRange(min=1), help="Generator updates in all.  [default: the system's own]"
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of everything.")
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
@click.option("--device", help="Where to train, such as cpu or cuda.  [default: cuda where there is one]")
@click.option("--save-every", type=click.IntRange(min=1), help="Steps between checkpoints.  [default: 100]")
@click.option(
    "--evaluate-every",
    type=click.IntRange(min=1),
    help="Steps between evaluations.  [default: about 25 a run]",
)
@click.option(
    "--data-dir", type=click.Path(path_type=Path), help="Where to look for MNIST and CIFAR-10 first."
)
@click.option("--tensorboard", is_flag=True, help="Write the metrics for TensorBoard too.")
@click.option("--quiet", is_flag=True, help="No progress bar.")
@click.option("--json", "as_json", is_flag=True, help="Print the last evaluation as JSON.")
def train(
    system: str,
    data: str,
    steps: int | None,
    seed: int,
    out: Path | None,
    resume: bool,
    options: tuple[str, ...],
    device: str | None,
    save_every: int | None,
    evaluate_every: int | None,
    data_dir: Path | None,
    tensorboard: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    """Train SYSTEM, one of gan, wgan, wgan-gp, smoothed-ot, sinkhorn, and evaluate it.

    The folder receives config.json, metrics.jsonl, the last two checkpoints, samples/, curves.png and
    evaluation.json.
    """
    folder = out or Path("runs") / f"{system}-{_file_name(data)}-seed{seed}"
    with _said_plainly(), _log_on_stderr():
        from otgan.data import check

        given = dict(_assignment(text) for text in options)
        check(data, data_dir=data_dir)  # before torch is loaded
        from otgan.gan.trainer import train as run_training

        run = run_training(
            system,
            data,
            steps,
            seed,
            folder,
            resume=resume,
            options=given,
            device=device,
            save_every=save_every,
            evaluate_every=evaluate_every,
            data_dir=data_dir,
            progress=not quiet,
            tensorboard=tensorboard,
        )
        result = next(row["evaluation"] for row in reversed(run.history) if "evaluation" in row)
    click.echo(f"the run is in {folder}", err=True)
    _print(result, as_json)


@click.command(short_help="Draw samples from a trained model.")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("-n", "count", type=click.IntRange(min=1), default=64, show_default=True, help="How many.")
@click.option("--seed", type=click.IntRange(min=0), help="Makes the draw repeatable.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="The file to write: .npy, .csv (a row each), or .png (a picture).",
)
def sample(folder: Path, count: int, seed: int | None, out: Path) -> None:
    """Draw samples from the run in DIR."""
    with _said_plainly(), _log_on_stderr():
        if out.suffix not in {".npy", ".csv", ".png"}:
            raise OptionError(f"--out must end in .npy, .csv or .png, got {str(out)!r}")
        if not out.parent.is_dir():
            raise OptionError(f"no such folder to write to: {out.parent}")
        from otgan.gan.run import Run

        Run.load(folder).write_samples(out, count, seed)


@click.command(short_help="Compare a trained model with data.")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--against", help=f"Other data than the run's own. {_DATA}")
@click.option(
    "-n", "count", type=click.IntRange(min=2), default=2000, show_default=True, help="Samples, at most."
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the samples.")
@click.option(
    "--data-dir", type=click.Path(path_type=Path), help="Where to look for MNIST and CIFAR-10 first."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def evaluate(
    folder: Path, against: str | None, count: int, seed: int, data_dir: Path | None, as_json: bool
) -> None:
    """Compare samples of the run in DIR with held-out data, every distance beside its real-real floor."""
    with _said_plainly(), _log_on_stderr():
        from otgan.gan.run import Run

        result = Run.load(folder).evaluate(against, n=count, seed=seed, data_dir=data_dir)
    _print(result, as_json)


def _assignment(text: str) -> tuple[str, str]:
    name, mark, value = text.partition("=")
    if not mark or not name:
        raise OptionError(f"--set takes NAME=VALUE, got {text!r}")
    return name.strip().replace("-", "_"), value.strip()


def _file_name(data: str) -> str:
    """Return a data spec as a part of a folder's name."""
    return "".join(letter if letter.isalnum() or letter in ".-@" else "-" for letter in Path(data).name)


def _print(result: dict[str, Any], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(result))
        return
    for name, value in result.items():
        if not isinstance(value, dict):
            click.echo(f"{name:24} {value:.4f}" if isinstance(value, float) else f"{name:24} {value}")
