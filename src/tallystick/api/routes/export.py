"""GET /v1/export: every event of a scope, as NDJSON or CSV in a stream, or as one Parquet file."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from tallystick.api.access import Access, Guarded, Questions, access
from tallystick.api.parameters import ExportParams
from tallystick.api.parts import GivenParts, GivenQuestions, Parts
from tallystick.api.streams import MadeFile, Stream
from tallystick.disk import DiskGuard
from tallystick.errors import Unavailable
from tallystick.model.event import decode_line
from tallystick.model.query import EventsQuery
from tallystick.store.waiting import in_thread

CSV_COLUMNS = (
    "event_id",
    "site_id",
    "name",
    "timestamp",
    "received_at",
    "user_id",
    "session_id",
    "source",
    "path",
    "properties",
)
MEDIA_TYPES = {
    "ndjson": "application/x-ndjson",
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
}
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")

router = APIRouter(tags=["questions"], route_class=Guarded)


@router.get(
    "/v1/export",
    response_class=Response,
    responses={
        200: {
            "content": {
                kind.partition(";")[0]: {"schema": {"type": "string", "format": "binary"}}
                for kind in MEDIA_TYPES.values()
            }
        }
    },
)
@access(Access.SITE)
async def export(
    parts: GivenParts, store: GivenQuestions, request: Request, params: Annotated[ExportParams, Query()]
) -> Response:
    """Every event of the scope, unlike `GET /v1/events` without pages.

    CSV: one column per field, `properties` as JSON text; a cell that a spreadsheet would take for a formula (first
    character = + - @, tab, carriage return) gets an apostrophe in front.
    """
    query = params.question(datetime.now(UTC))
    headers = {"Content-Disposition": f'attachment; filename="events.{params.format}"'}
    if request.state.head:
        return Response(headers=headers, media_type=MEDIA_TYPES[params.format])
    if params.format == "parquet":
        return MadeFile(parts, lambda folder: _parquet(parts, store, query, folder), headers, MEDIA_TYPES["parquet"])
    return Stream(parts, _pieces(parts, store, query, params.format == "csv"), headers, MEDIA_TYPES[params.format])


async def _pieces(parts: Parts, store: Questions, query: EventsQuery, as_csv: bool) -> AsyncGenerator[bytes, None]:
    """CSV is written in a thread: an export must not keep the event loop from answering others."""
    with parts.exports.place():
        async with aclosing(store.export(query)) as chunks:
            first = await anext(chunks, b"")  # what goes wrong before it is an error answer
            yield csv_header() + await asyncio.to_thread(csv_rows, first) if as_csv else first
            async for chunk in chunks:
                yield await asyncio.to_thread(csv_rows, chunk) if as_csv else chunk


async def _parquet(parts: Parts, store: Questions, query: EventsQuery, folder: Path) -> Path:
    """Parquet has its index at the end, so the file is made first; that takes the export's space on the data disk."""
    disk = DiskGuard(folder, parts.settings)
    lines, target = folder / "events.ndjson", folder / "events.parquet"
    with lines.open("wb") as file:
        async with aclosing(store.export(query)) as chunks:
            async for chunk in chunks:
                if disk.low():  # the reserve is for events that come in
                    raise Unavailable("the disk is down to its reserve: ask for NDJSON, which takes none")
                await in_thread(file.write, chunk)
    await in_thread(parts.write_parquet, lines, target)
    lines.unlink()
    return target


# --- CSV ------------------------------------------------------------------------------------------------------------


def csv_header() -> bytes:
    """The first line of a CSV export."""
    return (",".join(CSV_COLUMNS) + "\r\n").encode()


def csv_rows(lines: bytes) -> bytes:
    """Canonical lines as rows of a CSV export (RFC 4180)."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    for line in lines.splitlines():
        event = decode_line(line)
        cells = (
            str(event.event_id),
            event.site_id,
            event.name,
            _instant(event.timestamp),
            _instant(event.received_at),
            event.user_id or "",
            event.session_id or "",
            event.source,
            event.path or "",
            bytes(event.properties).decode("utf-8"),
        )
        writer.writerow([harmless(cell) for cell in cells])
    return out.getvalue().encode("utf-8")


def harmless(cell: str) -> str:
    """The cell, with an apostrophe in front when a spreadsheet would take it for a formula."""
    return "'" + cell if cell.startswith(FORMULA_STARTS) else cell


def _instant(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
