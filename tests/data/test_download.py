import contextlib
import gzip
import hashlib
import io
import sys
import tarfile
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from otgan.data import DataError, SpecError, fetch, load, transfer
from otgan.data.download import DOWNLOADS
from otgan.data.transfer import FetchError, RemoteFile


class Server(ThreadingHTTPServer):
    """A server on this machine that fails as it is told.

    ``contents`` are the files by their path; ``failures`` say what goes wrong with a path: an HTTP status, the
    number of bytes after which the connection is dropped, "close" for an end without a length given, "endless" for no
    end, "trickle" for a byte now and then, or an address to go on to.
    """

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.contents, self.failures, self.asked = {}, {}, []
        self.quiet, self.sent = threading.Event(), 0
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request, client_address):
        """Say nothing: connections break on purpose."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.asked.append(self.path)
        failure = self.server.failures.get(self.path)
        content = self.server.contents.get(self.path)
        if isinstance(failure, str) and ":" in failure:
            self.send_response(302)
            self.send_header("Location", failure)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if isinstance(failure, tuple) or content is None:
            self.send_error(404 if failure is None else failure[0])
            return
        self.send_response(200)
        self.close_connection = failure is not None
        if failure == "close":
            self.end_headers()
            self.wfile.write(content[:-5])
            return
        if failure in {"endless", "trickle"}:
            self.end_headers()
            with contextlib.suppress(OSError):  # they hang up
                while not self.server.quiet.wait(0.02 if failure == "trickle" else 0):
                    self.wfile.write(b"x" if failure == "trickle" else bytes(2**16))
                    self.server.sent += 1 if failure == "trickle" else 2**16
            return
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content if failure is None else content[:failure])

    def log_message(self, format, *args):
        """Keep stderr for what is tested."""


@pytest.fixture
def server(monkeypatch):
    monkeypatch.delenv("OTGAN_MIRROR", raising=False)
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.quiet.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def mnist(server, monkeypatch):
    """Serve a small MNIST whose checksums are the expected ones, and return the address of the mirror."""
    rng = np.random.default_rng(0)
    files = []
    for prefix, count in (("train", 20), ("t10k", 5)):
        images = bytes([0, 0, 8, 3, 0, 0, 0, count, 0, 0, 0, 28, 0, 0, 0, 28]) + rng.bytes(count * 784)
        labels = bytes([0, 0, 8, 1, 0, 0, 0, count]) + bytes(k % 10 for k in range(count))
        for name, content in (
            (f"{prefix}-images-idx3-ubyte.gz", images),
            (f"{prefix}-labels-idx1-ubyte.gz", labels),
        ):
            server.contents[f"/mirror/mnist/{name}"] = gzip.compress(content)
            digest = hashlib.sha256(content).hexdigest()
            files.append(RemoteFile(name, len(content), "sha256", digest, unpacked=len(content)))
    monkeypatch.setitem(DOWNLOADS, "mnist", replace(DOWNLOADS["mnist"], files=tuple(files)))
    return f"{server.url}/mirror"


def tar(entries):
    """Return a gzipped tar archive of (TarInfo or name, content)."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for entry, content in entries:
            info = tarfile.TarInfo(entry) if isinstance(entry, str) else entry
            info.size = len(content) if info.isfile() else 0
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def batch(label):
    return bytes([label]) + bytes([7]) * 3072


MEMBERS = [
    *((f"cifar-10-batches-bin/data_batch_{k}.bin", batch(k)) for k in range(1, 6)),
    ("cifar-10-batches-bin/test_batch.bin", batch(9)),
    ("cifar-10-batches-bin/batches.meta.txt", b"airplane\n"),
]


@pytest.fixture
def serve_cifar10(server, monkeypatch):
    """Return what serves an archive as CIFAR-10, its checksum the expected one, and returns the mirror."""

    def serve(content):
        server.contents["/mirror/cifar10/cifar-10-binary.tar.gz"] = content
        file = replace(DOWNLOADS["cifar10"].files[0], digest=hashlib.md5(content).hexdigest())
        monkeypatch.setitem(DOWNLOADS, "cifar10", replace(DOWNLOADS["cifar10"], files=(file,)))
        return f"{server.url}/mirror"

    return serve


def everything(folder):
    """Return the paths of all files under a folder, hidden ones too."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_mnist_arrives_where_it_is_looked_for(mnist, tmp_path):
    folder = fetch("mnist", tmp_path / "new" / "place", mirror=mnist)
    assert folder == tmp_path / "new" / "place" / "mnist"
    assert everything(tmp_path) == sorted(f"new/place/mnist/{file.name}" for file in DOWNLOADS["mnist"].files)
    assert load("mnist", data_dir=tmp_path / "new" / "place").shape == (20, 784)
    assert load("mnist:3", data_dir=tmp_path / "new" / "place").shape == (2, 784)


def test_the_cache_is_the_default_place_and_the_environment_names_a_mirror(mnist, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("OTGAN_MIRROR", mnist + "/")
    monkeypatch.delenv("OTGAN_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    assert fetch("mnist") == tmp_path / "cache" / "otgan" / "mnist"
    assert len(load("mnist", split="test")) == 5


def test_what_is_there_and_good_is_left_alone(mnist, server, tmp_path):
    folder = fetch("mnist", tmp_path, mirror=mnist)
    server.asked.clear()
    fetch("mnist", tmp_path, mirror=mnist)
    assert server.asked == []
    damaged = folder / "train-images-idx3-ubyte.gz"
    damaged.write_bytes(damaged.read_bytes()[:-1])
    (folder / "t10k-labels-idx1-ubyte.gz").unlink()
    fetch("mnist", tmp_path, mirror=mnist)
    assert server.asked == [
        "/mirror/mnist/train-images-idx3-ubyte.gz",
        "/mirror/mnist/t10k-labels-idx1-ubyte.gz",
    ]
    assert len(load("mnist", data_dir=tmp_path)) == 20


@pytest.mark.parametrize(
    ("failure", "message"),
    [
        ((404,), "the server answered 404"),
        ((503,), "the server answered 503"),
        (0, "the connection broke off"),
        (100, "the connection broke off"),
        ("close", "damaged or truncated"),
    ],
)
def test_a_failed_transfer_leaves_nothing(mnist, server, tmp_path, failure, message):
    path = "/mirror/mnist/t10k-images-idx3-ubyte.gz"  # the third of four: the others arrive well
    server.failures[path] = failure
    with pytest.raises(
        FetchError, match=rf"t10k-images-idx3-ubyte.gz: {server.url}{path}: {message}"
    ) as caught:
        fetch("mnist", tmp_path, mirror=mnist)
    assert "\n" not in str(caught.value)
    assert everything(tmp_path) == []
    server.failures.clear()
    assert len(load(fetch("mnist", tmp_path, mirror=mnist))) == 20


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (gzip.compress(b"something else"), "its sha256 checksum is [0-9a-f]{64}, expected [0-9a-f]{64}"),
        (gzip.compress(bytes(10_000_000)), "checksum"),
        (b"<html>no such bucket</html>", "damaged or truncated: Not a gzipped file"),
        (b"", "checksum"),
    ],
    # Names of their own: a gzip header holds the time, and workers must collect the same names.
    ids=["other content", "too much", "a page", "nothing"],
)
def test_a_wrong_file_leaves_nothing(mnist, server, tmp_path, content, message):
    server.contents["/mirror/mnist/train-labels-idx1-ubyte.gz"] = content
    with pytest.raises(FetchError, match=message) as caught:
        fetch("mnist", tmp_path, mirror=mnist)
    assert "\n" not in str(caught.value)
    assert everything(tmp_path) == []


def test_mirrors_are_tried_in_turn(mnist, server, tmp_path, monkeypatch):
    mirrors = (f"{server.url}/gone", f"{mnist}/mnist")
    monkeypatch.setitem(DOWNLOADS, "mnist", replace(DOWNLOADS["mnist"], mirrors=mirrors))
    assert len(load(fetch("mnist", tmp_path / "first"))) == 20
    server.contents.clear()
    with pytest.raises(FetchError, match=r"/gone/.*answered 404; .*/mirror/mnist/.*answered 404"):
        fetch("mnist", tmp_path / "second")


def test_a_server_that_is_not_there(tmp_path, nobody):
    with pytest.raises(FetchError, match=r"train-images-idx3-ubyte.gz: no connection"):
        fetch("mnist", tmp_path, mirror=nobody)
    assert everything(tmp_path) == []


def test_a_server_that_falls_silent(server, tmp_path, monkeypatch):
    quiet = threading.Event()
    monkeypatch.setattr(Handler, "do_GET", lambda handler: quiet.wait(10))
    monkeypatch.setattr(transfer, "_TIMEOUT", 0.05)
    try:
        with pytest.raises(FetchError, match=r"no answer within 0\.05 s"):
            fetch("mnist", tmp_path, mirror=server.url)
    finally:
        quiet.set()


def test_more_than_is_expected_is_not_taken(mnist, server, tmp_path):
    path = "/mirror/mnist/t10k-labels-idx1-ubyte.gz"
    server.failures[path] = "endless"
    with pytest.raises(
        FetchError, match=rf"{path}: more arrives than the [\d.]+ KiB that this file can have"
    ) as caught:
        fetch("mnist", tmp_path, mirror=mnist)
    assert "\n" not in str(caught.value)
    assert everything(tmp_path) == []
    server.quiet.set()
    assert server.sent < 2**24  # what the sockets between us hold, and little else


def test_without_a_size_there_is_a_ceiling(server, tmp_path, monkeypatch):
    unknown = replace(DOWNLOADS["cifar10"].files[0], nbytes=0)
    assert unknown.most == 2**30
    monkeypatch.setattr(transfer, "_CEILING", 10**6)
    monkeypatch.setitem(DOWNLOADS, "cifar10", replace(DOWNLOADS["cifar10"], files=(unknown,)))
    server.contents["/cifar10/cifar-10-binary.tar.gz"] = b""
    server.failures["/cifar10/cifar-10-binary.tar.gz"] = "endless"
    with pytest.raises(FetchError, match="more arrives than the 977 KiB that this file can have"):
        fetch("cifar10", tmp_path, mirror=server.url)
    assert everything(tmp_path) == []


@pytest.mark.parametrize(
    "file", [file for each in DOWNLOADS.values() for file in each.files], ids=lambda file: file.name
)
def test_limits_leave_room_for_honest_servers(file):
    assert file.most > max(file.nbytes, file.unpacked)
    assert 60 < file.patience < 2 * 3600


def test_a_server_that_trickles_is_given_up(mnist, server, tmp_path, monkeypatch):
    path = "/mirror/mnist/train-labels-idx1-ubyte.gz"
    server.failures[path] = "trickle"
    monkeypatch.setattr(RemoteFile, "patience", 1.0)
    with pytest.raises(FetchError, match=rf"{path}: given up after 1 s: .* arrived, too slowly") as caught:
        fetch("mnist", tmp_path, mirror=mnist)
    assert "\n" not in str(caught.value)
    assert everything(tmp_path) == []


@pytest.mark.parametrize("scheme", ["file", "ftp", "gopher"])
def test_servers_send_on_within_the_web_alone(mnist, server, tmp_path, scheme):
    secret = tmp_path / "secret"
    secret.write_text("mine")
    path = "/mirror/mnist/train-images-idx3-ubyte.gz"
    server.failures[path] = f"{scheme}://{secret}"
    with pytest.raises(
        FetchError, match=rf"{path}: the server sends on to an address that is not of the web"
    ):
        fetch("mnist", tmp_path / "dest", mirror=mnist)
    assert everything(tmp_path) == ["secret"]


def test_servers_may_send_on_but_not_forever(mnist, server, tmp_path):
    path = "/mirror/mnist/train-images-idx3-ubyte.gz"
    server.contents["/elsewhere"] = server.contents[path]
    server.failures[path] = f"{server.url}/elsewhere"
    assert len(load(fetch("mnist", tmp_path / "first", mirror=mnist))) == 20
    server.failures[path] = f"{server.url}{path}"
    with pytest.raises(FetchError, match=rf"{path}: Exceeded 30 redirects"):
        fetch("mnist", tmp_path / "second", mirror=mnist)


def test_what_a_server_says_does_not_steer_the_terminal(mnist, server, tmp_path):
    path = "/mirror/mnist/train-images-idx3-ubyte.gz"
    server.failures[path] = "\x1b[2J://x"
    with pytest.raises(FetchError) as caught:
        fetch("mnist", tmp_path, mirror=mnist)
    assert str(caught.value).isprintable()


def test_cifar10_arrives_where_it_is_looked_for(serve_cifar10, server, tmp_path):
    mirror = serve_cifar10(tar(MEMBERS))
    folder = fetch("cifar10", tmp_path, mirror=mirror)
    assert folder == tmp_path / "cifar10" / "cifar-10-batches-bin"
    assert len(everything(tmp_path)) == 7
    assert len(load("cifar10:cat", data_dir=tmp_path)) == 1
    server.asked.clear()
    fetch("cifar10", tmp_path, mirror=mirror)
    assert server.asked == []
    (folder / "data_batch_2.bin").unlink()
    fetch("cifar10", tmp_path, mirror=mirror)
    assert len(everything(tmp_path)) == 7


def test_only_the_expected_members_of_an_archive_are_taken(serve_cifar10, tmp_path):
    link = tarfile.TarInfo("cifar-10-batches-bin/data_batch_1.bin")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    archive = tar(
        [("../../escaped", b"out"), ("/absolute", b"out"), (link, b""), ("setup.py", b"x"), *MEMBERS]
    )
    folder = fetch("cifar10", tmp_path / "dest", mirror=serve_cifar10(archive))
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        name.rpartition("/")[2] for name, _ in MEMBERS
    )
    assert not (folder / "data_batch_1.bin").is_symlink()
    assert (folder / "data_batch_1.bin").read_bytes() == batch(1)
    assert len(everything(tmp_path)) == 7


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (tar(MEMBERS[1:]), "holds no data_batch_1.bin"),
        (tar(MEMBERS)[:-40], "not a readable archive"),
        (b"no archive", "not a readable archive"),
    ],
)
def test_a_broken_archive_leaves_nothing(serve_cifar10, tmp_path, content, message):
    with pytest.raises(FetchError, match=rf"cifar-10-binary.tar.gz: {message}") as caught:
        fetch("cifar10", tmp_path, mirror=serve_cifar10(content))
    assert "\n" not in str(caught.value)
    assert everything(tmp_path) == []


def test_an_archive_with_another_checksum_is_not_opened(serve_cifar10, server, tmp_path):
    mirror = serve_cifar10(tar(MEMBERS))
    server.contents["/mirror/cifar10/cifar-10-binary.tar.gz"] = tar([*MEMBERS, ("more", b"")])
    with pytest.raises(FetchError, match="its md5 checksum is"):
        fetch("cifar10", tmp_path, mirror=mirror)
    assert everything(tmp_path) == []


def test_a_place_that_cannot_be_written(mnist, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(FetchError, match=r"mnist: cannot write to .*file"):
        fetch("mnist", tmp_path / "file", mirror=mnist)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("digits", {}, "cannot fetch 'digits': what can be fetched is mnist, cifar10"),
        ("mnist", {"mirror": "ftp://somewhere"}, "http:// or https://, got 'ftp://somewhere'"),
        ("mnist", {"mirror": 3}, r"http:// or https://, got 3 \(int\)"),
        (["mnist"], {}, r"cannot fetch \['mnist'\]"),
        (None, {}, "cannot fetch None"),
        ("", {}, "cannot fetch ''"),
    ],
)
def test_wrong_usage(tmp_path, name, options, message):
    with pytest.raises(SpecError, match=message):
        fetch(name, tmp_path, **options)


@pytest.mark.parametrize("dest", [3, ["x"], b"x", ""])
def test_a_place_that_is_none(dest):
    with pytest.raises(SpecError, match=r"expected the folder to put data in"):
        fetch("mnist", dest)


def test_nothing_is_printed_without_a_terminal(mnist, tmp_path, capfd):
    fetch("mnist", tmp_path, mirror=mnist)
    assert capfd.readouterr() == ("", "")


def test_the_bar_is_drawn_on_stderr(mnist, tmp_path, capfd):
    fetch("mnist", tmp_path, mirror=mnist, progress=True)
    out, err = capfd.readouterr()
    assert out == ""
    assert "train-images-idx3-ubyte.gz" in err
    assert "B/s" in err


def test_the_extra_is_named_when_its_package_is_missing(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(DataError, match=r"fetching mnist needs pooch.*pip install 'otgan\[data\]'"):
        fetch("mnist", tmp_path)


def test_the_published_checksums_are_those_of_the_real_mnist(server, mnist_dir, tmp_path):
    for file in DOWNLOADS["mnist"].files:
        plain = mnist_dir / file.name.removesuffix(".gz")
        content = (
            gzip.compress(plain.read_bytes(), 1) if plain.is_file() else (mnist_dir / file.name).read_bytes()
        )
        server.contents[f"/mnist/{file.name}"] = content
    fetch("mnist", tmp_path, mirror=server.url)
    assert len(load("mnist:3", data_dir=tmp_path)) == 6131
