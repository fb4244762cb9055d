"""The oracle of sessions: plain Python answers each query from a list of events, as docs/use/analyses.md says."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Sequence
from datetime import datetime, timedelta
from statistics import median
from zoneinfo import ZoneInfo

from tallystick.model.event import Event
from tallystick.model.queries.channels import EMAIL_TAGS
from tallystick.model.queries.sessions import LEAVE_NAMES, SessionScope, SessionsQuery
from tallystick.model.referrers import MAIL_HOST, bare_host, referrer_list
from tests.oracle.metrics import Row, bucket_start, passes, text_of, value_of, with_complete
from tests.oracle.visits import keyed, near

Session = list[Event]


def sessions_of(query: SessionScope, events: Iterable[Event]) -> list[Session]:
    """The events grouped into sessions, each in order of time; events of one instant stay in their order."""
    found: dict[Hashable, Session] = {}
    for key, event in keyed(query.inactivity, events):
        found.setdefault(key, []).append(event)
    return list(found.values())


def counted_sessions(query: SessionsQuery, events: Iterable[Event]) -> list[Session]:
    """The sessions that a query counts."""
    return [
        session
        for session in sessions_of(query, near(query, events))
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
    return with_complete(query, rows)


def _key(top: Sequence[tuple[str | None, ...]], rank: int) -> tuple[str | None, ...]:
    return top[rank] if top else ()


def _bucket(query: SessionsQuery, session: Session) -> datetime | None:
    if query.interval is None:
        return None
    minute = session[0].timestamp.replace(second=0, microsecond=0)
    return bucket_start(minute, query.interval, query.timezone, query.week_start).astimezone(ZoneInfo("UTC"))


def _all_buckets(query: SessionsQuery, found: Sequence[datetime]) -> set[datetime]:
    first = query.since or min(found, default=None)
    last = query.until - timedelta(microseconds=1) if query.until else max(found, default=None)
    buckets = set(found)
    while first is not None and last is not None and first <= last:
        for moment in (first, last):
            start = bucket_start(
                moment.replace(second=0, microsecond=0), query.interval or "day", query.timezone, query.week_start
            )
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
        "channel": lambda: _channel(entry, _is_page(query, entry)),
    }
    return tuple(known[name]() if name in known else text_of(value_of(entry, name)) for name in query.breakdown)


def _referrer(entry: Event) -> str | None:
    domain = text_of(value_of(entry, "properties.$referring_domain"))
    if domain in {None, "", "$direct"}:
        return None
    own, other = (bare_host(text or "") for text in (text_of(value_of(entry, "properties.$host")), domain))
    internal = own and other and (f".{own}".endswith(f".{other}") or f".{other}".endswith(f".{own}"))
    return None if internal else domain


def _channel(entry: Event, has_page: bool) -> str | None:
    names = ("utm_source", "utm_medium", "utm_campaign", "$ad_click")
    source, medium, campaign, click = (text_of(value_of(entry, f"properties.{name}")) or "" for name in names)
    source, medium = source.lower(), medium.lower()
    referrer = _referrer(entry)
    place = source or referrer or ""
    tagged, kind = bool(source or medium or campaign), referrer_list().kind(place)
    paid = "cp" in medium or medium.startswith("paid") or medium in {"ppc", "retargeting"}
    from_mail = re.search(MAIL_HOST, bare_host(referrer or "")) is not None
    if {source, medium} & set(EMAIL_TAGS) or kind == "email" or from_mail:
        return "email"
    if paid and kind in {"search", "social", "video", "shopping"}:
        return f"paid_{kind}"
    if click in {"gclid", "gbraid", "wbraid", "msclkid", "yclid"}:
        return "paid_search"
    if click in {"ttclid", "twclid", "li_fat_id"}:
        return "paid_social"
    if medium in {"display", "banner", "expandable", "interstitial", "cpm"} or click == "dclid":
        return "display"
    if paid:
        return "paid_other"
    return _unpaid(source, medium, kind if source or not tagged else None) or _untold(tagged, click, referrer, has_page)


def _unpaid(source: str, medium: str, kind: str | None) -> str | None:
    """The channel of a link that no one paid for, by its tags and by the kind of its source."""
    if medium in {"affiliate", "affiliates"}:
        return "affiliate"
    if medium == "audio":
        return "audio"
    if "sms" in {medium, source}:
        return "sms"
    if medium.endswith("push") or "notification" in medium or source == "firebase":
        return "push"
    if medium in {"ai", "ai-assistant", "ai_assistant", "llm", "chatbot"} or kind == "ai":
        return "ai"
    if kind == "shopping":
        return kind
    if medium.replace("-", " ") in {"social", "social network", "social media", "sm"} or kind == "social":
        return "social"
    if "video" in medium or kind == "video":
        return "video"
    if medium == "organic" or kind == "search":
        return "search"
    return "referral" if medium in {"referral", "app", "link"} else None


def _untold(tagged: bool, click: str, referrer: str | None, has_page: bool) -> str | None:
    """The channel if neither the tags nor the list of referrers say it."""
    if tagged or click not in {"", "fbclid"}:
        return "campaign"
    if referrer:
        return "referral"
    return "social" if click else "direct" if has_page else None


def metric_of(query: SessionsQuery, kind: str, sessions: Sequence[Session]) -> float | int | None:
    pages = [sum(_is_page(query, event) for event in session) for session in sessions]
    lengths = [len(session) for session in sessions]
    counts = {"sessions": len(sessions), "pages": sum(pages), "events": sum(lengths)}
    if kind in counts:
        return counts[kind]
    if not sessions:
        return None
    lasted = [(session[-1].timestamp - session[0].timestamp) / timedelta(seconds=1) for session in sessions]
    deeds = [sum(event.name not in LEAVE_NAMES for event in session) for session in sessions]
    bounces = sum(
        views == 1 and (query.bounce == "one_page" or done == 1) for views, done in zip(pages, deeds, strict=True)
    )
    with_pages = sum(views > 0 for views in pages)
    return {
        "bounce_rate": bounces / with_pages if with_pages else None,
        "pages_per_session": sum(pages) / len(sessions),
        "avg_duration": sum(lasted) / len(sessions),
        "median_duration": float(median(lasted)),
    }[kind]
