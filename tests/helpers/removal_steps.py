"""Steps of the suites that remove events: events of few users, and the answers of all tables about a site."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import msgspec

from tallystick.model.event import Event
from tallystick.model.queries.users import PeopleQuery, PersonQuery
from tallystick.model.query import EventsQuery, FunnelQuery, Metric, MetricsQuery, SessionsQuery
from tallystick.store import Store
from tests.helpers.query_steps import NOON, ask, make_event, numbers

IDS = "abcdef"
METRICS = [Metric(kind="events"), Metric(kind="users"), Metric(kind="sessions"), Metric(kind="last_received")]


def some(seed: int, count: int, site: str = "s", import_id: str | None = None) -> list[Event]:
    """Events of few users over several days, with sessions; some join ids, each only with its neighbour: there are
    several persons.
    """
    draw, base = random.Random(seed), next(numbers) * 100_000
    events = []
    for n in range(count):
        joins = draw.random() < 0.15
        place = draw.randrange(len(IDS))
        properties: dict[str, Any] = {} if import_id is None else {"$import": import_id}
        if joins:
            properties |= {"anonymous_id": IDS[place // 2 * 2 + 1]}
            place = place // 2 * 2
        events.append(
            make_event(
                base + n,
                site,
                name="identify" if joins else draw.choice(["page_view", "buy"]),
                user_id=IDS[place] if joins or draw.random() < 0.9 else None,
                session_id=draw.choice([None, "s1", "s2", "s3"]),
                path=draw.choice(["/", "/a"]),
                timestamp=NOON + timedelta(minutes=draw.randrange(4 * 24 * 60)),
                properties=properties | {"n": n, "$bot": draw.random() < 0.1},
            )
        )
    return events


async def everything(store: Store, site: str) -> bytes:
    """Answers of all tables, without the name of the site."""
    queries: list[Any] = [
        MetricsQuery(site_id=site, metrics=METRICS),
        MetricsQuery(site_id=site, metrics=METRICS, interval="day"),
        MetricsQuery(site_id=site, metrics=METRICS, breakdown=["name", "user_id"]),
        MetricsQuery(site_id=site, metrics=METRICS[:2], interval="hour"),
        MetricsQuery(site_id=site, breakdown=["path"], interval="hour"),
        MetricsQuery(site_id=site, breakdown=["properties.anonymous_id"]),
        FunnelQuery(site_id=site, steps=[{"name": "page_view"}, {"name": "buy"}], window=36_000),
        SessionsQuery(site_id=site),
        SessionsQuery(site_id=site, breakdown=["entry_page"]),
        PeopleQuery(site_id=site),
        *(PersonQuery(site_id=site, user_id=user, limit=1000) for user in IDS),
    ]
    rows = [(await store.run(query)).rows for query in queries]
    found = msgspec.json.encode([*rows, await ask(store, EventsQuery(site_id=site, limit=1000))])
    return found.replace(f'"{site}"'.encode(), b'""')


async def tidied(store: Store) -> None:
    while await store.maintain():
        pass
