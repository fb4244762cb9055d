"""The visit of each event, for queries about events: a text that the events of a visit share, and no others of a site.

An event with a `session_id` needs nothing for it. The other events are looked up in the CTE `visits_of_loose_events`.
"""

from __future__ import annotations

from collections.abc import Sequence

from tallystick.analysis.cte import Cte, columns, cte, sql
from tallystick.analysis.event_source import EventSource
from tallystick.analysis.sessions.events import attributed_events
from tallystick.model.queries.scope import Scope
from tallystick.model.queries.sessions import SESSION_REACH, SessionScope

LOOSE_VISITS = "visits_of_loose_events"
# The parts of a visit's text are separated by a control character (`Dialect.separator`). No site has one in its id. A
# `session_id` may have one, but not by chance.


def reach_of(scope: Scope) -> SessionScope:
    """The scope in which the events of visits are looked up, so that visits at an edge of the range are whole."""
    return SessionScope(site_id=scope.site_id).model_copy(update=reach(scope))


def reach(scope: Scope) -> dict[str, object]:
    """`since` and `until`, moved outwards by SESSION_REACH where the calendar has that much."""
    since, until = scope.since, scope.until
    with_reach: dict[str, object] = {}
    try:
        with_reach["since"] = since and since - SESSION_REACH
    except OverflowError:
        with_reach["since"] = None
    try:
        with_reach["until"] = until and until + SESSION_REACH
    except OverflowError:
        with_reach["until"] = None
    return with_reach


def loose_visits(scope: Scope, source: EventSource, *, users: Sequence[str] = ()) -> list[Cte]:
    """CTEs up to `visits_of_loose_events`: the events without `session_id`, and the `loose_visit` of each.

    Args:
        users: conditions of the users whose events are looked up; empty: all.
    """
    if not source.has_loose_events:
        return []
    separator = source.dialect.separator
    visit = f"{separator} || CAST(user_id AS {source.dialect.text_type}) || {separator} || visit"
    keys = [f"{column} AS of_{column}" for column in source.dialect.row_key]
    visits = cte(
        LOOSE_VISITS,
        """
        SELECT
            {columns}
        FROM attributed_events
        """,
        materialized=False,
        columns=columns([*keys, f"coalesce(session_id, {visit}) AS loose_visit"]),
    )
    return [*attributed_events(reach_of(scope), source, [], users=users), visits]


def with_loose_visits(relation: str, source: EventSource) -> str:
    """A relation named `events` joined with `visits_of_loose_events`, if there are loose events."""
    if not source.has_loose_events:
        return relation
    return sql(
        """
        {relation}
        LEFT JOIN {visits} ON {same_event}
        """,
        relation=relation,
        visits=LOOSE_VISITS,
        same_event=" AND ".join(f"of_{column} = events.{column}" for column in source.dialect.row_key),
    )


def visit_of_event(scope: Scope, source: EventSource) -> str:
    """The visit of an event, as SQL over `with_loose_visits`; NULL if the event belongs to none."""
    visit = "coalesce(loose_visit, session_id)" if source.has_loose_events else "session_id"
    return visit if scope.site_id is not None else f"site_id || {source.dialect.separator} || {visit}"
