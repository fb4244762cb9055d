"""The audit log: each change notes itself in its own transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from tallystick.access.model import Actor, AuditEntry
from tallystick.access.scripts.common import Script, Step, json_text
from tallystick.analysis.buckets import instant_of, micros
from tallystick.errors import NotFound
from tallystick.model.library import new_id

_PAGE = 500
_END = 2**62


def note(
    actor: Actor, action: str, subject: str, site_id: str | None = None, details: Mapping[str, Any] | None = None
) -> Script[None]:
    now = micros(datetime.now(UTC))
    text = json_text(details or {})
    yield Step("insert_audit", (new_id(), now, actor.name, action, subject, site_id, actor.address, text))


def entries(limit: int, before: str | None, sites: frozenset[str] | None) -> Script[list[AuditEntry]]:
    at, id_ = _END, ""
    if before is not None:
        rows = yield Step("audit_entry", (before,))
        if not rows:
            raise NotFound(f"there is no entry {before!r}")
        at, id_ = rows[0]
    found: list[AuditEntry] = []
    while True:
        rows = yield Step("audit", (at, id_, _PAGE))
        entries = [_entry_of(row) for row in rows]
        found += [entry for entry in entries if sites is None or entry.site_id in sites]
        if len(found) >= limit or len(rows) < _PAGE:
            return found[:limit]
        at, id_ = rows[-1][1], rows[-1][0]


def _entry_of(row: Sequence[Any]) -> AuditEntry:
    id_, at, actor, action, subject, site_id, address, details = row
    return AuditEntry(id_, instant_of(at), actor, action, subject, site_id, address, msgspec.json.decode(details))
