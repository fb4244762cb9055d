"""The list of users → SQL: a page of them first, then the sessions of those on it."""

from __future__ import annotations

from tallystick.analysis.buckets import instant_of
from tallystick.analysis.cursor import decode_cursor
from tallystick.analysis.event_source import SENT_ID
from tallystick.analysis.filters import Params, scope_conditions, where
from tallystick.analysis.sources import Sources
from tallystick.analysis.statement import Statement
from tallystick.model.queries.users import PeopleQuery

ORDERS = {"last_seen": "max(timestamp)", "first_seen": "min(timestamp)", "events": "count(*)"}


def compile_people(query: PeopleQuery, sources: Sources) -> Statement:
    """The statement of a list of users: user_id, first_seen, last_seen, events, sessions."""
    params = Params(sources, query.site_id)
    dialect = params.dialect
    conditions = [*scope_conditions(query, "timestamp", params), "user_id IS NOT NULL"]
    having = []
    if query.search:
        searched = dialect.lowered.format(params.add(query.search, "text"))
        ids = ["user_id", SENT_ID] if params.joined else ["user_id"]
        found = [dialect.contains.format(dialect.lowered.format(column), searched) for column in ids]
        if params.joined:  # any of a person's ids finds all of their events
            having.append(f"bool_or({' OR '.join(found)})")
        else:
            conditions += found
    having += _after(query, params)
    direction = "" if query.ascending else " DESC"
    keys = ["user_id"] if query.order == "user_id" else [query.order, "user_id"]
    order = ", ".join(f"{key}{direction}" for key in keys)
    table = params.relation()
    chosen = ", ".join(f"{aggregate} AS {name}" for name, aggregate in ORDERS.items())
    seen = f"{dialect.epoch_us.format('first_seen')}, {dialect.epoch_us.format('last_seen')}, events"
    sql = (
        f"WITH seen AS MATERIALIZED (\n  SELECT user_id, {chosen}\n  FROM {table}{where(conditions)}\n"
        f"  GROUP BY user_id{_having(having)}\n  ORDER BY {order}\n  LIMIT {query.limit + 1}\n),\n"
        f"visited AS (\n  SELECT user_id, count(DISTINCT session_id) AS sessions\n  FROM {table}"
        f"{where([*conditions, 'user_id IN (SELECT user_id FROM seen)'])}\n  GROUP BY user_id\n)\n"
        f"SELECT seen.user_id, {seen}, sessions\nFROM seen JOIN visited ON visited.user_id = seen.user_id\n"
        f"ORDER BY {', '.join(f'seen.{key}{direction}' for key in keys)}"
    )
    return Statement(sql, params.values)


def _having(conditions: list[str]) -> str:
    if len(conditions) > 1:
        conditions = [f"({condition})" for condition in conditions]
    return f"\n  HAVING {' AND '.join(conditions)}" if conditions else ""


def _after(query: PeopleQuery, params: Params) -> list[str]:
    """The condition that users come behind the cursor's."""
    # A number of events is small enough to pass for an instant.
    after = decode_cursor(query, ["text"] if query.order == "user_id" else ["instant", "text"])
    if after is None:
        return []
    sign = ">" if query.ascending else "<"
    user = params.add(after[-1], "text")
    if query.order == "user_id":
        return [f"user_id {sign} {user}"]
    value, aggregate = after[0], ORDERS[query.order]
    assert isinstance(value, int)  # checked by decode_cursor
    mark = str(value) if query.order == "events" else params.add(instant_of(value), "timestamp")
    return [f"{aggregate} {sign} {mark} OR ({aggregate} = {mark} AND user_id {sign} {user})"]
