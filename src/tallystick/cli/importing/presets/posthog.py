"""PostHog: batch exports (Parquet, JSON lines) and answers of its API (`/api/projects/…/events`)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tallystick.cli.importing.presets.base import PAGE_VIEW, Imported, Preset, Row, members, text, utc

_USED = ("$current_url", "$referrer", "$pathname", "$session_id", "$ip", "token", "distinct_id", "$lib")
_KEPT = ("person_id", "person_properties", "elements_chain")


def _event(row: Row) -> Imported:
    name = text(row.get("event"))
    own = members(row.get("properties"))
    event = Imported(
        name=PAGE_VIEW if name == "$pageview" else name,
        event_id=text(row.get("uuid")) or text(row.get("id")),
        timestamp=utc(row.get("timestamp")),
        user_id=text(row.get("distinct_id")),
        session_id=text(own.get("$session_id")),
        source=text(own.get("$lib")),
        path=text(own.get("$pathname")),
    )
    if (domain := own.get("$referring_domain")) and domain != "$direct":
        event.put("$referring_domain", domain)
    for key, value in own.items():
        if key not in _USED and not (key == "$referring_domain" and value == "$direct"):
            event.put(key, value)
    referrer = text(own.get("$referrer"))
    event.put_page(text(own.get("$current_url")), None if referrer == "$direct" else referrer)
    for key in _KEPT:
        value = row.get(key)
        event.put(key, members(value) if key == "person_properties" else value)
    return event


def _rows(record: Row) -> Iterable[Row]:
    """The events of an API's answer; a line of a batch export is one itself."""
    answers = record.get("results")
    return [members(answer) for answer in answers] if isinstance(answers, list) else [record]


def _refuse(columns: Sequence[str]) -> str | None:
    if "results" in columns or {"event", "timestamp", "distinct_id", "properties"} <= set(columns):
        return None
    return "this is no batch export of PostHog's events, nor an answer of its events API: --from posthog reads these"


POSTHOG = Preset(
    name="posthog",
    title="PostHog",
    reads="a batch export of events (Parquet or JSON lines), or an answer of its events API",
    columns=(),
    event=_event,
    rows=_rows,
    refuse=_refuse,
    site_column="team_id",
)
