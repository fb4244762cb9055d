"""What a statement on DuckDB is compiled with, read in the transaction in which it runs."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from tallystick.analysis.sources import VISITS_NEED, Needs, Sources
from tallystick.store.duckdb import identity
from tallystick.store.duckdb.connection import Connection
from tallystick.store.duckdb.dialect import DUCKDB
from tallystick.store.duckdb.upkeep.property_columns import read_property_columns
from tallystick.store.duckdb.upkeep.sessions import read_session_index, read_user_numbers

LOOSE_EVENTS = "SELECT 1 FROM events WHERE session_id IS NULL AND user_id IS NOT NULL LIMIT 1"
"""DuckDB skips row groups in which every event has a `session_id`. If all have one, statements look for no others."""


def read_sources(cursor: Connection, site_id: str | None, wanted: Needs, now: datetime) -> Sources:
    """What a query needs.

    Args:
        site_id: the query's site; None: all.
        now: when the query was received.
    """
    sources = Sources(
        DUCKDB,
        now,
        property_columns=read_property_columns(cursor) if wanted.property_columns else {},
        persons=wanted.persons and identity.knows(cursor, site_id),
        loose_events=wanted.loose_events and bool(cursor.execute(LOOSE_EVENTS).fetchall()),
        session_index=read_session_index(cursor) if wanted.session_index else None,
        user_numbers=read_user_numbers(cursor) if wanted.user_numbers else None,
    )
    return replace(sources, visits=read_sources(cursor, site_id, VISITS_NEED, now)) if wanted.visits else sources
