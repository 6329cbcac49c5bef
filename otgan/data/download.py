"""Fetching MNIST and CIFAR-10: only when asked, checked, and all or nothing."""

from __future__ import annotations

import gzip
import os
import shutil
import sys
import tarfile
import tempfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from otgan.data.errors import SpecError, as_text, first_line, require, shown
from otgan.data.transfer import FetchError, RemoteFile, is_good, sync, transfer
from otgan.folders import cache_dir

__all__ = ["DOWNLOADS", "Download", "FetchError", "RemoteFile", "fetch"]


@dataclass(frozen=True)
class Download:
    """A data set that can be fetched.

    Attributes
    ----------
    folder : str
        Where it goes, below the destination.
    mirrors : tuple of str
        The addresses of the folders that hold its files, tried in this order.
    files : tuple of RemoteFile
        What to transfer.
    members : tuple of str
        What to take out of the one file, a tar archive; empty if the files are kept as they are.
    """

    folder: str
    mirrors: tuple[str, ...]
    files: tuple[RemoteFile, ...]
    members: tuple[str, ...] = ()


#: The data sets that can be fetched. Those who serve MNIST compress it anew at times, so that its checksums are
#: those of the decompressed files.
DOWNLOADS: dict[str, Download] = {
    "mnist": Download(
        "mnist",
        (
            "https://ossci-datasets.s3.amazonaws.com/mnist",
            "https://storage.googleapis.com/cvdf-datasets/mnist",
        ),
        (
            RemoteFile(
                "train-images-idx3-ubyte.gz",
                9_912_422,
                "sha256",
                "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
                unpacked=47_040_016,
            ),
            RemoteFile(
                "train-labels-idx1-ubyte.gz",
                28_881,
                "sha256",
                "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
                unpacked=60_008,
            ),
            RemoteFile(
                "t10k-images-idx3-ubyte.gz",
                1_648_877,
                "sha256",
                "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
                unpacked=7_840_016,
            ),
            RemoteFile(
                "t10k-labels-idx1-ubyte.gz",
                4_542,
                "sha256",
                "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
                unpacked=10_008,
            ),
        ),
    ),
    "cifar10": Download(
        "cifar10/cifar-10-batches-bin",
        ("https://www.cs.toronto.edu/~kriz",),
        (RemoteFile("cifar-10-binary.tar.gz", 170_052_171, "md5", "c32a1d4ab5d03f1284b67883e8d87530"),),
        members=(
            "batches.meta.txt",
            *(f"data_batch_{k}.bin" for k in range(1, 6)),
            "test_batch.bin",
        ),
    ),
}


def fetch(
    name: str,
    dest: str | os.PathLike[str] | None = None,
    *,
    mirror: str | None = None,
    progress: bool | None = None,
) -> Path:
    """Download a data set, check it, and put it where :func:`otgan.data.load` finds it.

    The files are transferred to a hidden folder beside their destination and moved into place only when all of
    them have been checked. A data set that is already there and good is left alone. A transfer is broken off when
    more arrives than is expected, when nothing does for a minute, or when it is slower than 32 KiB a second.

    Parameters
    ----------
    name : {"mnist", "cifar10"}
        Which.
    dest : path, optional
        The folder to put it in, as one looked for by ``data_dir`` or ``OTGAN_DATA``; by default the user's cache.
    mirror : str, optional
        Address of a folder with the subfolders ``mnist`` and ``cifar10`` to get the files from instead of the
        public servers; by default that in the environment's ``OTGAN_MIRROR``, if any.
    progress : bool, optional
        Whether to draw a progress bar on stderr; by default if that is a terminal.

    Returns
    -------
    Path
        The folder that holds the data set.

    Raises
    ------
    SpecError
        If there is no such data set to fetch, or the mirror is no web address.
    FetchError
        If a transfer or a checksum fails, or the destination cannot be written.

    See Also
    --------
    otgan.data.load : The samples alone.
    """
    if not isinstance(name, str) or name not in DOWNLOADS:
        raise SpecError(f"cannot fetch {name!r}: what can be fetched is {', '.join(DOWNLOADS)}")
    download = DOWNLOADS[name]
    mirrors = _mirrors(name, download, mirror)
    require("pooch", f"fetching {name}")
    root = cache_dir() if dest is None else Path(as_text(dest, "the folder to put data in", "'data'"))
    folder = root / download.folder
    show = sys.stderr.isatty() if progress is None else progress
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".fetch-", dir=root) as scratch:
            place = _place_archive if download.members else _place_files
            place(download, folder, Path(scratch), lambda file, path: transfer(file, path, mirrors, show))
    except FetchError:
        raise
    except OSError as error:
        raise FetchError(
            f"{name}: cannot write to {error.filename or root}: {error.strerror or first_line(error)}"
        ) from error
    return folder


_Get = Callable[[RemoteFile, Path], None]


def _mirrors(name: str, download: Download, mirror: str | None) -> tuple[str, ...]:
    base = os.environ.get("OTGAN_MIRROR") if mirror is None else mirror
    if mirror is not None and not isinstance(mirror, str):
        raise SpecError(f"expected the mirror as a web address, http:// or https://, got {shown(mirror)}")
    if not base:
        return download.mirrors
    if not base.startswith(("http://", "https://")):
        raise SpecError(f"expected the mirror as a web address, http:// or https://, got {base!r}")
    return (f"{base.rstrip('/')}/{name}",)


def _place_files(download: Download, folder: Path, scratch: Path, get: _Get) -> None:
    """Get the files that are not there yet, then move them all into place."""
    wanted = [file for file in download.files if not is_good(file, folder / file.name)]
    for file in wanted:
        get(file, scratch / file.name)
    folder.mkdir(exist_ok=True)
    for file in wanted:
        os.replace(scratch / file.name, folder / file.name)


def _place_archive(download: Download, folder: Path, scratch: Path, get: _Get) -> None:
    """Get the archive, take the members out, and move their folder into place.

    The members have no checksums of their own: they are taken as good once they are all there, since their
    folder appears in one step.
    """
    if all((folder / member).is_file() for member in download.members):
        return
    (file,) = download.files
    get(file, scratch / file.name)
    fresh = scratch / folder.name
    fresh.mkdir()
    _unpack(scratch / file.name, fresh, download.members)
    if folder.exists():
        os.replace(folder, scratch / "replaced")
    os.replace(fresh, folder)


def _unpack(archive: Path, folder: Path, members: tuple[str, ...]) -> None:
    """Write the files of these names, and nothing else that an archive may hold, into a folder."""
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for entry in tar:
                name = entry.name.rpartition("/")[2]
                content = tar.extractfile(entry) if name in members and entry.isfile() else None
                if content is not None:
                    with (folder / name).open("wb") as target:
                        shutil.copyfileobj(content, target)
                        sync(target)
    except (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise FetchError(f"{archive.name}: not a readable archive: {first_line(error)}") from error
    missing = [name for name in members if not (folder / name).is_file()]
    if missing:
        raise FetchError(f"{archive.name}: holds no {', '.join(missing)}")
