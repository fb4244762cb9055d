"""Removes events by what they are, with everything that follows from them: those of an import, or of a person.

A step of an import removes the events of some whole days in one transaction, after which the books close. It selects
the keys of its events into the table `removed`; all that comes after works on these keys alone, whatever chose them.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from tallystick.analysis.buckets import instant_of
from tallystick.model.sql import load_statements
from tallystick.store.base import ImportedEvents, Removal
from tallystick.store.duckdb import identity
from tallystick.store.duckdb.connection import Connection, transaction
from tallystick.store.duckdb.upkeep import sessions, user_numbers, user_times
from tallystick.store.removal import Span, steps

SQL = load_statements("tallystick.store.duckdb", "sql/removal.sql")


def imports(db: Connection, import_id: str | None) -> Sequence[ImportedEvents]:
    """As `Store.imports`."""
    rows = db.execute(SQL["imports"], {"import_id": import_id}).fetchall()
    return [ImportedEvents(*row[:3], *map(instant_of, row[3:])) for row in rows]


def removals(db: Connection, import_id: str) -> Sequence[Removal]:
    """As `Store.removals`."""
    rows = db.execute(SQL["removals"], {"import_id": import_id}).fetchall()
    return [Removal(instant_of(row[0]), *row[1:]) for row in rows]


def spans(db: Connection, import_id: str, site_id: str | None) -> list[Span]:
    """The days that have events of an import, put together to steps."""
    return steps(db.execute(SQL["days"], {"import_id": import_id, "site_id": site_id}).fetchall())


def remove(db: Connection, import_id: str, site_id: str | None, span: Span) -> int:
    """Remove the events of an import within a span of whole days; returns how many they were. One transaction."""
    bounds = {"first": span[0], "end": span[1]}
    with transaction(db):
        db.execute(SQL["select"], {"import_id": import_id, "site_id": site_id, **bounds})
        (events,) = db.execute("SELECT count(*) FROM removed").fetchall()[0]
        if events:
            db.execute(SQL["record"], {"now": time.time_ns() // 1_000, "import_id": import_id})
            remove_selected(db, bounds)
        db.execute("DROP TABLE removed")
    return int(events)


def remove_selected(db: Connection, bounds: dict[str, int]) -> None:
    """Remove the events in `removed`, and correct what follows from them."""
    watermark, times_watermark = sessions.read_watermark(db), user_times.WATERMARK.read(db)
    links = db.execute(SQL["links"]).fetchall()
    db.execute(SQL["delete_events"])
    db.execute(SQL["buckets"])
    for rollup in ("rollup", "people"):
        db.execute(SQL[f"delete_{rollup}"])
        db.execute(SQL[f"insert_{rollup}"], bounds)
    if links:
        identity.release(db, links)
    identity.forget_persons(db)
    if watermark is not None:
        db.execute(SQL["select_cut"], {"watermark": watermark})
    sessions.follow_removal(db, watermark)
    user_numbers.purge(db)
    has_times = times_watermark is not None and db.execute(SQL["has_times"], {"watermark": times_watermark}).fetchall()
    if times_watermark is None or (has_times and has_times[0][0]):
        user_times.reset(db)  # they are collected anew while nothing waits
    else:
        user_times.WATERMARK.set(db, times_watermark)
    db.execute("DROP TABLE changed")
