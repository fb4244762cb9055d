"""The oracle of metrics and events: it answers queries in plain Python from a list of events, slowly but obviously.

It shares no code with the compiler of statements: it finds buckets by walking the clock, groups in dicts, and sorts
with Python's order of texts, which is by code points.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec

from tallystick.model.event import Event
from tallystick.model.query import (
    AllOf,
    Condition,
    EventsQuery,
    Filter,
    KeysQuery,
    Metric,
    MetricsQuery,
    Query,
    Scope,
    SessionsQuery,
    ValuesQuery,
)
from tests.oracle.formula import formula_value
from tests.oracle.visits import Visited, with_visits

Row = dict[str, Any]
MINUTE = timedelta(minutes=1)


def answer(query: Query, events: Iterable[Event]) -> list[Row]:
    """The rows of all pages of an answer."""
    if isinstance(query, KeysQuery | ValuesQuery):
        return _picker(query, events)
    if isinstance(query, MetricsQuery):
        events = with_visits(query, events)
    scoped = [event for event in events if in_scope(query, event)]
    if isinstance(query, MetricsQuery):
        counted = [event for event in scoped if any(_counts(metric, event) for metric in query.metrics)]
        return with_complete(query, _metrics(query, counted))
    assert isinstance(query, EventsQuery)  # the other analyses have their own oracles
    mine = [event for event in scoped if query.user_id is None or event.user_id == query.user_id]
    return [_event_row(event) for event in sorted(mine, key=_age, reverse=not query.ascending)]


# --- fields and filters ---------------------------------------------------------------------------------------------


@lru_cache(maxsize=10_000)
def _decoded(text: bytes) -> dict[str, Any]:
    return dict(json.loads(text))


def _properties(event: Event) -> dict[str, Any]:
    return _decoded(bytes(event.properties))


def value_of(event: Event, field: str) -> Any:
    """The value of a field: a text, or any JSON value of a property; None if it is not set."""
    if field.startswith("properties."):
        return _property(_properties(event), field.removeprefix("properties."))
    value = getattr(event, field)
    return str(value) if isinstance(value, UUID) else value


def _property(properties: dict[str, Any], key: str) -> Any:
    """The key itself; else the path that it may be, whose parts after the first are no whole numbers."""
    own = properties.get(key)
    first, *parts = key.split(".")
    if own is not None or not parts or "" in (first, *parts) or any(part.isdigit() for part in parts):
        return own
    value: Any = properties
    for part in (first, *parts):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def text_of(value: Any) -> str | None:
    """The text of a value: the content of a string, the JSON text of other values (as canonical lines write it)."""
    if value is None or isinstance(value, str):
        return value
    return msgspec.json.encode(value).decode()


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(float(value))


def in_scope(scope: Scope, event: Event) -> bool:
    return (
        (scope.site_id is None or event.site_id == scope.site_id)
        and (scope.since is None or event.timestamp >= scope.since)
        and (scope.until is None or event.timestamp < scope.until)
        and (scope.filter is None or passes(scope.filter, event))
    )


def passes(test: Filter, event: Event) -> bool:
    if isinstance(test, Condition):
        return _condition(test, value_of(event, test.field))
    if isinstance(test, AllOf):
        return all(passes(part, event) for part in test.all)
    return any(passes(part, event) for part in test.any)


def _condition(test: Condition, value: Any) -> bool:
    if test.op == "set":
        return value is not None
    if test.op == "not_set":
        return value is None
    if test.op == "!=":
        return not _equal(test.field, value, test.value)
    if value is None:
        return False
    if test.op == "in":
        assert isinstance(test.value, list)
        return any(_equal(test.field, value, one) for one in test.value)
    if test.op == "has":
        return isinstance(value, list) and any(_equal(test.field, one, test.value) for one in value)
    if test.op == "contains":
        return str(test.value) in (text_of(value) or "")
    if test.op == "=":
        return _equal(test.field, value, test.value)
    return _ordered(test.op, value, test.value)


def _equal(field: str, value: Any, wanted: Any) -> bool:
    if field == "event_id" and isinstance(wanted, str):
        wanted = wanted.lower()
    if isinstance(wanted, bool) or isinstance(value, bool):
        return value is wanted
    if isinstance(wanted, str) or isinstance(value, str):
        return isinstance(value, str) and bool(value == wanted)
    return _is_number(value) and bool(value == wanted)  # of whole numbers every digit counts


def _ordered(op: str, value: Any, wanted: Any) -> bool:
    comparable = isinstance(value, str) if isinstance(wanted, str) else _is_number(value)
    return comparable and bool(value > wanted if op == ">" else value < wanted)


# --- time -----------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=100_000)
def bucket_start(minute: datetime, interval: str, timezone: str, week_start: str = "monday") -> datetime:
    """The start of the bucket that contains a full minute, as a time of the zone."""
    zone = ZoneInfo(timezone)
    if interval == "minute":
        return minute.astimezone(zone)
    if interval == "hour":
        while minute.astimezone(zone).minute:
            before = minute - MINUTE
            if before.astimezone(zone).utcoffset() != minute.astimezone(zone).utcoffset():
                break
            minute = before
        return minute.astimezone(zone)
    day = minute.astimezone(zone).date()
    while interval == "week" and day.strftime("%A").lower() != week_start:
        day -= timedelta(days=1)
    if interval == "month":
        day = day.replace(day=1)
    return first_instant(day, timezone)


@lru_cache(maxsize=10_000)
def first_instant(day: date, timezone: str) -> datetime:
    """When a local day begins: walk the clock until it shows that day."""
    zone = ZoneInfo(timezone)
    moment = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(hours=15)
    while moment.astimezone(zone).date() < day:
        moment += timedelta(minutes=15)
    return moment.astimezone(zone)


def bucket_of(moment: datetime, query: MetricsQuery | SessionsQuery) -> datetime | None:
    if query.interval is None:
        return None
    minute = moment.replace(second=0, microsecond=0)
    return bucket_start(minute, query.interval, query.timezone, query.week_start).astimezone(UTC)


def is_complete(query: MetricsQuery | SessionsQuery, bucket: datetime) -> bool:
    """Whether the range has the whole of a bucket, which is over: it ends where the clock shows another bucket."""
    if query.interval in ("minute", "hour"):
        end = bucket + MINUTE
        while bucket_of(end, query) == bucket:
            end += MINUTE
    else:
        day = bucket.astimezone(ZoneInfo(query.timezone)).date() + timedelta(days=1)
        while query.interval != "day" and bucket_of(first_instant(day, query.timezone), query) == bucket:
            day += timedelta(days=1)
        end = first_instant(day, query.timezone).astimezone(UTC)
    until = min(query.until or datetime.max.replace(tzinfo=UTC), datetime.now(UTC))
    return (query.since is None or bucket >= query.since) and end <= until


def with_complete(query: MetricsQuery | SessionsQuery, rows: list[Row]) -> list[Row]:
    """The rows, each with `complete` behind its other values if it is of a bucket."""
    if query.interval is None:
        return rows
    starts = {row["bucket"]: datetime.fromisoformat(row["bucket"]).astimezone(UTC) for row in rows}
    complete = {label: is_complete(query, start) for label, start in starts.items()}
    return [row | {"complete": complete[row["bucket"]]} for row in rows]


def all_buckets(query: MetricsQuery | SessionsQuery, found: Sequence[datetime]) -> list[datetime]:
    """Every bucket from `since` or the first event to `until` or the newest event, found in small steps of time."""
    first = query.since or min(found, default=None)
    last = query.until - timedelta(microseconds=1) if query.until else max(found, default=None)
    if first is None or last is None:
        return []
    minutes = {"minute": 1, "hour": 1, "day": 6 * 60, "week": 48 * 60, "month": 120 * 60}[query.interval or "day"]
    step = minutes * MINUTE
    buckets = set(found)
    moment = first
    while moment <= last:
        bucket = bucket_of(moment, query)
        assert bucket is not None
        buckets.add(bucket)
        moment += step
    end = bucket_of(last, query)
    return sorted(buckets | ({end} if first <= last and end else set()))


# --- metrics --------------------------------------------------------------------------------------------------------


def _numbers(metric: Metric, events: Sequence[Event]) -> list[float]:
    values = [_property(_properties(event), metric.property or "") for event in events]
    return sorted(float(value) for value in values if value is not None and _is_number(value))


def _percentile(fraction: float) -> Callable[[list[float]], float]:
    def interpolated(values: list[float]) -> float:
        index = (len(values) - 1) * fraction
        low, high = values[math.floor(index)], values[math.ceil(index)]
        return low + (high - low) * (index - math.floor(index))

    return interpolated


NUMERIC: dict[str, Callable[[list[float]], float]] = {
    "sum": sum,
    "avg": lambda values: sum(values) / len(values),
    "min": min,
    "max": max,
    "median": _percentile(0.5),
    "p90": _percentile(0.9),
    "p95": _percentile(0.95),
}


def _counts(metric: Metric, event: Event) -> bool:
    """Whether an event passes the metric's own filter."""
    return metric.filter is None or passes(metric.filter, event)


def metric_value(metric: Metric, events: Sequence[Event]) -> Any:
    events = [event for event in events if _counts(metric, event)]
    users = {event.user_id for event in events} - {None}
    if metric.kind == "events":
        return len(events)
    if metric.kind == "users":
        return len(users)
    if metric.kind == "sessions":
        return len({event.visit for event in events if isinstance(event, Visited)} - {None})
    if metric.kind == "events_per_user":
        return sum(event.user_id is not None for event in events) / len(users) if users else None
    if metric.kind == "last_received":
        return _instant(max(event.received_at for event in events)) if events else None
    numbers = _numbers(metric, events)
    return NUMERIC[metric.kind](numbers) if numbers else None


Group = tuple[str | None, ...]


def _value_order(group: Group) -> list[tuple[bool, str]]:
    """A sort key: values ascending, null last."""
    return [(value is None, value or "") for value in group]


def _metrics(query: MetricsQuery, events: Sequence[Event]) -> list[Row]:
    groups: dict[tuple[datetime | None, Group], list[Event]] = {}
    for event in events:
        group = tuple(text_of(value_of(event, field)) for field in query.breakdown)
        groups.setdefault((bucket_of(event.timestamp, query), group), []).append(event)
    if query.top is not None:
        return _top(query, groups)
    if query.interval is None and not query.breakdown:
        return [_row(query, None, (), events)]
    if query.interval is not None and query.fill and not query.breakdown:
        for bucket in all_buckets(query, [key[0] for key in groups if key[0]]):
            groups.setdefault((bucket, ()), [])
    order = sorted(groups, key=lambda key: (key[0] or datetime.min, _value_order(key[1])))
    return [_row(query, *key, groups[key]) for key in order]


def _top(query: MetricsQuery, groups: dict[tuple[datetime | None, Group], list[Event]]) -> list[Row]:
    whole: dict[Group, list[Event]] = {}
    for (_, group), events in groups.items():
        whole.setdefault(group, []).extend(events)
    value = {group: metric_value(query.metrics[0], events) for group, events in whole.items()}
    ranked = sorted(whole, key=_value_order)
    ranked.sort(
        key=lambda group: (value[group] is not None, value[group]) if value[group] is not None else (False,),
        reverse=True,
    )
    # A reversed sort keeps the order of ties, so they stay in the order of their values.
    top = ranked[: query.top]
    rows: list[tuple[Any, Row]] = []
    others: dict[datetime | None, list[Event]] = {}
    for (bucket, group), events in groups.items():
        if group in top:
            rows.append(((bucket or datetime.min, top.index(group)), _row(query, bucket, group, events)))
        else:
            others.setdefault(bucket, []).extend(events)
    if query.other:
        nothing = (None,) * len(query.breakdown)
        for bucket, events in others.items():
            row = _row(query, bucket, nothing, events) | {"other": True}
            rows.append(((bucket or datetime.min, len(top)), row))
    return [row for _, row in sorted(rows, key=lambda pair: pair[0])]


def _row(query: MetricsQuery, bucket: datetime | None, group: Group, events: Sequence[Event]) -> Row:
    row: Row = {}
    if bucket is not None:
        row["bucket"] = bucket.astimezone(ZoneInfo(query.timezone)).isoformat(timespec="seconds")
    row |= dict(zip(query.breakdown, group, strict=True))
    return row | figures(query, events)


def figures(query: MetricsQuery, events: Sequence[Event]) -> Row:
    """The metrics and formulas of some events, by label."""
    values = {metric.label: metric_value(metric, events) for metric in query.metrics}
    return values | {f.label: formula_value(f.expression, list(values.values())) for f in query.formulas}


# --- single events, keys, values ------------------------------------------------------------------------------------


def _instant(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _event_row(event: Event) -> Row:
    return {
        "event_id": str(event.event_id),
        "site_id": event.site_id,
        "name": event.name,
        "timestamp": _instant(event.timestamp),
        "received_at": _instant(event.received_at),
        "user_id": event.user_id,
        "session_id": event.session_id,
        "source": event.source,
        "path": event.path,
        "properties": _properties(event),
    }


def _counted(found: Iterable[tuple[str, Any]]) -> list[tuple[Any, int]]:
    """Each value with its count, the most frequent first, ties in order of their texts.

    Arrays and objects are shown as JSON text, but are counted apart from a string with that text.
    """
    counts: dict[tuple[str, str], tuple[Any, int]] = {}
    for text, value in found:
        nested = isinstance(value, list | dict)
        key = (text, text if nested else msgspec.json.encode(value).decode())
        counts[key] = (text if nested else value, counts.get(key, (value, 0))[1] + 1)
    return [counts[key] for key in sorted(counts, key=lambda key: (-counts[key][1], key))]


def _age(event: Event) -> tuple[datetime, UUID, str]:
    return event.timestamp, event.event_id, event.site_id


def _picker(query: KeysQuery | ValuesQuery, events: Iterable[Event]) -> list[Row]:
    """The filter picks from the newest events of the site and the range."""
    everything = query.model_copy(update={"filter": None})
    newest = sorted((event for event in events if in_scope(everything, event)), key=_age, reverse=True)
    picked = [event for event in newest[: query.sample] if in_scope(query, event)]
    if isinstance(query, ValuesQuery):
        return _values(query, picked)
    searched = (query.search or "").lower()
    found = [(key, key) for event in picked for key in _properties(event) if searched in key.lower()]
    return [{"key": key, "events": count} for key, count in _counted(found)][: query.limit]


def _values(query: ValuesQuery, events: Sequence[Event]) -> list[Row]:
    found = []
    for event in events:
        value = value_of(event, query.field)
        text = text_of(value)
        if text is not None and (not query.search or query.search.lower() in text.lower()):
            found.append((text, value))
    return [{"value": value, "events": events} for value, events in _counted(found)][: query.limit]
