"""Files as an import reads them, without a server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from tallystick.cli.importing.columns import Choices
from tallystick.cli.importing.reading.content import survey
from tallystick.cli.importing.source import Format, Reading, Source, format_of, open_source


class Imported(NamedTuple):
    """What an import would send and reject.

    Attributes:
        events: as the server would get them.
        rejected: place in the file → reason.
        counted: the rows that the file has.
    """

    events: list[dict[str, Any]]
    rejected: dict[int, str]
    counted: int


def opened(path: Path, choices: Choices, kind: Format | None = None, **reading: Any) -> Source:
    """The file as `tallystick import` opens it."""
    kind = format_of(path, kind)
    found = survey(path, text=kind != "parquet", encoding=reading.get("encoding"))
    return open_source(path, kind, found, choices, Reading(**reading))


def imported(
    path: Path, choices: Choices | None = None, kind: Format | None = None, skip: int = 0, **reading: Any
) -> Imported:
    """Read the whole file."""
    source = opened(path, choices or Choices(), kind, **reading)
    try:
        chunks = list(source.chunks(skip, 3))
        broken = [*source.file.broken, *(one for chunk in chunks for one in chunk.broken)]
        events = [json.loads(line) for chunk in chunks for line in chunk.body.split(b"\n") if line]
        assert len(events) == sum(len(chunk.places) for chunk in chunks)
        counted = source.file.counted
    finally:
        source.close()
    return Imported(events, {one.row: one.reason for one in broken}, counted)
