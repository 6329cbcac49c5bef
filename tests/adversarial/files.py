"""Files made to break whoever reads them, and what must hold of each.

Every case follows from a seed and a number: a small file of one of the formats, valid or nearly so, then damaged:
bits flipped, ends cut off, lengths and offsets rewritten, archives with members that lie, headers edited, programs
hidden where something might unpickle them. Read by :func:`otgan.data.open_spec`, it must give finite rows or a
``DataError`` of one line that names it: within seconds, within a bound of memory, without a warning, and without
anything of it being executed. :func:`run_chunk` does so in this process, :func:`run_commands` by the command.
"""

import functools
import gc
import gzip
import io
import json
import math
import os
import pickle
import random
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import warnings
import zipfile
import zlib
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import otgan
from otgan.data import DataError, check, open_spec
from otgan.memory import limit
from otgan.plain import plain

CASE_SECONDS = 5.0
"""How long a case may take in this process."""

COMMAND_SECONDS = 120.0
"""How long a command may take, the import of torch included."""

PLANNED, GROWTH = 2**27, 2**30
"""Bytes that the readers may plan with, and by which the process may grow at its peak."""

LONGEST = 2000
"""Characters of a message, the path left out."""

_CANARY = "OTGAN_CANARY"
_SONG = "CANARY-EXECUTED"
_PROGRAM = f"import os,sys;os.environ[{_CANARY!r}]='executed';sys.stderr.write({_SONG!r})"  # seen here, and of a command

_HUGE = (
    0,
    1,
    2,
    127,
    255,
    2**15,
    2**16 - 1,
    2**31 - 1,
    2**31,
    2**32 - 1,
    2**40,
    2**62,
    2**63 - 1,
    2**63,
    2**64 - 1,
)
_NASTY = (
    "\x1b[2J", "\x1b]0;owned\x07", "\x9b31m", "\u202e", "\u2028", "\n", "\r", "\0", "\x7f", "\ud800", "é", "日本", "\U0001f600",
    "a\nerror: forged", "../../x", "/etc/passwd", "#", ":", "%s", "{0}", "", " ", "$x$", "_", "-", "x" * 200,
)  # fmt: skip
_NUMBERS = (
    "0", "-1", "1e999", "-1e308", "1e-400", "nan", "inf", "-Infinity", "0x10", "1_000", "１２", "1j", "True", "None", "1.2.3",
    "", " ", '"1"', '"', "1e", "+", "9" * 400, "0." + "0" * 400, "1,5", "'1'", "\0", "\x1b[31m1", "\u202e1", "1\u2028",
)  # fmt: skip


@dataclass(frozen=True)
class Case:
    """One case: files by their names below a folder, and which of them to read."""

    format: str
    seed: int
    index: int
    files: dict[str, bytes]
    spec: str
    n: int | None
    draw: int


# --- bytes ------------------------------------------------------------------------------------------------------


def _flip(rng, content):
    changed = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 8, 64))):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _values(rng, content):
    """Write over bytes near the end, where the numbers are in most formats."""
    changed = bytearray(content)
    for _ in range(rng.choice((1, 2, 8))):
        changed[rng.randrange(len(content) - len(content) // 4 - 1, len(content))] = rng.choice(
            (rng.randrange(256), 127, 255)
        )
    return bytes(changed)


def _cut(rng, content):
    return content[: rng.choice((rng.randrange(len(content)), max(1, len(content) - rng.randrange(1, 40))))]


def _insert(rng, content):
    at = rng.randrange(len(content) + 1)
    start = rng.randrange(len(content))
    new = rng.choice((rng.randbytes(rng.randrange(1, 40)), content[start : start + rng.randrange(1, 200)]))
    return content[:at] + new + content[at:]


def _delete(rng, content):
    at = rng.randrange(len(content))
    return content[:at] + content[at + rng.randrange(1, 40) :]


def _overwrite(rng, content):
    at = rng.randrange(len(content))
    new = rng.choice((rng.randbytes, bytes))(rng.randrange(1, 40))
    return content[:at] + new + content[at + len(new) :]


def _length(rng, content):
    """Write a number that may be a length or an offset, huge or off by one, where there may be one."""
    width, order = rng.choice((1, 2, 4, 4, 8, 8)), rng.choice(("little", "big"))
    at = rng.choice((rng.randrange(len(content)), rng.randrange(min(len(content), 64))))
    old = int.from_bytes(content[at : at + width], order)
    value = rng.choice((*_HUGE, old + 1, old - 1, old * 2, -old)) % 2 ** (8 * width)
    return content[:at] + value.to_bytes(width, order) + content[at + width :]


def _digits(rng, content):
    """Rewrite a number written in digits."""
    places = [k for k, byte in enumerate(content[:4096]) if 48 <= byte <= 57]
    if not places:
        return _flip(rng, content)
    at = rng.choice(places)
    new = rng.choice(
        (*map(str, _HUGE), "-1", "1e9", "9" * 30, "1L", "True", "0x" + "f" * 4000, "nan")
    ).encode()
    return content[:at] + new + content[at + 1 :]


def _word(rng, content):
    """Write a text that steers terminals, or breaks paths, into the content."""
    new = rng.choice(_NASTY).encode("utf-8", "surrogatepass")
    at = rng.randrange(len(content) + 1)
    return content[:at] + new + content[at + rng.choice((0, len(new))) :]


def _splice(rng, content):
    other = rng.choice(_valid())
    return content[: rng.randrange(len(content) + 1)] + other[rng.randrange(len(other)) :]


_DAMAGES = (
    _flip,
    _flip,
    _values,
    _values,
    _values,
    _cut,
    _insert,
    _delete,
    _overwrite,
    _length,
    _length,
    _length,
    _digits,
    _word,
    _splice,
)


def _damaged(rng, content, chance=0.6):
    """Return the content, damaged by up to three means, or as it is."""
    if rng.random() < 0.7 * chance:
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            if content:
                content = rng.choice(_DAMAGES)(rng, content)
    return content


# --- valid contents ---------------------------------------------------------------------------------------------


def _any(rng, contents, sound):
    """Return one of the contents, half of the time one of the first, which can be read."""
    return rng.choice(contents[:sound] if rng.random() < 0.5 else contents)


def _written(write):
    target = io.BytesIO()
    write(target)
    return target.getvalue()


@functools.cache
def _arrays():
    """Arrays of every kind that NumPy writes, those that cannot be points among them."""
    grid = np.arange(12.0).reshape(6, 2)
    return (
        grid, grid.astype("f4"), grid.astype("f2"), grid.astype(">f8"), grid.astype("g"), np.asfortranarray(grid),
        grid.astype("i8"), grid.astype("u1"), grid.astype("u8"), grid.astype("i2") - 5, grid > 3, grid[:, 0], grid[0, 0],
        grid[:0], grid.astype("c16"), grid.astype("S3"), grid.astype("U3"), grid.astype("M8[s]"), grid.astype("m8[D]"),
        np.zeros(3, "f8,i4"), np.zeros(3, [("x", "f8", (2,))]), np.zeros((3, 0)), np.zeros((2, 3, 4, 4), "u1"),
        np.zeros((2, 4, 4, 3)), np.zeros((2, 4, 4)), np.zeros((1, 1, 1, 1, 1)), np.full((2, 2), np.nan),
        np.array([[1e308, -1e308]]), np.array([[np.inf, 0]]), np.zeros(2, "V8"), np.array([[5e-324, 1e-310]]),
    )  # fmt: skip


@functools.cache
def _npy_files():
    found = [_written(lambda file, array=array: np.save(file, array)) for array in _arrays()]
    pickled = pickle.dumps(_Payload())
    found.append(_npy({"descr": "|O", "fortran_order": False, "shape": (1,)}, pickled))
    return tuple(found)


def _npy(header, values, version=1):
    text = header if isinstance(header, str) else repr(header)
    raw = text.encode("utf-8", "surrogatepass")
    raw += b" " * (-(len(raw) + 11) % 64) + b"\n"
    length = struct.pack("<H" if version == 1 else "<I", min(len(raw), 65535))
    return b"\x93NUMPY" + bytes([version, 0]) + length + raw + values


class _Payload:
    """Where this is unpickled, its program runs."""

    def __reduce__(self):
        return exec, (_PROGRAM,)


@functools.cache
def _torch_files():
    import torch

    grid = torch.arange(12.0).reshape(6, 2)
    compound = torch.complex(grid, grid + 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        contents = [
            grid, {"x": grid}, {"a": grid, "b": grid[:2]}, {1: grid, "1": grid}, [grid], grid.double(), grid.half(),
            grid.bfloat16(), grid.to(torch.float8_e4m3fn), grid.to(torch.float8_e5m2), grid > 3, grid.long(), grid.byte(),
            grid.to(torch.uint16), grid.to(torch.uint32), grid.to(torch.uint64), compound, compound.conj(),
            compound.conj().imag, compound.real, grid.T, grid[::2], grid.expand(3, 6, 2), torch.ones(1).expand(2**40),
            torch.as_strided(grid, (5, 2), (1, 1)), torch.as_strided(grid, (6, 2), (0, 1)), grid.to_sparse(),
            grid.to_sparse_csr(), torch.nested.nested_tensor([grid, grid[:2]]),
            torch.nested.nested_tensor([grid, grid[:2]], layout=torch.jagged), torch.empty(6, 2, device="meta"),
            torch.quantize_per_tensor(grid, 0.1, 0, torch.qint8), torch.nn.Parameter(grid), torch.empty(0, 2),
            torch.tensor(3.0), torch.nn.Linear(2, 2).state_dict(), {"x": _Payload()}, _Payload(), {"x": grid, "y": "text"},
            {"x\x1b[2J": grid, "y\n": grid}, torch.tensor([[torch.nan, 1.0]]), 3.0, None, {"x": {"y": grid}},
            torch.zeros(2, 3, 4, 4, dtype=torch.uint8), {(1, 2): grid},
        ]  # fmt: skip
        found = []
        for content in contents:
            try:
                found.append(_written(lambda file, content=content: torch.save(content, file)))
            except (RuntimeError, NotImplementedError, AttributeError, TypeError):
                continue  # a kind of tensor that this release of torch does not save
    return tuple(found)


@functools.cache
def _safetensors_files():
    import safetensors.numpy

    grid = np.arange(12.0).reshape(6, 2)
    contents = (
        {"x": grid},
        {"a": grid, "b": grid.astype("f4")},
        {"x": grid.astype("u1")},
        {"x\x1b[2J\n": grid},
    )
    return tuple(safetensors.numpy.save(content) for content in contents)


@functools.cache
def _parquet_files():
    import datetime
    import decimal

    import pandas as pd
    import pyarrow as pa
    from pyarrow import parquet

    numbers = pa.array([0.0, 1.0, 2.5])
    columns = {
        "plain": {"x": numbers, "y": pa.array([1, 2, 3])},
        "missing": {"x": pa.array([1.0, None, 2.0])},
        "half": {"x": pa.array(np.array([1, 2, 3], "f2"))},
        "truth": {"x": pa.array([True, False, None])},
        "large": {"x": pa.array([2**64 - 1, 2**63, 1], pa.uint64())},
        "nested": {"x": pa.array([[1.0], [2.0, 3.0], []])},
        "struct": {"x": pa.array([{"a": 1.0}, {"a": 2.0}, {"a": 3.0}])},
        "map": {"x": pa.array([[("a", 1)], [], []], pa.map_(pa.string(), pa.int64()))},
        "decimal": {"x": pa.array([decimal.Decimal("1.5")] * 3)},
        "time": {"x": pa.array([datetime.datetime(2020, 1, 1)] * 3)},
        "dictionary": {"x": pa.array(["a", "b", "a"]).dictionary_encode(), "y": numbers},
        "numbered": {"x": numbers.dictionary_encode(), "y": numbers},
        "text": {"x": pa.array(["1", "\x1b[2J", "3"])},
        "null": {"x": pa.nulls(3)},
        "infinite": {"x": pa.array([np.inf, np.nan, 0.0])},
        "nasty": {"x\x1b[2J\n": numbers, "\u202e": numbers},
        "blank": {"": numbers},
    }
    tables = [pa.table(content) for content in columns.values()]
    tables.append(pa.table([numbers, numbers], names=["x", "x"]))
    tables.append(pa.table({"x": numbers[:0]}))
    tables.append(
        pa.Table.from_pandas(pd.DataFrame({"x": [1.0, 2.0], "y": [3, 4]}, index=pd.Index([5, 6], name="k")))
    )
    tables.append(tables[0].replace_schema_metadata({"pandas": '{"index_columns": 5}'}))
    tables.append(tables[0].replace_schema_metadata({"pandas": '{"index_columns": [{"kind": "\x1b[2J"}]}'}))
    # An extension type that old releases of Arrow unpickled.
    kind = {
        "ARROW:extension:name": "arrow.py_extension_type",
        "ARROW:extension:metadata": pickle.dumps(_Payload(), 0),
    }
    tables.append(pa.table([numbers], pa.schema([pa.field("x", numbers.type, metadata=kind)])))
    options = (
        {},
        {"compression": "gzip"},
        {"compression": "zstd", "use_dictionary": False},
        {"data_page_version": "2.0"},
    )
    return tuple(
        _written(lambda file, table=table, k=k: parquet.write_table(table, file, **options[k % len(options)]))
        for k, table in enumerate(tables)
    )


@functools.cache
def _pictures():
    """Pictures of 6 x 5 pixels by the endings of their names."""
    from PIL import Image

    rng = np.random.default_rng(0)
    found = []
    for mode, shape, dtype, endings in (
        ("L", (6, 5), "u1", "png bmp pgm jpg tif webp"),
        ("RGB", (6, 5, 3), "u1", "png bmp ppm jpg tif webp"),
        ("RGBA", (6, 5, 4), "u1", "png tif webp"),
        ("I;16", (6, 5), "u2", "png tif pgm"),
        ("P", (6, 5), "u1", "png bmp tif"),
        ("1", (6, 5), "?", "png bmp tif"),
        ("F", (6, 5), "f4", "tif"),
    ):
        values = rng.integers(0, 2 if dtype == "?" else 255, shape).astype(dtype)
        for ending in endings.split():
            picture = Image.fromarray(values) if mode != "P" else Image.fromarray(values).convert("P")
            kind = {"jpg": "jpeg", "tif": "tiff", "pgm": "ppm"}.get(ending, ending)
            options = {"compression": "tiff_deflate"} if ending == "tif" and mode != "F" else {}
            target = io.BytesIO()
            picture.save(target, kind, **options)
            found.append((ending, target.getvalue()))
    return tuple(found)


def _idx_file(shape, kind, values):
    return bytes([0, 0, kind, len(shape)]) + struct.pack(f">{len(shape)}I", *shape) + values


@functools.cache
def _valid():
    """Some of all, to splice."""
    pictures = [content for _, content in _pictures()]
    return (
        *_npy_files(),
        *_torch_files(),
        *_safetensors_files(),
        *_parquet_files(),
        *pictures,
        b"x,y\n1,2\n3,4\n",
    )


# --- one case of each format --------------------------------------------------------------------------------------


def _of_npy(rng):
    if rng.random() < 0.5:
        return {"a.npy": _damaged(rng, _any(rng, _npy_files(), 12), 0.8)}
    return {"a.npy": _damaged(rng, _odd_npy(rng), 0.2)}


_SHAPES = (
    "(True, 2)", "(2, True)", "(6L, 2L)", "(6, 2)", "(-6, -2)", "(6,)", "(12)", "()", "(0, 2)", "(2**40,)", "(6.0, 2)", "[6, 2]",
    "('6', 2)", "(None,)", "(9223372036854775807, 2)", "(18446744073709551616,)", "(0x" + "f" * 5000 + ",)", "(1,) * 99",
    "(" + "1, " * 2000 + ")", "((6,), 2)", "(6, 2, 1, 1, 1)", "(4294967296, 4294967296)", "(False, 2)", "{6, 2}", "(3037000500, 3037000500)",
)  # fmt: skip
_DTYPES = (
    "'<f8'", "'<f8'", "'<f8'", "'>f8'", "'<i8'", "'|O'", "'<c16'", "'|V8'", "'|S0'", "'<U0'", "'<f16'", "'<M8[s]'", "[('x', '<f8')]",
    "'<f8,<f8'", "'(2,)<f8'", "'(1000000,1000000)<f8'", "[('x', '|O')]", "None", "'\x1b[2J'", "5", "'f\\u202e'", "[]", "{}", "'float'",
    "'<f99999999999'", "'|V99999999999'", "('<f8', (2,))", "[('', '<f8'), ('', '<f8')]", "__import__('os').system('true')", "'<f2'",
    "'|b1'", "'|u1'", "'=f8'", "'|f8'", "'d'", "'g'",
)  # fmt: skip


def _odd_npy(rng):
    shape = rng.choice(_SHAPES) if rng.random() < 0.5 else "(6, 2)"
    fields = [
        f"'descr': {rng.choice(_DTYPES) if rng.random() < 0.5 else repr('<f8')}",
        f"'fortran_order': {rng.choice(('False',) * 8 + ('True', 'True', '1', 'None'))}",
        f"'shape': {shape}",
    ]
    if rng.random() < 0.1:
        rng.shuffle(fields)
    if rng.random() < 0.1:
        fields.append(f"'{rng.choice(('x', 'shape'))}': 3")
    text = "{" + ", ".join(fields) + ", }"
    if rng.random() < 0.1:
        text = rng.choice(
            (
                "(" * 3000,
                "-" * 5000 + "1",
                "[" * 90 + "]" * 90,
                text * 2,
                "",
                text + "#\x1b[2J",
                f"exec({_PROGRAM!r})",
            )
        )
    return _npy(
        text,
        rng.choice((bytes(96), bytes(96), bytes(48), b"", rng.randbytes(96))),
        rng.choice((1, 1, 2, 3, 4)),
    )


def _of_npz(rng):
    members = []
    for _ in range(rng.choice((1, 1, 2, 3))):
        name = rng.choice(("x", "a", "data", "x", "../x", "/x", rng.choice(_NASTY), "x.npy")) + rng.choice(
            (".npy", ".npy", "")
        )
        content = rng.choice((lambda: _any(rng, _npy_files(), 12), lambda: _odd_npy(rng)))()
        members.append((name, _damaged(rng, content, 0.3)))
    return {"a.npz": _damaged(rng, _zip(rng, members), 0.4)}


def _zip(rng, members, methods=(zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)):
    """Write an archive, at times one that no honest program writes."""
    odd = rng.random() < 0.4
    method = rng.choice((zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA, *methods) if odd else methods)
    if odd and rng.random() < 0.04:
        return _damaged(rng, _lie(rng, _bursting_zip()) if rng.random() < 0.5 else _bursting_zip(), 0.3)
    target = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of two members of one name
        with zipfile.ZipFile(target, "w", method, compresslevel=1) as archive:
            for name, content in members:
                with (
                    archive.open(zipfile.ZipInfo(_encodable(name)), "w")
                    if method == zipfile.ZIP_STORED
                    else archive.open(_member(_encodable(name), method), "w") as file
                ):
                    file.write(content)
    content = target.getvalue()
    if odd:
        content = _lie(rng, content)
    return content


@functools.cache
def _bursting_zip():
    """A small archive of an array whose points are more than may be planned with."""
    target, count = io.BytesIO(), 16_000_000
    array = _npy({"descr": "|u1", "fortran_order": False, "shape": (count,)}, bytes(count))
    with zipfile.ZipFile(target, "w", compresslevel=1) as archive:
        archive.writestr(_member("x.npy", zipfile.ZIP_DEFLATED), array)
    return target.getvalue()


def _encodable(name):
    return name.encode("utf-8", "replace").decode().replace("\0", "0") or "x"


def _member(name, method):
    info = zipfile.ZipInfo(name)
    info.compress_type = method
    return info


def _lie(rng, content):
    """Rewrite a field of an entry of the central directory, its end record, or a local header."""
    entries = [found.start() for found in re.finditer(rb"PK(\x01\x02|\x05\x06|\x03\x04)", content)]
    at = rng.choice(entries)
    # Flags, method, time, checksum, sizes, lengths of the name and of the extra field, and the offset.
    place, width = rng.choice(
        (
            (6, 2),
            (8, 2),
            (10, 2),
            (14, 4),
            (16, 4),
            (18, 4),
            (20, 4),
            (22, 4),
            (24, 4),
            (28, 2),
            (30, 2),
            (42, 4),
        )
    )
    value = rng.choice((*_HUGE, rng.randrange(2**16), 8, 0, 1)) % 2 ** (8 * width)
    return content[: at + place] + value.to_bytes(width, "little") + content[at + place + width :]


def _spoil(rng, row):
    """Give a row of a table a cell more, none, or another number."""
    match rng.randrange(3):
        case 0:
            row.append("1")
        case 1:
            row.clear()
        case _:
            row[:1] = [rng.choice(_NUMBERS)]


def _of_text(ending, delimiter):
    def make(rng):
        wide, high = rng.randrange(1, 5), rng.randrange(1, 8)
        rows = [
            [str(rng.choice((rng.gauss(0, 1), rng.randrange(9), rng.gauss(0, 1e300)))) for _ in range(wide)]
            for _ in range(high)
        ]
        if rng.random() < 0.5:
            names = ["x", "y", "w", "z", "0", "1", *_NASTY]
            rows.insert(
                0,
                [
                    rng.choice(names[: rng.choice((2, 4, len(names)))]) + rng.choice(("", str(k)))
                    for k in range(wide)
                ],
            )
        for _ in range(rng.choice((0, 0, 1, 2))):
            _spoil(rng, rng.choice(rows))
        text = rng.choice(("\n", "\n", "\r\n", "\r")).join(delimiter.join(row) for row in rows) + rng.choice(
            ("", "\n", "\n\n", " ")
        )
        content = (rng.choice(("", "", "\ufeff")) + text).encode("utf-8", "surrogatepass")
        match rng.randrange(30):
            case 0:
                content += delimiter.join(["1"] * 200_000).encode()
            case 1:
                content = content * 500
            case 2:
                content = text.encode("utf-16", "replace")
            case 3:
                content += b'"' + b"1" * 200_000
            case 4:
                content += b"1" * 300_000
        return {f"a.{ending}": _damaged(rng, content, 0.4)}

    return make


def _of_parquet(rng):
    content = _any(rng, _parquet_files(), 1)
    if rng.random() < 0.5:  # the footer, which says what is where
        length = int.from_bytes(content[-8:-4], "little")
        footer = _damaged(rng, content[-8 - length : -8], 1.0)
        size = len(footer) if rng.random() < 0.8 else rng.choice(_HUGE) % 2**32
        return {"a.parquet": content[: -8 - length] + footer + struct.pack("<I", size) + b"PAR1"}
    return {"a.parquet": _damaged(rng, content, 0.7)}


def _of_torch(rng):
    content = _any(rng, _torch_files(), 3)
    name = rng.choice(("a.pt", "a.pth"))
    match rng.randrange(4):
        case 0:
            return {name: _damaged(rng, content, 0.7)}
        case 1:  # a damaged pickle in a sound archive, its checksum right
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                members = [(info.filename, archive.read(info)) for info in archive.infolist()]
            members = [
                (inner, _damaged(rng, inside, 1.0) if inner.endswith(("data.pkl", "byteorder")) else inside)
                for inner, inside in members
            ]
        case 2:
            members = [
                ("a/data.pkl", _program(rng)),
                ("a/byteorder", b"little"),
                ("a/data/0", bytes(96)),
                ("a/version", b"3\n"),
            ]
        case _:
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                members = [(info.filename, archive.read(info)) for info in archive.infolist()]
            rng.choice(
                (members.pop, lambda: members.append(rng.choice(members)), lambda: rng.shuffle(members), list)
            )()
            if not members:
                return {name: content}
            return {name: _damaged(rng, _zip(rng, members, (zipfile.ZIP_STORED,)), 0.2)}
    return {name: _zip(random.Random(0), members, (zipfile.ZIP_STORED,))}  # of seed 0, which is an honest one


def _program(rng):
    """Return a pickle by hand: programs, tricks with what the restricted loader lets through, and huge claims."""
    ending = rng.choice((0, 2, 4))
    storage = (
        b"((X\x07\x00\x00\x00storagectorch\nDoubleStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpu"
        + rng.choice((b"K\x0c", b"K\x05", b"J\xff\xff\xff\x7f", b"\x8a\x08" + b"\xff" * 7 + b"\x7f"))
    )
    sizes = rng.choice(
        (
            b"(K\x06K\x02t",
            b"(J\xff\xff\xff\x7fJ\xff\xff\xff\x7ft",
            b"(J\xff\xff\xff\xffK\x02t",
            b"(I01\nK\x02t",
            b"(t",
            b"(G?\xf8\0\0\0\0\0\0K\x02t",
        )
    )
    strides = rng.choice(
        (
            b"(K\x02K\x01t",
            b"(K\x00K\x00t",
            b"(J\xff\xff\xff\x7fK\x01t",
            b"(J\xff\xff\xff\xffK\x01t",
            b"(K\x01t",
        )
    )
    tensor = (
        b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + b"tQ" + rng.choice((b"K\x00", b"K\x0b", b"J\xff\xff\xff\xff", b"J\xff\xff\xff\x7f"))
        + sizes + strides + b"\x89ccollections\nOrderedDict\n)RtR"
    )  # fmt: skip
    return rng.choice(
        (
            pickle.dumps(_Payload(), ending),
            pickle.dumps({"x": _Payload()}, ending),
            b"\x80\x02cposix\nsystem\n(X\x04\x00\x00\x00truetR.",
            b"\x80\x02cbuiltins\neval\n(X\x01\x00\x00\x001tR.",
            b"\x80\x02c__builtin__\nbytearray\n(\x8a\x06\xff\xff\xff\xff\xff\x00tR.",
            b"\x80\x02ctorch\nTensor\n(\x8a\x06\xff\xff\xff\xff\xff\x00tR.",
            b"\x80\x02ctorch.nn.parameter\nParameter\n)R.",
            b"\x80\x02" + b"]" * 5000 + b"a" * 4999 + b".",
            b"\x80\x02]" + b"q\x00h\x00a" + b".",
            b"\x80\x02" + tensor + b".",
            b"\x80\x02}X\x01\x00\x00\x00x" + tensor + b"s.",
            _damaged(rng, b"\x80\x02" + tensor + b".", 1.0),
            b".",
            b"",
        )
    )


_KINDS = (
    "F64", "F32", "F16", "BF16", "I64", "I32", "U8", "U16", "U32", "U64", "I8", "BOOL", "F8_E4M3", "F8_E5M2", "F8_E8M0", "C64", "F4",
    "F6_E2M3", "F128", "", "\x1b[2J", "O",
)  # fmt: skip


def _of_safetensors(rng):
    if rng.random() < 0.4:
        return {"a.safetensors": _damaged(rng, rng.choice(_safetensors_files()), 0.8)}
    values = rng.choice((96, 48, 0, 97))
    header = {}
    for _ in range(rng.choice((1, 1, 2, 3))):
        shape = rng.choice(
            (
                [6, 2],
                [6, 2],
                [12],
                [],
                [0],
                [2**63],
                [2**62, 4],
                [-6, 2],
                [6.5],
                ["6"],
                [1] * 100,
                None,
                [48],
                [96],
                [24],
            )
        )
        offsets = rng.choice(
            (
                [0, values],
                [0, values],
                [0, 96],
                [48, 96],
                [96, 0],
                [-1, 96],
                [0, 2**63],
                [0],
                [0.0, 96.0],
                "0-96",
            )
        )
        name = rng.choice(("x", "a", "__metadata__", *_NASTY))
        header[name] = {"dtype": rng.choice(_KINDS), "shape": shape, "data_offsets": offsets}
    if rng.random() < 0.2:
        header["__metadata__"] = rng.choice(({"format": "\x1b[2J"}, {"format": "np"}, {"a": 3}, [], None))
    text = json.dumps(header)
    if rng.random() < 0.15:
        text = rng.choice(
            (
                text[:-1] + ", " + text[1:],
                "[" * 5000,
                '{"x":' * 300,
                "{}",
                "[]",
                "null",
                text + "x",
                text.replace('"', "'"),
            )
        )
    raw = text.encode("utf-8", "surrogatepass")
    length = len(raw) if rng.random() < 0.9 else rng.choice((*_HUGE, len(raw) - 1, len(raw) + 1))
    return {"a.safetensors": _damaged(rng, struct.pack("<Q", length) + raw + bytes(values), 0.2)}


@functools.cache
def _bursting_idx():
    """A few bytes that become many: as many as are promised, or more, or less."""
    values = bytes(1_500_000)
    return tuple(
        gzip.compress(_idx_file((count,), 8, values), 1, mtime=0) for count in (1_500_000, 2**28, 10**6)
    )


def _of_idx(rng):
    shape = rng.choice(
        (
            (6, 2),
            (12,),
            (2, 3, 2),
            (),
            (2**32 - 1,) * 2,
            (65536,) * 4,
            (2**32 - 1,) * 255,
            (0, 2),
            (1,) * 5,
            (6,),
            (2, 1, 3, 2),
        )
    )
    shape = shape if rng.random() < 0.5 else (6, 2)
    kind = rng.choice((8, 8, 8, 8, 9, 11, 12, 13, 14, 14, 10, 0, 255))
    width = {8: 1, 9: 1, 11: 2, 12: 4, 13: 4, 14: 8}.get(kind, 1)
    count = min(math.prod(shape), 100)
    content = _idx_file(shape, kind, rng.choice((bytes, rng.randbytes))(count * width))
    if rng.random() < 0.5:
        return {rng.choice(("a.idx", "a-idx2-ubyte")): _damaged(rng, content, 0.6)}
    packed = gzip.compress(_damaged(rng, content, 0.4), 1, mtime=0)
    if rng.random() < 0.1:
        packed = rng.choice(_bursting_idx())
    if rng.random() < 0.2:
        packed = rng.choice(
            (packed + packed, packed[:-4] + b"\0\0\0\0", packed + b"tail", gzip.compress(packed, 1, mtime=0))
        )
    return {rng.choice(("a.idx.gz", "a-ubyte.gz")): _damaged(rng, packed, 0.4)}


def _of_cifar10(rng):
    record = bytes([rng.randrange(10)]) + bytes(3072)
    return {"a.bin": _damaged(rng, record * rng.randrange(1, 4), 0.5)}


def _of_mnist(rng):
    count = rng.randrange(1, 5)
    images = _idx_file((count, 4, 4), 8, rng.randbytes(16 * count))
    labels = _idx_file(
        (count,), 8, bytes(rng.randrange(11 if rng.random() < 0.2 else 10) for _ in range(count))
    )
    which = rng.random()
    files = {
        "train-images-idx3-ubyte": _damaged(rng, images, 0.7 if which < 0.5 else 0),
        "train-labels-idx1-ubyte": _damaged(rng, labels, 0 if which < 0.5 else 0.7),
    }
    if rng.random() < 0.1:
        files.pop(rng.choice(sorted(files)))
    return {f"folder/{name}": content for name, content in files.items()}


def _of_pictures(rng):
    ending, content = rng.choice(_pictures())
    spoiled = _damaged(rng, content, 0.8)
    if ending == "png" and rng.random() < 0.3:  # sizes that are believed, since the checksum is right
        width, height = rng.choice(
            (
                (2**31 - 1, 1),
                (60000, 60000),
                (9000, 9000),
                (0, 5),
                (5, 6),
                (2**32 - 1, 2**32 - 1),
                (100000, 1),
            )
        )
        chunk = (
            b"IHDR"
            + struct.pack(">II", width, height)
            + bytes(rng.choice(((8, 0, 0, 0, 0), (16, 0, 0, 0, 0), (8, 2, 0, 0, 1))))
        )
        spoiled = content[:12] + chunk + struct.pack(">I", zlib.crc32(chunk)) + content[33:]
    elif rng.random() < 0.05:
        ending, spoiled = (
            "ppm",
            f"P{rng.randrange(8)}\n{rng.choice(_HUGE)} {rng.choice(_HUGE)}\n{rng.choice(_HUGE)}\n".encode()
            + bytes(40),
        )
    where = rng.choice(("", "", "cat/", "\x1b[2J/"))
    files = {f"folder/{where}1.{ending}": spoiled, f"folder/{where}2.{ending}": content}
    if rng.random() < 0.1:
        other, more = rng.choice(_pictures())
        files[f"folder/{where}3.{other}"] = more
    return files


def _of_other(rng):
    """Contents of one format under the name of another."""
    ending = rng.choice(
        (
            "npy",
            "npz",
            "csv",
            "tsv",
            "parquet",
            "pt",
            "pth",
            "safetensors",
            "bin",
            "idx",
            "idx.gz",
            "ubyte.gz",
            "xyz",
            "gz",
        )
    )
    content = rng.choice(
        (rng.choice(_valid()), pickle.dumps(_Payload(), rng.choice((0, 2, 4))), b"", rng.randbytes(50))
    )
    return {f"a.{ending}": _damaged(rng, content, 0.3)}


FORMATS = {
    "npy": _of_npy,
    "npz": _of_npz,
    "csv": _of_text("csv", ","),
    "tsv": _of_text("tsv", "\t"),
    "parquet": _of_parquet,
    "torch": _of_torch,
    "safetensors": _of_safetensors,
    "idx": _of_idx,
    "cifar10": _of_cifar10,
    "mnist": _of_mnist,
    "pictures": _of_pictures,
    "misnamed": _of_other,
}
"""What makes the files of a case, by the name of the format."""


def case(seed, index):
    """Return the case of a seed and a number; it is the same one always."""
    rng = random.Random(f"{seed}/{index}")
    name = rng.choice(tuple(FORMATS))
    files = FORMATS[name](rng)
    spec = "folder" if next(iter(files)).startswith("folder/") else next(iter(files))
    if spec != "folder" and rng.random() < 0.1:  # a name that steers a terminal
        mark = rng.choice(
            [word for word in _NASTY if word.isprintable() or word[0] not in "\0\ud800" if "/" not in word]
        )
        files = {mark + spec: files[spec]}
        spec = mark + spec
    if rng.random() < 0.1:
        spec += rng.choice(("#x", "#a", "#", ":3", ":cat", "#\x1b[2J", "#" + rng.choice(_NASTY)))
    return Case(
        name, seed, index, files, spec, rng.choice((None, None, 1, 3, 10**6)), rng.choice((0, 1, 2**70))
    )


def campaign(seed, count, start=0):
    """Yield that many cases."""
    for index in range(start, start + count):
        yield case(seed, index)


# --- verdicts -----------------------------------------------------------------------------------------------------


class _Late(BaseException):
    """A case takes too long; no ``except Exception`` of a reader may take this for damage."""


@contextmanager
def _alarm(seconds):
    """Raise :class:`_Late` after so many seconds, where signals can."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return

    def ring(*_):
        raise _Late

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _peak():
    """Return the bytes that this process held at its peak, 0 where nobody tells."""
    try:
        import resource
    except ImportError:
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


@contextmanager
def _stderr():
    """Catch what libraries in C write to stderr themselves; yields a list, which holds it in the end."""
    caught = []
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as target:
        os.dup2(target.fileno(), 2)
        try:
            yield caught
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            target.seek(0)
            caught.append(target.read().decode(errors="replace"))


def _write(found, folder):
    for name, content in found.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _complaint(message, folder, found):
    """Return what is wrong with a message, or None."""
    if not message.isprintable():
        return f"a message with characters that do not print: {message!r}"
    names = {plain(Path(name).name) for name in found.files} | {plain(found.spec)}
    if not any(name in message for name in names) and plain(folder) not in message:
        return f"a message that does not name the file: {message!r}"
    if len(message.replace(plain(folder), "")) > LONGEST:
        return f"a message of {len(message)} characters: {message[:200]!r}"
    return None


def fault(found, folder):
    """Return what is wrong with how a case is read in an empty folder, or None."""
    _write(found, folder)
    spec, start = str(folder / found.spec), time.perf_counter()
    trouble = None
    with warnings.catch_warnings(record=True) as warned, _alarm(2 * CASE_SECONDS):
        warnings.simplefilter("always")
        try:
            with limit(PLANNED):
                check(spec)
                data = open_spec(spec, found.n, found.draw)
            if not (
                data.points.dtype == np.float64 and data.points.ndim == 2 and np.isfinite(data.points).all()
            ):
                trouble = "points that are no finite rows"
            elif found.n is not None and len(data) != found.n:
                trouble = f"{len(data)} rows for {found.n}"
        except DataError as error:
            trouble = _complaint(str(error), folder, found)
        except _Late:
            trouble = f"more than {2 * CASE_SECONDS:g} s"
        except BaseException as error:
            if isinstance(error, (KeyboardInterrupt, SystemExit)):
                raise
            where = traceback.extract_tb(error.__traceback__)[-1]
            trouble = (
                f"{type(error).__name__}: {str(error)[:200]!r} ({Path(where.filename).name}:{where.lineno})"
            )
    if trouble is None and warned:
        trouble = f"a warning: {warned[0].category.__name__}: {str(warned[0].message)[:200]!r}"
    if os.environ.pop(_CANARY, None) is not None:
        trouble = "a program in the file was executed"
    seconds = time.perf_counter() - start
    if trouble is None and seconds > CASE_SECONDS:
        trouble = f"{seconds:.1f} s"
    return trouble


def _record(found, what):
    return {"format": found.format, "seed": found.seed, "index": found.index, "what": what}


def run_chunk(seed: int, count: int) -> dict:
    """Read so many cases of a seed in this process; return how many, of which formats, and what failed."""
    import PIL.Image
    import pyarrow.parquet
    import safetensors
    import torch

    _valid()  # and the packages that read, before the memory is looked at
    _ = PIL.Image.init(), pyarrow.parquet, safetensors, torch
    os.environ.pop(_CANARY, None)
    by_format, failures, base = Counter(), [], _peak()
    with tempfile.TemporaryDirectory(prefix="otgan-files-") as root, _stderr() as caught:
        for found in campaign(seed, count):
            by_format[found.format] += 1
            folder = Path(root) / f"{found.index}"
            folder.mkdir()
            what, peak = fault(found, folder), _peak()
            if what is None and peak > base + GROWTH:
                what = f"the process grew by {(peak - base) / 2**20:.0f} MiB"
            base = max(base, peak - GROWTH)  # each leap is told once
            if what is not None:
                failures.append(_record(found, what))
            shutil.rmtree(folder, ignore_errors=True)
    if _SONG in caught[0] or not caught[0].replace("\n", "").isprintable():
        failures.append(
            {"format": "any", "seed": seed, "index": None, "what": f"on stderr: {caught[0][:1000]!r}"}
        )
    gc.collect()
    return {"cases": count, "by_format": dict(by_format), "failures": failures}


def command_fault(found, folder):
    """Return what is wrong with how the command takes a case, or None."""
    _write(found, folder)
    rng = random.Random(f"{found.seed}/{found.index}/command")
    # The other side is the file itself, most often: what can be read is then measured whatever its dimension is.
    other = found.spec if rng.random() < 0.7 else "8gaussians"
    arguments = [
        "measure",
        f"./{found.spec}",
        f"./{other}" if other == found.spec else other,
        "--metrics",
        "emd",
    ]
    arguments += ["--n", "3", "--seed-b", "1"] if rng.random() < 0.7 else []
    as_json = rng.random() < 0.3
    arguments += ["--json"] if as_json else []
    if rng.random() < 0.15:
        arguments, as_json = ["data", "info", f"./{found.spec}"], False
    environment = {**os.environ, "PYTHONPATH": str(Path(otgan.__file__).parents[1]), "OMP_NUM_THREADS": "1"}
    environment |= {"OTGAN_MEMORY": "1GiB", "PYTHONIOENCODING": "utf-8"}
    try:
        ended = subprocess.run(
            [sys.executable, "-m", "otgan", *(os.fsencode(each) for each in arguments)],
            cwd=folder, env=environment, capture_output=True, timeout=COMMAND_SECONDS, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except (ValueError, UnicodeEncodeError):
        return None  # no system passes such an argument on
    except subprocess.TimeoutExpired:
        return f"more than {COMMAND_SECONDS:g} s"
    return _complaint_of_command(ended, as_json)


def _complaint_of_command(ended, as_json):
    """Return what is wrong with how a command ended, or None."""
    out, err = ended.stdout.decode(errors="replace"), ended.stderr.decode(errors="replace")
    if _SONG in out + err:
        return "a program in the file was executed"
    if ended.returncode not in {0, 1, 2, 3}:
        return f"status {ended.returncode}: {err[-300:]!r}"
    if "Traceback" in err:
        return f"a traceback: {err[-300:]!r}"
    if not (out + err).replace("\n", "").isprintable():
        return f"characters that do not print: {(out + err)[:300]!r}"
    if ended.returncode in {1, 2} and (out or err.count("\n") != 1):
        return f"an error that is not one line: {err[:300]!r}"
    if as_json and ended.returncode == 0:
        try:
            json.loads(out)
        except ValueError as error:
            return f"no JSON: {error}"
    return None


def run_commands(seed: int, count: int) -> dict:
    """Put so many cases of a seed through ``python -m otgan``, each in a process; return what :func:`run_chunk` does."""
    by_format, failures = Counter(), []
    with tempfile.TemporaryDirectory(prefix="otgan-files-") as root:
        for found in campaign(seed, count):
            by_format[found.format] += 1
            folder = Path(root) / f"{found.index}"
            folder.mkdir()
            what = command_fault(found, folder)
            if what is not None:
                failures.append(_record(found, what))
            shutil.rmtree(folder, ignore_errors=True)
    return {"cases": count, "by_format": dict(by_format), "failures": failures}
