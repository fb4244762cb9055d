"""Every store answers every query as the oracle does: metrics, dimensions, filters, intervals, pages (G10)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import product
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tallystick.model.event import Event
from tallystick.model.query import (
    AllOf,
    AnyOf,
    Condition,
    EventsQuery,
    Filter,
    KeysQuery,
    Metric,
    MetricsQuery,
    ValuesQuery,
)
from tallystick.store import Store
from tests.helpers.query_steps import (
    FIELDS,
    INTERVALS,
    KEYS,
    LONGEST_FILLED,
    METRICS,
    MOMENTS,
    NUMBERS,
    SOME_FIELDS,
    TEXTS,
    VALUES,
    ZONES,
    check,
    fixed_events,
    make_event,
    numbers,
    put,
)
from tests.helpers.samples import sample_event
from tests.helpers.thorough import examples, some
from tests.oracle import metrics as oracle

texts = st.sampled_from(TEXTS)
nested = st.sampled_from([[1, "a"], {"a": {"b": None}}, {}])
json_values = st.one_of(texts, st.sampled_from(NUMBERS), st.booleans(), st.none(), nested)
moments = st.builds(
    lambda base, minutes, odd: base + timedelta(minutes=minutes, microseconds=odd),
    st.sampled_from(MOMENTS),
    st.one_of(st.integers(-200, 200), st.integers(-60_000, 60_000)),
    st.sampled_from([0, 0, 1, 59_999_999]),
)


@st.composite
def event_lists(draw: st.DrawFn) -> list[Event]:
    """Few events with few different values, so that groups, ties and empty fields are common; two sites."""
    number = next(numbers)
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
    lambda parts: (
        st.builds(lambda tests: AllOf(all=tests), st.lists(parts, max_size=3))
        | st.builds(lambda tests: AnyOf(any=tests), st.lists(parts, max_size=3))
    ),
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
        if draw(st.booleans()):  # UTC days
            since, until = (edge.replace(hour=0, minute=0) for edge in (since, until))
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


def scopes(events: Sequence[Event]) -> Iterator[dict[str, Any]]:
    """One of an example's sites, and all sites cut down to the example's two."""
    sites = sorted({event.site_id for event in events})
    if sites:
        yield {"site_id": sites[0]}
        yield {"site_id": None, "filter": Condition(field="site_id", op="in", value=sites)}


@settings(max_examples=examples(40), deadline=None, suppress_health_check=list(HealthCheck))
@given(
    events=event_lists(),
    questions=st.lists(metrics_queries(), min_size=3, max_size=5),
    limit=st.sampled_from([2, 3, 7]),
    tidy=st.booleans(),
)
async def test_any_metrics_question_is_answered_exactly(
    store: Store, events: list[Event], questions: list[dict[str, Any]], limit: int, tidy: bool
) -> None:
    """G10: from the rollup or from the raw events, in pages of any size, the numbers are the oracle's."""
    await put(store, events, tidy)
    for question, scope in product(questions, scopes(events)):
        parts = [part for part in (question["filter"], scope.get("filter")) if part]
        whole = question["top"] is not None or (question["fill"] and question["interval"])
        size = 10_000 if whole else limit
        query = MetricsQuery(**{**question, **scope, "filter": AllOf(all=parts) if parts else None, "limit": size})
        await check(store, query, events)


@settings(max_examples=examples(30), deadline=None, suppress_health_check=list(HealthCheck))
@given(events=event_lists(), test=st.none() | filters, limit=st.integers(1, 7), ascending=st.booleans())
async def test_single_events_come_page_by_page_once_each(
    store: Store, events: list[Event], test: Filter | None, limit: int, ascending: bool
) -> None:
    await put(store, events, tidy=False)
    for scope in scopes(events):
        parts = [part for part in (test, scope.get("filter")) if part]
        common = {**scope, "filter": AllOf(all=parts) if parts else None, "ascending": ascending, "limit": limit}
        await check(store, EventsQuery(**common), events)
        await check(store, EventsQuery(**common, user_id="a"), events)


@settings(max_examples=examples(20), deadline=None, suppress_health_check=list(HealthCheck))
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
    pickers: list[dict[str, Any]] = [{"filter": test}, {"since": since}, {"until": until}]
    for scope in [*pickers, {"since": since, "until": until}]:
        for site in {event.site_id for event in events}:
            common: dict[str, Any] = {**scope, "site_id": site, "sample": sample}
            await check(store, KeysQuery(**common), events)
            for field in ["name", "event_id", "user_id", "properties.amount", 'properties.quo"te']:
                await check(store, ValuesQuery(**common, field=field, search=search, limit=5), events)


async def test_a_string_that_looks_like_an_object_is_none(store: Store) -> None:
    """Both are shown alike, and are two values all the same."""
    events = [sample_event(n, properties=text) for n, text in enumerate((b'{"p":{}}', b'{"p":"{}"}'))]
    await put(store, events)
    await check(store, ValuesQuery(site_id=events[0].site_id, field="properties.p"), events)


async def test_each_metric_by_each_field_over_each_interval(store: Store) -> None:
    """G10."""
    events = fixed_events("fixed")
    await put(store, events)
    for metrics, field, interval in some(product([METRICS[:6], METRICS[6:]], [None, *SOME_FIELDS], INTERVALS)):
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
    for metric, field, other in some(product(METRICS, ["name", "path", "properties.plan"], [False, True])):
        for interval in (None, "month"):
            query = MetricsQuery(
                site_id="ranked",
                metrics=[metric, Metric(kind="users")] if metric.kind != "users" else [metric],
                breakdown=[field],
                top=3,
                other=other,
                interval=interval,
                timezone="Asia/Kathmandu",
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
    for test in some(tests):
        scope: dict[str, Any] = {"site_id": "filtered", "filter": test}
        wanted = sum(oracle.in_scope(MetricsQuery(**scope), event) for event in events)
        rows = (await store.run(MetricsQuery(**scope))).rows
        assert rows == [{"events": wanted}], test
