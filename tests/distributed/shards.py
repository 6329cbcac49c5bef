"""What ranks find of sets that they share row by row, and the command on folders of shards."""

import itertools
import os
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from click.testing import CliRunner

import otgan
from otgan.cli import root
from otgan.measure import Measure

BANDWIDTH = {"mmd": {"bandwidth": 1.5}}
EVERY = "emd,sinkhorn,sinkhorn_divergence,energy,mmd,bures"

REPORTS = {
    "weighted": {"metrics": EVERY, "options": BANDWIDTH},
    "plain": {"metrics": EVERY, "options": {"mmd": {"bandwidth": 1.5, "biased": True}}, "p": 2, "blur": 0.5},
    "other costs": {"metrics": "energy,mmd", "cost": "cityblock", "options": {"mmd": {"bandwidth": 1.0, "kernel": "imq"}}},
    "usual": {"test": "mmd"},
    "far": {"metrics": "energy,bures", "test": None},
}  # fmt: skip
"""Calls of compare that ranks make together, and a process alone."""

ROWS = 10**6
"""Rows of the shard that is larger than what any rank reads of it."""


def sets(name):
    """Two sets, with weights or without; of one call far from 0."""
    rng = np.random.default_rng(11)
    x, y = rng.normal(size=(90, 3)), 1.3 * rng.normal(size=(71, 3)) + 0.4
    a, b = rng.uniform(0.0, 1.0, 90), rng.uniform(0.2, 1.0, 71)
    a[:40] = 0.0  # all that some ranks have
    if name == "far":
        x, y = x + 1e9, y + 1e9
    return (x, y, a, b) if name == "weighted" else (x, y, None, None)


def report(name, rows, group):
    """What a call of compare finds, as numbers."""
    given = [
        None if each is None else each[part] for each, part in zip(sets(name), (*rows, *rows), strict=True)
    ]
    return otgan.compare(*given, group=group, **REPORTS[name]).to_dict()


def raised(call):
    """The class and the text of what a call raises."""
    try:
        call()
    except Exception as error:
        return type(error).__name__, str(error)
    return None


def mistakes(rank, size, rows):
    """What every rank raises where one of them makes a mistake, or all ask for what cannot be shared."""
    last = rank == size - 1
    x, y, a, _ = sets("weighted")
    x, y, a = x[rows[0]], y[rows[1]], a[rows[0]]
    broken = np.where(np.arange(len(x))[:, None] == 2, np.nan, x) if last else x
    calls = {
        "nan": lambda: otgan.compare(broken, y, metrics="energy", group=True),
        "metric": lambda: otgan.compare(x, y, metrics="energy,emd,js:knn", group=True),
        "one rank's metric": lambda: otgan.compare(x, y, metrics="tv" if last else "energy", group=True),
        "permutations": lambda: otgan.compare(x, y, metrics="energy", permutations=9, group=True),
        "bandwidth": lambda: otgan.compare(x, y, metrics="mmd", group=True),
        "options": lambda: otgan.compare(x, y, metrics="energy", seed=int(last), group=True),
        "dimension": lambda: otgan.compare(x, y[:, :2], metrics="energy", group=True),
        "batch": lambda: otgan.compare(x[None], y[None], metrics="energy", group=True),
        "no mass": lambda: otgan.compare(x, y, 0 * a, metrics="energy", group=True),
        "no rows": lambda: otgan.compare(x[:0], y, metrics="energy", group=True),
        "function": lambda: otgan.compare(x, y, metrics="energy", cost=distance, group=True),
        "latitude": lambda: otgan.compare(100 * x[:, :2], y[:, :2], metrics="energy", cost="haversine", group=True),
        "one sample": lambda: otgan.compare(x[: last], y, metrics="mmd", options=BANDWIDTH, group=True),
        "samples": lambda: otgan.compare(x, y, metrics="bures", test=None, group=True).x,
        "measure": lambda: otgan.compare(Measure.of(x) if last else x, y, metrics="energy", group=True),
    }  # fmt: skip
    found = {name: raised(call) for name, call in calls.items()}
    return found | {"after": otgan.compare(x, y, metrics="bures", test=None, group=True)["bures"].value}


def distance(u, v):
    """A distance that is a function."""
    return np.abs(u[:, None] - v[None]).sum(2)


def parts(rank, size):
    """The rows of x and of y of a rank: uneven ones, of x none on one, of y none on another."""
    cuts = [0, *np.linspace(30, 45, size - 1).astype(int), 90]
    cuts[2] = cuts[1]
    own = [slice(*cut) for cut in itertools.pairwise(cuts)][rank]
    return own, slice(0, 0) if rank == 0 else slice(71 * (rank - 1) // (size - 1), 71 * rank // (size - 1))


def write_folders(folder):
    """Write the folders of shards that the command is given; rank 3 has others of some of them, in a folder of its own."""
    x, y, _, _ = sets("plain")
    folder = Path(folder)
    for place in (folder, folder / "apart"):
        for name in ("left", "right", "few", "wide", "other", "named", "torn", "large"):
            (place / name).mkdir(parents=True)
    for place in (folder, folder / "apart"):
        apart = place.name == "apart"
        for k, (start, stop) in enumerate(itertools.pairwise((0, 7, 7, 90))):
            np.save(place / f"left/{k}.npy", x[start:stop])
            np.save(place / f"wide/{k}.npy", x[start:stop, : 2 if apart and k == 2 else 3])
            np.save(place / f"other/{k}.npy", x[start : stop - apart])
            np.save(place / f"torn/{k}.npy", np.where(np.arange(start, stop)[:, None] == 89, np.inf, x[start:stop]) if apart else x[start:stop])  # fmt: skip
        for k, (start, stop) in enumerate(itertools.pairwise((0, 50, 71))):
            np.save(place / f"right/{k}.npy", y[start:stop])
            frame = pd.DataFrame(y[start:stop, ::-1], columns=list("wvu"))
            frame.to_parquet(place / f"named/{k}.parquet", row_group_size=8)
        np.save(place / "few/0.npy", x[:3])
    frame = pd.DataFrame(x, columns=list("uvw"))
    for place in (folder, folder / "apart"):
        (place / "table").mkdir()
        frame.to_parquet(place / "table/0.parquet", row_group_size=25)
        np.save(place / "large/0.npy", np.linspace(-1.0, 1.0, ROWS))


CALLS = {
    "npy": ("left", "right", "--metrics", "emd,energy,bures,sinkhorn"),
    "parquet": ("table", "named", "--metrics", "energy,bures"),
    "few": ("few", "right", "--metrics", "energy", "--test", "none"),
    "large": ("large", "large", "--metrics", "bures", "--test", "none"),
    "strict": ("left", "right", "--metrics", "sinkhorn", "--max-iter", "1", "--tol", "1e-12", "--strict"),
    "width of one rank": ("wide", "right"),
    "rows of one rank": ("other", "right"),
    "row of one rank": ("torn", "right"),
    "metric": ("left", "right", "--metrics", "energy,tv"),
    "plot": ("left", "right", "--plot", "a.png"),
    "no folder": ("left", "nowhere"),
    "file": ("left", "right/0.npy"),
}
"""What `otgan measure` is given beside --shards."""


def command(folder, *arguments):
    """How `otgan measure` ends in a folder, and what it writes."""
    before = os.getcwd()
    os.chdir(folder)
    try:
        ended = CliRunner().invoke(root, ["measure", *arguments], prog_name="otgan")
    finally:
        os.chdir(before)
    if ended.exception is not None and not isinstance(ended.exception, SystemExit):
        raise ended.exception
    return ended.exit_code, ended.stdout, ended.stderr


def shared(rank, size, folder):
    """All of it, by the group of all ranks."""
    rows = parts(rank, size)
    os.environ.update(RANK=str(rank), WORLD_SIZE=str(size), MASTER_ADDR="localhost", MASTER_PORT="1")
    place = f"{folder}/apart" if rank == size - 1 else folder
    return {
        "reports": {name: report(name, rows, True) for name in REPORTS},
        "mistakes": mistakes(rank, size, rows),
        "commands": {name: command(place, *call, "--shards", "--json") for name, call in CALLS.items()},
        "tensor": otgan.compare(
            *(torch.tensor(each[part]) for each, part in zip(sets("plain")[:2], rows, strict=True)),
            group="world",
            **REPORTS["plain"],
        )["energy"].value,
    }
