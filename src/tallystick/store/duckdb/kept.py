"""Rollups that stay when retention removes their events, in DuckDB. Driver errors pass as they are."""

from __future__ import annotations

from datetime import datetime

from tallystick.analysis.buckets import instant_of, micros
from tallystick.analysis.kept import Kept
from tallystick.model.queries.scope import Scope
from tallystick.model.sql import load_statements
from tallystick.store.duckdb.connection import Connection, transaction
from tallystick.store.removal import DAY
from tallystick.store.retention import Keeping

SQL = load_statements("tallystick.store.duckdb", "sql/kept.sql")


def keep(db: Connection, keeping: Keeping, before: int, site_id: str | None, now: int) -> None:
    """Keep the rollups that a purge removes of whole days, in its transaction, before it deletes anything.

    Args:
        before: the end of the last day, microseconds since 1970.
        site_id: the only site that loses events; None: all do.
        now: microseconds since 1970.
    """
    given = {"before": before, "site": site_id, "keep": keeping.default, "others": list(keeping.others)}
    db.execute(SQL["keep_rollup"], given)
    db.execute(SQL["keep_days"], given | {"now": now})


def drop_unwanted(db: Connection, keeping: Keeping) -> None:
    """Delete the kept rollups of sites that no longer keep them."""
    given = {"keep": keeping.default, "others": list(keeping.others)}
    with transaction(db):
        if db.execute(SQL["has_unwanted"], given).fetchall():
            db.execute(SQL["drop_rollup"], given)
            db.execute(SQL["drop_days"], given)


def events(db: Connection, site_id: str, before: datetime | None) -> int:
    """As `Store.kept_events`."""
    given = {"site": site_id, "before": None if before is None else micros(before)}
    return int(db.execute(SQL["events"], given).fetchall()[0][0])


def events_from(db: Connection, site_id: str | None) -> datetime | None:
    """As `Store.events_from`."""
    newest = db.execute(SQL["newest"], {"site": site_id, "since": None, "until": None}).fetchall()[0][0]
    return None if newest is None else instant_of(newest + DAY)


def read_kept(cursor: Connection, query: Scope) -> Kept | None:
    """What is kept in the range of a query; None: nothing."""
    if not cursor.execute(SQL["any"]).fetchall():  # planning the next statement takes longer
        return None
    since, until = (None if edge is None else micros(edge) for edge in (query.since, query.until))
    given = {"site": query.site_id, "since": since, "until": until}
    newest, in_range = cursor.execute(SQL["newest"], given).fetchall()[0]
    if not in_range:
        return None
    end = newest + DAY
    repeated = cursor.execute(SQL["repeated"], given | {"end": end}).fetchall()
    return Kept(instant_of(end), not repeated)


def counts(db: Connection) -> tuple[int, int, int]:
    """What `Findings.check_kept` looks at."""
    kept, purged = db.execute(SQL["verify_events"]).fetchall()[0]
    return kept, purged, db.execute(SQL["verify_days"]).fetchall()[0][0]
