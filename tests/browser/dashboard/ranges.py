"""Days in the browser's time zone as instants of the API."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from scripts.screenshots import ZONE


def midnight(day: date, zone: str = ZONE) -> str:
    """The instant at which the day begins there."""
    return datetime.combine(day, time(), ZoneInfo(zone)).isoformat()


def days_ago(days: int, zone: str = ZONE) -> date:
    return datetime.now(ZoneInfo(zone)).date() - timedelta(days=days)


def span(first: date, last: date, zone: str = ZONE) -> dict[str, str]:
    """`since` and `until` of whole days, both included."""
    return {"since": midnight(first, zone), "until": midnight(last + timedelta(days=1), zone)}
