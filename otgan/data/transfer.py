"""Transferring one file from a server: bounded in bytes and time, checked, and told in words where it fails."""

from __future__ import annotations

import gzip
import hashlib
import os
import threading
import time
import zlib
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

from otgan.data.errors import DataError, first_line
from otgan.sizes import describe

__all__ = ["FetchError", "RemoteFile", "is_good", "sync", "transfer"]

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


def transfer(file: RemoteFile, path: Path, mirrors: tuple[str, ...], show: bool) -> None:
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
        sync(target)
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
        if answer is None or answer.status_code < HTTPStatus.BAD_REQUEST:  # endless redirection, for example
            return first_line(error)
        return f"the server answered {answer.status_code}"
    except ValueError as error:  # headers that are no numbers, addresses that are none
        return f"an answer that makes no sense: {first_line(error)}"
    return None


def is_good(file: RemoteFile, path: Path) -> bool:
    """Whether a file is there, whole."""
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


def sync(file: Any) -> None:
    """Bring a file to the disk, so that it is whole there before its name is."""
    file.flush()
    os.fsync(file.fileno())
