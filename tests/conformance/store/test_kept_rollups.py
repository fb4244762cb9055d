"""Rollups that stay when retention removes their events: what they answer, and that nothing loses or doubles them
(G4, G10, G13).
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import msgspec
import pytest

from tallystick.config import Settings
from tallystick.model.event import Event
from tallystick.model.query import (
    Condition,
    EventsQuery,
    FunnelQuery,
    Metric,
    MetricsQuery,
    PeopleQuery,
    SessionsQuery,
)
from tallystick.queue import make_queue
from tallystick.store import Store
from tallystick.store.retention import Borders, Keeping, RetentionRule
from tallystick.worker.worker import Worker
from tests.conformance.store.test_rollups_rebuild import damage
from tests.helpers import thorough
from tests.helpers.query_steps import NOON, ask, check, make_event, numbers, put
from tests.helpers.removal_steps import some, tidied
from tests.oracle.identity import as_persons

DAY = timedelta(days=1)
MIDNIGHT = NOON.replace(hour=0, minute=0, second=0, microsecond=0)
PATIENCE = 60.0
COUNTS = [Metric(kind="events"), Metric(kind="last_received")]
USERS = Metric(kind="users")
NO_BOTS = Condition(field="properties.$bot", op="!=", value=True)
ON_WEB = Condition(field="name", op="=", value="buy")
ALL_SITES = Keeping(True)


def questions(site: str | None) -> list[MetricsQuery]:
    """Queries that kept rollups answer as the events did."""
    bodies: list[dict[str, Any]] = [
        {"metrics": COUNTS},
        {"metrics": COUNTS, "breakdown": ["name"], "filter": NO_BOTS},
        {"metrics": COUNTS, "breakdown": ["site_id", "source"], "filter": ON_WEB},
        {"metrics": [Metric(name="bought", filter=ON_WEB), Metric()], "breakdown": ["name"], "top": 1, "other": True},
    ]
    part = {"since": MIDNIGHT + timedelta(hours=7), "until": MIDNIGHT + 3.25 * DAY}
    spans: list[dict[str, Any]] = [
        {},
        {"interval": "hour", "timezone": "Asia/Kathmandu"},
        {"interval": "day", **part},
        {"interval": "week", "timezone": "Europe/Berlin"},
    ]
    found = [MetricsQuery(site_id=site, bots="include", **body, **span) for body, span in product(bodies, spans)]
    by_day: list[dict[str, Any]] = [
        {"metrics": [USERS], "breakdown": ["site_id"]},
        {"metrics": [USERS, *COUNTS], "breakdown": ["site_id"], "filter": NO_BOTS},
        {"metrics": [Metric(kind="users", name="people", filter=NO_BOTS), USERS], "breakdown": ["site_id"]},
        *(
            []
            if site is None
            else [{"metrics": [Metric(), USERS], "since": MIDNIGHT + DAY, "until": MIDNIGHT + 4 * DAY}]
        ),
    ]
    return found + [MetricsQuery(site_id=site, interval="day", bots="include", **body) for body in by_day]


def other_questions(site: str) -> list[Any]:
    """Queries that need the events themselves, or users of other groups than a day of a site."""
    return [
        MetricsQuery(site_id=site, metrics=[USERS]),
        MetricsQuery(site_id=site, metrics=[Metric(), USERS], interval="week"),
        MetricsQuery(site_id=site, metrics=[USERS], interval="day", timezone="Europe/Berlin"),
        MetricsQuery(site_id=None, metrics=[USERS], interval="day"),
        MetricsQuery(site_id=site, metrics=[Metric(kind="sessions")]),
        MetricsQuery(site_id=site, breakdown=["path"]),
        MetricsQuery(site_id=site, since=MIDNIGHT + timedelta(minutes=1)),
        FunnelQuery(site_id=site, steps=[{"name": "page_view"}, {"name": "buy"}], window=36_000),
        SessionsQuery(site_id=site),
        PeopleQuery(site_id=site),
        EventsQuery(site_id=site),
    ]


def only_site(events: Sequence[Event], borders: Borders) -> list[Event]:
    """The events that retention leaves."""
    return [event for event in events if (end := borders.of(event.site_id)) is None or event.timestamp >= end]


async def kept_answers(store: Store, site: str) -> list[Any]:
    return [await ask(store, query) for query in questions(site)]


async def filled(store: Store, borders: Borders, sites: Sequence[str] = ("shop",), seed: int = 1) -> list[Event]:
    """Events of some sites, of which the old days are gone and their rollups kept."""
    events = [event for place, site in enumerate(sites) for event in some(seed + place, 90, site)]
    random.Random(seed).shuffle(events)
    await put(store, events)
    await store.retire(borders)
    return events


@pytest.mark.parametrize("seed", thorough.some(range(3)))
async def test_answers_are_those_of_all_events(store: Store, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """With joined ids and bots; of sites whose days go at different times, and of one that keeps no rollups."""
    monkeypatch.setattr("tallystick.store.removal.STEP_EVENTS", 30)
    draw = random.Random(seed)
    borders = Borders(
        MIDNIGHT + draw.randrange(1, 5) * DAY,
        {"short": MIDNIGHT + draw.randrange(2, 6) * DAY, "ever": None, "bare": MIDNIGHT + draw.randrange(1, 6) * DAY},
        Keeping(True, ("bare",)),
    )
    events = [
        event
        for place, site in enumerate(["short", "others", "ever", "bare"])
        for event in some(seed * 9 + place, 70, site)
    ]
    draw.shuffle(events)
    await put(store, events, tidy=seed > 0)
    persons = as_persons(events)
    gone = len(events) - len(only_site(events, borders))
    assert (await store.retire(borders)).events == gone > 0
    assert await store.verify() == []
    counted = [event for event in persons if event.site_id != "bare"] + only_site(
        [event for event in persons if event.site_id == "bare"], borders
    )
    for site in ("short", "others", "bare", "ever", None):
        for query in questions(site):
            await check(store, query, counted)
            result = await store.run(query)
            assert (result.exact, result.from_rollup, result.events_from) == (True, True, None), query
    for site in ("short", "others"):
        left = only_site(events, borders)
        for query in other_questions(site):
            result = await store.run(query)
            last = max(event.timestamp for event in events if event.site_id == site and event not in left)
            days = [
                last,
                *(
                    event.timestamp
                    for event in events
                    if query.site_id is None and event not in left and event.site_id != "bare"
                ),
            ]
            wanted = max(days).replace(hour=0, minute=0, second=0, microsecond=0) + DAY
            assert result.events_from == wanted, query
        late = MetricsQuery(site_id=site, breakdown=["path"], since=MIDNIGHT + 9 * DAY)
        assert (await store.run(late)).events_from is None
    for site in ("ever", "bare"):
        assert {(await store.run(query)).events_from for query in other_questions(site) if query.site_id} == {None}
    # Nothing goes twice, and nothing is kept twice.
    assert (await store.retire(borders)).events == 0
    await tidied(store)
    assert await store.verify() == []
    for query in questions("short"):
        await check(store, query, counted)


async def test_what_comes_later_is_added(store: Store) -> None:
    """Events of a day that is gone are added to its counts. A user who came before counts again, and the answer says
    that it is not exact.
    """
    borders = Borders(MIDNIGHT + 2 * DAY, {}, ALL_SITES)
    made = [
        make_event(next(numbers) + 8_000_000, "shop", name="view", user_id=user, timestamp=NOON + day * DAY)
        for day, user in [(0, "a"), (0, "b"), (1, "a"), (3, "c")]
    ]
    late = [
        make_event(next(numbers) + 8_000_000, "shop", name="view", user_id=user, timestamp=NOON)
        for user in ("a", "z", None)
    ]
    query = MetricsQuery(site_id="shop", metrics=[Metric(), USERS], interval="day", until=MIDNIGHT + 2 * DAY)

    async def seen() -> tuple[list[tuple[int, int]], bool]:
        result = await store.run(query)
        return [(row["events"], row["users"]) for row in result.rows], result.exact

    await put(store, made)
    assert await store.events_from(None) is None
    assert (await store.retire(borders)).events == 3
    sites = ("shop", None, "blog", "n\0ne")
    assert [await store.events_from(site) for site in sites] == [MIDNIGHT + 2 * DAY] * 2 + [None] * 2
    assert await seen() == ([(2, 2), (1, 1)], True)
    await put(store, late)
    assert await seen() == ([(5, 4), (1, 1)], False)
    assert (await store.retire(borders)).events == 3
    assert await seen() == ([(5, 4), (1, 1)], False)
    query = query.model_copy(update={"since": MIDNIGHT + DAY})
    assert await seen() == ([(1, 1)], True)
    assert await store.kept_events("shop") == 6
    assert await store.kept_events("shop", MIDNIGHT + DAY) == 5
    assert await store.kept_events("blog") == 0
    assert await store.verify() == []


async def test_compared_with_a_period_that_is_gone(store: Store) -> None:
    borders = Borders(MIDNIGHT + 2 * DAY, {}, ALL_SITES)
    events = await filled(store, borders)
    span: dict[str, Any] = {
        "site_id": "shop",
        "since": MIDNIGHT + 2 * DAY,
        "until": MIDNIGHT + 4 * DAY,
        "bots": "include",
    }
    result = await store.run(MetricsQuery(**span, compare={"since": MIDNIGHT, "until": MIDNIGHT + 2 * DAY}))
    before = [event for event in events if event.timestamp < MIDNIGHT + 2 * DAY]
    now = [event for event in events if MIDNIGHT + 2 * DAY <= event.timestamp < MIDNIGHT + 4 * DAY]
    [row] = result.rows
    assert (row["events"], row["previous"]["events"], result.events_from) == (len(now), len(before), None)
    by_path = MetricsQuery(**span, breakdown=["path"], compare={"since": MIDNIGHT, "until": MIDNIGHT + 2 * DAY})
    result = await store.run(by_path)
    assert [row["previous"]["events"] for row in result.rows] == [0] * len(result.rows)
    assert result.events_from == MIDNIGHT + 2 * DAY


async def test_rebuilds_undone_imports_and_erasures_leave_them(store: Store) -> None:
    """A rebuild counts the events that are there. What was kept of an import, or of a person, stays: nothing says whose
    it is.
    """
    borders = Borders(MIDNIGHT + 2 * DAY, {}, ALL_SITES)
    imported = some(40, 60, "shop", "file")
    await put(store, imported)
    await filled(store, borders)
    kept = await store.kept_events("shop")
    query = MetricsQuery(
        site_id="shop", metrics=[Metric(), USERS], interval="day", until=MIDNIGHT + 2 * DAY, bots="include"
    )
    before = await kept_answers(store, "shop"), (await store.run(query)).rows
    for day in {*await store.rollup_days(), MIDNIGHT, MIDNIGHT + DAY}:
        assert (await store.rebuild_rollups(day)).wrong == 0
    assert (await kept_answers(store, "shop"), (await store.run(query)).rows) == before
    there = len([event for event in imported if event.timestamp >= MIDNIGHT + 2 * DAY])
    assert await store.undo_import("file") == there > 0
    assert (await store.erase("shop", "a")).found.events > 0
    await tidied(store)
    assert (await store.run(query)).rows == before[1]
    assert await store.kept_events("shop") == kept > 0
    assert await store.verify() == []


async def test_they_go_when_they_are_no_longer_wanted(store: Store) -> None:
    borders = Borders(MIDNIGHT + 2 * DAY, {}, ALL_SITES)
    events = await filled(store, borders, ("shop", "blog"))
    kept = await store.kept_events("blog")
    assert min(kept, await store.kept_events("shop")) > 0
    # Even of a site whose events stay for ever from now on.
    assert (await store.retire(Borders(None, {}, Keeping(True, ("shop",))))).events == 0
    assert (await store.kept_events("shop"), await store.kept_events("blog")) == (0, kept)
    left = [event for event in events if event.site_id == "blog" or event.timestamp >= MIDNIGHT + 2 * DAY]
    for site in ("shop", "blog"):
        for query in questions(site):
            await check(store, query, as_persons(left) if site == "shop" else as_persons(events))
    assert (await store.run(MetricsQuery(site_id="shop", breakdown=["path"]))).events_from is None
    assert (await store.retire(Borders(None))).events == 0
    assert await store.kept_events("blog") == 0
    assert await store.verify() == []


async def test_a_purge_keeps_nothing(store: Store) -> None:
    """A purge may cut a day, whose users could not be counted."""
    events = some(3, 90, "shop")
    await put(store, events)
    assert (await store.purge(MIDNIGHT + 1.5 * DAY)).events > 0
    assert await store.kept_events("shop") == 0
    assert await store.verify() == []


async def test_verify_finds_what_is_wrong(store: Store) -> None:
    await filled(store, Borders(MIDNIGHT + 2 * DAY, {}, ALL_SITES))
    await damage(store, "UPDATE kept_rollup SET events = events + 100")
    assert [found.check for found in await store.verify()] == ["kept"]
    await damage(store, "UPDATE kept_rollup SET events = events - 100", "DELETE FROM kept_days")
    assert [found.check for found in await store.verify()] == ["kept"]


async def test_a_worker_follows_setting_and_rules(store: Store, settings: Settings) -> None:
    now = datetime.now(UTC)
    sites = ["kept", "bare", "others"]
    events = [
        make_event(9_000_000 + 10 * place + age, site, name="view", user_id="u", timestamp=now - age * DAY)
        for place, site in enumerate(sites)
        for age in range(6)
    ]
    await put(store, events)
    await store.set_retention_rule(RetentionRule("kept", 1, True))
    await store.set_retention_rule(RetentionRule("bare", 1, False))
    changed = settings.model_copy(update={"retention_days": 3.0, "retention_rollups": True, "maintain_every": 0.05})
    queue = make_queue(changed)
    await queue.open()
    worker = Worker(queue, store, changed)
    running = asyncio.create_task(worker.run())

    async def reached(wanted: dict[str, tuple[int, int]]) -> None:
        async with asyncio.timeout(PATIENCE):
            while True:
                there = {site: 0 for site in sites} | {site: 0 for site, _, _ in await store.day_events()}
                for site, _, count in await store.day_events():
                    there[site] += count
                if {site: (there[site], await store.kept_events(site)) for site in sites} == wanted:
                    return
                await asyncio.sleep(0.05)

    try:
        await reached({"kept": (2, 4), "bare": (2, 0), "others": (4, 2)})
        await store.set_retention_rule(RetentionRule("kept", None, False))
        await reached({"kept": (2, 0), "bare": (2, 0), "others": (4, 2)})
    finally:
        worker.stop()
        await running
        await queue.close()
    assert await store.verify() == []
    assert list(await store.retention_rules()) == [RetentionRule("bare", 1, False), RetentionRule("kept", None, False)]


async def test_ids_that_are_joined_count_once(store: Store) -> None:
    """Persons are counted as their ids are joined when their events go. A later join changes no kept number."""
    base = next(numbers) + 8_500_000
    joins = msgspec.Raw(b'{"anonymous_id":"phone"}')
    join = msgspec.structs.replace(
        make_event(base, "shop", name="identify", user_id="ann", timestamp=NOON + 5 * DAY), properties=joins
    )
    views = [
        make_event(base + 1 + place, "shop", name="view", user_id=user, timestamp=NOON + day * DAY)
        for place, (day, user) in enumerate([(0, "ann"), (0, "phone"), (1, "ann"), (1, "phone")])
    ]
    query = MetricsQuery(site_id="shop", metrics=[USERS], interval="day", until=MIDNIGHT + 2 * DAY)

    async def users() -> list[int]:
        return [row["users"] for row in (await store.run(query)).rows]

    await put(store, views)
    await store.retire(Borders(MIDNIGHT + DAY, {}, ALL_SITES))
    await put(store, [join])
    assert await users() == [2, 1]
    await store.retire(Borders(MIDNIGHT + 2 * DAY, {}, ALL_SITES))
    assert await users() == [2, 1]
    assert await store.verify() == []
