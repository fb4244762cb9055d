"""What fast-worker and analytics-backend share: one page view a request, and a site's statistics."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, NamedTuple

from tallystick.api.access.scoped_store import ScopedStore
from tallystick.ingest import clock
from tallystick.ingest.text import clean_text
from tallystick.keys import EVERY_SITE
from tallystick.model.event import SITE_ID_MAX
from tallystick.model.query import Condition, Metric, MetricsQuery

TOP_PATHS = 10
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


class TextField(NamedTuple):
    """A text of the request's body and its limit in code points."""

    name: str
    longest: int
    required: bool = False


def problems(body: object, fields: Sequence[TextField]) -> list[str]:
    """A sentence for each field of a decoded body that is wrong; empty when all are right."""
    if not isinstance(body, dict):
        return ["body must be a JSON object"]
    found = []
    for field in fields:
        value = body.get(field.name)
        if field.required and (not isinstance(value, str) or not value):
            found.append(f"{field.name} is required and must be a string")
        elif value is not None and not isinstance(value, str):
            found.append(f"{field.name} must be a string")
        elif value is not None and len(value) > field.longest:
            found.append(f"{field.name} must not be longer than {field.longest} characters")
        elif field.name == "timestamp" and value is not None and not _is_time(value):
            found.append("timestamp must be a valid ISO-8601 date string")
    return found


def _is_time(text: str) -> bool:
    try:
        clock.event_time(text, datetime.now(UTC))
    except ValueError:
        return False
    return bool(text.strip())


def parse_day(text: str) -> date:
    """The day of `YYYY-MM-DD`, and of no other form.

    Raises:
        ValueError: it is none; the message is for the client.
    """
    try:
        if _DAY.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise ValueError("date must be a day in the form YYYY-MM-DD")


def day_range(first: date, last: date) -> tuple[datetime, datetime]:
    """The UTC days from `first` to `last`, both included, as `[since, until)`.

    Days before year 1 or after year 9999 do not exist: the end of the last possible day is its last microsecond.
    """
    since = datetime.combine(first, time.min, UTC)
    if last == date.max:
        return since, datetime.max.replace(tzinfo=UTC)
    return since, datetime.combine(last + timedelta(days=1), time.min, UTC)


def known_site(site_id: str) -> str:
    """A site id as events have it.

    Raises:
        ValueError: longer than any event's, or `*`; the message is for the client.
    """
    if len(site_id) > SITE_ID_MAX:
        raise ValueError(f"site_id must not be longer than {SITE_ID_MAX} characters")
    if site_id == EVERY_SITE:
        raise ValueError("site_id must be the id of one site")
    return clean_text(site_id)


async def site_stats(store: ScopedStore, site_id: str, day: str | None) -> dict[str, Any]:
    """All of a site's events, its users and most viewed paths: ever, or on a UTC day.

    Raises:
        ValueError: `site_id` or `day` is wrong; the message is for the client.
        TallystickError: the store has no answer.
    """
    site = known_site(site_id)
    chosen = parse_day(day) if day else None
    since, until = day_range(chosen, chosen) if chosen else (None, None)
    metrics = [Metric(kind="events"), Metric(kind="users")]
    totals = await store.run(MetricsQuery(site_id=site, since=since, until=until, metrics=metrics))
    paths = await store.run(
        MetricsQuery(
            site_id=site,
            since=since,
            until=until,
            breakdown=["path"],
            top=TOP_PATHS,
            filter=Condition(field="path", op="set"),
        )
    )
    ranked = sorted(paths.rows, key=lambda row: (-row["events"], row["path"]))
    return {
        "site_id": site_id,
        "date": chosen.isoformat() if chosen else None,
        "total_views": sum(row["events"] for row in totals.rows),
        "unique_users": sum(row["users"] for row in totals.rows),
        "top_paths": [{"path": row["path"], "views": row["events"]} for row in ranked],
    }
