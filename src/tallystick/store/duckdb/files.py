"""CSV and Parquet files read row by row as JSON, for imports: DuckDB's readers on a connection of their own.

A CSV file's dialect is fixed (RFC 4180 with a delimiter that the caller names) and never guessed, so that one odd line
cannot change how the others are read. A line that does not fit is listed, not skipped in silence.
"""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Iterator, Mapping, Sequence
from io import TextIOWrapper
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import IO, Literal, cast

import msgspec
import zstandard

from tallystick.errors import InvalidRequest
from tallystick.store.duckdb.connection import DriverError, connect_memory

MEMORY = 512 * 1024 * 1024
LINE_MAX = 16 * 1024 * 1024
"""Longest line of a CSV file in bytes; a longer one is listed among the bad ones."""
BUFFER_MAX = 256 * 1024 * 1024
"""Bytes at which a line is so long that the file is no CSV."""
PIECE = 4 * 1024 * 1024
"""Bytes of a file looked at at once for ends of lines."""
COLUMNS_MAX = 2_000
"""Most columns of a file. What DuckDB plans for so many takes seconds, and grows with their square."""
TESTED_AT_ONCE = 50
"""Columns whose values are looked at in one statement."""
FETCH = 2_048
"""Rows taken from DuckDB at a time."""
ERRORS_MAX = 100_000
"""Errors in a CSV file (a line may have several) at which it counts as no CSV at all."""

_NUMBER = r"-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,15})?([eE][+-]?[0-9]{1,2})?"
"""Texts that are a number and nothing else: `007` and an 18-digit id stay texts."""
_BOOLEANS = ("true", "false", "True", "False", "TRUE", "FALSE")
_WITH_OFFSET = r".+[T ]\d.*([zZ]|[+-]\d\d(:?\d\d)?)"
_UTC = "'%Y-%m-%dT%H:%M:%S.%fZ'"
_INTEGERS = {
    "TINYINT",
    "SMALLINT",
    "INTEGER",
    "BIGINT",
    "HUGEINT",
    "UTINYINT",
    "USMALLINT",
    "UINTEGER",
    "UBIGINT",
    "UHUGEINT",
}

Row = tuple[str | None, str]
"""An event's id, when the file has one, and its other fields: JSON members without the outer braces."""


class Column(msgspec.Struct, frozen=True):
    """A column of a file. `type` is DuckDB's, or `number`, `boolean` or `text` in a CSV file."""

    name: str
    type: str


class BadLine(msgspec.Struct, frozen=True):
    """A line of a CSV file that cannot be read; lines count from 1."""

    line: int
    reason: str


class Plan(msgspec.Struct, frozen=True):
    """What becomes of a file's columns.

    Attributes:
        fields: event field → column that it is read from.
        constants: event field → value that every row gets.
        properties: columns that go to `properties`, under their names.
        timezone: IANA name of the zone that times without an offset are in.
    """

    fields: Mapping[str, str]
    constants: Mapping[str, str]
    properties: Sequence[str]
    timezone: str = "UTC"


class TableFile:
    """An opened CSV or Parquet file.

    Opening reads a CSV file once, to learn which columns are numbers and how many rows there are: a type that is
    guessed from the first lines is wrong in the last ones.

    Attributes:
        columns: in the file's order.
        rows: how many rows `read` gives.
        bad_lines: lines that `read` leaves out, in order.
    """

    columns: list[Column]
    rows: int
    bad_lines: list[BadLine]

    def __init__(
        self, path: Path, kind: Literal["csv", "parquet"], delimiter: str | None = None, empty: Sequence[str] = ()
    ) -> None:
        """Open `path`. `empty` are texts of a CSV file that mean no value, beside the empty one.

        Raises:
            InvalidRequest: it is no such file.
        """
        self._path = path
        self._folder = TemporaryDirectory(prefix="tallystick-import-")
        self._connection = connect_memory(memory_limit=MEMORY, threads=2)
        self.bad_lines = []
        try:
            self._link = self._plainly_named(kind)
            if kind == "csv":
                self._open_csv(delimiter, empty)
            else:
                self._open_parquet()
        except DriverError as error:
            self.close()
            raise InvalidRequest(f"{path} cannot be read as {kind}: {self._words(error)}") from error
        except BaseException:
            self.close()
            raise

    def _plainly_named(self, kind: str) -> str:
        """Another name of the file, in which DuckDB finds no pattern, no address and no columns (`*`, `s3://`, `a=b/`).

        DuckDB recognizes a compressed file by its suffix.
        """
        packed = self._path.suffix if self._path.suffix in (".gz", ".zst") else ""
        link = Path(self._folder.name) / f"input.{kind}{packed}"
        link.symlink_to(self._path.absolute())
        return str(link)

    def _words(self, error: DriverError) -> str:
        return str(error).strip().partition("\n")[0].replace(self._link, str(self._path))

    def _open_parquet(self) -> None:
        self._source, self._parameters = "read_parquet(?)", [self._link]
        described = self._connection.execute(f"DESCRIBE SELECT * FROM {self._source}", self._parameters).fetchall()
        self.columns = [Column(row[0], row[1]) for row in described]
        check_columns(self._path, len(self.columns))
        self._references = {column.name: _identifier(column.name) for column in self.columns}
        counted = self._connection.execute(f"SELECT count(*) FROM {self._source}", self._parameters).fetchall()
        self.rows = int(counted[0][0])

    def _open_csv(self, delimiter: str | None, empty: Sequence[str]) -> None:
        names, delimiter = read_header(self._path, delimiter)
        columns = ", ".join(f"'c{i}': 'VARCHAR'" for i in range(len(names)))
        texts = ", ".join(_text(value) for value in ("", *empty))
        # A line that is longer than the buffer would be left out without a word.
        buffer = max(2 * LINE_MAX, longest_line(self._path) + PIECE)
        options = (
            f"auto_detect=false, header=true, columns={{{columns}}}, delim={_text(delimiter)}, "
            f"quote='\"', escape='\"', nullstr=[{texts}], max_line_size={LINE_MAX}, buffer_size={buffer}"
        )
        self._parameters = [self._link]
        self._references = {name: f"c{i}" for i, name in enumerate(names)}
        source = f"read_csv(?, {options}, store_rejects=true, rejects_limit={ERRORS_MAX})"
        self.columns = []
        lines = 0
        for start in range(0, len(names), TESTED_AT_ONCE):
            some = names[start : start + TESTED_AT_ONCE]
            tests = "".join(
                f", bool_and(c{i} IS NULL OR {test})"
                for i in range(start, start + len(some))
                for test in (f"regexp_full_match(c{i}, {_text(_NUMBER)})", f"c{i} IN {_BOOLEANS}")
            )
            found = self._connection.execute(f"SELECT count(*){tests} FROM {source}", self._parameters).fetchall()[0]
            self.columns += [
                Column(name, "number" if found[1 + 2 * i] else "boolean" if found[2 + 2 * i] else "text")
                for i, name in enumerate(some)
            ]
            self.bad_lines = self._bad_lines()
            lines = lines or int(found[0]) + len(self.bad_lines)
        self.rows = lines - len(self.bad_lines)
        self._source = f"read_csv(?, {options}, ignore_errors=true)"

    def _bad_lines(self) -> list[BadLine]:
        rejects = self._connection.execute(
            "SELECT line, first(error_message ORDER BY column_idx) FROM reject_errors GROUP BY line ORDER BY line"
        ).fetchall()
        scans = self._connection.execute("SELECT count(*) FROM reject_errors GROUP BY scan_id").fetchall()
        if any(errors >= ERRORS_MAX for (errors,) in scans):
            line, reason = rejects[0]
            raise InvalidRequest(f"{self._path} has {ERRORS_MAX} errors or more; the first is in line {line}: {reason}")
        return [BadLine(int(line), str(reason)) for line, reason in rejects]

    def read(self, plan: Plan, skip: int = 0) -> Iterator[list[Row]]:
        """The rows from number `skip` on, some at a time, in the file's order.

        Raises:
            InvalidRequest: the file changed or is damaged further on.
        """
        try:
            self._connection.execute(self.statement(plan), [*self._parameters, skip])
            while rows := self._connection.fetchmany(FETCH):
                yield rows
        except DriverError as error:
            raise InvalidRequest(f"{self._path} cannot be read further: {self._words(error)}") from error

    def statement(self, plan: Plan) -> str:
        """The SQL that turns each row into an event's JSON members."""
        types = {column.name: column.type for column in self.columns}
        members = [
            _text(f"{_json(field)}:{_json(value)}")
            for field, value in plan.constants.items()
            if field not in plan.fields
        ]
        identity = "NULL"
        for field, column in plan.fields.items():
            reference = self._references[column]
            if field == "event_id":
                identity = f"CAST({reference} AS VARCHAR)"
            elif field == "timestamp":
                members.append(f"'\"timestamp\":' || {_instant(reference, types[column], plan.timezone)}")
            elif field == "properties":
                continue
            else:
                members.append(f"{_text(_json(field) + ':')} || to_json(nullif(CAST({reference} AS VARCHAR), ''))")
        inner = [
            f"{_text(_json(name) + ':')} || {_value(self._references[name], types[name], plan.timezone)}"
            for name in plan.properties
        ]
        if "properties" in plan.fields:
            inner.append(_object_members(self._references[plan.fields["properties"]]))
        members.append(f"'\"properties\":{{' || {_concatenated(inner)} || '}}'")
        return f"SELECT {identity}, {_concatenated(members)} FROM {self._source} OFFSET ?"

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()
        self._folder.cleanup()

    def __enter__(self) -> TableFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


# --- the head of a CSV file -----------------------------------------------------------------------------------------


def read_header(path: Path, delimiter: str | None = None) -> tuple[list[str], str]:
    """A CSV file's column names (`column3` where there is none), and its delimiter.

    The delimiter is the one of `, ; tab |` that the first line has most of, unless the caller knows it.

    Raises:
        InvalidRequest: the file is empty, its first line is no UTF-8, or two columns have the same name.
    """
    try:
        with _open_text(path) as file:
            first = file.readline(LINE_MAX)
            if not first.strip():
                raise InvalidRequest(f"{path} has no header line")
            delimiter = delimiter or max(",;\t|", key=first.count)
            names = next(csv.reader(chain([first], file), delimiter=delimiter, strict=True))
            "".join(names).encode()  # raises for bytes that are no UTF-8; later lines are not this function's business
    except (UnicodeEncodeError, csv.Error, gzip.BadGzipFile, zstandard.ZstdError, EOFError) as error:
        raise InvalidRequest(f"{path} cannot be read as csv: {error}") from error
    check_columns(path, len(names))
    names = [name or f"column{number}" for number, name in enumerate(names, 1)]
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise InvalidRequest(f"{path}: two columns have the name {name!r}")
        seen.add(name)
    return names, delimiter


def check_columns(path: Path, columns: int) -> None:
    """Raises InvalidRequest: the file has more columns than are read."""
    if columns > COLUMNS_MAX:
        raise InvalidRequest(f"{path} has {columns:,} columns; at most {COLUMNS_MAX:,} are read: leave some out")


def longest_line(path: Path) -> int:
    """Bytes of a file's longest line, or fewer than LINE_MAX when none is longer.

    Raises:
        InvalidRequest: a line has more than BUFFER_MAX bytes, or the compression is broken.
    """
    longest = here = 0
    try:
        with _open_bytes(path) as file:
            while piece := file.read(PIECE):
                ends = [place for place in (piece.find(b"\n"), piece.find(b"\r")) if place >= 0]
                here += min(ends, default=len(piece))
                longest = max(longest, here)
                if longest > BUFFER_MAX:
                    raise InvalidRequest(f"{path} has a line of more than {BUFFER_MAX:,} bytes: is it CSV?")
                if ends:
                    here = len(piece) - 1 - max(piece.rfind(b"\n"), piece.rfind(b"\r"))
    except (gzip.BadGzipFile, zlib.error, zstandard.ZstdError, EOFError) as error:
        raise InvalidRequest(f"{path} cannot be read as csv: {error}") from error
    return longest


def _open_bytes(path: Path) -> IO[bytes]:
    if path.suffix == ".gz":
        return cast("IO[bytes]", gzip.open(path))
    if path.suffix == ".zst":
        return cast("IO[bytes]", zstandard.open(path, "rb"))
    return path.open("rb")


def _open_text(path: Path) -> TextIOWrapper:
    if path.suffix == ".gz":
        return TextIOWrapper(gzip.open(path), encoding="utf-8-sig", errors="surrogateescape", newline="")
    if path.suffix == ".zst":
        return TextIOWrapper(zstandard.open(path, "rb"), encoding="utf-8-sig", errors="surrogateescape", newline="")
    return path.open(encoding="utf-8-sig", errors="surrogateescape", newline="")


# --- SQL fragments: one value of a row as JSON text, NULL when there is none ----------------------------------------


def _value(column: str, kind: str, timezone: str) -> str:
    if kind == "number" or kind in _INTEGERS or kind.startswith("DECIMAL"):
        return f"CAST({column} AS VARCHAR)"
    if kind == "boolean":
        return f"lower({column})"
    if kind in ("FLOAT", "DOUBLE"):
        return f"CASE WHEN isfinite({column}) THEN CAST({column} AS VARCHAR) END"
    if kind == "BLOB":
        return f"to_json(base64({column}))"
    if kind == "DATE" or kind.startswith("TIMESTAMP"):
        return f"to_json({_moment(column, kind, timezone)})"
    if kind in ("BOOLEAN", "JSON") or kind.endswith(("]", ")")):
        return f"CAST(to_json({column}) AS VARCHAR)"
    return f"to_json(nullif(CAST({column} AS VARCHAR), ''))"


def _moment(column: str, kind: str, timezone: str) -> str:
    """A typed date or time as text: ISO 8601 in UTC, a date as it is."""
    if kind == "DATE":
        return f"CAST({column} AS VARCHAR)"
    if kind == "TIMESTAMP WITH TIME ZONE":
        return f"strftime({column} AT TIME ZONE 'UTC', {_UTC})"
    return f"strftime((CAST({column} AS TIMESTAMP) AT TIME ZONE {_text(timezone)}) AT TIME ZONE 'UTC', {_UTC})"


def _instant(column: str, kind: str, timezone: str) -> str:
    """An event's time. A row without one gets a text that the server rejects: it must not become an event of today."""
    if kind == "number" or kind in _INTEGERS or kind in ("FLOAT", "DOUBLE") or kind.startswith("DECIMAL"):
        value = _value(column, kind, timezone)
    elif kind == "DATE":
        value = f"to_json({_moment(f'CAST({column} AS TIMESTAMP)', 'TIMESTAMP', timezone)})"
    elif kind.startswith("TIMESTAMP"):
        value = f"to_json({_moment(column, kind, timezone)})"
    else:
        text = f"nullif(trim(CAST({column} AS VARCHAR)), '')"
        if timezone != "UTC":
            local = _moment(f"try_cast({text} AS TIMESTAMP)", "TIMESTAMP", timezone)
            zoned = f"regexp_full_match({text}, {_text(_WITH_OFFSET)})"
            text = f"CASE WHEN {zoned} THEN {text} ELSE coalesce({local}, {text}) END"
        value = f"to_json({text})"
    return f"coalesce(CAST({value} AS VARCHAR), '\" \"')"


def _object_members(column: str) -> str:
    """The members of a JSON object's text; a text that is no object becomes the property `properties`."""
    text = f"trim(CAST({column} AS VARCHAR))"
    return (
        f"CASE WHEN json_valid({text}) AND json_type({text}) = 'OBJECT' "
        f"THEN nullif(trim({text}[2:length({text}) - 1]), '') ELSE '\"properties\":' || to_json({text}) END"
    )


def _concatenated(parts: Sequence[str]) -> str:
    return f"concat_ws(',', {', '.join(parts)})" if parts else "''"


def _json(value: str) -> str:
    return msgspec.json.encode(value).decode()


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
