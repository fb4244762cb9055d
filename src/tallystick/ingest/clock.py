"""Event times: how a client's timestamp is read and corrected (G9)."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta

import msgspec

from tallystick.model.event import AHEAD_MAX, EARLIEST

_FAR_YEAR = re.compile(r"[+-]?\d{5,7}-\d{2}-\d{2}")
_SECONDS_BELOW = 1e11
_MILLISECONDS_BELOW = 1e14
_MICROSECONDS_BELOW = 1e17
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def event_time(
    given: str | int | float | datetime | None, received_at: datetime, skew: timedelta = timedelta(0)
) -> tuple[datetime, str | int | float | None]:
    """The event's time in UTC, and the raw value if it is outside 2000-01-01 … received_at + 24 h.

    Texts are ISO 8601; without an offset they are UTC. Numbers are seconds since 1970, milliseconds from 1e11 on, or
    microseconds from 1e14 on.

    Raises:
        ValueError: the timestamp cannot be read; the message is for the client.
    """
    if given is None or given == "":
        return received_at, None
    raw = given.isoformat() if isinstance(given, datetime) else given
    moment = _read(given)
    if moment is not None:
        try:
            moment -= skew
        except OverflowError:
            moment = None
    if moment is None or not EARLIEST <= moment <= received_at + AHEAD_MAX:
        return received_at, raw
    return moment, None


def _read(given: str | int | float | datetime) -> datetime | None:
    """The instant; None when datetime cannot represent it."""
    if isinstance(given, datetime):
        return _utc(given)
    if isinstance(given, bool):
        raise ValueError("timestamp must be an ISO 8601 text or a number since 1970, not true or false")
    if isinstance(given, int | float):
        return _from_number(given)
    text = given.strip()
    try:
        return _utc(_rfc3339(text) or datetime.fromisoformat(text))
    except (ValueError, OverflowError) as error:
        if _FAR_YEAR.match(text):
            return None
        raise ValueError(f"timestamp {text[:64]!r} is no ISO 8601 date and time") from error


def _rfc3339(text: str) -> datetime | None:
    """The instant as the fast decoder reads it: it rounds to microseconds, where Python truncates."""
    try:
        return msgspec.convert(text, datetime)
    except msgspec.ValidationError:
        return None


def _utc(moment: datetime) -> datetime | None:
    if moment.tzinfo is None:
        return moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        return None


def _from_number(given: int | float) -> datetime | None:
    if isinstance(given, float) and not math.isfinite(given):
        raise ValueError("timestamp must be a finite number")
    size = abs(given)
    if size < _SECONDS_BELOW:
        micros = round(given * 1_000_000)
    elif size < _MILLISECONDS_BELOW:
        micros = round(given * 1_000)
    elif size < _MICROSECONDS_BELOW:
        micros = round(given)
    else:
        return None
    try:
        return _EPOCH + timedelta(microseconds=micros)
    except OverflowError:
        return None
