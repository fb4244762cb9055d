"""What a statement on ClickHouse is compiled with, read right before it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from tallystick.analysis.property_columns import PropertyColumn
from tallystick.analysis.sources import VISITS_NEED, Needs, Sources
from tallystick.analysis.user_numbers import UserNumbers
from tallystick.store.clickhouse.dialect import CLICKHOUSE
from tallystick.store.clickhouse.server.connection import Look
from tallystick.store.clickhouse.upkeep.property_columns import SQL, KnownColumns

PERSONS = """
SELECT 1 FROM identities
WHERE site_id = {site:Nullable(String)} OR {site:Nullable(String)} IS NULL
LIMIT 1
"""
"""Whether any ids of a site (NULL: of any site) were joined."""
LOOSE_EVENTS = """
SELECT 1 FROM events
WHERE session_id IS NULL AND user_id IS NOT NULL
    AND (site_id = {site:Nullable(String)} OR {site:Nullable(String)} IS NULL)
LIMIT 1
SETTINGS final = 0
"""
"""Whether statements have to look for events of users without a `session_id`. Copies that are not merged yet do not
matter, and where there are no such events, this reads all of two columns.
"""
USER_KEYS = UserNumbers(
    (),
    ("(SELECT * EXCEPT (user_id), user_id AS sent_id, nullIf(user_key, 0) AS user_id FROM events) AS events",),
)
"""The events with a hash of 128 bits in the place of the user's id, by which users are told apart in a fraction of the
time that texts take.
"""


async def read_sources(look: Look, site_id: str | None, wanted: Needs, now: datetime, columns: KnownColumns) -> Sources:
    """What a query needs. There are no rollups; days of sessions are looked up by `Reader`.

    Args:
        look: runs a SELECT within the query's deadline.
        columns: the property columns that the process knows of.
        site_id: the query's site; None: all.
        now: when the query was received.
    """
    site = {"site": site_id}
    persons = wanted.persons and bool(await look(PERSONS, site))
    sources = Sources(
        CLICKHOUSE,
        now,
        rollups=False,
        property_columns=await _property_columns(look, columns) if wanted.property_columns else {},
        persons=persons,
        user_numbers=USER_KEYS if wanted.user_keys and not persons else None,
        loose_events=wanted.loose_events and bool(await look(LOOSE_EVENTS, site)),
    )
    if not wanted.visits:
        return sources
    return replace(sources, visits=await read_sources(look, site_id, VISITS_NEED, now, columns))


async def _property_columns(look: Look, columns: KnownColumns) -> Mapping[str, PropertyColumn]:
    known = columns.current()
    if known is None:
        known = columns.take(str(row[0]) for row in await look(SQL["columns"], {"table": "events"}))
    return known
