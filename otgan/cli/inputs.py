"""Samples as the commands are given them: what options there are for a set, and for two."""

from __future__ import annotations

import contextlib
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from otgan.cli import common

if TYPE_CHECKING:
    from otgan.data import Dataset
    from otgan.measure import Measure

__all__ = ["Input", "TwoSets", "of_two_sets", "taken"]

_ROUNDING = 1e-12

_CHANNELS = (1, 3)
"""Of images that can be drawn."""

_SHOWN = 8
"""Columns that a message lists."""

_STANDARD_INPUT = ("-", "stdin")
_KINDS = {b"\x93NUMPY": ".npy", b"PAR1": ".parquet", b"PK\x03\x04": ".npz"}
"""Endings of files by what they begin with; everything else is text."""


@dataclass(frozen=True)
class Input:
    """A set of samples, as the user wrote it."""

    spec: str
    n: int | None
    seed: int
    weights: str | None
    data_dir: Path | None
    drop_na: bool = False
    path: str = ""
    """Where it is, if that is not what the user wrote."""

    def check(self) -> None:
        """Raise what can be known to be wrong without reading the data."""
        from otgan.data import check

        with self._named():
            check(self.path or self.spec, data_dir=self.data_dir, weights=self.weights)

    def read(self) -> Dataset:
        """Return the samples, those of ``otgan.data.load``."""
        from otgan.data import open_spec

        with self._named():
            return open_spec(
                self.path or self.spec,
                self.n,
                self.seed,
                data_dir=self.data_dir,
                weights=self.weights,
                drop_na=self.drop_na,
            )

    @contextlib.contextmanager
    def _named(self) -> Iterator[None]:
        """Call standard input so in messages, not by the file that holds what it held."""
        from otgan.data import DataError

        try:
            yield
        except DataError as error:
            if not self.path:
                raise
            held = Path(self.path.partition("#")[0])
            raise type(error)(str(error).replace(str(held), "stdin")) from error

    def to_dict(self) -> dict[str, Any]:
        """Return it as it goes into JSON."""
        return {"spec": self.spec, "n": self.n, "seed": self.seed, "weights": self.weights}


def of_two_sets(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of two sets of samples; :meth:`TwoSets.of` takes them back."""
    options = (
        click.option(
            "--n",
            type=click.IntRange(1),
            metavar="N",
            help="How many rows of each to draw; all by default (synthetic: 1000).",
        ),
        common.seed,
        click.option(
            "--seed-b", type=click.IntRange(0), metavar="S", help="The seed of B, where it is not that of A."
        ),
        click.option(
            "--weights-a", metavar="FILE|COLUMN", help="Weights of A: a file, or a column of its table."
        ),
        click.option("--weights-b", metavar="FILE|COLUMN", help="Weights of B."),
        click.option("--drop-na", is_flag=True, help="Leave out rows with a missing value."),
        click.option(
            "--standardize", is_flag=True, help="Divide each column by its standard deviation within A and B."
        ),
        common.data_dir,
    )
    for option in reversed(options):
        command = option(command)
    return command


@dataclass(frozen=True)
class TwoSets:
    """Two sets of samples, as the user wrote them."""

    a: Input
    b: Input
    standardize: bool

    @classmethod
    def of(cls, ctx: click.Context, a: str, b: str, options: dict[str, Any]) -> TwoSets:
        """Take the options that :func:`of_two_sets` adds out of all options."""
        n, data_dir, drop_na = (options.pop(name) for name in ("n", "data_dir", "drop_na"))
        seed_b = options.pop("seed_b")
        seeds = options["seed"], options["seed"] if seed_b is None else seed_b
        weights = options.pop("weights_a"), options.pop("weights_b")
        first, second = (
            Input(spec, n, seed, weight, data_dir, drop_na, taken(ctx, spec))
            for spec, seed, weight in zip((a, b), seeds, weights, strict=True)
        )
        return cls(first, second, options.pop("standardize"))

    @property
    def names(self) -> tuple[str, str]:
        """What the two are called."""
        a, b = self.a.spec, self.b.spec
        return (a, b) if a != b else (f"{a} seed {self.a.seed}", f"{b} seed {self.b.seed}")

    @property
    def weighted(self) -> bool:
        """Whether one of them has weights."""
        return self.a.weights is not None or self.b.weights is not None

    @property
    def speaks(self) -> bool:
        """Whether this process is the one that shows what is found."""
        return True

    def join(self, ctx: click.Context, device: str) -> None:
        """Join no other processes: this one has all samples."""
        if ctx.get_parameter_source("device") is click.core.ParameterSource.COMMANDLINE:
            raise click.UsageError(f"--device {device} belongs to --shards: add that, or leave it out", ctx)

    def check(self) -> None:
        """Raise what can be known to be wrong without reading the data."""
        self.a.check()
        self.b.check()

    def read(self) -> tuple[Measure, Measure, tuple[int, int, int] | None]:
        """Return the samples, and of what shape they are where both are images, gray or colored.

        Columns are matched by name, but where both sides name them, in the order of these.
        """
        from otgan.measure import Measure

        with common.silenced():
            first, second = self.a.read(), self.b.read()
        x, y = (
            Measure.of(each.points, each.weights, columns=each.columns or None) for each in (first, second)
        )
        if first.selected and second.selected and first.dim == second.dim:
            y = y.named(first.columns)
        drawable = first.shape == second.shape and first.shape is not None and first.shape[0] in _CHANNELS
        images = first.shape if drawable else None
        x, y = _standardized(x, y) if self.standardize else (x, y)
        return x, y, images

    def to_list(self) -> list[dict[str, Any]]:
        """Return both as they go into JSON."""
        return [each.to_dict() | {"standardized": self.standardize} for each in (self.a, self.b)]


def taken(ctx: click.Context, spec: str) -> str:
    """Return where the samples of a spec are: for ``-`` and ``stdin#columns`` a file of what standard input holds."""
    head, mark, rest = spec.partition("#")
    if head not in _STANDARD_INPUT or (spec == "stdin" and Path(spec).exists()):
        return ""
    if ctx.obj is not None:
        raise click.UsageError("standard input can be read once: only one set can be from it", ctx)
    folder = Path(tempfile.mkdtemp(prefix="otgan-"))
    ctx.call_on_close(lambda: shutil.rmtree(folder, ignore_errors=True))
    held = sys.stdin.buffer.read() if hasattr(sys.stdin, "buffer") else sys.stdin.read().encode()
    line = held.partition(b"\n")[0]
    text = ".tsv" if b"\t" in line and b"," not in line else ".csv"
    ending = next((kind for start, kind in _KINDS.items() if held.startswith(start)), text)
    ctx.obj = folder / f"stdin{ending}"
    ctx.obj.write_bytes(held)
    return f"{ctx.obj}{mark}{rest}"


def _standardized(x: Measure, y: Measure) -> tuple[Measure, Measure]:
    """Return both sets with each column divided by its standard deviation within sets, which says by what on stderr."""
    from dataclasses import replace

    import numpy as np

    from otgan.pair import pair

    both = pair(x, y)
    sides = both.x, both.y
    variance = sum(
        side.weights[0] @ (side.points[0] - side.weights[0] @ side.points[0]) ** 2 for side in sides
    )
    scale = np.sqrt(variance / 2)
    largest = np.maximum(*(abs(side.points[0]).max(0) for side in sides))
    scale = np.where(scale > _ROUNDING * largest, scale, 1.0)  # what is constant has no spread but rounding
    names = x.columns or tuple(map(str, range(len(scale))))
    by = [f"{name} by {value:.4g}" for name, value in zip(names, scale, strict=True)]
    common.note(
        f"columns are divided by their standard deviations: {', '.join(by[:_SHOWN])}{', …' * (len(by) > _SHOWN)}"
    )
    first, second = (replace(side, points=side.points / scale) for side in sides)
    return first, second
