"""The list of users → SQL."""

from __future__ import annotations

from tallystick.analysis.buckets import instant_of
from tallystick.analysis.cte import Cte, clause, cte, sql, with_ctes
from tallystick.analysis.cursor import decode_cursor
from tallystick.analysis.event_source import SENT_ID, EventSource
from tallystick.analysis.filters import row_fields, scope_conditions
from tallystick.analysis.rollups import PEOPLE_FIELDS, on_quarter_hours
from tallystick.analysis.sessions.keys import loose_visits, visit_of_event, with_loose_visits
from tallystick.analysis.sources import Needs, Sources
from tallystick.analysis.statement import Statement
from tallystick.model.queries.users import PeopleQuery

ORDERS = {"last_seen": "max(timestamp)", "first_seen": "min(timestamp)", "events": "count(*)"}
"""What users can be ordered by, besides `user_id`."""


def people_needs(query: PeopleQuery) -> Needs:
    """What a store reads before it compiles a list of users."""
    return Needs(property_columns=True, persons=True, loose_events=True)


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
        ids = ["user_id", SENT_ID] if source.has_persons else ["user_id"]
        found = [_contains(source, column, query.search) for column in ids]
        if source.has_persons:  # one matching id of a person selects all events of the person
            having.append(dialect.any_true.format(" OR ".join(found)))
        else:
            conditions += found
    having += _after(query, source)
    newest = _newest_users(query, source)
    of_newest = ["user_id = ANY (ARRAY(SELECT unnest(users) FROM newest_users))"] if newest else []
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
        where=clause("WHERE", [*conditions, *of_newest]),
        having=clause("HAVING", [f"({condition})" for condition in having]),
        order=", ".join(f"{key}{direction}" for key in keys),
        limit=str(query.limit + 1),
    )
    of_page = "user_id IN (SELECT user_id FROM page)"
    sessions_of_users = cte(
        "sessions_of_users",
        """
        SELECT user_id, count(DISTINCT {visit}) AS sessions
        FROM {events}
        {where}
        GROUP BY user_id
        """,
        visit=visit_of_event(query, source),
        events=with_loose_visits(events, source),
        where=clause("WHERE", [*conditions, of_page]),
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
    return Statement(
        with_ctes([*newest, page, *loose_visits(query, source, users=[of_page]), sessions_of_users], users),
        source.parameters.values,
    )


def _newest_users(query: PeopleQuery, source: EventSource) -> list[Cte]:
    """`newest_users`: users among whom are all of the first page; none where `people` does not say who they are.

    It says of each user in which quarter hours there is an event. If more than a page of users are in the newest ones,
    the users of the page are among them, so that the events of all others are not read.
    """
    is_first_page = query.order == "last_seen" and not query.ascending and query.cursor is None
    on_people = row_fields(query.filter) <= PEOPLE_FIELDS and on_quarter_hours(query, None)
    # Over several sites, no index has the rows in the order of their quarter hours.
    of_one_site = query.site_id is not None and not source.has_persons
    if not (source.dialect.newest_users and is_first_page and on_people and of_one_site):
        return []
    conditions = scope_conditions(query, "bucket", source, table="people")
    if query.search:
        conditions.append(_contains(source, "user_id", query.search))
    people = sql(
        """
        SELECT bucket, user_id
        FROM people
        {where}
        """,
        where=clause("WHERE", conditions),
    )
    newest = sql(source.dialect.newest_users, people=people, limit=str(query.limit))
    return [Cte("newest_users", newest)]


def _contains(source: EventSource, column: str, search: str) -> str:
    """Condition: an id contains a text, whatever the case."""
    lowered, contains = source.dialect.lowered, source.dialect.contains
    return contains.format(lowered.format(column), lowered.format(source.parameters.add(search, "text")))


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
