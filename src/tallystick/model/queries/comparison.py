"""Comparison with another period, and which period `previous` means."""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Literal, TypeAlias
from zoneinfo import ZoneInfo

from pydantic import AwareDatetime, Discriminator, Field, Tag, field_validator, model_validator

from tallystick.model.queries.ranges import RangeText, days_of
from tallystick.model.queries.scope import Interval, Shape, WeekStart

DAY = timedelta(days=1)
WEEK = 7
"""Days."""
_EXACT = timedelta(days=2)
_QUARTER_HOUR = timedelta(minutes=15)
_ROUNDED: dict[Interval, timedelta] = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1)}


class Period(Shape):
    """A period. `since` is included, `until` is excluded."""

    since: AwareDatetime
    until: AwareDatetime

    @field_validator("since", "until")
    @classmethod
    def _in_utc(cls, value: datetime) -> datetime:
        try:
            return value.astimezone(UTC)
        except OverflowError as error:
            raise ValueError("the time is outside the years 1 to 9999 in UTC") from error

    @model_validator(mode="after")
    def _is_forward(self) -> Period:
        if self.since > self.until:
            raise ValueError("since must not be after until")
        return self


class BeforeRange(Shape):
    """The period that a named range is compared with: `month` with the month before, `year` with the year before."""

    range: RangeText = Field(
        description="The range that `since` and `until` were made from: a preset, or two days "
        "`YYYY-MM-DD/YYYY-MM-DD`, both included."
    )

    @field_validator("range")
    @classmethod
    def _has_one_before(cls, value: str) -> str:
        if value == "all":
            raise ValueError("all time has no period before it")
        return value


def _tag(value: object) -> str:
    """Which of the three shapes a value has. Errors then name the right shape."""
    if isinstance(value, str):
        return "previous"
    named = "range" in value if isinstance(value, dict) else isinstance(value, BeforeRange)
    return "range" if named else "period"


_Choice: TypeAlias = Annotated[
    Annotated[Literal["previous"], Tag("previous")]
    | Annotated[BeforeRange, Tag("range")]
    | Annotated[Period, Tag("period")],
    Discriminator(_tag),
]
Compare: TypeAlias = Annotated[
    _Choice | None,
    Field(
        description="Add `previous` to each row: the values of another period, the n-th bucket beside the n-th. "
        '`previous` is the period right before, `{"range": "month"}` the one that a named range is compared with; '
        "both end where the query's period has got to. Or give a period. Needs `since`; without `until` the range ends "
        "now. The answer comes in one page, without `next_cursor`."
    ),
]


@dataclass(frozen=True)
class _Back:
    """How far the other period lies back: calendar months, or days of the calendar, or a length of time."""

    months: int = 0
    days: int = 0
    length: timedelta = timedelta()


def previous_period(
    since: datetime,
    until: datetime,
    timezone: str,
    interval: Interval | None,
    *,
    now: datetime,
    range_: str | None = None,
    week_start: WeekStart = "monday",
) -> Period:
    """The period that the period from `since` to `until` is compared with. This is the only place that decides it.

    How far back it lies is what the named range says (`_back_of_range`), else what the instants say (`_back`). It ends
    where the compared period has got to: at `until`, or at `now` while the period is not over. Days and times are those
    of the zone: the other period ends at the same time of its last day, and a day that its month does not have is that
    month's end.

    Args:
        now: when the query was received.
        range_: the named range that `since` and `until` were made from.

    Raises:
        OverflowError: it would begin before the year 1.
        ValueError: `range_` is no range, or all time.
    """
    zone = ZoneInfo(timezone)
    end = _reached(since, until, now)
    back = _back(since, until, zone, interval, week_start) if range_ is None else _back_of_range(range_)
    if back.length:
        return Period(since=since - back.length, until=min(end - back.length, since))
    begin = _moved(since, back, zone)
    if back.days and begin == since:  # the zone skipped that day
        begin = _moved(since, replace(back, days=back.days + 1), zone)
    # A clock that goes back at midnight shows the day before again.
    last = max(since.astimezone(zone).date(), end.astimezone(zone).date())
    return Period(since=begin, until=max(begin, min(_moved(end, back, zone, last), since)))


def _reached(since: datetime, until: datetime, now: datetime) -> datetime:
    """Where a period ends so far.

    After two days it is a full quarter hour, a few minutes after `now` at most: counts up to there are in the rollup.
    """
    if not since < now < until:
        return until
    if now - since <= _EXACT:
        return now
    return min(until, now + (datetime.min.replace(tzinfo=UTC) - now) % _QUARTER_HOUR)


def _back(since: datetime, until: datetime, zone: ZoneInfo, interval: Interval | None, week_start: WeekStart) -> _Back:
    """How far `previous` goes back, by the instants alone.

    - Whole months of the zone: as many months. So does a period from the first of a month that is cut into months, or
      that ends within a day after its first: this month so far is compared with the month before.
    - From the first day of a week on, cut into weeks, or ending within another day of that week: whole weeks.
    - From the beginning of any other day on: as many days as have begun. So each day is compared with a day, also where
      one of them has 23 or 25 hours.
    - From the beginning of an hour or minute on, if that is the interval: as many of them as have begun.
    - Otherwise: the same length.
    """
    clock = since.astimezone(zone)
    first = clock.date()
    if _start(first, zone) != since:
        back = until - since
        begun = not (clock.second or clock.microsecond or (clock.minute and interval == "hour"))
        if interval in _ROUNDED and begun:
            back = -(-back // _ROUNDED[interval]) * _ROUNDED[interval]
        return _Back(length=back)
    last = max(first, until.astimezone(zone).date())  # a clock that goes back at midnight shows the day before again
    ends_whole = _start(last, zone) == until
    days = (last - first).days + (0 if ends_whole else 1)
    to_date = not ends_whole and days > 1
    months = 12 * (last.year - first.year) + last.month - first.month
    starts_week = first.weekday() == (6 if week_start == "sunday" else 0)
    weeks = _Back(days=-(-days // WEEK) * WEEK)
    if ends_whole and first.day == last.day == 1:
        return _Back(months=months)
    if interval == "week" and starts_week:
        return weeks
    if first.day == 1 and days and (to_date or interval == "month"):
        return _Back(months=months + 1)
    if starts_week and to_date and days <= WEEK:
        return weeks
    return _Back(days=days)


def _back_of_range(text: str) -> _Back:
    """How far a named range goes back: by its own length, in months where it is made of them, and a year by a year."""
    if text in _BACK:
        return _BACK[text]
    begin, last = days_of(text)
    following = last + DAY
    if begin.day == following.day == 1:
        return _Back(months=12 * (following.year - begin.year) + following.month - begin.month)
    return _Back(days=(following - begin).days)


_BACK: dict[str, _Back] = {
    "24h": _Back(length=DAY),
    "today": _Back(days=1),
    "yesterday": _Back(days=1),
    "week": _Back(days=WEEK),
    "last_week": _Back(days=WEEK),
    "7d": _Back(days=7),
    "30d": _Back(days=30),
    "90d": _Back(days=90),
    "month": _Back(months=1),
    "last_month": _Back(months=1),
    "year": _Back(months=12),
    "12mo": _Back(months=12),
}


def _moved(instant: datetime, back: _Back, zone: ZoneInfo, day: date | None = None) -> datetime:
    """As far into the day that lies so far back, or the end of that day; without such a day the month's end.

    Args:
        day: the day that the instant belongs to; None: the one that the zone's clock shows.
    """
    day = day or instant.astimezone(zone).date()
    into = instant - _start(day, zone)
    first = _months_before(day.replace(day=1), back.months)
    if back.months and day.day > monthrange(first.year, first.month)[1]:
        return _start((first + 31 * DAY).replace(day=1), zone)
    target = first.replace(day=day.day) - back.days * DAY if back.months else day - back.days * DAY
    return min(_start(target, zone) + into, _start(target + DAY, zone))


def _months_before(day: date, months: int) -> date:
    count = 12 * day.year + day.month - 1 - months
    if count < 12:
        raise OverflowError("the year 0")
    return date(count // 12, count % 12 + 1, 1)


def _start(day: date, zone: ZoneInfo) -> datetime:
    """When a local day begins: at midnight, or right after a clock change that skips midnight."""
    return datetime.combine(day, time(), zone).astimezone(UTC)
