"""The event names and property keys that a store has: what quotas of names begin with."""

from __future__ import annotations

from collections.abc import Iterable

from tallystick.config import Settings
from tallystick.ingest.names import MOST
from tallystick.model.query import KeysQuery, MetricsQuery
from tallystick.names_file import Entry
from tallystick.store.base import Store

PAGE = 50_000
"""Rows of one answer."""
KEYS_MOST = 1_000
"""Most property keys that one answer has."""


async def stored_names(store: Store, settings: Settings) -> Iterable[Entry]:
    """Every event name of each site, and the property keys of each site's newest events, as far as quotas count them.

    Raises:
        TallystickError: as `Store.run` and `Store.day_events`.
    """
    found: list[Entry] = []
    if settings.quota_site_names:
        cursor: str | None = None
        while len(found) < MOST:
            query = MetricsQuery(site_id=None, breakdown=["site_id", "name"], bots="include", limit=PAGE, cursor=cursor)
            answer = await store.run(query)
            found += [("name", row["site_id"], row["name"]) for row in answer.rows]
            if (cursor := answer.next_cursor) is None:
                break
    if settings.quota_site_properties:
        for site_id in sorted({day.site_id for day in await store.day_events()}):
            keys = await store.run(KeysQuery(site_id=site_id, bots="include", limit=KEYS_MOST))
            found += [("key", site_id, row["key"]) for row in keys.rows]
    return found
