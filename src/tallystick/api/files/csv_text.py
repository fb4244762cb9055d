"""Rows and events as CSV (RFC 4180), in UTF-8."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import datetime

from tallystick.model.event import decode_line

EVENT_COLUMNS = (
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
BOM = b"\xef\xbb\xbf"
"""The byte order mark of UTF-8."""
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def harmless(cell: str) -> str:
    """The cell, with an apostrophe in front when a spreadsheet would take it for a formula."""
    return "'" + cell if cell.startswith(FORMULA_STARTS) else cell


def csv_table(header: Sequence[str], cells: Iterable[Sequence[str]]) -> bytes:
    """The header, unless it is empty, and the rows below it. Cells are written as they are: see `harmless`."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerows([header, *cells] if header else cells)
    return out.getvalue().encode("utf-8", "replace")


def csv_header(excel: bool = False) -> bytes:
    """The header line of an export of events, behind a byte order mark for Excel."""
    return (BOM if excel else b"") + (",".join(EVENT_COLUMNS) + "\r\n").encode()


def csv_events(lines: bytes) -> bytes:
    """Canonical lines as rows of an export of events."""
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


def _instant(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
