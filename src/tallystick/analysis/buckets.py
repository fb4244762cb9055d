"""Time buckets in any time zone: which bucket an instant is in, how it is labelled, which comes next.

The rules of a zone come from the IANA database and reach the store as plain arithmetic. So every store cuts time alike,
whatever zone data it ships.

- A day, week (from Monday or Sunday) or month starts at the zone's midnight or, where a clock change skips midnight,
  right after the change. A day may have 23 or 25 hours.
- An hour or minute starts at a full local hour or minute, or at a clock change inside one. An hour that is repeated
  when clocks go back is two buckets, with different offsets.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import islice
from zoneinfo import ZoneInfo

from tallystick.analysis.dialect import Dialect
from tallystick.errors import InvalidRequest
from tallystick.model.event import EARLIEST
from tallystick.model.query import SERIES_LIMIT, Interval, WeekStart

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
QUARTER_HOUR = 900
"""Seconds of a rollup's bucket."""

SECONDS: dict[Interval, int] = {"minute": 60, "hour": 3600, "day": 86_400, "week": 7 * 86_400, "month": 31 * 86_400}
"""Seconds of each interval; of a month, the longest."""

SECOND = 1_000_000
"""Microseconds."""
FIRST_WEEK: dict[WeekStart, int] = {"monday": 4 * 86_400, "sunday": 3 * 86_400}
"""Seconds from 1970 to its first Monday or Sunday."""

_HOUR = timedelta(hours=1)
_FUTURE = timedelta(days=3660)
"""How far ahead clock changes are looked up for a query without `until`: some events may lie in the future."""
_LONGEST = timedelta(days=36_600)
"""How far after `since` clock changes are looked up at most."""


def micros(instant: datetime) -> int:
    """Microseconds since 1970."""
    return (instant - EPOCH) // MICROSECOND


def instant_of(value: int) -> datetime:
    """The UTC instant of microseconds since 1970."""
    return EPOCH + value * MICROSECOND


def utc_day(instant: datetime) -> datetime:
    """The start of the UTC day that an instant is in."""
    return instant.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def show_instant(instant: datetime) -> str:
    """RFC 3339 with microseconds and Z, so that instants sort as text."""
    return instant.isoformat(timespec="microseconds").replace("+00:00", "Z")


def show_micros(value: int) -> str:
    """`show_instant` of microseconds since 1970."""
    return show_instant(instant_of(value))


@dataclass(frozen=True)
class Segment:
    """A stretch of time in which a zone keeps its offset: from `start` (epoch seconds) on."""

    start: int
    offset: int


def _offset(zone: ZoneInfo, second: int) -> int:
    local = datetime.fromtimestamp(second, UTC).astimezone(zone)
    return int((local.utcoffset() or timedelta()).total_seconds())


@lru_cache(maxsize=4096)
def _changes(name: str, year: int) -> tuple[Segment, ...]:
    """The clock changes of one UTC year. It finds one a day, and no zone has two changes within a day."""
    zone = ZoneInfo(name)
    day = int(datetime(year, 1, 1, tzinfo=UTC).timestamp())
    end = int(datetime(year + 1, 1, 1, tzinfo=UTC).timestamp())
    found = []
    while day < end:
        low, high = day, day + 86_400
        after = _offset(zone, high)
        if _offset(zone, low) != after:
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (low, middle) if _offset(zone, middle) == after else (middle, high)
            found.append(Segment(high, after))
        day += 86_400
    return tuple(found)


def segments(name: str, since: datetime | None, until: datetime | None, now: datetime) -> list[Segment]:
    """The zone's offsets from `since` (from 2000, when the first events may be) to `until`.

    The first segment also holds for all time before it. It starts an hour before `since`, because the bucket of `since`
    may begin with a clock change in that hour.
    """
    first = max(since or EARLIEST, EARLIEST) - _HOUR
    last = max(first + _HOUR, min(until or now + _FUTURE, first + _LONGEST))
    start, end = int(first.timestamp()), int(last.timestamp())
    result = [Segment(start, _offset(ZoneInfo(name), start))]
    for year in range(first.year, last.year + 1):
        result += [change for change in _changes(name, year) if start < change.start <= end]
    return result


class Buckets:
    """The buckets of one interval in one zone, over the segments of a query's range.

    A bucket's key is what the store groups by, here as microseconds since 1970: for hours and minutes the instant at
    which it starts, for days and longer the local midnight (read as if it were UTC).
    """

    def __init__(
        self, interval: Interval, timezone: str, parts: list[Segment], week_start: WeekStart = "monday"
    ) -> None:
        self.interval = interval
        self._week_start = week_start
        self._zone = ZoneInfo(timezone)
        self._segments = parts
        self._starts = [part.start for part in parts]
        self._clock = interval in {"minute", "hour"}

    @property
    def on_quarter_hours(self) -> bool:
        """Whether every bucket in the range consists of whole quarter hours UTC."""
        return self.interval != "minute" and all(
            part.offset % QUARTER_HOUR == 0 and (part.start % QUARTER_HOUR == 0 or index == 0)
            for index, part in enumerate(self._segments)
        )

    @property
    def on_hours(self) -> bool:
        """Whether every bucket in the range consists of whole hours UTC."""
        hour = SECONDS["hour"]
        return self.interval != "minute" and all(
            part.offset % hour == 0 and (part.start % hour == 0 or index == 0)
            for index, part in enumerate(self._segments)
        )

    @property
    def on_utc_days(self) -> bool:
        """Whether every bucket in the range consists of whole UTC days."""
        return not self._clock and all(part.offset == 0 for part in self._segments)

    @property
    def on_utc_hours(self) -> bool:
        """Whether every bucket in the range is a whole UTC hour."""
        size = SECONDS["hour"]
        return self.interval == "hour" and all(
            part.offset % size == 0 and (part.start % size == 0 or index == 0)
            for index, part in enumerate(self._segments)
        )

    def sql(self, dialect: Dialect, column: str) -> str:
        """The bucket key of the instant in `column` as SQL: a binary search among the clock changes."""
        leaves = [self._leaf(dialect, column, index) for index in range(len(self._segments))]
        merged: list[tuple[int, str]] = []
        for part, leaf in zip(self._segments, leaves, strict=True):
            if not merged or merged[-1][1] != leaf:
                merged.append((part.start, leaf))
        return self._tree(dialect, column, merged)

    def _tree(self, dialect: Dialect, column: str, leaves: list[tuple[int, str]]) -> str:
        if len(leaves) == 1:
            return leaves[0][1]
        middle = len(leaves) // 2
        at = self._literal(dialect, leaves[middle][0])
        before, after = (self._tree(dialect, column, part) for part in (leaves[:middle], leaves[middle:]))
        return f"CASE WHEN {column} < {at} THEN {before} ELSE {after} END"

    def _leaf(self, dialect: Dialect, column: str, index: int) -> str:
        part = self._segments[index]
        if self.interval == "month":
            return dialect.month(column, part.offset)
        size = SECONDS[self.interval]
        if not self._clock:
            first = FIRST_WEEK[self._week_start] if self.interval == "week" else 0
            return dialect.cut(column, size, part.offset - first, first)
        shift = part.offset % size
        cut = dialect.cut(column, size, shift, -shift)
        inside = index and (part.start + shift) % size
        return f"greatest({dialect.key(part.start * SECOND)}, {cut})" if inside else cut

    @staticmethod
    def _literal(dialect: Dialect, second: int) -> str:
        return dialect.instant.format(datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%d %H:%M:%S"))

    def key(self, instant: datetime) -> int:
        """The key of the bucket that an instant is in."""
        index = max(0, bisect_right(self._starts, micros(instant) // SECOND) - 1)
        part = self._segments[index]
        local = micros(instant) + part.offset * SECOND
        if self._clock:
            size = SECONDS[self.interval] * SECOND
            start = local // size * size - part.offset * SECOND
            return max(start, part.start * SECOND) if index else start
        day = instant_of(local).replace(hour=0, minute=0, second=0, microsecond=0)
        if self.interval == "week":
            day -= timedelta(days=(day.weekday() + (1 if self._week_start == "sunday" else 0)) % 7)
        if self.interval == "month":
            day = day.replace(day=1)
        return micros(day)

    def start(self, key: int) -> datetime:
        """The instant at which a bucket starts, shown in the zone."""
        if self._clock:
            return datetime.fromtimestamp(key // SECOND, self._zone)
        return instant_of(key).replace(tzinfo=self._zone).astimezone(UTC).astimezone(self._zone)

    def label(self, key: int) -> str:
        """The bucket's start as ISO 8601 with the zone's offset."""
        return self.start(key).isoformat(timespec="seconds")

    def is_complete(self, key: int, since: datetime | None, until: datetime | None, now: datetime) -> bool:
        """Whether a range has the whole of a bucket, and the bucket is over. Without `since` it has every beginning."""
        end = self.start(self._next(key))
        return (since is None or self.start(key) >= since) and end <= (now if until is None else min(until, now))

    def keys(self, first: int, last: int) -> Iterator[int]:
        """The keys from `first` to `last`, both included, without days that the zone skipped."""
        key = first
        while key <= last:
            if self.interval != "day" or self.start(key).date() == instant_of(key).date():
                yield key
            key = self._next(key)

    def series(self, since: datetime | None, until: datetime | None, found: Collection[int]) -> list[int]:
        """The keys from `since` (or the first found key) to `until` (or the last); none if one end is unknown.

        Raises:
            InvalidRequest: there are more than SERIES_LIMIT.
        """
        if (since and since == until) or not (found or (since and until)):
            return []
        first = self.key(since) if since else min(found)
        last = self.key(until - MICROSECOND) if until else max(found)
        keys = list(islice(self.keys(first, last), SERIES_LIMIT + 1))
        if len(keys) > SERIES_LIMIT:
            raise InvalidRequest(
                f"the series has more than {SERIES_LIMIT} buckets: shorten the range, or take a longer interval"
            )
        return keys

    def following(self, key: int, count: int) -> list[int]:
        """`count` keys, starting with `key`."""
        keys = [key]
        while len(keys) < count:
            keys.append(next(self.keys(self._next(keys[-1]), keys[-1] + 2 * SECONDS["month"] * SECOND)))
        return keys

    def before(self, key: int) -> int:
        """The key of the day, week or month right before another."""
        size = 1 if self.interval == "month" else SECONDS[self.interval] // SECONDS["day"]
        day = instant_of(key) - timedelta(days=size)
        if self.interval == "month":
            day = day.replace(day=1)
        return micros(day) if list(self.keys(micros(day), micros(day))) else self.before(micros(day))

    def _next(self, key: int) -> int:
        if self._clock:
            index = max(0, bisect_right(self._starts, key // SECOND) - 1)
            size = SECONDS[self.interval] * SECOND
            offset = self._segments[index].offset * SECOND
            following = (key + offset) // size * size + size - offset
            change = self._starts[index + 1] * SECOND if index + 1 < len(self._starts) else following
            return min(following, change)
        day = instant_of(key)
        if self.interval == "month":
            return micros((day + timedelta(days=31)).replace(day=1))
        return micros(day + timedelta(days=7 if self.interval == "week" else 1))
