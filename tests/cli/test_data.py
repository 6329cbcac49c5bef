"""``otgan data``: what there is, what is in it, and how it gets here."""

import numpy as np
import pytest
from PIL import Image

from otgan.data import NAMES


@pytest.fixture
def nothing_here(monkeypatch, tmp_path):
    for name in ("OTGAN_DATA", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.setenv(name, str(tmp_path / "empty"))


def test_list_says_what_is_here_and_how_to_get_the_rest(otgan, nothing_here):
    ended = otgan("data", "list")
    assert (ended.status, ended.err) == (0, "")
    states = dict(line.split(maxsplit=1) for line in ended.out.splitlines())
    assert tuple(states) == NAMES
    assert states["digits"] == "here"
    assert states["8gaussians"] == "generated"
    assert states["mnist"].startswith("not here: mnist")
    assert "`otgan data fetch mnist`" in states["mnist"]


def test_list_finds_mnist_where_it_is(otgan, mnist_dir):
    assert "mnist        here" in otgan("data", "list", "--data-dir", mnist_dir.parent).out


def test_info_describes_images(otgan):
    ended = otgan("data", "info", "digits:3")
    assert ended.out.splitlines() == [
        "digits:3",
        "  samples    183",
        "  dimension  64",
        "  range      0 to 1",
        "  repeated   none",
        "  images     1 × 8 × 8 (channels, height, width)",
        "  classes    3 (183)",
    ]


def test_info_describes_files_and_mixtures(otgan, tmp_path):
    np.save(tmp_path / "a.npy", np.array([[0.0, 1.0], [2.0, -3.0], [0.0, 1.0]]))
    assert otgan("data", "info", "a.npy").out.split() == (
        ["a.npy", "samples", "3", "dimension", "2", "range", "-3", "to", "2", "repeated", "1"]
    )
    assert "modes      8, of standard deviation 0.01414" in otgan("data", "info", "8gaussians").out


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("info", "nowhere.npy"), 2, "no such file or built-in name"),
        (("info", "bad.npy"), 1, "bad.npy"),
        (("info", "mnist"), 1, "otgan data fetch mnist"),
        (("fetch", "imagenet"), 2, "what can be fetched is mnist, cifar10"),
        (("fetch", "mnist", "--mirror", "ftp://somewhere"), 2, "expected the mirror as a web address"),
        (("fetch", "mnist", "--mirror", "NOBODY"), 1, "could not fetch train-images"),
        (("list", "--data-dir", "nowhere"), 2, "does not exist"),
    ],
)
def test_mistakes(otgan, nothing_here, nobody, tmp_path, arguments, status, words):
    (tmp_path / "bad.npy").write_bytes(b"no array")
    ended = otgan("data", *(nobody if each == "NOBODY" else each for each in arguments))
    assert ended.status == status
    assert words in ended.err
    assert ended.err.count("\n") == 1
    assert ended.out == ""


def test_fetch_says_where(otgan, monkeypatch, tmp_path):
    seen = {}

    def fetch(name, dest, *, mirror, progress):
        seen.update(name=name, dest=dest, mirror=mirror, progress=progress)
        return tmp_path / name

    monkeypatch.setattr("otgan.data.fetch", fetch)
    ended = otgan("data", "fetch", "mnist", "--data-dir", tmp_path, "--mirror", "http://mirror")
    assert ended.out == f"{tmp_path / 'mnist'}\n"
    assert seen == {"name": "mnist", "dest": tmp_path, "mirror": "http://mirror", "progress": False}


def test_class_names_do_not_steer_the_terminal(otgan, tmp_path):
    for name in ("\x1b[2J", "b\n"):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        Image.new("L", (2, 2)).save(tmp_path / "pictures" / name / "1.png")
    ended = otgan("data", "info", "pictures")
    assert ended.status == 0
    assert r"\x1b[2J (1), b\n (1)" in ended.out
    for arguments in (("info", "pictures:\x1b"), ("info", "\x1b[2J"), ("fetch", "\x9b"), ("\x1b[2J",)):
        ended = otgan("data", *arguments)
        assert ended.status == 2
        assert ended.err.strip().isprintable()


def test_what_decoders_in_c_print_is_not_shown(otgan_process, tmp_path):
    (tmp_path / "pictures").mkdir()
    path = tmp_path / "pictures" / "1.tif"
    Image.fromarray(np.arange(30, dtype=np.uint8).reshape(6, 5)).save(path, compression="tiff_deflate")
    content = bytearray(path.read_bytes())
    start = content.index(b"\x78\x9c" if b"\x78\x9c" in content else b"\x78")
    content[start + 2] = 0x07  # a type of block that there is not
    path.write_bytes(content)
    ended = otgan_process("data", "info", "pictures")  # libtiff says "ZIPDecode: Decoding error" on stderr
    assert ended.status == 1
    assert ended.err.startswith("otgan: error: pictures/1.tif: damaged or truncated")
    assert ended.err.count("\n") == 1
