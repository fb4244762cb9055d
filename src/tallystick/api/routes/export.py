"""GET /v1/export: every event of a scope, streamed as NDJSON or CSV, or sent as one Parquet file."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from tallystick.access.model import Permission
from tallystick.api.access.gate import Access, GuardedRoute, access
from tallystick.api.access.scoped_store import ScopedStore
from tallystick.api.dependencies import GivenParts, GivenScopedStore, Parts
from tallystick.api.files.csv_text import csv_events, csv_header
from tallystick.api.parameters import ExportParams
from tallystick.api.streaming.responses import MadeFile, Stream
from tallystick.disk import DiskGuard
from tallystick.errors import Unavailable
from tallystick.model.query import EventsQuery
from tallystick.store.waiting import in_thread

MEDIA_TYPES = {
    "ndjson": "application/x-ndjson",
    "csv": "text/csv; charset=utf-8",
    "excel": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
}

router = APIRouter(tags=["queries"], route_class=GuardedRoute)


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
@access(Access.SITE, Permission.EXPORT)
async def export(
    parts: GivenParts, store: GivenScopedStore, request: Request, params: Annotated[ExportParams, Query()]
) -> Response:
    """Every event of the scope, unlike `GET /v1/events` without pages.

    CSV: one column per field, `properties` as JSON text; a cell that a spreadsheet would take for a formula (first
    character = + - @, tab, carriage return) gets an apostrophe in front.
    """
    query = params.query(datetime.now(UTC))
    ending = "csv" if params.format == "excel" else params.format
    headers = {"Content-Disposition": f'attachment; filename="events.{ending}"'}
    if request.state.head:
        return Response(headers=headers, media_type=MEDIA_TYPES[params.format])
    if params.format == "parquet":
        return MadeFile(parts, lambda folder: _parquet(parts, store, query, folder), headers, MEDIA_TYPES["parquet"])
    return Stream(parts, _pieces(parts, store, query, params.format), headers, MEDIA_TYPES[params.format])


async def _pieces(parts: Parts, store: ScopedStore, query: EventsQuery, form: str) -> AsyncGenerator[bytes, None]:
    """CSV is formatted in a thread, so that an export does not block the event loop."""
    as_csv = form in ("csv", "excel")
    with parts.exports.hold():
        async with aclosing(store.export(query)) as chunks:
            first = await anext(chunks, b"")  # an error before the first chunk becomes an error answer
            yield csv_header(form == "excel") + await asyncio.to_thread(csv_events, first) if as_csv else first
            async for chunk in chunks:
                yield await asyncio.to_thread(csv_events, chunk) if as_csv else chunk


async def _parquet(parts: Parts, store: ScopedStore, query: EventsQuery, folder: Path) -> Path:
    """Parquet has its index at the end, so the whole file is written first; it needs that space on the data disk."""
    disk = DiskGuard(folder, parts.settings)
    lines, target = folder / "events.ndjson", folder / "events.parquet"
    with lines.open("wb") as file:
        async with aclosing(store.export(query)) as chunks:
            async for chunk in chunks:
                if disk.low():  # the reserve is kept for incoming events
                    raise Unavailable("the disk is down to its reserve: ask for NDJSON, which takes none")
                await in_thread(file.write, chunk)
    await in_thread(parts.write_parquet, lines, target)
    lines.unlink()
    return target
