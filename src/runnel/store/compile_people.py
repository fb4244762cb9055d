"""The list of users → SQL: a page of them first, then the sessions of those on it."""

from __future__ import annotations

from runnel.model.people import PeopleQuery
from runnel.store.buckets import instant_of
from runnel.store.compile_filter import Params, scope_conditions, where
from runnel.store.cursor import decode_cursor
from runnel.store.statement import Statement

ORDERS = {"last_seen": "max(timestamp)", "first_seen": "min(timestamp)", "events": "count(*)"}


def compile_people(query: PeopleQuery, params: Params) -> Statement:
    """The statement of a list of users: user_id, first_seen, last_seen, events, sessions."""
    engine = params.engine
    conditions = [*scope_conditions(query, "timestamp", params), "user_id IS NOT NULL"]
    if query.search:
        searched = engine.folded.format(params.add(query.search, "text"))
        conditions.append(engine.contains.format(engine.folded.format("user_id"), searched))
    direction = "" if query.ascending else " DESC"
    keys = ["user_id"] if query.order == "user_id" else [query.order, "user_id"]
    order = ", ".join(f"{key}{direction}" for key in keys)
    table = params.relation()
    chosen = ", ".join(f"{aggregate} AS {name}" for name, aggregate in ORDERS.items())
    seen = f"{engine.epoch_us.format('first_seen')}, {engine.epoch_us.format('last_seen')}, events"
    sql = (
        f"WITH seen AS MATERIALIZED (\n  SELECT user_id, {chosen}\n  FROM {table}{where(conditions)}\n"
        f"  GROUP BY user_id{_after(query, params)}\n  ORDER BY {order}\n  LIMIT {query.limit + 1}\n),\n"
        f"visited AS (\n  SELECT user_id, count(DISTINCT session_id) AS sessions\n  FROM {table}"
        f"{where([*conditions, 'user_id IN (SELECT user_id FROM seen)'])}\n  GROUP BY user_id\n)\n"
        f"SELECT seen.user_id, {seen}, sessions\nFROM seen JOIN visited ON visited.user_id = seen.user_id\n"
        f"ORDER BY {', '.join(f'seen.{key}{direction}' for key in keys)}"
    )
    return Statement(sql, params.values)


def _after(query: PeopleQuery, params: Params) -> str:
    """HAVING only users behind the cursor's."""
    after = decode_cursor(query)
    if after is None:
        return ""
    sign = ">" if query.ascending else "<"
    user = params.add(after[-1], "text")
    if query.order == "user_id":
        return f"\n  HAVING user_id {sign} {user}"
    value, aggregate = after[0], ORDERS[query.order]
    assert isinstance(value, int)  # checked by decode_cursor
    mark = str(value) if query.order == "events" else params.add(instant_of(value), "timestamp")
    return f"\n  HAVING {aggregate} {sign} {mark} OR ({aggregate} = {mark} AND user_id {sign} {user})"
