"""The past of the demo's shop, with the daily and weekly rhythm of its visitors.

Events look as if enriched (docs/run/enrichment.md): with referring domains, campaign tags, devices. Nothing here does
I/O or reads a clock.
"""

from __future__ import annotations

import bisect
import itertools
import math
import zlib
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from tallystick.cli.demo.world import World

HOURS = (2, 1, 1, 1, 1, 2, 4, 7, 10, 12, 13, 12, 11, 12, 13, 13, 12, 12, 13, 15, 16, 14, 9, 5)
"""The relative load of each hour of a day (UTC)."""
GROWTH = 0.9
"""The growth from the first day to the last, as a part of the first day's load."""
WEEKEND = 0.72
SYSTEMS = {
    "web": (("Windows", "Desktop"), ("Mac OS X", "Desktop"), ("Windows", "Desktop"), ("Linux", "Desktop")),
    "ios": (("iOS", "Mobile"), ("iOS", "Mobile"), ("iOS", "Tablet")),
    "android": (("Android", "Mobile"),),
}
CAMPAIGNS = {
    "newsletter.example": {"utm_source": "newsletter", "utm_medium": "email", "utm_campaign": "spring"},
    "t.co": {"utm_source": "x", "utm_medium": "social", "utm_campaign": "launch", "utm_content": "video"},
    "www.bing.com": {"utm_source": "bing", "utm_medium": "cpc", "utm_campaign": "mugs", "utm_term": "coffee mug"},
}
"""Campaign parameters of the entry page's URL, by referring domain."""


def history(seed: int, end: datetime, days: int, events: int) -> Iterator[dict[str, Any]]:
    """About `events` events of the `days` days before `end`, in the order of their sessions."""
    start = (end - timedelta(days=days)).replace(minute=0, second=0, microsecond=0)
    clock = _Clock(start, end)
    seconds = (end - start).total_seconds()
    for sent in itertools.takewhile(lambda one: one.at < seconds, World(seed, start, events / seconds)):
        evenly = (datetime.fromisoformat(sent.event["timestamp"]) - start).total_seconds() / seconds
        if evenly >= 0:
            yield {**enriched(sent.event), "timestamp": clock.at(evenly).isoformat()}


def enriched(event: dict[str, Any]) -> dict[str, Any]:
    """The event with the properties that enrichment would add. A user keeps the device."""
    systems = SYSTEMS[event["source"]]
    whose = event.get("user_id") or event["session_id"]
    system, device = systems[zlib.crc32(whose.encode()) % len(systems)]
    added = {"$os": system, "$device_type": device}
    if referrer := event["properties"].get("referrer"):
        domain = urlsplit(referrer).netloc
        added |= {"$referring_domain": domain, **CAMPAIGNS.get(domain, {})}
    return {**event, "properties": {**event["properties"], **added}}


class _Clock:
    """Moves evenly spread events into busy and quiet hours."""

    def __init__(self, start: datetime, end: datetime) -> None:
        self._start = start
        hours = math.ceil((end - start) / timedelta(hours=1))
        self._ends = list(itertools.accumulate(self._busy(number, hours) for number in range(hours)))
        last = (end - start) / timedelta(hours=1) - (hours - 1)
        before = self._ends[-2] if hours > 1 else 0.0
        self._whole = before + (self._ends[-1] - before) * last

    def at(self, part: float) -> datetime:
        """The instant before which this part (0 to 1) of all events happens."""
        position = min(part, 1.0) * self._whole
        hour = min(bisect.bisect_right(self._ends, position), len(self._ends) - 1)
        before = self._ends[hour - 1] if hour else 0.0
        return self._start + timedelta(hours=hour + (position - before) / (self._ends[hour] - before))

    def _busy(self, number: int, hours: int) -> float:
        moment = self._start + timedelta(hours=number)
        weekend = WEEKEND if moment.weekday() >= 5 else 1.0
        # Waves that do not repeat by the week make the days differ, as in real data.
        wave = 1 + 0.12 * math.sin(number / 17.0) * math.sin(number / 41.0)
        return HOURS[moment.hour] * weekend * wave * (1 + GROWTH * number / hours)
