"""Read CSV and Parquet files row by row as JSON, for imports. Uses DuckDB's readers on a separate connection.

The dialect of a CSV file is fixed (RFC 4180 with one delimiter) and never guessed, so that one odd line cannot change
how the others are read. A line that does not fit is reported, never skipped silently.
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
from tallystick.model.sql import quote_name, quote_text
from tallystick.store.duckdb.connection import DriverError, connect_memory

MEMORY = 512 * 1024 * 1024
LINE_MAX = 16 * 1024 * 1024
"""Longest line of a CSV file in bytes; a longer line is reported as bad."""
BUFFER_MAX = 256 * 1024 * 1024
"""Bytes of one line after which the file counts as not CSV."""
PIECE = 4 * 1024 * 1024
"""Bytes that are searched for line ends at a time."""
COLUMNS_MAX = 2_000
"""Most columns of a file. Planning takes DuckDB seconds for this many, and grows with their square."""
TESTED_AT_ONCE = 50
"""Columns whose types one statement detects."""
FETCH = 2_048
"""Rows fetched from DuckDB at a time."""
ERRORS_MAX = 100_000
"""Errors in a file (a line may have several) from which the file counts as not CSV."""

_NUMBER = r"-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,15})?([eE][+-]?[0-9]{1,2})?"
"""Texts that convert to numbers without loss: `007` and an 18-digit id remain texts."""
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
"""The event id, if the file has one, and the other fields as JSON members without the outer braces."""


class Column(msgspec.Struct, frozen=True):
    """A column of a file. `type` is a DuckDB type, or `number`, `boolean` or `text` for a CSV file."""

    name: str
    type: str


class BadLine(msgspec.Struct, frozen=True):
    """A line of a CSV file that cannot be read. Line numbers start at 1."""

    line: int
    reason: str


class Plan(msgspec.Struct, frozen=True):
    """How the columns of a file become event fields.

    Attributes:
        fields: event field → column that supplies it.
        constants: event field → value for every row.
        properties: columns that become members of `properties`, under their names.
        timezone: IANA name of the time zone of times without an offset.
    """

    fields: Mapping[str, str]
    constants: Mapping[str, str]
    properties: Sequence[str]
    timezone: str = "UTC"


class TableFile:
    """An opened CSV or Parquet file.

    Opening a CSV file reads it once, to detect the type of each column and to count the rows: a type that is guessed
    from the first lines may be wrong for the last ones.

    Attributes:
        columns: in the file's order.
        rows: the number of rows that `read` returns.
        bad_lines: lines that `read` leaves out, in order.
    """

    columns: list[Column]
    rows: int
    bad_lines: list[BadLine]

    def __init__(
        self, path: Path, kind: Literal["csv", "parquet"], delimiter: str | None = None, empty: Sequence[str] = ()
    ) -> None:
        """Open `path`. `empty` lists the texts that mean "no value" in a CSV file, in addition to the empty text.

        Raises:
            InvalidRequest: the file cannot be read as `kind`.
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
        """A link to the file whose name DuckDB cannot read as a pattern, URL or partition (`*`, `s3://`, `a=b/`).

        The link keeps the suffix of a compressed file, because DuckDB detects compression by it.
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
        self._references = {column.name: quote_name(column.name) for column in self.columns}
        counted = self._connection.execute(f"SELECT count(*) FROM {self._source}", self._parameters).fetchall()
        self.rows = int(counted[0][0])

    def _open_csv(self, delimiter: str | None, empty: Sequence[str]) -> None:
        names, delimiter = read_header(self._path, delimiter)
        columns = ", ".join(f"'c{i}': 'VARCHAR'" for i in range(len(names)))
        texts = ", ".join(quote_text(value) for value in ("", *empty))
        # DuckDB silently skips a line that is longer than its buffer.
        buffer = max(2 * LINE_MAX, longest_line(self._path) + PIECE)
        options = (
            f"auto_detect=false, header=true, columns={{{columns}}}, delim={quote_text(delimiter)}, "
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
                for test in (f"regexp_full_match(c{i}, {quote_text(_NUMBER)})", f"c{i} IN {_BOOLEANS}")
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
            raise InvalidRequest(
                f"{self._path} has at least {ERRORS_MAX} errors; the first is in line {line}: {reason}"
            )
        return [BadLine(int(line), str(reason)) for line, reason in rejects]

    def read(self, plan: Plan, skip: int = 0) -> Iterator[list[Row]]:
        """Yield the rows in the file's order, in lists of at most FETCH, without the first `skip` rows.

        Raises:
            InvalidRequest: the file was changed, or a later part of it is damaged.
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
            quote_text(f"{_json(field)}:{_json(value)}")
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
                members.append(f"{quote_text(_json(field) + ':')} || to_json(nullif(CAST({reference} AS VARCHAR), ''))")
        inner = [
            f"{quote_text(_json(name) + ':')} || {_value(self._references[name], types[name], plan.timezone)}"
            for name in plan.properties
        ]
        if "properties" in plan.fields:
            inner.append(_object_members(self._references[plan.fields["properties"]]))
        members.append(f"'\"properties\":{{' || {_concatenated(inner)} || '}}'")
        return f"SELECT {identity}, {_concatenated(members)} FROM {self._source} OFFSET ?"

    def close(self) -> None:
        """Close the connection and delete the link."""
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
    """The column names of a CSV file (`column3` for an empty name), and its delimiter.

    If the caller gives no delimiter, it is the most frequent of `, ; tab |` in the first line.

    Raises:
        InvalidRequest: the file is empty, its first line is not UTF-8, or two columns have the same name.
    """
    try:
        with _open_text(path) as file:
            first = file.readline(LINE_MAX)
            if not first.strip():
                raise InvalidRequest(f"{path} has no header line")
            delimiter = delimiter or max(",;\t|", key=first.count)
            names = next(csv.reader(chain([first], file), delimiter=delimiter, strict=True))
            "".join(names).encode()  # raises for bytes that are not UTF-8
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
    """Raises InvalidRequest when the file has more than COLUMNS_MAX columns."""
    if columns > COLUMNS_MAX:
        raise InvalidRequest(f"{path} has {columns:,} columns; at most {COLUMNS_MAX:,} are read: leave some out")


def longest_line(path: Path) -> int:
    """The length of a file's longest line in bytes; some number below LINE_MAX when no line is longer than that.

    Raises:
        InvalidRequest: a line has more than BUFFER_MAX bytes, or the compression is broken.
    """
    longest = here = 0
    try:
        with _open_bytes(path) as file:
            while piece := file.read(PIECE):
                ends = [index for index in (piece.find(b"\n"), piece.find(b"\r")) if index >= 0]
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


# --- SQL expressions: one value of a row as JSON text, NULL without a value -----------------------------------------


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
    """A typed date or time as ISO 8601 text in UTC; a date keeps its day."""
    if kind == "DATE":
        return f"CAST({column} AS VARCHAR)"
    if kind == "TIMESTAMP WITH TIME ZONE":
        return f"strftime({column} AT TIME ZONE 'UTC', {_UTC})"
    return f"strftime((CAST({column} AS TIMESTAMP) AT TIME ZONE {quote_text(timezone)}) AT TIME ZONE 'UTC', {_UTC})"


def _instant(column: str, kind: str, timezone: str) -> str:
    """An event's time. A row without one gets a text that the server rejects, or it would become an event of today."""
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
            zoned = f"regexp_full_match({text}, {quote_text(_WITH_OFFSET)})"
            text = f"CASE WHEN {zoned} THEN {text} ELSE coalesce({local}, {text}) END"
        value = f"to_json({text})"
    return f"coalesce(CAST({value} AS VARCHAR), '\" \"')"


def _object_members(column: str) -> str:
    """The members of a JSON object's text; a text that is not an object becomes the property `properties`."""
    text = f"trim(CAST({column} AS VARCHAR))"
    return (
        f"CASE WHEN json_valid({text}) AND json_type({text}) = 'OBJECT' "
        f"THEN nullif(trim({text}[2:length({text}) - 1]), '') ELSE '\"properties\":' || to_json({text}) END"
    )


def _concatenated(parts: Sequence[str]) -> str:
    return f"concat_ws(',', {', '.join(parts)})" if parts else "''"


def _json(value: str) -> str:
    return msgspec.json.encode(value).decode()
