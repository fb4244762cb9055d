"""Steps of the query suite: events to ask about, and a store's answer compared with the oracle's."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import count, product
from typing import Any, get_args
from uuid import UUID

import msgspec

from tallystick.model.block import make_block
from tallystick.model.event import Event, encode_lines
from tallystick.model.query import EventsQuery, Interval, Metric, MetricsQuery, Query
from tallystick.store import Store
from tallystick.store.clickhouse import ClickHouseStore
from tests.oracle import metrics as oracle

ZONES = ["UTC", "Europe/Berlin", "America/St_Johns", "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Apia"]
MOMENTS = [
    datetime(2025, 3, 30, 1, tzinfo=UTC),  # Berlin leaps forward
    datetime(2025, 10, 26, 1, tzinfo=UTC),  # and back
    datetime(2025, 4, 5, 15, tzinfo=UTC),  # Lord Howe goes back by half an hour
    datetime(2025, 10, 4, 15, 30, tzinfo=UTC),  # and forward
    datetime(2010, 11, 7, 2, 31, tzinfo=UTC),  # St John's changed its clocks a minute past midnight
    datetime(2011, 12, 30, 10, tzinfo=UTC),  # Apia skipped a whole day
    datetime(2025, 1, 1, tzinfo=UTC),
]
KINDS = ["events", "users", "sessions", "events_per_user", "last_received"]
NUMERIC = ["sum", "avg", "min", "max", "median", "p90", "p95"]
METRICS = [Metric(kind=kind) for kind in KINDS] + [Metric(kind=kind, property="amount") for kind in NUMERIC]
COLUMNS = ["name", "source", "path", "site_id", "user_id", "session_id"]
KEYS = ["amount", "plan", "a.b", "$x", 'quo"te', "sla/sh~", "ключ 🦊", "it's", "[0]", "*", "back\\slash"]
FIELDS = COLUMNS + [f"properties.{key}" for key in KEYS]
TEXTS = ["a", "b", "B", "aa", "é", "🦊", "\uffff", "1", "true", "%", "it's", '"', "x\\y", "{}"]
BIG = [9007199254740992, 9007199254740993, 76561198000000001, 76561198000000002, 10**25, 1e25]
NUMBERS = [0, 1, -1, 2, 2.5, -0.5, 1000.0, 0.25, *BIG]
SOME_FIELDS = [*COLUMNS, "properties.amount", 'properties.quo"te', "properties.ключ 🦊"]
VALUES = [*TEXTS, *NUMBERS, True, False]
LONGEST_FILLED: dict[Interval, int] = {"minute": 1, "hour": 3, "day": 60, "week": 700, "month": 700}
INTERVALS: list[Interval | None] = [None, *get_args(Interval)]
numbers = count()
"""Tells the events and blocks of all tests in one store apart."""
NOON = datetime(2025, 6, 1, 12, tzinfo=UTC)


def make_event(number: int, site: str, **fields: Any) -> Event:
    properties = msgspec.Raw(msgspec.json.encode(fields.pop("properties", {})))
    at = fields.pop("timestamp")
    received = at + fields.pop("late", timedelta())
    # Every byte of an id decides its order somewhere, the first ones included.
    event_id = UUID(int=random.Random(number).getrandbits(128))
    return Event(event_id, fields.pop("name"), at, received, site, properties=properties, **fields)


def fixed_events(site: str) -> list[Event]:
    """One of everything: each kind of value under each key, empty fields, ties, both sides of each clock change."""
    kinds: list[Any] = [*VALUES, None, [1, "a"], {"a": {"b": None}}]
    events = []
    for index, (base, minutes) in enumerate(product(MOMENTS, [-61, -30, -1, 0, 14, 29, 30, 60, 1500])):
        properties = {key: kinds[(index + place) % len(kinds)] for place, key in enumerate(KEYS) if (index + place) % 3}
        events.append(
            make_event(
                10_000_000 + index,
                site,
                name=TEXTS[index % 4],
                timestamp=base + timedelta(minutes=minutes, microseconds=index % 2),
                late=timedelta(days=index % 3 * 40),
                user_id=TEXTS[index % 7] if index % 5 else None,
                session_id=TEXTS[index % 6] if index % 4 else None,
                source=["", "web", "ios"][index % 3],
                path=TEXTS[index % 9] if index % 6 else None,
                properties=properties,
            )
        )
    return events


def some_events(site: str, number: int) -> list[Event]:
    """Events a minute apart from `NOON` on, of five users."""
    base = next(numbers) * 1_000_000 + 500_000
    return [
        make_event(
            base + index,
            site,
            name=f"n{index % 3}",
            timestamp=NOON + timedelta(minutes=index),
            user_id=f"u{index % 5}",
            properties={"amount": index},
        )
        for index in range(number)
    ]


async def put_together(store: Store, events: Sequence[Event]) -> None:
    """Store events as one block: whoever looks meanwhile sees all of them, or none."""
    await store.write([make_block(f"{next(numbers):016x}", 0, encode_lines(list(events)), len(events))])


async def put(store: Store, events: Sequence[Event], tidy: bool = True) -> None:
    """Store events as two blocks, with housekeeping in between: what it rearranges answers like what it has not."""
    number = next(numbers)
    half = len(events) // 2
    for seq, part in enumerate([events[:half], events[half:]]):
        if part:
            await store.write([make_block(f"{number:016x}", seq, encode_lines(list(part)), len(part))])
        while tidy and seq == 0 and await store.maintain():
            pass


def has_rollups(store: Store) -> bool:
    """Whether the store answers some queries without its events; ClickHouse reads them for every query."""
    return not isinstance(store, ClickHouseStore)


async def ask(store: Store, query: Query) -> list[dict[str, Any]]:
    """All pages of an answer."""
    rows: list[dict[str, Any]] = []
    while True:
        result = await store.run(query)
        rows += result.rows
        if result.next_cursor is None:
            return rows
        assert isinstance(query, MetricsQuery | EventsQuery)
        assert len(result.rows) == query.limit
        query = query.model_copy(update={"cursor": result.next_cursor})


def same(one: Any, other: Any) -> bool:
    """Equal in type and order, with floats as near as sums in another order may be."""
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-12)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    return type(one) is type(other) and bool(one == other)


async def check(store: Store, query: Query, events: Sequence[Event]) -> None:
    got, wanted = await ask(store, query), oracle.answer(query, events)
    assert same(got, wanted), f"{query!r}\nstore:  {got}\noracle: {wanted}"
