"""Retention of single sites: what goes, what stays, and that all that follows from events agrees (G4, G10, G13)."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from tallystick.config import Settings
from tallystick.model.block import Block, make_block
from tallystick.model.event import Event, encode_lines
from tallystick.model.query import MetricsQuery
from tallystick.queue import make_queue
from tallystick.store import Store
from tallystick.store.retention import Borders, RetentionRule
from tallystick.worker.worker import Worker
from tests.helpers.query_steps import NOON, has_rollups, make_event, numbers, put
from tests.helpers.removal_steps import everything, some, tidied

DAY = timedelta(days=1)
MIDNIGHT = NOON.replace(hour=0, minute=0, second=0, microsecond=0)
PATIENCE = 60.0


def moved_to(site: str, events: Sequence[Event]) -> list[Event]:
    return [msgspec.structs.replace(event, site_id=site) for event in events]


def without_joins(events: Sequence[Event], before: datetime) -> list[Event]:
    """The events, none of which joins ids before an instant: such ids stay joined when the event is gone."""
    return [
        msgspec.structs.replace(event, name="page_view")
        if event.name == "identify" and event.timestamp < before
        else event
        for event in events
    ]


def block(events: Sequence[Event]) -> Block:
    return make_block(f"{next(numbers):016x}", 0, encode_lines(list(events)), len(events))


async def events_of_sites(store: Store) -> dict[str, int]:
    found: Counter[str] = Counter()
    for site, _, events in await store.day_events():
        found[site] += events
    return dict(found)


@pytest.mark.parametrize("tidy", [False, True])
async def test_as_if_the_old_days_had_never_been(store: Store, monkeypatch: pytest.MonkeyPatch, tidy: bool) -> None:
    """G4, G10: of a site with a rule, of one that keeps everything, and of one without a rule."""
    if tidy:
        monkeypatch.setattr("tallystick.store.duckdb.upkeep.user_times.PIECE", 50, raising=False)
    monkeypatch.setattr("tallystick.store.removal.STEP_EVENTS", 60 if has_rollups(store) else 100)
    borders = Borders(MIDNIGHT + 2 * DAY, {"short": MIDNIGHT + 3 * DAY, "ever": None})
    all_of = {site: some(seed, 120, site) for seed, site in enumerate(["short", "ever", "others"])}
    gone, left = 0, {}
    for site, events in all_of.items():
        border = borders.of(site) or MIDNIGHT
        all_of[site] = without_joins(events, border)
        rest = [event for event in all_of[site] if event.timestamp >= border]
        gone, left[site] = gone + len(events) - len(rest), rest
        assert (len(rest) < len(events)) == (site != "ever")
        await put(store, moved_to(f"mirror-{site}", rest), tidy=False)
    mixed = [event for events in zip(*all_of.values(), strict=True) for event in events]
    borders = Borders(borders.default, {**borders.sites, **{f"mirror-{site}": None for site in all_of}})
    await store.write([block(mixed[:200])])
    if tidy:
        await tidied(store)
    await store.write([block(mixed[200:])])
    if tidy:
        await tidied(store)
    assert (await store.retire(borders)).events == gone
    assert await store.verify() == []
    for site in ("short", "others") if has_rollups(store) else ("short",):  # ClickHouse takes long to answer them all
        assert await everything(store, site) == await everything(store, f"mirror-{site}")
    assert await events_of_sites(store) == {
        name: len(rest) for site, rest in left.items() for name in (site, f"mirror-{site}")
    }
    assert (await store.retire(borders)).events == 0
    await tidied(store)
    assert await store.verify() == []
    assert sum(entry.stored for entry in (await store.ledger()).values()) == len(mixed) * 2 - gone


async def test_ids_stay_joined_while_the_person_has_events(store: Store) -> None:
    """Joined ids and splits go with the last event of their person on this site; those of other sites stay."""

    def event(site: str, at: datetime, user: str, joins: str | None = None) -> Event:
        joined = {} if joins is None else {"anonymous_id": joins}
        name = "view" if joins is None else "identify"
        return make_event(next(numbers) + 5_000_000, site, name=name, user_id=user, timestamp=at, properties=joined)

    old = [
        one
        for site in ("short", "long")
        for one in (
            event(site, NOON, "ann", "phone"),
            event(site, NOON, "bob", "desk"),
            event(site, NOON, "eve", "bag"),
        )
    ]
    await put(store, [*old, event("short", NOON + 5 * DAY, "phone"), event("short", NOON + 5 * DAY, "bag")])
    for site in ("short", "long"):
        assert await store.split(site, "bag") is not None
    borders = Borders(None, {"short": MIDNIGHT + DAY})
    assert (await store.retire(borders)).events == 3
    assert await store.verify() == []
    persons = {
        (site, user): (await store.person_links(site, user))[0]
        for site in ("short", "long")
        for user in ("phone", "desk", "bag")
    }
    assert persons == {
        ("short", "phone"): "ann",
        ("short", "desk"): "desk",
        ("short", "bag"): "bag",
        ("long", "phone"): "ann",
        ("long", "desk"): "bob",
        ("long", "bag"): "bag",
    }
    assert (await store.retire(Borders(None, {"short": MIDNIGHT + 9 * DAY}))).events == 2
    assert (await store.person_links("short", "phone"))[0] == "phone"
    assert await events_of_sites(store) == {"long": 3}
    assert await store.verify() == []


async def test_what_comes_too_late_goes_with_the_next_look(store: Store) -> None:
    """As with the limit of all sites: an event that is older than its site's limit is stored, and removed by the next
    look; sent again, it is a new event, and goes again.
    """
    events = [make_event(6_000_000 + n, "s", name="view", timestamp=NOON + n * DAY, user_id="u") for n in range(4)]
    borders = Borders(None, {"s": MIDNIGHT + 2 * DAY})
    await put(store, events)
    assert (await store.retire(borders)).events == 2
    [entry] = (await store.write([block(events)])).entries
    assert (entry.stored, entry.duplicates) == (2, 2)
    assert await store.verify() == []
    assert (await store.retire(borders)).events == 2
    assert await events_of_sites(store) == {"s": 2}
    assert await store.verify() == []


async def test_rules_are_kept_and_replaced(store: Store) -> None:
    assert list(await store.retention_rules()) == []
    for rule in (RetentionRule("b", 30), RetentionRule("a", None), RetentionRule("ü's", 1), RetentionRule("b", 7)):
        await store.set_retention_rule(rule)
    assert list(await store.retention_rules()) == [
        RetentionRule("a", None),
        RetentionRule("b", 7),
        RetentionRule("ü's", 1),
    ]
    assert await store.clear_retention_rule("b")
    assert not await store.clear_retention_rule("b")
    assert [rule.site_id for rule in await store.retention_rules()] == ["a", "ü's"]
    await store.set_retention_rule(RetentionRule("b", 3))
    assert RetentionRule("b", 3) in await store.retention_rules()


async def test_a_worker_follows_the_rules(store: Store, settings: Settings) -> None:
    """Those that it finds at its start, and those that change while it runs."""
    now = datetime.now(UTC)
    events = [
        make_event(7_000_000 + 10 * place + age, site, name="view", timestamp=now - age * DAY)
        for place, site in enumerate(["short", "ever", "others"])
        for age in range(6)
    ]
    await put(store, events)
    await store.set_retention_rule(RetentionRule("short", 1))
    await store.set_retention_rule(RetentionRule("ever", None))
    changed = settings.model_copy(update={"retention_days": 3.0, "maintain_every": 0.05})
    queue = make_queue(changed)
    await queue.open()
    worker = Worker(queue, store, changed)
    running = asyncio.create_task(worker.run())

    async def reached(wanted: dict[str, int]) -> None:
        async with asyncio.timeout(PATIENCE):
            while await events_of_sites(store) != wanted:  # noqa: ASYNC110 - a store has no event to wait for
                await asyncio.sleep(0.05)

    try:
        await reached({"short": 2, "ever": 6, "others": 4})
        await store.set_retention_rule(RetentionRule("ever", 2))
        await reached({"short": 2, "ever": 3, "others": 4})
        await store.clear_retention_rule("ever")
        await store.set_retention_rule(RetentionRule("others", 1))
        await reached({"short": 2, "ever": 3, "others": 2})
    finally:
        worker.stop()
        await running
        await queue.close()
    assert (await store.run(MetricsQuery(site_id=None))).rows[0]["events"] == 7
    assert await store.verify() == []
