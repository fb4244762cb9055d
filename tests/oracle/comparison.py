"""The oracle of comparison: it finds the other period by walking the calendar, and the values beside each row."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from tallystick.model.event import Event
from tallystick.model.queries.comparison import Period
from tallystick.model.query import MetricsQuery, SessionsQuery
from tests.oracle import metrics as oracle
from tests.oracle import sessions as oracle_sessions
from tests.oracle.metrics import Row, text_of, value_of
from tests.oracle.visits import with_visits

DAY = timedelta(days=1)
Comparable = MetricsQuery | SessionsQuery


def begin_of(day: date, timezone: str) -> datetime:
    """When a local day begins, in UTC: Python never takes times of different zones for equal in a repeated hour."""
    return oracle.first_instant(day, timezone).astimezone(UTC)


def period_before(query: Comparable, until: datetime) -> Period:
    """The period that `previous` means."""
    assert query.since is not None
    since, zone = query.since, ZoneInfo(query.timezone)
    first = since.astimezone(zone).date()
    last = max(first, until.astimezone(zone).date())
    if begin_of(first, query.timezone) != since:
        length = until - since
        step = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1)}.get(query.interval or "")
        clock = since.astimezone(zone).strftime("%M:%S.%f")
        begins = clock.endswith({"hour": "00:00.000000", "minute": ":00.000000"}.get(query.interval or "", clock))
        while step and begins and length % step:
            length += step - length % step
        return Period(since=since - length, until=until - length)
    whole = begin_of(last, query.timezone) == until
    begun = [first + n * DAY for n in range((last - first).days + (not whole))]
    week = first.strftime("%a") == {"monday": "Mon", "sunday": "Sun"}[query.week_start]
    so_far = len(begun) > 1 and not whole
    if (whole and first.day == last.day == 1) or (
        first.day == 1 and begun and (query.interval == "month" or (so_far and not (query.interval == "week" and week)))
    ):
        return _months_before(query, since, until, first, last)
    back = len(begun)
    if week and (query.interval == "week" or (so_far and back <= 7)):
        while back % 7:
            back += 1
    begin = first - back * DAY
    while back and begin_of(begin, query.timezone) == since:
        begin -= DAY
    earliest = begin_of(begin, query.timezone)
    return Period(since=earliest, until=max(earliest, min(since, _as_far(query, until, last, last - back * DAY))))


def _months_before(query: Comparable, since: datetime, until: datetime, first: date, last: date) -> Period:
    """The period as many months before as have begun."""
    begin, ending, month = first, last.replace(day=1), first
    while begin_of(month, query.timezone) < until:
        month = (month + 31 * DAY).replace(day=1)
        begin, ending = ((day - DAY).replace(day=1) for day in (begin, ending))
    following = (ending + 31 * DAY).replace(day=1)
    days = [ending + n * DAY for n in range((following - ending).days)]
    fits = last.day <= len(days)
    end = _as_far(query, until, last, days[last.day - 1]) if fits else begin_of(following, query.timezone)
    return Period(since=begin_of(begin, query.timezone), until=min(since, end))


def _as_far(query: Comparable, until: datetime, last: date, day: date) -> datetime:
    """The instant that is as far into `day` as `until` is into `last`, or the end of that day."""
    into_the_day = until - begin_of(last, query.timezone)
    return min(begin_of(day, query.timezone) + into_the_day, begin_of(day + DAY, query.timezone))


def answer_compared(query: Comparable, events: Sequence[Event]) -> list[Row]:
    """The rows of an answer with `compare`. The query has `until`."""
    assert query.until is not None
    period = query.compare if isinstance(query.compare, Period) else period_before(query, query.until)
    plain = query.model_copy(update={"compare": None})
    before = plain.model_copy(update={"since": period.since, "until": period.until})
    if isinstance(plain, MetricsQuery):
        rows = oracle.answer(plain, events)
    else:
        rows = oracle_sessions.answer_sessions(plain, events)
    known = [_group(plain, row) for row in rows if "other" not in row]
    shown = _buckets(plain) if plain.interval else [None]
    beside = dict(zip(shown, _buckets(before) if plain.interval else [None], strict=False))
    return [row | {"previous": _previous(before, row, known, beside, events)} for row in rows]


def _buckets(query: Comparable) -> list[str | None]:
    """Every bucket of the range, as it is written in rows."""
    return [_label(bucket, query) for bucket in oracle.all_buckets(query, [])]


def _label(bucket: datetime | None, query: Comparable) -> str:
    assert bucket is not None
    return bucket.astimezone(ZoneInfo(query.timezone)).isoformat(timespec="seconds")


def _group(query: Comparable, row: Row) -> tuple[object, ...]:
    return tuple(row[field] for field in query.breakdown)


def _previous(
    before: Comparable,
    row: Row,
    known: Sequence[tuple[object, ...]],
    beside: dict[str | None, str | None],
    events: Sequence[Event],
) -> Row | None:
    own = row.get("bucket")
    if own not in beside:
        return None
    bucket = beside[own]
    label: Row = {"bucket": bucket} if bucket is not None else {}
    behind: Row = {}
    if bucket is not None:
        behind["complete"] = oracle.is_complete(before, datetime.fromisoformat(bucket).astimezone(UTC))

    def fits(group: tuple[object, ...], at: datetime) -> bool:
        inside = group not in known if "other" in row else group == _group(before, row)
        return inside and (bucket is None or _label(oracle.bucket_of(at, before), before) == bucket)

    if isinstance(before, SessionsQuery):
        sessions = [
            session
            for session in oracle_sessions.counted_sessions(before, events)
            if fits(oracle_sessions.group_of(before, session), session[0].timestamp)
        ]
        return label | {kind: oracle_sessions.metric_of(before, kind, sessions) for kind in before.metrics} | behind
    scoped = [event for event in with_visits(before, events) if oracle.in_scope(before, event)]
    mine = [
        event
        for event in scoped
        if fits(tuple(text_of(value_of(event, field)) for field in before.breakdown), event.timestamp)
    ]
    return label | oracle.figures(before, mine) | behind
