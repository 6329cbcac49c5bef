"""``otgan train``: train a generative model in a folder."""

from __future__ import annotations

from pathlib import Path

import click

from otgan.cli import common
from otgan.cli.runs import on_stderr, run_mistakes, show
from otgan.gan.registry import CLASSES

__all__ = ["command"]


_NAMES = list(CLASSES)
_HELP = f"""Train SYSTEM and evaluate it: {", ".join(_NAMES[:-1])} or {_NAMES[-1]}.

The folder receives config.json, metrics.jsonl, the last two checkpoints, samples/, curves.png and evaluation.json;
of systems with an encoder reconstructions/ and traversals/ too.
"""


@click.command("train", short_help="Train a generative model.", help=_HELP)
@click.argument("system")
@click.option(
    "--data", default="8gaussians", show_default=True, help="A name or path, as for `otgan measure`."
)
@click.option(
    "--steps", type=click.IntRange(min=1), help="Generator updates in all.  [default: the system's own]"
)
@common.seed
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
@click.option("--quiet", is_flag=True, help="No progress bar.")
@common.json_flag
def command(
    system: str,
    data: str,
    steps: int | None,
    seed: int,
    out: Path | None,
    resume: bool,
    options: tuple[str, ...],
    device: str | None,
    threads: int | None,
    save_every: int | None,
    evaluate_every: int | None,
    data_dir: Path | None,
    tensorboard: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    """Train SYSTEM and evaluate it."""
    folder = out or Path("runs") / f"{system}-{_file_name(data)}-seed{seed}"
    with run_mistakes(), on_stderr():
        from otgan.data import check

        given = dict(_assignment(text) for text in options)
        check(data, data_dir=data_dir)  # before torch is loaded
        from otgan.gan.trainer import train

        if threads is not None:
            import torch

            torch.set_num_threads(threads)
        run = train(
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
    common.note(f"the run is in {folder}")
    show(result, as_json)


def _assignment(text: str) -> tuple[str, str]:
    name, mark, value = text.partition("=")
    if not mark or not name:
        raise click.UsageError(f"--set takes NAME=VALUE, got {text!r}")
    return name.strip().replace("-", "_"), value.strip()


def _file_name(data: str) -> str:
    """Return a data spec as a part of a folder's name."""
    return "".join(letter if letter.isalnum() or letter in ".-@" else "-" for letter in Path(data).name)
