"""A query's answer as a file: its rows as CSV or Parquet, or the whole answer as JSON.

A query without `limit` and `cursor` gives all of its rows, page after page. A query with one of them gives that page,
and the header `X-Tallystick-Next-Cursor` when there are more rows. CSV of several pages is streamed; a Parquet file is
written to the data disk before it is sent, because its index is at its end. `events_from` of the JSON answer is in the
header `X-Tallystick-Events-From`, and in the metadata of a Parquet file.
"""

from __future__ import annotations

import asyncio
import re
import unicodedata
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Annotated, Any, Literal, TypeAlias

import msgspec
from fastapi import Query
from starlette.responses import Response

from tallystick.api.dependencies import Parts
from tallystick.api.files.columns import EXACT, columns_of, flat, type_of
from tallystick.api.files.csv_text import BOM, csv_table, harmless
from tallystick.api.files.format import FileFormat
from tallystick.api.streaming.responses import MadeFile, Stream
from tallystick.disk import DiskGuard
from tallystick.errors import TooLarge, Unavailable
from tallystick.model import query as model
from tallystick.store.waiting import in_thread

ROWS_MAX = 1_000_000
"""Most rows of a file that is made of several pages."""
NEXT_CURSOR = "X-Tallystick-Next-Cursor"
EVENTS_FROM = "X-Tallystick-Events-From"
EVENTS_FROM_FACT = "tallystick.events_from"
"""The key of `events_from` in a Parquet file's metadata."""
MEDIA_TYPES = {
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
}
GivenFormat: TypeAlias = Annotated[
    FileFormat | None,
    Query(
        alias="format",
        description="The answer as a file to keep: `json` as it always is, `csv`, `excel` (CSV with a byte order "
        "mark, by which Excel knows UTF-8) or `parquet` its rows, all of them "
        f"(at most {ROWS_MAX:,}) unless the query names a `limit` or a `cursor`.",
    ),
]
"""A route's parameter of this type is the requested file format; None: a plain JSON answer."""
FILES: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {
            kind.partition(";")[0]: {"schema": {"type": "string", "format": "binary"}}
            for name, kind in MEDIA_TYPES.items()
            if name != "json"
        }
    }
}
"""The `responses` of a route that can answer with a file, for the OpenAPI document."""

Row: TypeAlias = dict[str, Any]
Ask: TypeAlias = Callable[[model.Query], Awaitable[model.Result]]
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9]+")


def disposition(name: str, format_: FileFormat) -> dict[str, str]:
    """The header that gives a file its name: letters and digits of `name`, or `result` when it has none."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode("ascii")
    short = _NOT_IN_NAMES.sub("-", plain).strip("-").lower()[:80].rstrip("-")
    ending = "csv" if format_ == "excel" else format_
    return {"Content-Disposition": f'attachment; filename="{short or "result"}.{ending}"'}


def begun(events_from: datetime | None) -> dict[str, str]:
    """The header that says from when there are events; none where all figures cover the range."""
    return {} if events_from is None else {EVENTS_FROM: instant_text(events_from)}


def facts_of(events_from: datetime | None) -> dict[str, str]:
    """The same for the metadata of a Parquet file."""
    return {} if events_from is None else {EVENTS_FROM_FACT: instant_text(events_from)}


def instant_text(moment: datetime) -> str:
    """An instant as JSON answers have it."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


async def as_file(
    parts: Parts, ask: Ask, query: model.Query, format_: Literal["csv", "excel", "parquet"], name: str
) -> Response:
    """The rows of a query as a file.

    The first page is queried before the answer starts, so an invalid query gets an error answer. An error on a later
    page cuts a CSV stream short.

    Args:
        ask: runs a query.

    Raises:
        TooLarge: a Parquet file would have more than ROWS_MAX rows.
        Unavailable: the disk's reserve is reached while a Parquet file is written.
        Others: as `ask` raises them.
    """
    headers = disposition(name, format_)
    whole = _whole(query)
    first = await ask(whole)
    if whole is query and first.next_cursor is not None:
        headers[NEXT_CURSOR] = first.next_cursor
    headers |= begun(first.events_from)
    pages = _pages(ask, whole, first, further=whole is not query)
    if format_ == "parquet":
        facts = facts_of(first.events_from)
        return MadeFile(
            parts, lambda folder: _parquet(parts, query, pages, folder, facts), headers, MEDIA_TYPES["parquet"]
        )
    mark = BOM if format_ == "excel" else b""
    if first.next_cursor is None or whole is query:
        body = await asyncio.to_thread(csv_of, columns_of(query, first.rows), first.rows)
        return Response(mark + body, headers=headers, media_type=MEDIA_TYPES["csv"])
    return Stream(parts, _csv_pages(parts, query, pages, mark), headers, MEDIA_TYPES["csv"])


def _whole(query: model.Query) -> model.Query:
    """The query with the largest page size; the same object when the query names a page itself."""
    if "cursor" not in type(query).model_fields or {"limit", "cursor"} & query.model_fields_set:
        return query
    most = max(bound.le for bound in type(query).model_fields["limit"].metadata if hasattr(bound, "le"))
    return query.model_copy(update={"limit": most})


async def _pages(ask: Ask, query: model.Query, first: model.Result, further: bool) -> AsyncIterator[list[Row]]:
    """The rows, page by page. Raises TooLarge after ROWS_MAX of them."""
    page, count = first, 0
    while True:
        count += len(page.rows)
        if count > ROWS_MAX:
            raise TooLarge(f"the result has more than {ROWS_MAX:,} rows: ask for less, or name a limit for one page")
        yield page.rows
        if page.next_cursor is None or not further:
            return
        page = await ask(query.model_copy(update={"cursor": page.next_cursor}))


# --- CSV ------------------------------------------------------------------------------------------------------------


async def _csv_pages(
    parts: Parts, query: model.Query, pages: AsyncIterator[list[Row]], mark: bytes
) -> AsyncGenerator[bytes, None]:
    """Text is formatted in a thread, so that a large file does not block the event loop."""
    columns: list[str] = []
    with parts.exports.hold():
        async for rows in pages:
            header = not columns
            columns = columns or columns_of(query, rows)
            text = await asyncio.to_thread(csv_of, columns, rows, header)
            yield mark + text if header else text


def csv_of(columns: Sequence[str], rows: Sequence[Row], header: bool = True) -> bytes:
    """Rows as CSV.

    A missing value is an empty cell, booleans are `true` and `false`, lists and objects are JSON text. A text or a
    column's name that a spreadsheet would take for a formula gets an apostrophe in front.
    """
    cells = []
    for row in rows:
        values = flat(row)
        if surplus := values.keys() - set(columns):
            raise ValueError(f"a later page has columns that the first has not: {sorted(surplus)}")
        cells.append([_cell(values.get(name)) for name in columns])
    return csv_table([harmless(name) for name in columns] if header else [], cells)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return harmless(value) if isinstance(value, str) else msgspec.json.encode(value).decode("utf-8")


# --- Parquet --------------------------------------------------------------------------------------------------------


async def _parquet(
    parts: Parts, query: model.Query, pages: AsyncIterator[list[Row]], folder: Path, facts: Mapping[str, str]
) -> Path:
    """A column's type depends on the values of all rows, so the rows are written to a JSON file first."""
    lines, target = folder / "rows.ndjson", folder / "rows.parquet"
    disk = DiskGuard(folder, parts.settings)
    types: dict[str, str] = {}
    with lines.open("wb") as file:
        async for rows in pages:
            if disk.low():  # the reserve is kept for incoming events
                raise Unavailable("the disk is down to its reserve: ask for CSV, which takes none")
            for name in columns_of(query, rows):
                types.setdefault(name, "")
            await in_thread(_write, file, types, rows)
    columns = [(name, "BIGINT" if kind == EXACT else kind or "VARCHAR") for name, kind in types.items()]
    await in_thread(parts.write_parquet, lines, target, columns, facts)
    lines.unlink()
    return target


def _write(file: IO[bytes], types: dict[str, str], rows: Sequence[Row]) -> None:
    file.write(_lines(types, rows))


def _lines(types: dict[str, str], rows: Sequence[Row]) -> bytes:
    """Rows as JSON lines with a member `c0`, `c1`, … for each column. Updates `types` with the types of values."""
    members = {name: f"c{index}" for index, name in enumerate(types)}
    out = []
    for row in rows:
        line = {}
        for name, value in flat(row).items():
            if value is not None:
                types[name] = type_of(name, value, types[name])
                nested = isinstance(value, list | dict)
                line[members[name]] = msgspec.json.encode(value).decode("utf-8") if nested else value
        out.append(msgspec.json.encode(line))
    return b"".join(line + b"\n" for line in out)
