"""`tallystick import --check`: what an import would do, by the server's own rules, without sending anything."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

import msgspec
from rich.markup import escape

from tallystick.cli import console
from tallystick.cli.importing.reading.rows import Broken
from tallystick.cli.importing.reporting import notes_of, show_reasons, summary, times_of
from tallystick.cli.importing.sending import State, check_books
from tallystick.cli.importing.source import Source
from tallystick.config import Settings
from tallystick.ingest.decode import decode_native

SAMPLES = 2
"""Events that are shown whole."""
PROPERTIES_SHOWN = 40
"""Properties that are listed."""

_line = msgspec.json.Decoder(dict[str, msgspec.Raw])
_KINDS = {b'"': "text", b"{": "object", b"[": "array", b"t": "boolean", b"f": "boolean", b"n": "null"}


class _Seen:
    """The fields and properties of the events, counted."""

    def __init__(self) -> None:
        self.fields: Counter[str] = Counter()
        self.properties: dict[str, Counter[str]] = {}
        self.samples: list[str] = []

    def add(self, line: bytes) -> None:
        event = _line.decode(line)
        event.pop("received_at", None)
        inner = _line.decode(event.pop("properties", b"{}"))
        self.fields.update(list(event))
        for key, value in inner.items():
            self.properties.setdefault(key, Counter())[_KINDS.get(bytes(value)[:1], "number")] += 1
        if len(self.samples) < SAMPLES:
            shown = {**event, "properties": inner} if inner else event
            self.samples.append(msgspec.json.encode(shown).decode())


def check(source: Source, shown: str, settings: Settings, as_json: bool = False) -> int:
    """Read every row and print what an import would do. Returns how many rows would be rejected.

    Raises:
        TallystickError: the file is damaged, or its rows do not add up.
    """
    state, seen = State(), _Seen()
    for chunk in source.chunks(0, settings.max_request_events):
        notes = list(chunk.broken)
        if chunk.places:
            decoded = decode_native(chunk.body, datetime.now(UTC), settings, ndjson=True)
            notes += [Broken(chunk.places[note.index], f"{note.code}: {note.message}") for note in decoded.rejected]
            state.accepted += decoded.count
            for line in decoded.lines.splitlines():
                seen.add(line)
        for note in sorted(notes, key=lambda note: note.row):
            state.reject(f"{source.file.word} {note.row}", note.reason)
    check_books(source, state)
    rejected = state.rejected + source.file.broken_count
    if as_json:
        properties = {name: dict(kinds) for name, kinds in seen.properties.items()}
        samples = [msgspec.json.decode(sample) for sample in seen.samples]
        more = {"fields": dict(seen.fields), "properties": properties, "samples": samples}
        console.show_json({"dry_run": True, **summary(source, state), **more})
        return rejected
    console.out.print(
        escape(
            f"{shown}: {source.file.counted:,} rows; an import would accept {state.accepted:,} and reject "
            f"{rejected:,}. Nothing was sent"
        )
    )
    for text in (*times_of(source), *notes_of(source)):
        console.out.print(escape(text))
    show_reasons(source, state.reasons, rejected)
    _show(source, seen)
    return rejected


def _show(source: Source, seen: _Seen) -> None:
    if seen.fields:
        console.out.print("fields")
    for field, count in seen.fields.items():
        origin = source.mapper.origin(field) or "set by the server"
        console.out.print(escape(f"  {field}: {origin}, {count:,} events"))
    if seen.properties:
        console.out.print("properties")
    for name, kinds in list(seen.properties.items())[:PROPERTIES_SHOWN]:
        types = ", ".join(f"{kind} ({count:,})" for kind, count in kinds.most_common())
        console.out.print(escape(f"  {name}: {types}"))
    if len(seen.properties) > PROPERTIES_SHOWN:
        console.out.print(f"  … and {len(seen.properties) - PROPERTIES_SHOWN:,} more")
    for sample in seen.samples:
        console.out.print(escape(f"such as {sample}"))
