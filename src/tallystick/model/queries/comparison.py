"""Comparison with another period, and which period `previous` means."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Literal, TypeAlias
from zoneinfo import ZoneInfo

from pydantic import AwareDatetime, Discriminator, Field, Tag, field_validator, model_validator

from tallystick.model.queries.scope import Interval, Shape

DAY = timedelta(days=1)
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


def _tag(value: object) -> str:
    """Which of the two shapes a value has. Errors then name the right shape."""
    return "previous" if isinstance(value, str) else "period"


_Choice: TypeAlias = Annotated[
    Annotated[Literal["previous"], Tag("previous")] | Annotated[Period, Tag("period")], Discriminator(_tag)
]
Compare: TypeAlias = Annotated[
    _Choice | None,
    Field(
        description="Add `previous` to each row: the values of another period, the n-th bucket beside the n-th. "
        "`previous` is the period of the same length right before (for whole days or months in `timezone`: "
        "as many days or months before). Or give a period. Needs `since`; without `until` the range ends now. The "
        "answer comes in one page, without `next_cursor`."
    ),
]


def previous_period(since: datetime, until: datetime, timezone: str, interval: Interval | None) -> Period:
    """The period that `previous` means for the period from `since` to `until`.

    - Whole months of the zone: as many months before.
    - From the beginning of a day on: as many days before as have begun, up to the same time of the last day. So each
      day is compared with a day, also where one of them has 23 or 25 hours.
    - From the beginning of an hour or minute on, if that is the interval: as many of them before as have begun, up to
      the same time in the last one.
    - Otherwise: the same length right before.

    Raises:
        OverflowError: it would begin before the year 1.
    """
    zone = ZoneInfo(timezone)
    clock = since.astimezone(zone)
    first = clock.date()
    last = max(first, until.astimezone(zone).date())  # a clock that goes back at midnight shows the day before again
    ends_whole = _start(last, zone) == until
    if _start(first, zone) != since:
        back = until - since
        begun = not (clock.second or clock.microsecond or (clock.minute and interval == "hour"))
        if interval in _ROUNDED and begun:
            back = -(-back // _ROUNDED[interval]) * _ROUNDED[interval]
        return Period(since=since - back, until=until - back)
    if ends_whole and first.day == last.day == 1:
        months = 12 * (last.year - first.year) + last.month - first.month
        return Period(since=_start(_months_before(first, months), zone), until=since)
    days = (last - first).days + (0 if ends_whole else 1)
    begin = _start(first - days * DAY, zone)
    if days and begin == since:  # the zone skipped that day
        begin = _start(first - (days + 1) * DAY, zone)
    end = since if ends_whole else min(since, _start(last - days * DAY, zone) + (until - _start(last, zone)))
    return Period(since=begin, until=max(begin, end))


def _months_before(day: date, months: int) -> date:
    count = 12 * day.year + day.month - 1 - months
    if count < 12:
        raise OverflowError("the year 0")
    return date(count // 12, count % 12 + 1, 1)


def _start(day: date, zone: ZoneInfo) -> datetime:
    """When a local day begins: at midnight, or right after a clock change that skips midnight."""
    return datetime.combine(day, time(), zone).astimezone(UTC)
