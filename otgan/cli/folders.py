"""Two sets of samples in folders of shards, of which each process that torchrun started reads rows of its own."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click

from otgan.cli import common

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from otgan.data.shard_folders import ShardFolder
    from otgan.distributed.exchange import Exchange

__all__ = ["Folders"]

_DRAWS = ("n", "seed_b", "weights_a", "weights_b", "drop_na", "standardize", "data_dir")
"""Options of samples that are drawn, or read whole."""


@dataclass
class Folders:
    """Two folders of shards, as the user named them.

    Attributes
    ----------
    a, b : str
    device : str
    ranks : Exchange or None
        The processes that share the rows, where there are several.
    taken : list of dict
        What was read of either folder, and by whom.
    """

    a: str
    b: str
    device: str = "cpu"
    ranks: Exchange | None = None
    taken: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def of(cls, ctx: click.Context, a: str, b: str, options: dict[str, Any]) -> Folders:
        """Take out of all options those of two sets, of which shards have none."""
        for name in _DRAWS:
            options.pop(name)
            if ctx.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE:
                word = name.replace("_", "-")
                raise click.UsageError(
                    f"--{word} is of samples that are drawn or read whole: leave it out with --shards", ctx
                )
        return cls(a, b)

    @property
    def names(self) -> tuple[str, str]:
        """What the two are called."""
        return (self.a, self.b) if self.a != self.b else (f"{self.a} as A", f"{self.b} as B")

    @property
    def weighted(self) -> bool:
        """Shards have no weights."""
        return False

    @property
    def speaks(self) -> bool:
        """Whether this process is the one that shows what is found."""
        return self.ranks is None or self.ranks.rank == 0

    def check(self) -> None:
        """Raise what can be known to be wrong without reading rows; of several processes none must do so alone."""
        from otgan.distributed.launch import is_launched

        if not is_launched():
            self._opened()

    def join(self, ctx: click.Context, device: str) -> Any:
        """Join the processes that torchrun started until the command ends; return their group, None where this is alone."""
        from otgan.distributed.launch import launched

        self.device = _there(ctx, device)
        group = ctx.with_resource(launched(device))
        if group is None:
            return None
        from otgan.distributed.exchange import Exchange

        ranks = Exchange(group, device)
        if ranks.size == 1:
            return None
        self.ranks = ranks
        return group

    def read(self) -> tuple[Any, Any, None]:
        """Return the rows of this process, of which there may be none: those of one process as measures."""
        from otgan.measure import Measure

        if self.ranks is None:
            (x, y), columns = self._rows(*self._opened(), 0, 1)
            x, y = (Measure.of(self._placed(each), columns=columns or None) for each in (x, y))
            return x, y, None
        ranks = self.ranks
        ranks.meet()
        with ranks.guarded("the shards"):
            folders, _ = ranks.together("headers", self._opened)
            told = ranks.all_of([folder.describe() for folder in folders])
            other = next((k for k, each in enumerate(told) if each != told[0]), None)
            if other is not None:
                from otgan.data import DataError

                a, b = (folder.name for folder in folders)
                raise DataError(
                    f"{a} and {b}: not the same shards on rank {other} as on rank 0: give all ranks the same files"
                )
            ((x, y), _), _ = ranks.together("rows", lambda: self._rows(*folders, ranks.rank, ranks.size))
            self._gather(ranks)
        return self._placed(x), self._placed(y), None

    def to_list(self) -> list[dict[str, Any]]:
        """Return both as they go into JSON: of which rows and how many bytes each process read."""
        return self.taken

    def _opened(self) -> tuple[ShardFolder, ShardFolder]:
        """Open both folders, whose rows must be of one width."""
        from otgan.data import DataError
        from otgan.data.shard_folders import ShardFolder

        with common.silenced():
            a, b = ShardFolder.open(self.a), ShardFolder.open(self.b)
        if a.width != b.width:
            raise DataError(
                f"{b.name}: rows of {b.width} numbers, where {a.name} has rows of {a.width}: expected samples of one dimension"
            )
        return a, b

    def _rows(
        self, a: ShardFolder, b: ShardFolder, rank: int, size: int
    ) -> tuple[tuple[Any, Any], tuple[str, ...]]:
        """Read the rows of one of several processes, columns of B in the order of those of A."""
        from otgan.columns import check_same, in_order

        found, self.taken = [], []
        named = bool(a.columns and b.columns)
        if named and a.columns != b.columns:
            check_same(a.columns, b.columns, a.name, b.name)
        for folder in (a, b):
            start, stop = folder.share(rank, size)
            with common.silenced():
                rows, nbytes = folder.read(start, stop)
            found.append(in_order(rows.points, folder.columns, a.columns) if named else rows.points)
            self.taken.append(
                {
                    "spec": folder.name,
                    "shards": len(folder.shards),
                    "columns": list(folder.columns) or None,
                    "rows": [[start, stop]],
                    "bytes": [nbytes],
                }
            )
        return (found[0], found[1]), a.columns or b.columns

    def _gather(self, ranks: Exchange) -> None:
        """Put together what all processes have read."""
        told = ranks.all_of([[each["rows"][0], each["bytes"][0]] for each in self.taken])
        for k, each in enumerate(self.taken):
            each["rows"], each["bytes"] = [one[k][0] for one in told], [one[k][1] for one in told]

    def _placed(self, rows: NDArray[Any]) -> Any:
        """Return the rows where they are to be measured."""
        if self.device == "cpu":
            return rows
        import torch

        return torch.from_numpy(rows).to(self.device)


def _there(ctx: click.Context, device: str) -> str:
    """Return a device that is there."""
    if device == "cpu":
        return device
    import torch

    if not torch.cuda.is_available():
        raise click.UsageError(f"--device {device}: there is no GPU that torch can use", ctx)
    return device
