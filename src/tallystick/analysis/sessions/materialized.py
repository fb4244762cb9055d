"""Sessions from the session index.

The index holds whole sessions, while a query reads events up to 24 hours outside of its range. A session that lies
within those bounds is the same in both. A session that crosses a bound is longer than 24 hours (a *long session*) or
does not belong to the range. Long sessions are few; they are computed from their events.
"""

from __future__ import annotations

from tallystick.analysis.buckets import Buckets
from tallystick.analysis.cte import Cte, clause, columns, cte, sql
from tallystick.analysis.event_source import EventSource
from tallystick.analysis.filters import scope_conditions
from tallystick.analysis.sessions.channels import referrer_sql
from tallystick.analysis.sessions.events import site_condition
from tallystick.analysis.sessions.index import COLUMNS, INDEXED_SESSIONS, SessionIndex
from tallystick.model.queries.sessions import SessionScope
from tallystick.model.query import SessionsQuery

LONG_SESSIONS = "long_sessions"
"""The CTE with the keys of the sessions that are computed from their events although they are in the index."""


def index_ctes(query: SessionsQuery, reach: SessionScope, source: EventSource, index: SessionIndex) -> list[Cte]:
    """The CTEs of the index, and `long_sessions` where the range has an edge.

    Args:
        reach: the scope in which the query reads events.
    """
    ctes = index.ctes([COLUMNS[field] for field in query.breakdown])
    if not may_have_long_sessions(query):
        return ctes
    crossing = []
    if query.since is not None and reach.since is not None:
        earliest, since = (source.parameters.add(edge, "timestamp") for edge in (reach.since, query.since))
        crossing.append(f"(started < {earliest} AND ended >= {since})")
    if query.until is not None and reach.until is not None:
        until, latest = (source.parameters.add(edge, "timestamp") for edge in (query.until, reach.until))
        crossing.append(f"(started < {until} AND ended >= {latest})")
    return [*ctes, long_sessions([*site_condition(query, source), f"({' OR '.join(crossing)})"])]


def long_sessions(conditions: list[str]) -> Cte:
    """`long_sessions`: the keys of the indexed sessions that fulfil all conditions."""
    return cte(
        LONG_SESSIONS,
        """
        SELECT site_id, session_id
        FROM {index}
        {where}
        """,
        materialized=True,
        index=INDEXED_SESSIONS,
        where=clause("WHERE", conditions),
    )


def indexed_select(query: SessionsQuery, reach: SessionScope, source: EventSource, buckets: Buckets | None) -> str:
    """A SELECT of the indexed sessions of a range, in the columns of `sessions`, without the long ones."""
    dialect = source.dialect
    conditions = scope_conditions(query.model_copy(update={"filter": None}), "started", source)
    if reach.until is not None:
        conditions.append(f"ended < {source.parameters.add(reach.until, 'timestamp')}")
    bucket = [f"{buckets.sql(dialect, 'started')} AS bucket_key"] if buckets else []
    duration = f"{dialect.epoch_us.format('ended')} - {dialect.epoch_us.format('started')} AS duration"
    dims = [f"{_dim(field)} AS dim_{index}" for index, field in enumerate(query.breakdown)]
    return sql(
        """
        SELECT
            {columns}
        FROM {index}
        {where}
        """,
        columns=columns([*bucket, duration, "events", "pages", *dims]),
        index=INDEXED_SESSIONS,
        where=clause("WHERE", conditions),
    )


def may_have_long_sessions(query: SessionScope) -> bool:
    """Whether the range has an edge that a session can cross."""
    return query.since is not None or query.until is not None


def of_long_session(query: SessionScope) -> str:
    """Condition: an event belongs to a long session."""
    keys = "session_id" if query.site_id is not None else "site_id, session_id"
    return f"({keys}) IN (SELECT {keys} FROM {LONG_SESSIONS})"


def _dim(field: str) -> str:
    return referrer_sql("referrer") if field == "referrer" else COLUMNS[field]
