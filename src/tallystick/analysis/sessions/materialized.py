"""Questions about sessions → SQL over sessions that the store has folded (see `folded`).

A folded session is whole, whatever its events' times; a question looks for events up to 24 hours outside of its range.
Both say the same of a session that lies within these bounds. One that does not is longer than 24 hours, or has nothing
to do with the range; the few that are longer are made from their events (`long_sessions`).
"""

from __future__ import annotations

from tallystick.analysis.buckets import Buckets
from tallystick.analysis.filters import Params, scope_conditions, where
from tallystick.analysis.sessions.channels import referrer_sql
from tallystick.analysis.sessions.index import COLUMNS, KNOWN, SessionIndex
from tallystick.model.queries.sessions import SessionScope
from tallystick.model.query import SessionsQuery

LONG = "long_sessions"
"""Common table of the sessions that reach over the bounds within which the question looks for events."""


def folded_tables(query: SessionsQuery, reach: SessionScope, params: Params, folded: SessionIndex) -> str:
    """The common tables that the two others name."""
    tables = folded.tables([COLUMNS[field] for field in query.breakdown])
    if not has_long(query):
        return tables
    edges = []
    if query.since is not None and reach.since is not None:
        before, since = (params.add(edge, "timestamp") for edge in (reach.since, query.since))
        edges.append(f"(started < {before} AND ended >= {since})")
    if query.until is not None and reach.until is not None:
        until, behind = (params.add(edge, "timestamp") for edge in (query.until, reach.until))
        edges.append(f"(started < {until} AND ended >= {behind})")
    found = where([*of_site(query, params), f"({' OR '.join(edges)})"])
    return f"{tables},\n{LONG} AS MATERIALIZED (\n  SELECT site_id, session_id FROM {KNOWN}{found}\n)"


def folded_select(query: SessionsQuery, reach: SessionScope, params: Params, buckets: Buckets | None) -> str:
    """The sessions that are known whole: b where there are buckets, lasted, events, pages, and d0…."""
    dialect = params.dialect
    scope = query.model_copy(update={"filter": None})
    conditions = scope_conditions(scope, "started", params)
    if reach.until is not None:
        conditions.append(f"ended < {params.add(reach.until, 'timestamp')}")
    bucket = [f"{buckets.sql(dialect, 'started')} AS b"] if buckets else []
    lasted = f"{dialect.epoch_us.format('ended')} - {dialect.epoch_us.format('started')} AS lasted"
    dims = [f"{_value(field)} AS d{place}" for place, field in enumerate(query.breakdown)]
    outputs = ", ".join([*bucket, lasted, "events", "pages", *dims])
    return f"  SELECT {outputs}\n  FROM {KNOWN}{where(conditions)}"


def has_long(query: SessionScope) -> bool:
    """Whether there can be sessions that have to be made from their events."""
    return query.since is not None or query.until is not None


def is_long(query: SessionScope) -> str:
    """Condition of an event of such a session."""
    keys = "session_id" if query.site_id is not None else "site_id, session_id"
    return f"({keys}) IN (SELECT {keys} FROM {LONG})"


def of_site(query: SessionScope, params: Params) -> list[str]:
    """Condition of what is in the question's site, where it names one."""
    return [] if query.site_id is None else [f"site_id = {params.add(query.site_id, 'text')}"]


def _value(field: str) -> str:
    return referrer_sql("referrer") if field == "referrer" else COLUMNS[field]
