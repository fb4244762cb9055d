"""How wrong a client's clock is: the time at which it says that it sent a request, beside that of arrival (G9)."""

from __future__ import annotations

from datetime import datetime, timedelta

from tallystick.model.times import read_time

SKEW_MIN = timedelta(seconds=30)
"""The least difference that is corrected. A smaller one may be the way of a slow request, and then the client's times
are right: moving them would change the order of the events of several requests."""


def clock_skew(sent_at: object, received_at: datetime) -> timedelta:
    """How far a client's clock is ahead, to be subtracted from its times; zero when the difference is small.

    Args:
        sent_at: as `read_time` reads it; without an offset it is UTC. What cannot be read says nothing, so that zero is
            the result.
        received_at: now, UTC.
    """
    try:
        sent = _read(sent_at)
        skew = sent - received_at if sent is not None else timedelta(0)
    except (ValueError, OverflowError):
        return timedelta(0)
    return skew if abs(skew) >= SKEW_MIN else timedelta(0)


def _read(sent_at: object) -> datetime | None:
    """Raises ValueError: it cannot be read."""
    if isinstance(sent_at, bool) or not isinstance(sent_at, int | float | str):
        return None
    return read_time(sent_at)
