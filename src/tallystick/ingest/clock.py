"""Event times: which of them are kept, and how a client's clock is corrected (G9)."""

from __future__ import annotations

from datetime import datetime, timedelta

from tallystick.model.event import AHEAD_MAX, EARLIEST
from tallystick.model.times import Given, read_time


def event_time(
    given: Given | None, received_at: datetime, skew: timedelta = timedelta(0)
) -> tuple[datetime, str | int | float | None]:
    """The event's time in UTC, and the raw value if it is outside 2000-01-01 … received_at + 24 h.

    Args:
        given: as `read_time` reads it; a text without an offset is UTC.

    Raises:
        ValueError: the timestamp cannot be read; the message is for the client.
    """
    if given is None or given == "":
        return received_at, None
    raw = given.isoformat() if isinstance(given, datetime) else given
    moment = read_time(given)
    if moment is not None:
        try:
            moment -= skew
        except OverflowError:
            moment = None
    if moment is None or not is_plausible(moment, received_at):
        return received_at, raw
    return moment, None


def is_plausible(moment: datetime, now: datetime) -> bool:
    """Whether an instant is from 2000-01-01 to 24 hours after `now`: outside, a clock or a unit is wrong."""
    return EARLIEST <= moment <= now + AHEAD_MAX
