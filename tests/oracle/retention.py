"""The oracle of retention, lifecycle, stickiness and active users, from sets of persons by day, week and month."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, cast
from zoneinfo import ZoneInfo

from tallystick.model.event import Event
from tallystick.model.queries.retention import (
    ActiveUsersQuery,
    LifecycleQuery,
    PersonsQuery,
    RetentionQuery,
    StickinessQuery,
)
from tests.oracle.funnel import means
from tests.oracle.metrics import bucket_start, in_scope

Row = dict[str, Any]
JUST = timedelta(microseconds=1)
HOUR = timedelta(hours=1)


def persons_answer(query: PersonsQuery, events: Sequence[Event], now: datetime) -> list[Row]:
    """The rows of an answer that is computed at `now`."""
    ever = query.model_copy(update={"since": None})
    known = [event for event in events if event.user_id is not None and in_scope(ever, event)]
    if isinstance(query, RetentionQuery):
        return _retention(query, known, now)
    if isinstance(query, LifecycleQuery):
        return _lifecycle(query, known, now)
    if isinstance(query, StickinessQuery):
        return _stickiness(query, known)
    return _active_users(query, known, now)


# --- periods --------------------------------------------------------------------------------------------------------


def _period(query: PersonsQuery, moment: datetime) -> datetime:
    """The beginning of the period that contains a moment."""
    minute = moment.replace(second=0, microsecond=0)
    return bucket_start(minute, query.interval, query.timezone).astimezone(UTC)


def _next(query: PersonsQuery, period: datetime) -> datetime:
    moment = period
    while _period(query, moment) == period:
        moment += HOUR * (1 if query.interval == "day" else 24)
    return _period(query, moment)


def _before(query: PersonsQuery, period: datetime) -> datetime:
    return _period(query, period - JUST)


def _series(query: PersonsQuery, found: Iterable[datetime]) -> list[datetime]:
    """The periods from `since` or the first one found to `until` or the last one found."""
    found = list(found)
    if query.since and query.since == query.until:
        return []
    first = _period(query, query.since) if query.since else min(found, default=None)
    last = _period(query, query.until - JUST) if query.until else max(found, default=None)
    if first is None or last is None or not (found or (query.since and query.until)):
        return []
    keys = []
    while first <= last:
        keys.append(first)
        first = _next(query, first)
    return keys


def _label(query: PersonsQuery, period: datetime) -> str:
    return period.astimezone(ZoneInfo(query.timezone)).isoformat(timespec="seconds")


def _over(query: PersonsQuery, period: datetime, now: datetime) -> bool:
    return _next(query, period) <= min(query.until or now, now)


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _sets(query: PersonsQuery, events: Iterable[Event]) -> dict[datetime, set[str]]:
    """The persons who were active in each period."""
    sets: dict[datetime, set[str]] = {}
    for event in events:
        sets.setdefault(_period(query, event.timestamp), set()).add(cast(str, event.user_id))
    return sets


# --- queries ------------------------------------------------------------------------------------------------------


def _retention(query: RetentionQuery, known: Sequence[Event], now: datetime) -> list[Row]:
    began = [event for event in known if means(query.start, event)]
    if query.mode == "first_time":
        firsts: dict[str, Event] = {}
        for event in sorted(began, key=lambda event: event.timestamp, reverse=True):
            firsts[cast(str, event.user_id)] = event
        began = list(firsts.values())
    cohorts = _sets(query, [event for event in began if in_scope(query, event)])
    came = _sets(query, [event for event in known if in_scope(query, event) and means(query.returning, event)])
    rows = []
    for cohort in _series(query, cohorts):
        persons, periods = cohorts.get(cohort, set()), [cohort]
        for _ in range(query.periods):
            periods.append(_next(query, periods[-1]))
        begun = [period for period in periods if period < min(query.until or now, now)]
        returned = [len(persons & came.get(period, set())) for period in begun]
        rows.append(
            {
                "cohort": _label(query, cohort),
                "users": len(persons),
                "returned": returned,
                "shares": [_share(count, len(persons)) for count in returned],
                "complete": sum(_over(query, period, now) for period in begun),
            }
        )
    return rows


def _lifecycle(query: LifecycleQuery, known: Sequence[Event], now: datetime) -> list[Row]:
    active = _sets(query, known)
    since = query.since and _period(query, query.since)
    rows = []
    for period in _series(query, [key for key in active if not since or key >= _before(query, since)]):
        persons, last = active.get(period, set()), active.get(_before(query, period), set())
        ever = set().union(*(active[key] for key in active if key < period))
        rows.append(
            {
                "bucket": _label(query, period),
                "new": len(persons - ever),
                "returning": len(persons & last),
                "resurrecting": len((persons & ever) - last),
                "dormant": len(last - persons),
                "complete": _over(query, period, now),
            }
        )
    return rows


def _stickiness(query: StickinessQuery, known: Sequence[Event]) -> list[Row]:
    active = _sets(query, [event for event in known if in_scope(query, event)])
    periods: dict[str, int] = {}
    for persons in active.values():
        for person in persons:
            periods[person] = periods.get(person, 0) + 1
    rows = []
    for number in range(1, len(_series(query, active)) + 1):
        users = sum(count == number for count in periods.values())
        rows.append(
            {
                "periods": number,
                "users": users,
                "at_least": sum(count >= number for count in periods.values()),
                "share": _share(users, len(periods)),
            }
        )
    return rows


def _active_users(query: ActiveUsersQuery, known: Sequence[Event], now: datetime) -> list[Row]:
    by_date: dict[date, set[str]] = {}
    zone = ZoneInfo(query.timezone)
    for event in known:
        by_date.setdefault(event.timestamp.astimezone(zone).date(), set()).add(cast(str, event.user_id))
    earliest = query.since and query.since.astimezone(zone).date() - timedelta(days=29)
    looked_at = [event for event in known if not earliest or event.timestamp.astimezone(zone).date() >= earliest]
    rows = []
    for day in _series(query, _sets(query, looked_at)):
        today = day.astimezone(zone).date()
        dau, wau, mau = (_of_last(by_date, today, days) for days in (1, 7, 30))
        rows.append(
            {
                "bucket": _label(query, day),
                "dau": dau,
                "wau": wau,
                "mau": mau,
                "dau_wau": _share(dau, wau),
                "dau_mau": _share(dau, mau),
                "complete": _over(query, day, now),
            }
        )
    return rows


def _of_last(by_date: dict[date, set[str]], today: date, days: int) -> int:
    return len(set().union(*(by_date.get(today - timedelta(days=n), set()) for n in range(days))))
