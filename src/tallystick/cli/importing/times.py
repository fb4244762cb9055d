"""The time of each imported row. A row never gets the time of its import silently."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal
from zoneinfo import ZoneInfo

import msgspec

from tallystick.cli.importing.reading.rows import Values
from tallystick.cli.importing.types import WrongType
from tallystick.ingest import clock
from tallystick.model.times import read_time

Odd = Literal["reject", "now"]
"""What becomes of a row without a time, or with one that is not plausible."""

LIKELY = (
    "time",
    "ts",
    "date",
    "datetime",
    "date_time",
    "created_at",
    "created",
    "event_time",
    "event_timestamp",
    "event_date",
    "occurred_at",
    "received",
    "sent_at",
    "server_time",
    "visit_time",
    "@timestamp",
    "$time",
)
"""Names that a time has in other systems' files. A value there that reads as a time is not left aside silently."""


_strict = msgspec.json.Decoder(datetime)


class BadTime(ValueError):
    """The row's time cannot be used; the message says why and what to do."""


class TimeRule:
    """Reads the times of a file's rows, and remembers what it saw.

    Attributes:
        first: the earliest time of a row, in UTC; None before the first.
        last: the latest one.
        replaced: rows that get the time of their import, because `odd` is "now".
        untimed: rows that get it because the file says nothing about their time.
    """

    def __init__(
        self, timezone: str = "UTC", odd: Odd = "reject", now: datetime | None = None, formats: Sequence[str] = ()
    ) -> None:
        """
        Args:
            timezone: IANA name of the zone of times without an offset.
            now: of the import, UTC.
            formats: of texts, as strptime takes them; none: what `read_time` reads.
        """
        self._formats = formats
        self._zone = UTC if timezone == "UTC" else ZoneInfo(timezone)
        self._odd = odd
        self._now = now or datetime.now(UTC)
        self.first: datetime | None = None
        self.last: datetime | None = None
        self.replaced = 0
        self.untimed = 0

    def read(self, value: bytes | None) -> bytes | None:
        """The time to send for a row's value, as JSON text; None for the time of the import.

        Raises:
            BadTime: the row is rejected.
        """
        usual = None if value is None or self._formats else _rfc3339(value)
        if usual is not None and clock.is_plausible(usual, self._now):
            self._note(usual)
            return value  # the usual form, which needs nothing
        given = None if value is None else _decoded(value)
        if given is None or (isinstance(given, str) and not given.strip()):
            if self._odd == "reject":
                raise BadTime("timestamp: the row has no time; --odd-times now gives it the time of the import")
            self.replaced += 1
            return None
        try:
            moment = self._moment(given)
        except ValueError as error:
            raise BadTime(f"timestamp_invalid: {error}") from error
        if moment is None or not clock.is_plausible(moment, self._now):
            if self._odd == "reject":
                raise BadTime(_implausible(given, moment))
            self.replaced += 1
            # The server sets the time and keeps the value. It knows neither the zone nor the formats, and must not read
            # another time in it.
            return value if moment is None or (self._zone is UTC and not self._formats) else msgspec.json.encode(moment)
        self._note(moment)
        return msgspec.json.encode(moment)

    def _note(self, moment: datetime) -> None:
        if self.first is None or moment < self.first:
            self.first = moment
        if self.last is None or moment > self.last:
            self.last = moment

    def _moment(self, given: str | int | float) -> datetime | None:
        """The instant; None when it is outside the calendar. Raises ValueError for what cannot be read."""
        if not self._formats or not isinstance(given, str):
            return read_time(given, self._zone)
        for form in self._formats:
            with contextlib.suppress(ValueError):
                return read_time(datetime.strptime(given.strip(), form), self._zone)
        raise ValueError(f"timestamp {given[:64]!r} does not have the form {' or '.join(self._formats)}")

    def as_text(self, text: str) -> str:
        """A property's time as ISO 8601 in UTC, read as the events' times are. Raises WrongType."""
        try:
            moment = self._moment(text)
        except ValueError as error:
            raise WrongType(str(error).replace("timestamp", "time", 1)) from error
        if moment is None:
            raise WrongType(f"{text[:64]!r} is outside the calendar")
        return moment.isoformat().replace("+00:00", "Z")

    def absent(self, row: Values) -> None:
        """Note a row whose file says nothing about its time. It gets the time of the import.

        Raises:
            BadTime: one of its values looks like a time that was meant.
        """
        if self._odd == "reject" and (place := self._likely(row)):
            raise BadTime(
                f"timestamp: the row has none, but {place} looks like a time: add --map timestamp={place}, or "
                "--odd-times now for the time of the import"
            )
        self.untimed += 1

    def _likely(self, row: Values) -> str | None:
        """The key of a value that looks like the row's time."""
        for name in LIKELY:
            if name in row and self._is_time(bytes(row[name])):
                return name
        inner = row.get("properties")
        if inner is not None and bytes(inner)[:1] == b"{":
            try:
                members = msgspec.json.decode(bytes(inner), type=dict[str, msgspec.Raw])
            except msgspec.DecodeError:
                return None
            for name in LIKELY:
                if name in members and self._is_time(bytes(members[name])):
                    return f"properties.{name}"
        return None

    def _is_time(self, value: bytes) -> bool:
        try:
            given = _decoded(value)
            moment = None if given is None else read_time(given, self._zone)
        except ValueError:
            return False
        return moment is not None and clock.is_plausible(moment, self._now)


def _rfc3339(value: bytes) -> datetime | None:
    """The instant of a JSON text in the strict form with an offset; None for all others."""
    try:
        moment = _strict.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return moment if moment.tzinfo is not None else None


def _decoded(value: bytes) -> str | int | float | None:
    """Raises BadTime for what is neither a text nor a number."""
    try:
        given = msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        given = ...
    if given is None or (isinstance(given, str | int | float) and not isinstance(given, bool)):
        return given
    raise BadTime("timestamp_invalid: timestamp must be an ISO 8601 text or a number since 1970")


def _implausible(given: str | float, moment: datetime | None) -> str:
    read = "outside the calendar" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S} UTC"
    return (
        f"timestamp_implausible: {str(given)[:40]!r} is {read}; times are from 2000-01-01 to 24 hours ahead "
        "(--odd-times now stores such rows at the time of the import)"
    )
