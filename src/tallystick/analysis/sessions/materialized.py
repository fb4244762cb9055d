"""Sessions from the session index.

The index holds whole sessions, while a query reads events up to 24 hours outside of its range. A session that lies
within those bounds is the same in both. A session that crosses a bound is longer than 24 hours (a *long session*) or
does not belong to the range. Long sessions are few; they are computed from their events. So are the sessions that
events without a `session_id` join, because the index has only events with one.
"""

from __future__ import annotations

from tallystick.analysis.buckets import Buckets
from tallystick.analysis.cte import Cte, clause, columns, cte, sql, union_all
from tallystick.analysis.event_source import EventSource
from tallystick.analysis.filters import scope_conditions
from tallystick.analysis.sessions.channels import with_page
from tallystick.analysis.sessions.events import session_keys, site_condition
from tallystick.analysis.sessions.index import BOT_EVENTS, COLUMNS, INDEXED_SESSIONS, SessionIndex
from tallystick.analysis.sessions.visit_tests import visit_filter_sql
from tallystick.model.queries.scope import Filter, visit_fields
from tallystick.model.queries.sessions import SessionScope
from tallystick.model.query import SessionsQuery

JOINED_SESSIONS = "joined_sessions"
"""The CTE with the keys of the sessions that events without a `session_id` join."""
LONG_SESSIONS = "long_sessions"
"""The CTE with the keys of the sessions that are computed from their events although they are in the index."""


def index_ctes(
    query: SessionsQuery,
    reach: SessionScope,
    source: EventSource,
    index: SessionIndex,
    of_visits: Filter | None = None,
) -> list[Cte]:
    """The CTEs of the index, and `long_sessions` if there may be any; they read `attributed_events`.

    Args:
        reach: the scope in which the query reads events.
        of_visits: a filter of visits alone, whose fields the sessions have too.
    """
    fields = [*query.breakdown, *visit_fields(of_visits)]
    ctes = index.ctes([*(COLUMNS[field] for field in fields), *bot_columns(query)])
    crossing = []
    if query.since is not None and reach.since is not None:
        earliest, since = (source.parameters.add(edge, "timestamp") for edge in (reach.since, query.since))
        crossing.append(f"(started < {earliest} AND ended >= {since})")
    if query.until is not None and reach.until is not None:
        until, latest = (source.parameters.add(edge, "timestamp") for edge in (query.until, reach.until))
        crossing.append(f"(started < {until} AND ended >= {latest})")
    is_long = [index.long] if index.long else []
    long = [[*site_condition(query, source), *is_long, f"({' OR '.join(crossing)})"]] if crossing else []
    return [*ctes, *long_sessions(query, source, long)] if may_have_long_sessions(query, source) else ctes


def long_sessions(query: SessionScope, source: EventSource, long: list[list[str]]) -> list[Cte]:
    """`joined_sessions` (with loose events) and `long_sessions`: the keys of sessions that are computed from events.

    Args:
        long: conditions of indexed sessions; those that fulfil all of one list are among them. Empty: no others.
    """
    keys = ", ".join(session_keys(query))
    joined = cte(
        JOINED_SESSIONS,
        """
        SELECT DISTINCT {keys}
        FROM attributed_events
        WHERE session_id IS NOT NULL
        """,
        materialized=True,
        keys=keys,
    )
    selects = [f"SELECT {keys} FROM {JOINED_SESSIONS}"] if source.has_loose_events else []
    for conditions in long:
        selects.append(
            sql(
                """
                SELECT {keys}
                FROM {index}
                {where}
                """,
                keys=keys,
                index=INDEXED_SESSIONS,
                where=clause("WHERE", conditions),
            )
        )
    return [*([joined] if source.has_loose_events else []), Cte(LONG_SESSIONS, union_all(selects), True)]


def may_have_long_sessions(query: SessionScope, source: EventSource) -> bool:
    """Whether a session can cross an edge of the range, or have events that the index does not have."""
    return query.since is not None or query.until is not None or source.has_loose_events


def indexed_select(
    query: SessionsQuery,
    reach: SessionScope,
    source: EventSource,
    buckets: Buckets | None,
    of_visits: Filter | None = None,
) -> str:
    """A SELECT of the indexed sessions of a range, in the columns of `sessions`, without the long ones.

    Args:
        of_visits: a filter of visits alone that they pass.
    """
    dialect = source.dialect
    conditions = scope_conditions(query.model_copy(update={"filter": None}), "started", source)
    if reach.until is not None:
        conditions.append(f"ended < {source.parameters.add(reach.until, 'timestamp')}")
    conditions += without_bot_sessions(query)
    if of_visits is not None:
        texts = {field: indexed_dim(field) for field in visit_fields(of_visits)}
        conditions.append(visit_filter_sql(of_visits, texts, source))
    bucket = [f"{buckets.sql(dialect, 'started')} AS bucket_key"] if buckets else []
    leaves = ["leaves"] if query.bounce == "one_event" else []
    dims = [f"{indexed_dim(field)} AS dim_{index}" for index, field in enumerate(query.breakdown)]
    return sql(
        """
        SELECT
            {columns}
        FROM {index}
        {where}
        """,
        columns=columns([*bucket, duration_of(source), "events", "pages", *leaves, *dims]),
        index=without_joined(query, source),
        where=clause("WHERE", conditions),
    )


def duration_of(source: EventSource) -> str:
    """The column `duration` of an indexed session, as SQL."""
    if source.session_index is not None and source.session_index.durations is not None:
        return "duration"
    started, ended = (source.dialect.epoch_us.format(edge) for edge in ("started", "ended"))
    return f"{ended} - {started} AS duration"


def bot_columns(query: SessionScope) -> list[str]:
    """The column of the index that a query without bots reads."""
    return [BOT_EVENTS] if query.filter is not None else []


def without_bot_sessions(query: SessionScope) -> list[str]:
    """Condition of a query without bots: an event of the indexed session is no bot's."""
    return [f"{BOT_EVENTS} < events"] if query.filter is not None else []


def without_joined(query: SessionScope, source: EventSource) -> str:
    """The indexed sessions that no event without a `session_id` joins, as a relation. It keeps all columns."""
    if not source.has_loose_events:
        return INDEXED_SESSIONS
    keys = ", ".join(session_keys(query))
    return source.dialect.anti_join.format(rows=INDEXED_SESSIONS, others=JOINED_SESSIONS, keys=keys)


def of_long_session(query: SessionScope, source: EventSource) -> list[str]:
    """Conditions: an event belongs to a long session."""
    keys = ", ".join(session_keys(query))
    any_row = [source.dialect.any_row.format(LONG_SESSIONS)] if source.dialect.any_row else []
    return [*any_row, f"({keys}) IN (SELECT {keys} FROM {LONG_SESSIONS})"]


def indexed_dim(field: str) -> str:
    """A field of a breakdown, as SQL over the indexed sessions."""
    return with_page("channel") if field == "channel" else COLUMNS[field]
