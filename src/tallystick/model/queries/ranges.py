"""Named time ranges, such as "the last 7 days", and the instants that they mean now and in a time zone. Pure.

The dashboard has the same rules for the ranges of its picker (dashboard/src/scope/range.ts).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Literal, NamedTuple, TypeAlias, get_args
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, WithJsonSchema

from tallystick.model.queries.scope import WeekStart

Preset: TypeAlias = Literal[
    "today",
    "yesterday",
    "24h",
    "7d",
    "30d",
    "90d",
    "12mo",
    "week",
    "last_week",
    "month",
    "last_month",
    "year",
    "all",
]
PRESETS: tuple[Preset, ...] = get_args(Preset)
_DAY = r"[12]\d{3}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])"
DAYS = re.compile(rf"({_DAY})/({_DAY})")
_HOUR = timedelta(hours=1)
_LAST_DAYS = {"today": 1, "7d": 7, "30d": 30, "90d": 90}
MONTHS = 12


class Span(NamedTuple):
    """A range in UTC. `since` is included, `until` is excluded; None means that the range is open on that side."""

    since: datetime | None
    until: datetime | None


def check_range(text: str) -> str:
    """Return `text` if it is a preset or two days.

    Raises:
        ValueError: it is neither.
    """
    if text not in PRESETS:
        days_of(text)
    return text


RangeText: TypeAlias = Annotated[
    str,
    AfterValidator(check_range),
    WithJsonSchema({"type": "string", "pattern": f"^({'|'.join(PRESETS)}|{DAYS.pattern})$"}),
]


def resolve(text: str, zone: ZoneInfo, now: datetime, week_start: WeekStart = "monday") -> Span:
    """The instants that a range means at `now`.

    A range up to now ends with the current hour of the zone's clock, so that its last hourly bucket is whole. A range
    of two days ends there at the latest. Weeks, months and years are those of the calendar. `7d` is today and the six
    days before; `12mo` is this month and the eleven before; `24h` is the current hour and the 23 before.

    Raises:
        ValueError: neither a preset nor two days `YYYY-MM-DD/YYYY-MM-DD`, the first not after the second.
    """
    end = _end_of_hour(now, zone)
    today = now.astimezone(zone).date()

    def start(day: date) -> datetime:
        return start_of(day, zone)

    first = today.replace(day=1)
    weekday = (today.weekday() + (1 if week_start == "sunday" else 0)) % 7
    week = today - timedelta(days=weekday)
    rules: dict[str, Callable[[], Span]] = {
        "24h": lambda: Span(end - timedelta(hours=24), end),
        "yesterday": lambda: Span(start(_day_before(today, zone)), start(today)),
        "week": lambda: Span(start(week), end),
        "last_week": lambda: Span(start(week - timedelta(days=7)), start(week)),
        "month": lambda: Span(start(first), end),
        "last_month": lambda: Span(start(_months_before(first, 1)), start(first)),
        "year": lambda: Span(start(today.replace(month=1, day=1)), end),
        "12mo": lambda: Span(start(_months_before(first, MONTHS - 1)), end),
        "all": lambda: Span(None, None),
    }
    if rule := rules.get(text):
        return rule()
    if text in _LAST_DAYS:
        return Span(start(today - timedelta(days=_LAST_DAYS[text] - 1)), end)
    begin, last = days_of(text)
    since = start(begin)
    return Span(since, max(min(start(last + timedelta(days=1)), end), since))


def start_of(day: date, zone: ZoneInfo) -> datetime:
    """When a day begins: at its first midnight, or at the clock change if that skips midnight."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


def _day_before(day: date, zone: ZoneInfo) -> date:
    """The day that the zone had before: Samoa had no 30 December 2011, so the 29th came before the 31st."""
    return (start_of(day, zone) - timedelta(microseconds=1)).astimezone(zone).date()


def _end_of_hour(now: datetime, zone: ZoneInfo) -> datetime:
    """The next full hour of the zone's clock, with the UTC offset of now."""
    local = now.astimezone(zone)
    into = timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
    return now.astimezone(UTC) - into + _HOUR


def _months_before(first: date, months: int) -> date:
    """The first day of the month that is `months` before."""
    year, month = divmod(first.year * MONTHS + first.month - 1 - months, MONTHS)
    return date(year, month + 1, 1)


def days_of(text: str) -> tuple[date, date]:
    """The first and the last day of a range of two days. Raises ValueError."""
    found = DAYS.fullmatch(text)
    if not found:
        raise ValueError(f"a range is one of {', '.join(PRESETS)}, or two days such as 2026-01-01/2026-01-31")
    try:
        begin, last = date.fromisoformat(found[1]), date.fromisoformat(found[2])
    except ValueError as error:
        raise ValueError(f"the range {text} has a day that does not exist") from error
    if begin > last:
        raise ValueError(f"the range {text} ends before it begins")
    return begin, last
