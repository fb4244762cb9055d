"""Events with the keys of their sessions, as CTEs. Queries about sessions and about paths begin with them.

There are two kinds of sessions. Events with the same `session_id` are one session. Events without a `session_id` form
*visits*: a visit holds the events of one user up to a pause of more than `inactivity` minutes.

Every CTE here is NOT MATERIALIZED: it names a subquery, and an engine plans it where it is read.
"""

from __future__ import annotations

from collections.abc import Sequence

from tallystick.analysis.cte import Cte, clause, columns, cte
from tallystick.analysis.event_source import EventSource
from tallystick.analysis.filters import scope_conditions
from tallystick.model.queries.sessions import SessionScope


def session_keys(query: SessionScope) -> list[str]:
    """The columns of `events_with_session_id` that identify a session."""
    return [*_site(query), "session_id"]


def events_with_session_id(
    query: SessionScope,
    source: EventSource,
    selected: Sequence[str],
    *,
    conditions: Sequence[str] = (),
    persons: bool = False,
) -> Cte:
    """`events_with_session_id`: the events of a scope, cut at `since` and `until`; the scope's `filter` is ignored.

    Args:
        selected: columns in addition to `timestamp` and the keys, as SQL with aliases.
        conditions: further conditions, to read fewer events.
        persons: a column reads `user_id`, which is then the person.
    """
    return cte(
        "events_with_session_id",
        """
        SELECT
            {columns}
        FROM {events}
        {where}
        """,
        materialized=False,
        columns=columns([*session_keys(query), "timestamp", *selected]),
        events=source.relation() if persons else source.relation(persons=False),
        where=clause("WHERE", [*_in_range(query, source), "session_id IS NOT NULL", *conditions]),
    )


def visit_keys(query: SessionScope) -> list[str]:
    """The columns of `events_of_visits` that identify a visit."""
    return [*_site(query), "user_id", "visit"]


def events_of_visits(query: SessionScope, source: EventSource, selected: Sequence[str]) -> list[Cte]:
    """`events_of_visits`: the events without `session_id`, with the number of the visit of their user.

    An event starts a visit if no event of the user precedes it within `inactivity` minutes. The number of a visit is
    the number of starts up to it.

    Args:
        selected: columns in addition to `timestamp` and the keys, as SQL with aliases.
    """
    user = [*_site(query), "user_id"]
    without_session_id = cte(
        "events_without_session_id",
        """
        SELECT
            {columns},
            CASE
                WHEN timestamp <= lag(timestamp) OVER events_of_user + INTERVAL '{inactivity} minutes' THEN 0
                ELSE 1
            END AS starts_visit
        FROM {events}
        {where}
        WINDOW events_of_user AS (PARTITION BY {user} ORDER BY timestamp)
        """,
        materialized=False,
        columns=columns([*user, "timestamp", *selected]),
        inactivity=str(query.inactivity),
        events=source.relation(),
        where=clause("WHERE", [*_in_range(query, source), "session_id IS NULL", "user_id IS NOT NULL"]),
        user=", ".join(user),
    )
    of_visits = cte(
        "events_of_visits",
        """
        SELECT *, sum(starts_visit) OVER (PARTITION BY {user} ORDER BY timestamp) AS visit
        FROM events_without_session_id
        """,
        materialized=False,
        user=", ".join(user),
    )
    return [without_session_id, of_visits]


def is_page_view(query: SessionScope, source: EventSource) -> str:
    """Condition: an event is a page view."""
    names = ", ".join(source.parameters.add(name, "text") for name in dict.fromkeys(query.page_names))
    return f"name IN ({names})"


def site_condition(query: SessionScope, source: EventSource) -> list[str]:
    """Condition: a row belongs to the query's site; empty for a query about all sites."""
    return [] if query.site_id is None else [f"site_id = {source.parameters.add(query.site_id, 'text')}"]


def _site(query: SessionScope) -> list[str]:
    """Ids of sessions and users are unique within a site only."""
    return ["site_id"] if query.site_id is None else []


def _in_range(query: SessionScope, source: EventSource) -> list[str]:
    return scope_conditions(query.model_copy(update={"filter": None}), "timestamp", source)
