"""Events with the keys of their visits, as CTEs. Queries about sessions and about paths begin with them.

docs/use/visits.md defines a visit. Events with the same `session_id` are one visit. An event without one (a *loose
event*) belongs to its user's visit around it: the events of a user, with and without a `session_id`, are cut into
stretches by pauses of more than `inactivity` minutes. In a stretch with sessions, a loose event joins the session of
the event before it, or of the next event if there is none. It also joins a session that goes on after it, however long
the pauses are. A stretch without any session is a visit of its own, which has no `session_id`.

The CTEs of loose events cost next to nothing where there are none: only users with loose events are read again.
"""

from __future__ import annotations

from collections.abc import Sequence

from tallystick.analysis.cte import Cte, clause, columns, cte, sql, union_all
from tallystick.analysis.event_source import EventSource
from tallystick.analysis.filters import scope_conditions
from tallystick.model.queries.sessions import LEAVE_NAMES, SessionScope

LEAVE_MINUTES = 24 * 60
"""The pause after which an event of LEAVE_NAMES still belongs to the visit before it."""


def session_keys(query: SessionScope) -> list[str]:
    """The columns of `events_of_sessions` that identify a session."""
    return [*_site(query), "session_id"]


def events_of_sessions(
    query: SessionScope,
    source: EventSource,
    selected: Sequence[str],
    *,
    conditions: Sequence[str] = (),
    persons: bool = False,
) -> Cte:
    """`events_of_sessions`: the events of a scope that belong to a session with a `session_id`.

    It reads `attributed_events` if there are loose events. The scope's `filter` is ignored.

    Args:
        selected: columns in addition to the keys, `timestamp` and `arrival`, as SQL with aliases. The columns of
            `attributed_events` are the same.
        conditions: further conditions of the events with a `session_id`, to read fewer of them.
        persons: a column reads `user_id`, which is then the person.
    """
    keys = [*session_keys(query), "timestamp", *source.dialect.arrival]
    with_session_id = sql(
        """
        SELECT
            {columns}
        FROM {events}
        {where}
        """,
        columns=columns([*keys, *selected]),
        events=source.relation() if persons else source.relation(persons=False),
        where=clause("WHERE", [*in_range(query, source), "session_id IS NOT NULL", *conditions]),
    )
    if not source.has_loose_events:
        return Cte("events_of_sessions", with_session_id, False)
    joined = sql(
        """
        SELECT
            {columns}
        FROM attributed_events
        WHERE session_id IS NOT NULL
        """,
        columns=columns([*keys, *_names(selected)]),
    )
    # It names a subquery, which an engine plans where it is read.
    return Cte("events_of_sessions", union_all([with_session_id, joined]), False)


def visit_keys(query: SessionScope) -> list[str]:
    """The columns of `events_of_visits` that identify a visit."""
    return [*_site(query), "user_id", "visit"]


def events_of_visits(query: SessionScope, source: EventSource, selected: Sequence[str]) -> Cte:
    """`events_of_visits`: the events of a scope that belong to a visit without any `session_id`."""
    return cte(
        "events_of_visits",
        """
        SELECT
            {columns}
        FROM attributed_events
        WHERE session_id IS NULL
        """,
        materialized=False,
        columns=columns([*visit_keys(query), "timestamp", *source.dialect.arrival, *_names(selected)]),
    )


def attributed_events(
    query: SessionScope, source: EventSource, selected: Sequence[str], *, users: Sequence[str] = ()
) -> list[Cte]:
    """CTEs up to `attributed_events`: the loose events of a scope with the `session_id` of the session that they join.

    There are none if the source has no loose events. Where an event joins no session, `session_id` is NULL, and `visit`
    is the number of the visit among its user's stretches.

    Args:
        selected: columns in addition to `timestamp`, `arrival` and the keys, as SQL with aliases.
        users: conditions of the users whose events are looked up; empty: all.
    """
    if not source.has_loose_events:
        return []
    user = [*_site(query), "user_id"]
    order = ", ".join(["timestamp", *source.dialect.arrival])
    of_user = [*user, "timestamp", *source.dialect.arrival]
    names = ", ".join(source.parameters.add(name, "text") for name in LEAVE_NAMES)
    range_ = in_range(query, source)
    is_loose = [*range_, "session_id IS NULL", "user_id IS NOT NULL", *users]
    loose = cte(
        "loose_events",
        """
        SELECT
            {columns}
        FROM {events}
        {where}
        """,
        columns=columns([*of_user, f"name IN ({names}) AS is_leave", *selected]),
        events=source.relation(),
        where=clause("WHERE", is_loose),
    )
    of_loose = f"SELECT {', '.join(user)} FROM loose_events"
    if source.dialect.last_set:  # it would compute the other columns too
        of_loose = sql(
            """
            SELECT {user}
            FROM {events}
            {where}
            """,
            user=", ".join(user),
            events=source.relation(),
            where=clause("WHERE", is_loose),
        )
    of_users = cte(
        "events_of_loose_users",
        """
        SELECT
            {loose}
        FROM loose_events
        UNION ALL
        SELECT
            {with_session_id}
        FROM {events}
        {where}
        """,
        loose=columns([*of_user, "NULL AS session_id", "is_leave", *_names(selected)]),
        with_session_id=columns([*of_user, "session_id", "FALSE", *["NULL" for _ in selected]]),
        events=source.relation(),
        where=clause(
            "WHERE",
            [*range_, "session_id IS NOT NULL", f"({', '.join(user)}) IN ({of_loose})"],
        ),
    )
    starts = cte(
        "starts_of_stretches",
        """
        SELECT
            *,
            count(session_id) OVER (events_of_user ROWS UNBOUNDED PRECEDING) AS place,
            CASE
                WHEN timestamp <= {previous}
                    + CASE WHEN is_leave THEN INTERVAL '{leave} minutes' ELSE INTERVAL '{inactivity} minutes' END
                THEN 0
                ELSE 1
            END AS starts_visit
        FROM events_of_loose_users
        WINDOW events_of_user AS (PARTITION BY {user} ORDER BY {order})
        """,
        materialized=False,
        inactivity=str(query.inactivity),
        leave=str(LEAVE_MINUTES),
        previous=source.dialect.lag.format("timestamp", "events_of_user"),
        user=", ".join(user),
        order=order,
    )
    stretches = cte(
        "stretches",
        """
        SELECT
            *,
            sum(starts_visit) OVER (PARTITION BY {user} ORDER BY {order} ROWS UNBOUNDED PRECEDING) AS visit
        FROM starts_of_stretches
        """,
        materialized=True,
        user=", ".join(user),
        order=order,
    )
    if source.dialect.last_set:
        return [loose, of_users, starts, stretches, *_attributed_by_windows(source, user, order, selected)]
    # `place` counts the events with a session: of the one before a loose event it is `place`, of the next `place + 1`.
    places = cte(
        "session_places",
        """
        SELECT {columns}
        FROM stretches
        WHERE session_id IS NOT NULL
        """,
        materialized=False,
        columns=", ".join([*user, "place", "visit", "session_id"]),
    )
    same_user = {side: " AND ".join(f"{side}.{key} = stretches.{key}" for key in user) for side in ("earlier", "later")}
    attributed = cte(
        "attributed_events",
        """
        SELECT
            {columns},
            CASE
                WHEN earlier.visit = stretches.visit THEN earlier.session_id
                WHEN later.visit = stretches.visit THEN later.session_id
                WHEN earlier.session_id = later.session_id THEN earlier.session_id
            END AS session_id
        FROM stretches
        LEFT JOIN session_places AS earlier ON {same_earlier} AND earlier.place = stretches.place
        LEFT JOIN session_places AS later ON {same_later} AND later.place = stretches.place + 1
        WHERE stretches.session_id IS NULL
        """,
        materialized=True,
        columns=columns(f"stretches.{name}" for name in [*of_user, "visit", *_names(selected)]),
        same_earlier=same_user["earlier"],
        same_later=same_user["later"],
    )
    return [loose, of_users, starts, stretches, places, attributed]


def _attributed_by_windows(source: EventSource, user: Sequence[str], order: str, selected: Sequence[str]) -> list[Cte]:
    """CTEs from `stretches` to `attributed_events`, for a store that may compute a CTE wherever it is named."""
    dialect, visit = source.dialect, "CASE WHEN session_id IS NOT NULL THEN visit END"
    around = cte(
        "stretches_with_sessions_around",
        """
        SELECT
            *,
            {earlier_session} AS earlier_session,
            {earlier_visit} AS earlier_visit,
            {later_session} AS later_session,
            {later_visit} AS later_visit
        FROM stretches
        WINDOW
            so_far AS (PARTITION BY {user} ORDER BY {order} ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW),
            from_here AS (PARTITION BY {user} ORDER BY {order} ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING)
        """,
        earlier_session=dialect.last_set.format("session_id", "so_far"),
        earlier_visit=dialect.last_set.format(visit, "so_far"),
        later_session=dialect.first_set.format("session_id", "from_here"),
        later_visit=dialect.first_set.format(visit, "from_here"),
        user=", ".join(user),
        order=order,
    )
    attributed = cte(
        "attributed_events",
        """
        SELECT
            {columns},
            CASE
                WHEN earlier_visit = visit THEN earlier_session
                WHEN later_visit = visit THEN later_session
                WHEN earlier_session = later_session THEN earlier_session
            END AS session_id
        FROM stretches_with_sessions_around AS around
        WHERE around.session_id IS NULL
        """,
        columns=columns([*user, "timestamp", *dialect.arrival, "visit", *_names(selected)]),
    )
    return [around, attributed]


def is_page_view(query: SessionScope, source: EventSource) -> str:
    """Condition: an event is a page view."""
    names = ", ".join(source.parameters.add(name, "text") for name in dict.fromkeys(query.page_names))
    return f"name IN ({names})"


def site_condition(query: SessionScope, source: EventSource) -> list[str]:
    """Condition: a row belongs to the query's site; empty for a query about all sites."""
    return [] if query.site_id is None else [f"site_id = {source.parameters.add(query.site_id, 'text')}"]


def in_range(query: SessionScope, source: EventSource) -> list[str]:
    """Conditions: an event is of the scope's site and range."""
    return scope_conditions(query.model_copy(update={"filter": None}), "timestamp", source)


def _site(query: SessionScope) -> list[str]:
    """Ids of sessions and users are unique within a site only."""
    return ["site_id"] if query.site_id is None else []


def _names(selected: Sequence[str]) -> list[str]:
    """The names of columns that are given as SQL with aliases."""
    return [column.rpartition(" AS ")[2] for column in selected]
