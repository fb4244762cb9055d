"""The one rule by which times are read: of events over HTTP, of rows of imports, of ranges of queries.

docs/use/http-api.md ("Times") states it for users.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

Given = str | int | float | datetime
"""A timestamp as a client writes it."""

_FAR_YEAR = re.compile(r"[+-]?\d{5,7}-\d{2}-\d{2}")
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]{1,3})?")
_ZONED = re.compile(r"(?P<local>.*\d)\s*(?P<zone>[zZ]|UTC|GMT|utc|gmt|[A-Z][A-Za-z_]+(?:/[A-Za-z0-9_+-]+)+)")
"""A time with the name of its zone behind it. Other abbreviations (`EST`, `IST`) have several meanings."""
_BRACKETED = re.compile(r"(?P<local>.*(?:[zZ]|[+-]\d\d(?::?\d\d)?))\[[A-Za-z0-9_+/-]+\]")
"""Java's form: an offset, and the zone's name in brackets. The offset alone says the instant."""
_SPACED_OFFSET = re.compile(r"(?P<local>.*\d)\s+(?P<offset>[+-]\d\d(?::?\d\d)?)")

_SECONDS_BELOW = 10**11
_MILLISECONDS_BELOW = 10**14
_MICROSECONDS_BELOW = 10**17
_NANOSECONDS_BELOW = 10**20
_DIGITS_MAX = 64
"""Characters of a number; a longer one is no time."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def read_time(given: Given, zone: tzinfo = UTC) -> datetime | None:
    """The instant in UTC; None when it is outside the years that datetime has.

    Numbers, and texts of digits, count from 1970; their size tells the unit: seconds below 10^11, milliseconds below
    10^14, microseconds below 10^17, else nanoseconds. A text of 8 digits is a date (`20240115`), one of 14 a date and
    time (`20240115123000`); as numbers these would lie in 1970 and after 2286. All other texts are ISO 8601, with an
    offset, `Z`, `UTC`, `GMT` or an IANA name (`America/New_York`) behind them, or none.

    Args:
        zone: of a text or datetime that names none. A local time that the clocks show twice is the first of the two;
            one that they skip is read with the offset before the change, so 02:30 becomes 03:30.

    Raises:
        ValueError: it cannot be read; the message is for the client.
    """
    if isinstance(given, datetime):
        return _utc(given, zone)
    if isinstance(given, bool):
        raise ValueError("timestamp must be an ISO 8601 text or a number since 1970, not true or false")
    if isinstance(given, int | float):
        return _from_number(given)
    text = given.strip()
    try:
        dated = text[4:5] == "-" and text[:4].isdigit()  # the usual form, which is not tried as a number
        if not dated and len(text) <= _DIGITS_MAX and _NUMBER.fullmatch(text):
            return _from_digits(text, zone)
        moment = _rfc3339(text)
        return _utc(moment, zone) if moment is not None else _from_text(text, zone)
    except (ValueError, OverflowError) as error:
        if _FAR_YEAR.match(text):
            return None
        raise ValueError(f"timestamp {text[:64]!r} is no ISO 8601 date and time, nor a number since 1970") from error


def _from_digits(text: str, zone: tzinfo) -> datetime | None:
    if text.isdigit() and len(text) in (8, 14):
        return _utc(datetime.strptime(text, "%Y%m%d" if len(text) == 8 else "%Y%m%d%H%M%S"), zone)
    return _from_number(int(text) if text.lstrip("+-").isdigit() else Decimal(text))


def _from_text(text: str, zone: tzinfo) -> datetime | None:
    """A text that is not the strict form that `_rfc3339` reads."""
    if found := _BRACKETED.fullmatch(text):
        text = found["local"]
    if found := _ZONED.fullmatch(text):
        local = _iso(found["local"])
        if local.tzinfo is not None:
            raise ValueError("an offset and a zone")
        name = found["zone"]
        return _utc(local, UTC if "/" not in name else _zone(name))
    if (found := _SPACED_OFFSET.fullmatch(text)) and ":" in found["local"]:
        text = found["local"] + found["offset"]
    return _utc(_iso(text), zone)


def _iso(text: str) -> datetime:
    """Read ISO 8601. Python takes any character between date and time, even a digit: `1704110200000` is no date."""
    date = 10 if text[4:5] == "-" else 8
    if text[date : date + 1].isdigit() and "W" not in text[:date]:
        raise ValueError("digits without a separator")
    return _rfc3339(text) or datetime.fromisoformat(text)


def _rfc3339(text: str) -> datetime | None:
    """The instant as the fast decoder reads it: it rounds to microseconds, where Python truncates."""
    try:
        return msgspec.convert(text, datetime)
    except msgspec.ValidationError:
        return None


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, OSError) as error:
        raise ValueError(f"unknown zone {name}") from error


def _utc(moment: datetime, zone: tzinfo) -> datetime | None:
    if moment.tzinfo is UTC:
        return moment
    if moment.tzinfo is None:
        if zone is UTC:
            return moment.replace(tzinfo=UTC)
        moment = moment.replace(tzinfo=zone)
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        return None


def _from_number(given: float | Decimal) -> datetime | None:
    if isinstance(given, float) and not math.isfinite(given):
        raise ValueError("timestamp must be a finite number")
    size: float | Decimal = -given if given < 0 else given
    if size < _SECONDS_BELOW:
        micros = round(given * 1_000_000)
    elif size < _MILLISECONDS_BELOW:
        micros = round(given * 1_000)
    elif size < _MICROSECONDS_BELOW:
        micros = round(given)
    elif size < _NANOSECONDS_BELOW:
        whole = round(given)
        micros = (whole + 500) // 1_000  # not a division: a double has too few digits for nanoseconds
    else:
        return None
    try:
        return _EPOCH + timedelta(microseconds=micros)
    except OverflowError:
        return None
