"""Fetching MNIST and CIFAR-10: only when asked, checked, and all or nothing."""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import sys
import tarfile
import tempfile
import threading
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from otgan.data.errors import DataError, SpecError, as_text, first_line, require, shown
from otgan.data.known import cache_dir
from otgan.memory import describe

__all__ = ["DOWNLOADS", "Download", "FetchError", "RemoteFile", "fetch"]

_TIMEOUT = 60.0  # seconds without a byte
_CHUNK = 1 << 16
_SLOWEST = 32 * 1024  # bytes a second on average, below which a transfer is given up after _TIMEOUT
_SLACK = 1 << 16  # bytes by which a file compressed anew may outgrow what is in it
_CEILING = 1 << 30  # bytes of a file of which nobody says how long it is


class FetchError(DataError):
    """A data set could not be fetched; nothing of it was left behind."""


@dataclass(frozen=True)
class RemoteFile:
    """One file of a download.

    Attributes
    ----------
    name : str
        Its name at every mirror.
    nbytes : int
        About how much is transferred; 0 if that is not known, and then at most 1 GiB is.
    algorithm, digest : str
        The checksum: of the file, or of what is in it where the download is ``gzipped``.
    unpacked : int
        The number of bytes in a gzipped file.
    """

    name: str
    nbytes: int
    algorithm: str
    digest: str
    unpacked: int = 0

    @property
    def most(self) -> int:
        """The number of bytes after which a transfer is broken off: nothing that is wanted is longer."""
        return max(self.nbytes, self.unpacked) + _SLACK if self.nbytes or self.unpacked else _CEILING

    @property
    def patience(self) -> float:
        """The seconds after which a transfer is broken off, however steadily it trickles."""
        return _TIMEOUT + self.most / _SLOWEST


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
            place(download, folder, Path(scratch), lambda file, path: _transfer(file, path, mirrors, show))
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
    wanted = [file for file in download.files if not _is_good(file, folder / file.name)]
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
                        _sync(target)
    except (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise FetchError(f"{archive.name}: not a readable archive: {first_line(error)}") from error
    missing = [name for name in members if not (folder / name).is_file()]
    if missing:
        raise FetchError(f"{archive.name}: holds no {', '.join(missing)}")


def _transfer(file: RemoteFile, path: Path, mirrors: tuple[str, ...], show: bool) -> None:
    """Download a file from the first mirror that gives a good copy."""
    failures = []
    for mirror in mirrors:
        url = f"{mirror}/{file.name}"
        failure = _download(url, path, file, show)
        if failure is None:
            failure = _fault(file, path)
        if failure is None:
            return
        failures.append(f"{url}: {failure}")
    raise FetchError(f"could not fetch {file.name}: {'; '.join(failures)}")


class _Stopped(Exception):  # noqa: N818  (it ends a transfer, for the reason it gives)
    """A transfer is to end."""


class _Bounded:
    """A file to write a download to, which takes only so many bytes, and none after the transfer was given up."""

    def __init__(self, target: Any, most: int) -> None:
        self.target, self.most, self.count, self.given_up = target, most, 0, False

    def write(self, chunk: bytes) -> None:
        self.count += len(chunk)
        if self.given_up:
            raise _Stopped("given up")
        if self.count > self.most:
            raise _Stopped(f"more arrives than the {describe(self.most)} that this file can have")
        self.target.write(chunk)

    def flush(self) -> None:
        """Leave that to the end."""


def _download(url: str, path: Path, file: RemoteFile, show: bool) -> str | None:
    """Download a file; return what went wrong, if something did.

    The transfer has a thread of its own. The limits of other libraries are those of one read from the network, and a
    server that sends a byte now and then never meets them.
    """
    from tqdm import tqdm

    end = time.monotonic() + file.patience
    with (
        path.open("wb") as target,
        tqdm(
            total=file.nbytes, desc=file.name, unit="B", unit_scale=True, leave=False, disable=not show
        ) as bar,
    ):
        bounded, failures = _Bounded(target, file.most), list[str | BaseException | None]()

        def work() -> None:
            try:
                failures.append(_request(url, bounded, bar if show else None))
            except BaseException as error:  # handed to the thread that waits
                failures.append(error)

        worker = threading.Thread(target=work, name=f"fetch {file.name}", daemon=True)
        worker.start()
        worker.join(max(0.0, end - time.monotonic()))
        if not failures:
            bounded.given_up = True
            return f"given up after {file.patience:.3g} s: {describe(bounded.count)} arrived, too slowly"
        (failure,) = failures
        if isinstance(failure, BaseException):
            raise failure
        _sync(target)
    return failure


def _request(url: str, target: _Bounded, bar: Any) -> str | None:
    """Transfer what is at an address; return what went wrong, if something did."""
    import pooch
    import requests

    get = pooch.HTTPDownloader(
        progressbar=bar or False,
        chunk_size=_CHUNK,
        timeout=_TIMEOUT,
        # Otherwise a server may declare the .gz file an encoding, and have it arrive decompressed.
        headers={"Accept-Encoding": "identity"},
    )
    try:
        get(url, target, None)
    except _Stopped as error:
        return str(error)
    except requests.Timeout:
        return f"no answer within {_TIMEOUT:g} s"
    except requests.exceptions.ChunkedEncodingError:
        return "the connection broke off"
    except requests.exceptions.InvalidSchema:
        return "the server sends on to an address that is not of the web"
    except requests.ConnectionError:
        return "no connection"
    except requests.RequestException as error:
        answer = error.response
        if answer is None or answer.status_code < 400:  # endless redirection, for example
            return first_line(error)
        return f"the server answered {answer.status_code}"
    except ValueError as error:  # headers that are no numbers, addresses that are none
        return f"an answer that makes no sense: {first_line(error)}"
    return None


def _is_good(file: RemoteFile, path: Path) -> bool:
    return path.is_file() and _fault(file, path) is None


def _fault(file: RemoteFile, path: Path) -> str | None:
    """Return what is wrong with a downloaded file, or None."""
    digest = hashlib.new(file.algorithm, usedforsecurity=False)
    left = file.unpacked + 1  # never decompress more than is expected, whatever a server sends
    try:
        stream: Any
        with gzip.open(path) if file.unpacked else path.open("rb") as stream:
            while chunk := stream.read(min(_CHUNK, left) if file.unpacked else _CHUNK):
                digest.update(chunk)
                left -= len(chunk)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        return f"damaged or truncated: {first_line(error)}"
    if digest.hexdigest() != file.digest:
        return f"its {file.algorithm} checksum is {digest.hexdigest()}, expected {file.digest}"
    return None


def _sync(file: Any) -> None:
    """Bring a file to the disk, so that it is whole there before its name is."""
    file.flush()
    os.fsync(file.fileno())
