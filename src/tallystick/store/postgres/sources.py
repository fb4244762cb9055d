"""What a statement on PostgreSQL is compiled with, read in the transaction in which it runs."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from tallystick.analysis.sources import VISITS_NEED, Needs, Sources
from tallystick.store.postgres import identity
from tallystick.store.postgres.connection import Connection
from tallystick.store.postgres.dialect import POSTGRES
from tallystick.store.postgres.upkeep.hour_users import read_hour_users
from tallystick.store.postgres.upkeep.sessions import read_session_index
from tallystick.store.postgres.upkeep.user_times import read_user_times
from tallystick.store.postgres.upkeep.value_counts import read_value_counts

LOOSE_EVENTS = """
SELECT EXISTS (
    SELECT FROM events WHERE session_id IS NULL AND user_id IS NOT NULL AND (site_id = $1 OR $1 IS NULL)
)
"""
"""An index has only these events. If there are none, statements look for none."""


async def read_sources(connection: Connection, site_id: str | None, wanted: Needs, now: datetime) -> Sources:
    """What a query needs.

    Args:
        site_id: the query's site; None: all.
        now: when the query was received.
    """
    sources = Sources(
        POSTGRES,
        now,
        persons=wanted.persons and await identity.knows(connection, site_id),
        loose_events=wanted.loose_events and bool(await connection.fetchval(LOOSE_EVENTS, site_id)),
        session_index=await read_session_index(connection) if wanted.session_index else None,
        user_numbers=await read_user_times(connection) if wanted.user_times else None,
        value_counts=await read_value_counts(connection, wanted.value_counts) if wanted.value_counts else None,
        hour_users=await read_hour_users(connection) if wanted.hour_users else None,
    )
    if not wanted.visits:
        return sources
    return replace(sources, visits=await read_sources(connection, site_id, VISITS_NEED, now))
