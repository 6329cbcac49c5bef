"""Tables of numbers: comma- and tab-separated text, and Parquet."""

from __future__ import annotations

import csv
import math
from array import array
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from otgan.data.errors import DataError, SpecError, first_line, listed, require, short
from otgan.data.labels import labelled, without, words_of_parquet
from otgan.data.shard import Shard
from otgan.data.sources import Source, Stored, check_fits, select_member

__all__ = ["is_number", "open_parquet", "open_text", "shard_of_parquet"]

_ENCODING = "utf-8-sig"  # UTF-8, with or without the mark that spreadsheets write

# A line is split in memory, where a cell takes more than fifty bytes. No table of numbers has lines this long.
_LONGEST = 2**24

# No number needs more characters in a table, the comma included: a table of so many bytes has more cells than size / 32.
_WIDEST = 32

_MISSING = {"", "na", "n/a", "nan", "null", "none", "-"}
"""What stands, in any case, in a cell without a value."""

_CHOOSE = "; name the columns that are coordinates, like table.csv#height,mass"


def open_text(path: Path, key: str | None, delimiter: str) -> Source:
    """Open a table in text, its first line a header or not; read it whole, or the columns that are named, with commas.

    The first line is a header if no cell of it is a number. Cells that count 0, 1, 2, ... are the names that
    pandas gives to columns without names: they too make a header, beside a cell that is no number or above a
    line with a number that is not whole.
    """
    columns, skip = _header(path, delimiter)
    chosen = () if key is None else _chosen(path, key, columns)

    def read(also: str | None = None, *, missing: bool = False, label: str | None = None) -> Stored:
        check_fits(8 * (path.stat().st_size // _WIDEST), f"{path}: its numbers")
        _check_lines(path)
        wanted = without(_with(chosen, also), label, columns)
        at = [columns.index(name) for name in wanted]
        try:
            if wanted or missing:
                values = _some(path, delimiter, len(columns), at, skip, missing=missing)
            else:
                values = np.loadtxt(
                    path,
                    delimiter=delimiter,
                    comments=None,
                    quotechar='"',
                    skiprows=skip,
                    ndmin=2,
                    encoding=_ENCODING,
                )
            if columns and values.shape[1] != len(wanted or columns):
                raise ValueError(f"{values.shape[1]} cells below {len(columns)} names")
        except (ValueError, csv.Error) as error:
            raise DataError(f"{path}: {_first_fault(path, delimiter, columns, skip, at, error)}") from error
        found = Stored(str(path), values, columns=wanted or columns, selected=bool(chosen))
        return labelled(found, label, lambda: _words(path, delimiter, columns.index(label or ""), skip))

    return Source(str(path), read, columns, read_with=read)


def open_parquet(path: Path, key: str | None) -> Source:
    """Open a Parquet file; read all its columns but the index that pandas stored, or those that are named, with commas."""
    schema, columns, groups = _parquet_header(path)
    rows, chosen = sum(groups), () if key is None else _chosen(path, key, columns)
    for name in chosen or columns:
        _check_kind(path, schema, name, "" if chosen else _CHOOSE)
    if not columns or not rows:
        raise DataError(f"{path}: a table of {rows} rows and {len(columns)} columns has no points")
    check_fits(rows * len(chosen or columns) * 8, f"{path}: {rows} rows of {len(chosen or columns)} columns")

    def read(also: str | None = None, *, missing: bool = False, label: str | None = None) -> Stored:
        del missing  # what is missing is NaN in any case
        wanted = without(_with(chosen, also) or columns, label, columns)
        _check_kind(path, schema, wanted[-1], "" if chosen else _CHOOSE)
        values = _of_groups(path, range(len(groups)), rows, wanted)
        found = Stored(str(path), values, columns=wanted, selected=bool(chosen))
        return labelled(found, label, lambda: words_of_parquet(path, label))

    return Source(str(path), read, columns, read_with=read)


def shard_of_parquet(path: Path) -> Shard:
    """Open a Parquet file as a shard, which may have no rows; those that are read are taken from their row groups."""
    schema, columns, groups = _parquet_header(path)
    if not columns:
        raise DataError(f"{path}: a table without columns has no points")
    for name in columns:
        _check_kind(path, schema, name, "")
    ends = np.cumsum([0, *groups])

    def read(start: int, stop: int) -> tuple[Stored, int]:
        values, count = np.empty((stop - start, len(columns))), 0
        for k in range(np.searchsorted(ends, start, "right") - 1, np.searchsorted(ends, stop, "left")):
            held = _of_groups(path, [int(k)], groups[k], columns)
            first, last = max(start, ends[k]), min(stop, ends[k + 1])
            values[first - start : last - start] = held[first - ends[k] : last - ends[k]]
            count += held.nbytes
        return Stored(str(path), values, columns=columns, first=start), count

    kinds = dict.fromkeys(str(schema.field(name).type) for name in columns)
    return Shard(path, sum(groups), (len(columns),), " and ".join(kinds), columns, read)


def _parquet(path: Path) -> tuple[Any, Any, tuple[type[Exception], ...]]:
    """Return pyarrow's modules, and what they raise over a file that is damaged."""
    parquet, arrow = (require(name, f"{path}: reading Parquet") for name in ("pyarrow.parquet", "pyarrow"))
    # The last two: metadata that are not of the form pandas gives them.
    return parquet, arrow, (arrow.ArrowException, OSError, ValueError, AttributeError, TypeError)


def _parquet_header(path: Path) -> tuple[Any, tuple[str, ...], list[int]]:
    """Return the schema, the columns but the index that pandas stored, and the rows of each row group."""
    parquet, _, broken = _parquet(path)
    try:
        with parquet.ParquetFile(path) as file:
            schema, about = file.schema_arrow, file.metadata
            groups = [about.row_group(k).num_rows for k in range(about.num_row_groups)]
            index = (schema.pandas_metadata or {}).get("index_columns", [])
            columns = tuple(name for name in schema.names if name not in index)
    except broken as error:
        raise DataError(f"{path}: not a readable Parquet file: {first_line(error)}") from error
    if len(set(columns)) != len(columns):
        raise DataError(f"{path}: two columns have one name: {listed(columns)}")
    return schema, columns, groups


def _check_kind(path: Path, schema: Any, name: str, choose: str) -> None:
    kind, tests = schema.field(name).type, _parquet(path)[1].types
    if not (tests.is_integer(kind) or tests.is_floating(kind) or tests.is_boolean(kind)):
        raise DataError(f"{path}: column {name!r} holds {short(str(kind), 80)}: expected numbers{choose}")


def _of_groups(path: Path, groups: Iterable[int], rows: int, wanted: tuple[str, ...]) -> NDArray[np.float64]:
    """Read some columns of some row groups, of so many rows together."""
    parquet, arrow, broken = _parquet(path)
    values = np.empty((rows, len(wanted)))
    try:
        with parquet.ParquetFile(path) as file:
            table = file.read_row_groups(list(groups), columns=list(wanted))
        for k, name in enumerate(wanted):
            # A missing value becomes NaN here, which is reported where the rows are drawn.
            values[:, k] = table.column(name).cast(arrow.float64(), safe=False).to_numpy()
    except broken as error:
        raise DataError(f"{path}: damaged: {first_line(error)}") from error
    return values


def _header(path: Path, delimiter: str) -> tuple[tuple[str, ...], int]:
    """Return the names of the columns, none if the first line is data, and how many lines to skip."""
    lines = _lines(path, delimiter)
    try:
        (skip, first), (_, second) = next(lines, (0, [])), next(lines, (0, []))
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: not a table in UTF-8 text: {first_line(error)}") from error
    if not first:
        raise DataError(f"{path}: no rows in it, only blank lines")
    # A cell without a value is neither a name nor a number, as long as another cell tells.
    words = [cell for cell in first if not is_number(cell) and cell.lower() not in _MISSING]
    numbers = [cell for cell in first if is_number(cell)]
    counts = numbers == [str(k) for k in range(len(numbers))]
    if not words and not (counts and len(first) > 1 and not all(map(_is_whole, second))):
        return (), 0
    if not counts:
        raise DataError(
            f"{path}: line {skip} mixes numbers with {short(words[0], 80)!r}: expected numbers, or a header"
        )
    if "" in first:
        raise DataError(
            f"{path}: column {first.index('')} (counted from 0) has no name: "
            "an index that pandas wrote? Write the file with index=False"
        )
    if not second:
        raise DataError(f"{path}: a header and no rows")
    return tuple(first), skip


def _lines(path: Path, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the number of each line that is not blank, counted from 1, and its cells."""
    with path.open(encoding=_ENCODING, newline="") as file:
        reader = csv.reader(_bounded(file), delimiter=delimiter)
        for cells in reader:
            if cells:
                yield reader.line_num, [cell.strip() for cell in cells]


def _bounded(file: TextIO) -> Iterator[str]:
    """Yield the lines of a file, none longer than a table of numbers can have."""
    while line := file.readline(_LONGEST + 1):
        if len(line) > _LONGEST:
            raise csv.Error(f"a line of more than {_LONGEST} characters")
        yield line


def _check_lines(path: Path) -> None:
    """Refuse a file with a line that is too long to be split; that of a small file is not."""
    if path.stat().st_size <= _LONGEST:
        return
    length = 0
    with path.open("rb") as file:
        while chunk := file.read(2**20):
            ends = sorted(chunk.find(end) for end in (b"\n", b"\r"))
            first = next((end for end in ends if end >= 0), None)
            length += len(chunk) if first is None else first
            if length > _LONGEST:
                raise DataError(f"{path}: a line of more than {_LONGEST} bytes: expected a table of numbers")
            if first is not None:
                length = len(chunk) - 1 - max(chunk.rfind(b"\n"), chunk.rfind(b"\r"))


def is_number(cell: str) -> bool:
    """Tell whether words say a number."""
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _is_whole(cell: str) -> bool:
    return cell.lstrip("+-").isdecimal()


def _some(
    path: Path, delimiter: str, width: int, at: list[int], skip: int, *, missing: bool
) -> NDArray[np.float64]:
    """Return some columns as numbers, whatever the others hold, every line having all of them; all where none are named."""
    numbers, places = array("d"), at
    for line, cells in _lines(path, delimiter):
        if line > skip:
            width, places = width or len(cells), places or list(range(len(cells)))
            if len(cells) != width:
                raise ValueError(f"{len(cells)} cells")
            numbers.extend(
                math.nan if missing and cells[k].lower() in _MISSING else float(cells[k]) for k in places
            )
    return np.array(numbers).reshape(-1, len(places))


def _first_fault(
    path: Path, delimiter: str, columns: tuple[str, ...], skip: int, at: list[int], error: Exception
) -> str:
    """Say where a table stops being one: the parser that found out counts neither lines nor columns as we do."""
    width = len(columns)
    try:
        for line, cells in _lines(path, delimiter):
            if line <= skip:
                continue
            width = width or len(cells)
            if len(cells) != width:
                return f"line {line} has {len(cells)} cells: expected {width}"
            for k in at or range(width):
                if not is_number(cells[k]):
                    name = repr(short(columns[k], 80)) if columns else f"{k} (counted from 0)"
                    choose = _CHOOSE if columns and not at else ""
                    if ";" in cells[k]:
                        choose = f"; its cells are to be parted by {'commas' if delimiter == ',' else 'tabs'}, not semicolons"
                    return f"line {line}, column {name}: expected a number, found {short(cells[k], 80)!r}{choose}"
    except (UnicodeDecodeError, csv.Error) as fault:
        return f"not a table in UTF-8 text: {first_line(fault)}"
    return first_line(error)


def _chosen(path: Path, key: str, columns: tuple[str, ...]) -> tuple[str, ...]:
    """Return the columns that a key names: one, by its whole name, or several with commas between them."""
    if key in columns:
        names: tuple[str, ...] = (key,)
    else:
        names = tuple(dict.fromkeys(name.strip() for name in key.split(",")))
    for name in names:
        if name not in columns:
            raise SpecError(
                f"{path} has no column {name!r}: it has {listed(columns) if columns else 'no header'}"
            )
        select_member(name, columns, str(path), "column")
    return names


def _with(chosen: tuple[str, ...], also: str | None) -> tuple[str, ...]:
    """Return the chosen columns and another one; none where all are taken."""
    return chosen if not chosen or also is None or also in chosen else (*chosen, also)


def _words(path: Path, delimiter: str, place: int, skip: int) -> list[str]:
    """Return the cells of a column."""
    return [cells[place] for line, cells in _lines(path, delimiter) if line > skip]
