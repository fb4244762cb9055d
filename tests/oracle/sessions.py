"""The oracle of sessions: plain Python answers each query from a list of events, as docs/use/analyses.md says."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from datetime import datetime, timedelta
from statistics import median
from zoneinfo import ZoneInfo

from tallystick.model.event import Event
from tallystick.model.queries.channels import EMAIL_TAGS, MAIL_DOMAINS, SEARCH_DOMAINS, SOCIAL_DOMAINS
from tallystick.model.queries.sessions import SessionScope, SessionsQuery
from tests.oracle.metrics import Row, bucket_start, passes, text_of, value_of

DAY = timedelta(hours=24)
Session = list[Event]


def sessions_of(query: SessionScope, events: Iterable[Event]) -> list[Session]:
    """The events grouped into sessions, each in order of time."""
    ordered = sorted(events, key=lambda event: (event.timestamp, event.event_id))
    found: dict[Hashable, Session] = {}
    latest: dict[tuple[str, str], tuple[datetime, int]] = {}
    for event in ordered:
        if event.session_id is not None:
            found.setdefault((event.site_id, event.session_id), []).append(event)
        elif event.user_id is not None:
            person = (event.site_id, event.user_id)
            before, number = latest.get(person, (event.timestamp, 0))
            number += event.timestamp - before > timedelta(minutes=query.inactivity)
            latest[person] = (event.timestamp, number)
            found.setdefault((*person, number), []).append(event)
    return list(found.values())


def counted_sessions(query: SessionsQuery, events: Iterable[Event]) -> list[Session]:
    """The sessions that a query counts."""
    near = [
        event
        for event in events
        if (query.site_id is None or event.site_id == query.site_id)
        and (query.since is None or event.timestamp >= query.since - DAY)
        and (query.until is None or event.timestamp < query.until + DAY)
    ]
    return [
        session
        for session in sessions_of(query, near)
        if (query.since is None or session[0].timestamp >= query.since)
        and (query.until is None or session[0].timestamp < query.until)
        and (query.filter is None or any(passes(query.filter, event) for event in session))
    ]


def answer_sessions(query: SessionsQuery, events: Iterable[Event]) -> list[Row]:
    """The rows of the answer."""
    sessions = counted_sessions(query, events)
    groups: dict[tuple[str | None, ...], int] = {}
    for session in sessions:
        group = group_of(query, session)
        groups[group] = groups.get(group, 0) + 1
    ranked = sorted(groups, key=lambda group: (-groups[group], [(value is None, value or "") for value in group]))
    top = ranked[: query.top] if query.breakdown else ranked
    cells: dict[tuple[datetime | None, int], list[Session]] = {}
    for session in sessions:
        group = group_of(query, session)
        if group in top or query.other:
            rank = top.index(group) if group in top else len(top)
            cells.setdefault((_bucket(query, session), rank), []).append(session)
    if not query.breakdown and query.interval is None:
        cells.setdefault((None, 0), [])
    if not query.breakdown and query.interval is not None and query.fill:
        for empty in _all_buckets(query, [start for start, _ in cells if start]):
            cells.setdefault((empty, 0), [])
    rows = []
    bucket: datetime | None
    for bucket, rank in sorted(cells, key=lambda cell: (cell[0] or datetime.min, cell[1])):
        row: Row = {}
        if bucket is not None:
            row["bucket"] = bucket.astimezone(ZoneInfo(query.timezone)).isoformat(timespec="seconds")
        rest = rank == len(top) and bool(query.breakdown)
        row |= dict(zip(query.breakdown, (None,) * len(query.breakdown) if rest else _key(top, rank), strict=True))
        row |= {kind: metric_of(query, kind, cells[bucket, rank]) for kind in query.metrics}
        rows.append(row | ({"other": True} if rest else {}))
    return rows


def _key(top: Sequence[tuple[str | None, ...]], rank: int) -> tuple[str | None, ...]:
    return top[rank] if top else ()


def _bucket(query: SessionsQuery, session: Session) -> datetime | None:
    if query.interval is None:
        return None
    minute = session[0].timestamp.replace(second=0, microsecond=0)
    return bucket_start(minute, query.interval, query.timezone).astimezone(ZoneInfo("UTC"))


def _all_buckets(query: SessionsQuery, found: Sequence[datetime]) -> set[datetime]:
    first = query.since or min(found, default=None)
    last = query.until - timedelta(microseconds=1) if query.until else max(found, default=None)
    buckets = set(found)
    while first is not None and last is not None and first <= last:
        for moment in (first, last):
            start = bucket_start(moment.replace(second=0, microsecond=0), query.interval or "day", query.timezone)
            buckets.add(start.astimezone(ZoneInfo("UTC")))
        first += timedelta(hours=6) if query.interval in {"day", "week", "month"} else timedelta(minutes=1)
    return buckets


# --- one session ----------------------------------------------------------------------------------------------------


def _is_page(query: SessionScope, event: Event) -> bool:
    return event.name in query.page_names


def group_of(query: SessionsQuery, session: Session) -> tuple[str | None, ...]:
    pages = [event for event in session if _is_page(query, event)] or session
    entry, exit_event = pages[0], pages[-1]
    known: dict[str, Callable[[], str | None]] = {
        "entry_page": lambda: entry.path,
        "exit_page": lambda: exit_event.path,
        "referrer": lambda: _referrer(entry),
        "channel": lambda: _channel(entry),
    }
    return tuple(known[name]() if name in known else text_of(value_of(entry, name)) for name in query.breakdown)


def _referrer(entry: Event) -> str | None:
    domain = text_of(value_of(entry, "properties.$referring_domain"))
    return None if domain in {"", "$direct"} else domain


def _channel(entry: Event) -> str:
    names = ("utm_source", "utm_medium", "utm_campaign", "$ad_click")
    tags = {name: text_of(value_of(entry, f"properties.{name}")) or "" for name in names}
    domain = _referrer(entry)
    if {tags["utm_source"].lower(), tags["utm_medium"].lower()} & set(EMAIL_TAGS) or _below(domain, MAIL_DOMAINS):
        return "email"
    if any(tags.values()):
        return "campaign"
    if _below(domain, SEARCH_DOMAINS):
        return "search"
    if _below(domain, SOCIAL_DOMAINS):
        return "social"
    return "referral" if domain else "direct"


def _below(domain: str | None, entries: Iterable[str]) -> bool:
    parts = (domain or "").split(".")
    for entry in entries:
        wanted = entry.split(".")
        for start in range(len(parts)):
            here = parts[start:]
            any_ending = wanted[-1] == "*" and len(here) >= len(wanted) and here[: len(wanted) - 1] == wanted[:-1]
            if here == wanted or any_ending:
                return True
    return False


def metric_of(query: SessionsQuery, kind: str, sessions: Sequence[Session]) -> float | int | None:
    pages = [sum(_is_page(query, event) for event in session) for session in sessions]
    lengths = [len(session) for session in sessions]
    counts = {"sessions": len(sessions), "pages": sum(pages), "events": sum(lengths)}
    if kind in counts:
        return counts[kind]
    if not sessions:
        return None
    lasted = [(session[-1].timestamp - session[0].timestamp) / timedelta(seconds=1) for session in sessions]
    bounces = sum(number == 1 for number in (pages if query.bounce == "one_page" else lengths))
    return {
        "bounce_rate": bounces / len(sessions),
        "pages_per_session": sum(pages) / len(sessions),
        "avg_duration": sum(lasted) / len(sessions),
        "median_duration": float(median(lasted)),
    }[kind]
