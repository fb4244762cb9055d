"""Sessions from the counts of the session index: sums of sessions by the hour in which they start.

A query that can use them adds up rows of sums instead of counting sessions. Its CTE `sessions` has the columns
`sessions`, `viewed` (sessions with a page view), `bounced`, `duration`, `pages`, `events` instead of one row for each
session. The few sessions that are computed from their events are in it as sums of one; the counts of those that the
index has too are taken off again.
"""

from __future__ import annotations

from tallystick.analysis.buckets import SECOND, SECONDS, Buckets, micros
from tallystick.analysis.cte import clause, columns, sql
from tallystick.analysis.event_source import EventSource
from tallystick.analysis.filters import scope_conditions
from tallystick.analysis.sessions.channels import with_page
from tallystick.analysis.sessions.events import session_keys
from tallystick.analysis.sessions.index import COLUMNS, INDEXED_COUNTS, INDEXED_SESSIONS, DurationClasses, SessionIndex
from tallystick.analysis.sessions.materialized import LONG_SESSIONS, duration_of, indexed_dim, without_bot_sessions
from tallystick.model.queries.scope import Filter
from tallystick.model.query import SessionsQuery

SUMS = ("sessions", "viewed", "bounced", "duration", "pages", "events")
"""The sums in the columns of `sessions`."""


MEDIAN = "median_duration"


def can_use_counts(
    query: SessionsQuery, index: SessionIndex, buckets: Buckets | None, of_visits: Filter | None, has_groups: bool
) -> bool:
    """Whether the counts have all that a query asks for, which the session index has.

    Args:
        has_groups: the query is for given groups.
    """
    # Medians are found for one kind of group.
    many_groups = query.other or has_groups or (query.breakdown and buckets is not None)
    if MEDIAN in query.metrics and (index.durations is None or many_groups):
        return False
    together = {index.counted_together.get(COLUMNS[field]) for field in query.breakdown if field != "site_id"}
    return (
        index.counts is not None
        and of_visits is None
        and len(together) <= 1
        and None not in together
        and all(micros(edge) % (SECONDS["hour"] * SECOND) == 0 for edge in (query.since, query.until) if edge)
        and (buckets is None or buckets.on_hours)
    )


def classes_of(query: SessionsQuery, index: SessionIndex) -> DurationClasses | None:
    """The classes of durations by which the query's sessions are counted too; None: the query needs none."""
    return index.durations if MEDIAN in query.metrics else None


def counted_select(
    query: SessionsQuery, source: EventSource, buckets: Buckets | None, classes: DurationClasses | None
) -> str:
    """A SELECT of the sums of the indexed sessions of a range, in the columns of `sessions`."""
    conditions = scope_conditions(query.model_copy(update={"filter": None}), "hour", source)
    conditions += ["NOT bot"] if query.filter is not None else []
    dims = []
    for position, field in enumerate(query.breakdown):
        dim = with_page("channel", "viewed") if field == "channel" else COLUMNS[field]
        dims.append(f"{dim} AS dim_{position}")
    sums = [
        "sessions",
        "CASE WHEN viewed THEN sessions ELSE 0 END AS viewed",
        f"{'one_page' if query.bounce == 'one_page' else 'one_event'} AS bounced",
        "duration",
        "pages",
        "events",
    ]
    return sql(
        """
        SELECT
            {columns}
        FROM {counts}
        {where}
        """,
        columns=columns([*_bucket(buckets, source, "hour"), *sums, *(classes.counts if classes else []), *dims]),
        counts=INDEXED_COUNTS,
        where=clause("WHERE", conditions),
    )


def excluded_select(
    query: SessionsQuery, source: EventSource, buckets: Buckets | None, classes: DurationClasses | None
) -> str:
    """A SELECT that takes off the counted sessions that are computed from their events, as sums."""
    conditions = scope_conditions(query.model_copy(update={"filter": None, "site_id": None}), "started", source)
    conditions += without_bot_sessions(query)
    leaves = ["leaves"] if query.bounce == "one_event" else []
    dims = [f"{indexed_dim(field)} AS dim_{position}" for position, field in enumerate(query.breakdown)]
    select = sql(
        """
        SELECT
            {columns}
        FROM (
            SELECT DISTINCT {keys}
            FROM {long}
        ) AS long_keys
        JOIN {index} USING ({keys})
        {where}
        """,
        columns=columns([*_bucket(buckets, source, "started"), duration_of(source), "events", "pages", *leaves, *dims]),
        keys=", ".join(session_keys(query)),
        long=LONG_SESSIONS,
        index=INDEXED_SESSIONS if query.site_id is None else _of_site(query, source),
        where=clause("WHERE", conditions),
    )
    return as_sums(query, select, classes, -1)


def _of_site(query: SessionsQuery, source: EventSource) -> str:
    site = source.parameters.add(query.site_id, "text")
    return f"(SELECT * FROM {INDEXED_SESSIONS} WHERE site_id = {site}) AS {INDEXED_SESSIONS}"


def as_sums(query: SessionsQuery, select: str, classes: DurationClasses | None, sign: int = 1) -> str:
    """Rows of single sessions as sums.

    Args:
        sign: -1 takes them off.
    """
    bucket = ["bucket_key"] if query.interval is not None else []
    sums = {
        "sessions": "1",
        "viewed": "CASE WHEN pages > 0 THEN 1 ELSE 0 END",
        "bounced": f"CASE WHEN {bounced(query)} THEN 1 ELSE 0 END",
        "duration": "duration",
        "pages": "pages",
        "events": "events",
    }
    if classes:
        sums |= dict(zip(classes.counts, classes.columns_of("duration"), strict=True))
    signed = {name: text if sign > 0 else f"-({text})" for name, text in sums.items()}
    dims = [f"dim_{position}" for position in range(len(query.breakdown))]
    return sql(
        """
        SELECT
            {columns}
        FROM (
            {select}
        ) AS single_sessions
        """,
        columns=columns([*bucket, *(f"{text} AS {name}" for name, text in signed.items()), *dims]),
        select=select,
    )


def bounced(query: SessionsQuery) -> str:
    """Condition: a session bounced. How long its page was in view is no second event."""
    return "pages = 1" if query.bounce == "one_page" else "pages = 1 AND events - leaves = 1"


def _bucket(buckets: Buckets | None, source: EventSource, instant: str) -> list[str]:
    return [f"{buckets.sql(source.dialect, instant)} AS bucket_key"] if buckets else []
