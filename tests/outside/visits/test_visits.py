"""Visits of users whose events have a `session_id`, have none, or have one now and then: one number on every route.

`events.ndjson`: minutes after noon in `at`. Six visits: two of ann, who has no `session_id`; bob's session with the
order that his shop's server sent and a late `page_leave`; cid's with an event of the server before the page; dan's
without any page; eve's session, in which a server's event lies more than half an hour from any other.
"""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tallystick.model.event import Event
from tallystick.model.queries.sessions import SessionsQuery
from tallystick.model.query import Metric, MetricsQuery, PeopleQuery
from tallystick.store import Store
from tests.helpers.query_steps import NOON, make_event, put

LINES = (Path(__file__).parent / "events.ndjson").read_text().splitlines()
SITE = "visits"


def events() -> list[Event]:
    made = []
    for number, line in enumerate(LINES):
        fields = json.loads(line)
        at = NOON + timedelta(minutes=fields.pop("at"))
        made.append(make_event(90_000_000 + number, SITE, timestamp=at, **fields))
    return made


@pytest.fixture
async def visited(store: Store) -> Store:
    await put(store, events())
    return store


async def rows(store: Store, query: Any) -> list[dict[str, Any]]:
    return (await store.run(query)).rows


async def test_overview_explore_and_users_count_the_same_visits(visited: Store) -> None:
    assert await rows(visited, SessionsQuery(site_id=SITE, metrics=["sessions", "events", "pages"])) == [
        {"sessions": 6, "events": 14, "pages": 8}
    ]
    explore = MetricsQuery(site_id=SITE, metrics=[Metric(kind="sessions")])
    assert await rows(visited, explore) == [{"sessions": 6}]
    by_user = await rows(visited, explore.model_copy(update={"breakdown": ["user_id"]}))
    per_user = {"ann": 2, "bob": 1, "cid": 1, "dan": 1, "eve": 1}
    assert {row["user_id"]: row["sessions"] for row in by_user} == per_user
    users = await rows(visited, PeopleQuery(site_id=SITE))
    assert {row["user_id"]: row["sessions"] for row in users} == per_user


async def test_a_servers_event_counts_among_the_visit_of_its_user(visited: Store) -> None:
    explore = MetricsQuery(site_id=SITE, metrics=[Metric(kind="sessions")], breakdown=["name"])
    by_name = {row["name"]: row["sessions"] for row in await rows(visited, explore)}
    assert by_name["page_view"] == 5
    assert by_name["order_paid"] == by_name["account_checked"] == by_name["report_made"] == 1
    query = SessionsQuery(site_id=SITE, metrics=["sessions", "events"], breakdown=["user_id"])
    assert {row["user_id"]: (row["sessions"], row["events"]) for row in await rows(visited, query)} == {
        "ann": (2, 3),
        "bob": (1, 4),
        "cid": (1, 3),
        "dan": (1, 1),
        "eve": (1, 3),
    }


async def test_a_visit_without_a_page_is_no_bounce_and_did_not_come_directly(visited: Store) -> None:
    query = SessionsQuery(site_id=SITE, metrics=["sessions", "bounce_rate"], breakdown=["channel"])
    assert await rows(visited, query) == [
        {"channel": "direct", "sessions": 3, "bounce_rate": 2 / 3},  # cid and ann's second; eve saw two pages
        {"channel": "search", "sessions": 1, "bounce_rate": 0.0},
        {"channel": "social", "sessions": 1, "bounce_rate": 0.0},
        {"channel": None, "sessions": 1, "bounce_rate": None},
    ]
    assert (await rows(visited, SessionsQuery(site_id=SITE, metrics=["bounce_rate"])))[0]["bounce_rate"] == 2 / 5


async def test_the_time_on_a_page_is_no_second_event_of_a_bounce(store: Store) -> None:
    at = [NOON, NOON + timedelta(minutes=1), NOON + timedelta(minutes=2)]
    seen = [
        make_event(91_000_000 + number, "leave", name=name, path="/", session_id="s", timestamp=at[number])
        for number, name in enumerate(["page_view", "page_leave", "$pageleave"])
    ]
    await put(store, seen)
    for bounce in ("one_page", "one_event"):
        query = SessionsQuery(site_id="leave", metrics=["bounce_rate"], bounce=bounce)
        assert await rows(store, query) == [{"bounce_rate": 1.0}]


async def test_events_of_one_instant_are_in_order_of_arrival(store: Store) -> None:
    """The first and the last of ten pages at the same microsecond, whatever their ids are."""
    pages = [
        make_event(92_000_000 + number, "ties", name="page_view", path=f"/{9 - number}", session_id="s", timestamp=NOON)
        for number in range(10)
    ]
    await put(store, pages)
    query = SessionsQuery(site_id="ties", metrics=["sessions"], breakdown=["entry_page", "exit_page"])
    assert await rows(store, query) == [{"entry_page": "/9", "exit_page": "/0", "sessions": 1}]
