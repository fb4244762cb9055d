"""Every store answers every question as the oracle does: metrics, dimensions, filters, intervals, pages (G10)."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count, product
from typing import Any, get_args
from uuid import UUID

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runnel.errors import InvalidRequest
from runnel.model.block import make_block
from runnel.model.event import Event, decode_line, encode_lines
from runnel.model.query import (
    AllOf,
    AnyOf,
    Condition,
    EventsQuery,
    Filter,
    Interval,
    KeysQuery,
    Metric,
    MetricsQuery,
    Query,
    ValuesQuery,
)
from runnel.store import Store
from tests.conformance import oracle

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
NUMBERS = [0, 1, -1, 2, 2.5, -0.5, 1000.0, 0.25, 9007199254740993]
SOME_FIELDS = [*COLUMNS, "properties.amount", 'properties.quo"te', "properties.ключ 🦊"]
VALUES = [*TEXTS, *NUMBERS, True, False]
LONGEST_FILLED: dict[Interval, int] = {"minute": 1, "hour": 3, "day": 60, "week": 700, "month": 700}
INTERVALS: list[Interval | None] = [None, *get_args(Interval)]
_numbers = count()

texts = st.sampled_from(TEXTS)
json_values = st.one_of(
    texts, st.sampled_from(NUMBERS), st.booleans(), st.none(), st.just([1, "a"]), st.just({"a": {"b": None}}), st.just({})
)
moments = st.builds(
    lambda base, minutes, odd: base + timedelta(minutes=minutes, microseconds=odd),
    st.sampled_from(MOMENTS),
    st.one_of(st.integers(-200, 200), st.integers(-60_000, 60_000)),
    st.sampled_from([0, 0, 1, 59_999_999]),
)


def make_event(number: int, site: str, **fields: Any) -> Event:
    properties = msgspec.Raw(msgspec.json.encode(fields.pop("properties", {})))
    at = fields.pop("timestamp")
    received = at + fields.pop("late", timedelta())
    # Every byte of an id decides its order somewhere, the first ones included.
    event_id = UUID(int=random.Random(number).getrandbits(128))
    return Event(event_id, fields.pop("name"), at, received, site, properties=properties, **fields)


@st.composite
def event_lists(draw: st.DrawFn) -> list[Event]:
    """Few events with few different values, so that groups, ties and empty fields are common; two sites of their own."""
    number = next(_numbers)
    fields = st.fixed_dictionaries(
        {
            "name": texts,
            "timestamp": moments,
            "late": st.sampled_from([timedelta(), timedelta(microseconds=1), timedelta(days=40)]),
            "user_id": st.none() | texts,
            "session_id": st.none() | texts,
            "source": st.sampled_from(["", "web", "ios"]),
            "path": st.none() | texts,
            "properties": st.dictionaries(st.sampled_from(KEYS), json_values, max_size=4),
        }
    )
    return [
        make_event(number * 1000 + index, f"{draw(st.sampled_from('ab'))}{number}", **values)
        for index, values in enumerate(draw(st.lists(fields, max_size=25)))
    ]


@st.composite
def conditions(draw: st.DrawFn) -> Condition:
    field = draw(st.sampled_from(FIELDS))
    op = draw(st.sampled_from(["=", "!=", "in", "contains", ">", "<", "set", "not_set"]))
    value: Any = None
    if op == "in":
        value = draw(st.lists(st.sampled_from(VALUES), min_size=1, max_size=4))
    elif op == "contains":
        value = draw(texts)
    elif op in {"=", "!="}:
        value = draw(st.sampled_from(VALUES))
    elif op in {">", "<"}:
        value = draw(st.sampled_from([*TEXTS, *NUMBERS]))
    return Condition(field=field, op=op, value=value)


filters: st.SearchStrategy[Filter] = st.recursive(
    conditions(),
    lambda parts: st.builds(lambda l: AllOf(all=l), st.lists(parts, max_size=3))
    | st.builds(lambda l: AnyOf(any=l), st.lists(parts, max_size=3)),
    max_leaves=4,
)


@st.composite
def metrics_queries(draw: st.DrawFn) -> dict[str, Any]:
    interval = draw(st.sampled_from(INTERVALS))
    breakdown = draw(st.lists(st.sampled_from(FIELDS), max_size=2, unique=True))
    # A percentile's last digit decides between equal ones, and the oracle interpolates in another order.
    metrics = draw(st.lists(st.sampled_from(METRICS[:-3]), min_size=1, max_size=3, unique=True))
    top = draw(st.none() | st.integers(1, 3)) if breakdown else None
    since, until = sorted(draw(st.lists(moments, min_size=2, max_size=2)))
    if draw(st.booleans()):  # quarter hours, which the rollup can serve
        since, until = (edge.replace(minute=edge.minute // 15 * 15, second=0, microsecond=0) for edge in (since, until))
    fill = draw(st.booleans()) and interval is not None
    if interval:  # a series has at most 20,000 buckets, and the oracle walks through every hour of a filled one
        days = {"minute": 10, "hour": 800}.get(interval, 6000)
        until = min(until, since + timedelta(days=min(days, LONGEST_FILLED[interval]) if fill else days))
    return {
        "metrics": metrics,
        "interval": interval,
        "timezone": draw(st.sampled_from(ZONES)),
        "breakdown": breakdown,
        "top": top,
        "other": top is not None and draw(st.booleans()),
        "fill": fill,
        "since": since if fill else draw(st.sampled_from([since, None])),
        "until": until if fill else draw(st.sampled_from([until, None])),
        "filter": draw(st.none() | filters),
    }


async def put(store: Store, events: Sequence[Event]) -> None:
    """Store events, in two blocks of one ingester."""
    number = next(_numbers)
    half = len(events) // 2
    for seq, part in enumerate([events[:half], events[half:]]):
        if part:
            await store.write([make_block(f"{number:016x}", seq, encode_lines(list(part)), len(part))])


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


def scopes(events: Sequence[Event]) -> Iterator[dict[str, Any]]:
    """One of an example's sites, and all sites cut down to the example's two."""
    sites = sorted({event.site_id for event in events})
    if sites:
        yield {"site_id": sites[0]}
        yield {"site_id": None, "filter": Condition(field="site_id", op="in", value=sites)}


@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(events=event_lists(), questions=st.lists(metrics_queries(), min_size=3, max_size=5), limit=st.sampled_from([2, 3, 7]))
async def test_any_metrics_question_is_answered_exactly(
    store: Store, events: list[Event], questions: list[dict[str, Any]], limit: int
) -> None:
    """G10: from the rollup or from the raw events, in pages of any size, the numbers are the oracle's."""
    await put(store, events)
    for question, scope in product(questions, scopes(events)):
        parts = [part for part in (question["filter"], scope.get("filter")) if part]
        whole = question["top"] is not None or (question["fill"] and question["interval"])
        size = 10_000 if whole else limit
        query = MetricsQuery(**{**question, **scope, "filter": AllOf(all=parts) if parts else None, "limit": size})
        await check(store, query, events)


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(events=event_lists(), test=st.none() | filters, limit=st.integers(1, 7), ascending=st.booleans())
async def test_single_events_come_page_by_page_once_each(
    store: Store, events: list[Event], test: Filter | None, limit: int, ascending: bool
) -> None:
    await put(store, events)
    for scope in scopes(events):
        parts = [part for part in (test, scope.get("filter")) if part]
        common = {**scope, "filter": AllOf(all=parts) if parts else None, "ascending": ascending, "limit": limit}
        await check(store, EventsQuery(**common), events)
        await check(store, EventsQuery(**common, user_id="a"), events)


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    events=event_lists(),
    sample=st.integers(1, 30),
    search=st.none() | texts,
    test=st.none() | filters,
    edges=st.lists(moments, min_size=2, max_size=2),
)
async def test_keys_and_values_for_pickers(
    store: Store, events: list[Event], sample: int, search: str | None, test: Filter | None, edges: list[datetime]
) -> None:
    await put(store, events)
    since, until = sorted(edges)
    for scope in [{"filter": test}, {"since": since}, {"until": until}, {"since": since, "until": until}]:
        for site in {event.site_id for event in events}:
            common: dict[str, Any] = {**scope, "site_id": site, "sample": sample}
            await check(store, KeysQuery(**common), events)
            for field in ["name", "event_id", "user_id", "properties.amount", 'properties.quo"te']:
                await check(store, ValuesQuery(**common, field=field, search=search, limit=5), events)


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


async def test_each_metric_by_each_field_over_each_interval(store: Store) -> None:
    """G10."""
    events = fixed_events("fixed")
    await put(store, events)
    for metrics, field, interval in product([METRICS[:6], METRICS[6:]], [None, *SOME_FIELDS], INTERVALS):
        for number, zone in enumerate(ZONES if field is None else ZONES[1:2]):
            query = MetricsQuery(
                site_id="fixed",
                metrics=metrics[number % 2 :],
                breakdown=[field] if field else [],
                interval=interval,
                timezone=zone,
                fill=interval in {"week", "month"},
            )
            await check(store, query, events)


async def test_each_metric_ranks(store: Store) -> None:
    events = fixed_events("ranked")
    await put(store, events)
    for metric, field, other in product(METRICS, ["name", "path", "properties.plan"], [False, True]):
        for interval in (None, "month"):
            query = MetricsQuery(
                site_id="ranked", metrics=[metric, Metric(kind="users")] if metric.kind != "users" else [metric],
                breakdown=[field], top=3, other=other, interval=interval, timezone="Asia/Kathmandu",
            )
            await check(store, query, events)


async def test_each_filter_on_each_field(store: Store) -> None:
    events = fixed_events("filtered")
    await put(store, events)
    tests = [Condition(field=field, op=op) for field, op in product(SOME_FIELDS, ("set", "not_set"))]
    for field, value in product(SOME_FIELDS, ["a", "B", "é", "1", "true", '"', "{}", *NUMBERS[2:6], True, False]):
        tests += [Condition(field=field, op=op, value=value) for op in ("=", "!=")]
        tests.append(Condition(field=field, op="in", value=[value, "a", 1, True]))
        if isinstance(value, str):
            tests.append(Condition(field=field, op="contains", value=value))
        if not isinstance(value, bool):
            tests += [Condition(field=field, op=op, value=value) for op in (">", "<")]
    for test in tests:
        scope: dict[str, Any] = {"site_id": "filtered", "filter": test}
        wanted = sum(oracle.in_scope(MetricsQuery(**scope), event) for event in events)
        rows = (await store.run(MetricsQuery(**scope))).rows
        assert rows == [{"events": wanted}], test
