"""Read Parquet files row by row as JSON values, for imports. Uses DuckDB's reader on a separate connection."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any

import msgspec

from tallystick.errors import InvalidRequest
from tallystick.model.sql import quote_name
from tallystick.store.duckdb.connection import DriverError, connect_memory

MEMORY = 512 * 1024 * 1024
FETCH = 2_048
"""Rows fetched from DuckDB at a time."""

_INTEGERS = {
    "tinyint",
    "smallint",
    "integer",
    "bigint",
    "hugeint",
    "utinyint",
    "usmallint",
    "uinteger",
    "ubigint",
    "uhugeint",
}

Encode = Callable[[Any], bytes]
"""Makes a value, as the statement gives it, JSON text. It is never called with None."""

_NULL = b"null"
_json = msgspec.json.Encoder().encode


class TableFile:
    """An opened Parquet file.

    Attributes:
        columns: in the file's order.
        rows: the number of rows that `read` returns.
    """

    columns: list[str]
    rows: int

    def __init__(self, path: Path, zone: tzinfo = UTC) -> None:
        """Open `path`. Times without an offset are of `zone`.

        Raises:
            InvalidRequest: the file cannot be read as Parquet.
        """
        self._path = path
        self._folder = TemporaryDirectory(prefix="tallystick-import-")
        self._connection = connect_memory(memory_limit=MEMORY, threads=2)
        try:
            self._link = self._plainly_named()
            self._open(zone)
        except DriverError as error:
            self.close()
            raise InvalidRequest(f"{path} cannot be read as parquet: {self._words(error)}") from error
        except BaseException:
            self.close()
            raise

    def _plainly_named(self) -> str:
        """A link to the file whose name DuckDB cannot read as a pattern, URL or partition (`*`, `s3://`, `a=b/`)."""
        link = Path(self._folder.name) / "input.parquet"
        link.symlink_to(self._path.absolute())
        return str(link)

    def _words(self, error: DriverError) -> str:
        return str(error).strip().partition("\n")[0].replace(self._link, str(self._path))

    def _open(self, zone: tzinfo) -> None:
        found = self._connection.sql("SELECT * FROM read_parquet(?)", params=[self._link])
        self.columns = list(found.columns)
        self._encoders = [_encoder(kind, zone) for kind in found.types]
        self._selected = [
            f"CAST({quote_name(name)} AS {_readable(kind)})"
            for name, kind in zip(self.columns, found.types, strict=True)
        ]
        counted = self._connection.execute("SELECT count(*) FROM read_parquet(?)", [self._link]).fetchall()
        self.rows = int(counted[0][0])

    def read(self, skip: int = 0) -> Iterator[list[dict[str, bytes]]]:
        """Yield the rows in the file's order, in lists of at most FETCH, without the first `skip` rows.

        A row is column → JSON text. Values that are null, an empty text, NaN or infinite are left out.

        Raises:
            InvalidRequest: the file was changed, or a later part of it is damaged.
        """
        encoders = list(zip(self.columns, self._encoders, strict=True))
        statement = f"SELECT {', '.join(self._selected)} FROM read_parquet(?) OFFSET ?"
        try:
            self._connection.execute(statement, [self._link, skip])
            while rows := self._connection.fetchmany(FETCH):
                yield [
                    {
                        name: text
                        for (name, encode), value in zip(encoders, row, strict=True)
                        if value is not None and value != "" and (text := encode(value)) is not _NULL
                    }
                    for row in rows
                ]
        except DriverError as error:
            raise InvalidRequest(f"{self._path} cannot be read further: {self._words(error)}") from error

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


def _readable(kind: Any) -> str:
    """The type to which a column of this type is cast: texts in the same nesting.

    DuckDB writes every value as a text without loss, where Python's own types would round FLOAT, cut nanoseconds and
    have no infinite date.
    """
    match kind.id:
        case "struct":
            return f"STRUCT({', '.join(f'{quote_name(name)} {_readable(child)}' for name, child in kind.children)})"
        case "list":
            return f"{_readable(kind.children[0][1])}[]"
        case "array":
            return f"{_readable(kind.children[0][1])}[]"
        case "map":
            return f"MAP(VARCHAR, {_readable(kind.children[1][1])})"
        case "blob":
            return "BLOB"
        case _:
            return "VARCHAR"


def _encoder(kind: Any, zone: tzinfo) -> Encode:
    """What makes a value of this type, cast by `_readable`, JSON text."""
    name = str(kind.id)
    if name in _INTEGERS or name == "decimal" or name == "boolean":
        return str.encode
    if name in ("float", "double"):
        return _finite
    if name.startswith("timestamp"):
        return lambda text: _json(_instant(text, zone))
    if name == "blob":
        return lambda value: _json(base64.b64encode(value).decode())
    if name == "struct":
        return _object([(_json(field), _encoder(child, zone)) for field, child in kind.children])
    if name in ("list", "array"):
        return _array(_encoder(kind.children[0][1], zone))
    if name == "map":
        return _mapping(_encoder(kind.children[1][1], zone))
    return _document if str(kind) == "JSON" else _json


def _finite(text: str) -> bytes:
    return _NULL if text.lstrip("-") in ("nan", "inf") else text.encode()


def _instant(text: str, zone: tzinfo) -> str:
    """ISO 8601 in UTC; the text itself when datetime cannot represent it, such as `infinity`."""
    try:
        moment = datetime.fromisoformat(text)
        moment = (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)
        return f"{moment.replace(tzinfo=None).isoformat(timespec='microseconds')}Z"
    except (ValueError, OverflowError):
        return text


def _document(text: str) -> bytes:
    """A value of the logical type JSON; a text when it is none."""
    try:
        return msgspec.json.format(text.encode(), indent=-1)
    except (msgspec.DecodeError, RecursionError):
        return _json(text)


def _object(fields: list[tuple[bytes, Encode]]) -> Encode:
    def encode(value: dict[str, Any]) -> bytes:
        members = zip(fields, value.values(), strict=True)
        return b"{%s}" % b",".join(b"%s:%s" % (name, _or_null(each, member)) for (name, each), member in members)

    return encode


def _mapping(each: Encode) -> Encode:
    def encode(value: dict[str, Any]) -> bytes:
        return b"{%s}" % b",".join(b"%s:%s" % (_json(key), _or_null(each, member)) for key, member in value.items())

    return encode


def _array(each: Encode) -> Encode:
    return lambda values: b"[%s]" % b",".join(_or_null(each, value) for value in values)


def _or_null(encode: Encode, value: Any) -> bytes:
    return _NULL if value is None else encode(value)
