"""The list of users → SQL."""

from __future__ import annotations

from tallystick.analysis.buckets import instant_of
from tallystick.analysis.cte import clause, cte, sql, with_ctes
from tallystick.analysis.cursor import decode_cursor
from tallystick.analysis.event_source import SENT_ID, EventSource
from tallystick.analysis.filters import scope_conditions
from tallystick.analysis.sources import Sources
from tallystick.analysis.statement import Statement
from tallystick.model.queries.users import PeopleQuery

ORDERS = {"last_seen": "max(timestamp)", "first_seen": "min(timestamp)", "events": "count(*)"}
"""What users can be ordered by, besides `user_id`."""


def compile_people(query: PeopleQuery, sources: Sources) -> Statement:
    """The statement of a list of users: user_id, first_seen, last_seen, events, sessions.

    `page` has the users of the page and one more. Their sessions are counted afterwards, because to count the sessions
    of all users takes long.

    Raises:
        InvalidRequest: the cursor is broken or belongs to another query.
    """
    source = EventSource(sources, query.site_id)
    dialect = source.dialect
    conditions = [*scope_conditions(query, "timestamp", source), "user_id IS NOT NULL"]
    having = []
    if query.search:
        searched = dialect.lowered.format(source.parameters.add(query.search, "text"))
        ids = ["user_id", SENT_ID] if source.has_persons else ["user_id"]
        found = [dialect.contains.format(dialect.lowered.format(column), searched) for column in ids]
        if source.has_persons:  # one matching id of a person selects all events of the person
            having.append(f"bool_or({' OR '.join(found)})")
        else:
            conditions += found
    having += _after(query, source)
    events = source.relation()
    direction = "" if query.ascending else " DESC"
    keys = ["user_id"] if query.order == "user_id" else [query.order, "user_id"]
    page = cte(
        "page",
        """
        SELECT
            user_id,
            {last_seen} AS last_seen,
            {first_seen} AS first_seen,
            {events_of_user} AS events
        FROM {events}
        {where}
        GROUP BY user_id
        {having}
        ORDER BY {order}
        LIMIT {limit}
        """,
        materialized=True,
        last_seen=ORDERS["last_seen"],
        first_seen=ORDERS["first_seen"],
        events_of_user=ORDERS["events"],
        events=events,
        where=clause("WHERE", conditions),
        having=clause("HAVING", [f"({condition})" for condition in having]),
        order=", ".join(f"{key}{direction}" for key in keys),
        limit=str(query.limit + 1),
    )
    sessions_of_users = cte(
        "sessions_of_users",
        """
        SELECT user_id, count(DISTINCT session_id) AS sessions
        FROM {events}
        {where}
        GROUP BY user_id
        """,
        events=events,
        where=clause("WHERE", [*conditions, "user_id IN (SELECT user_id FROM page)"]),
    )
    users = sql(
        """
        SELECT page.user_id, {first_seen}, {last_seen}, events, sessions
        FROM page JOIN sessions_of_users ON sessions_of_users.user_id = page.user_id
        ORDER BY {order}
        """,
        first_seen=dialect.epoch_us.format("first_seen"),
        last_seen=dialect.epoch_us.format("last_seen"),
        order=", ".join(f"page.{key}{direction}" for key in keys),
    )
    return Statement(with_ctes([page, sessions_of_users], users), source.parameters.values)


def _after(query: PeopleQuery, source: EventSource) -> list[str]:
    """Condition: a user comes after the cursor's user in the order of the query."""
    # A number of events is small enough to pass for an instant.
    after = decode_cursor(query, ["text"] if query.order == "user_id" else ["instant", "text"])
    if after is None:
        return []
    sign = ">" if query.ascending else "<"
    user = source.parameters.add(after[-1], "text")
    if query.order == "user_id":
        return [f"user_id {sign} {user}"]
    value, aggregate = after[0], ORDERS[query.order]
    assert isinstance(value, int)  # checked by decode_cursor
    last = str(value) if query.order == "events" else source.parameters.add(instant_of(value), "timestamp")
    return [f"{aggregate} {sign} {last} OR ({aggregate} = {last} AND user_id {sign} {user})"]
