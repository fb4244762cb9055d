"""Questions → SQL and parameters, for any dialect. Pure: nothing is run here.

Counts whose fields and times fit the quarter-hour rollup come from it, distinct users of whole sites from `people`;
both equal what the raw events say (G10), which every other question is answered from.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from tallystick.analysis.buckets import EPOCH, MICROSECOND, QUARTER_HOUR, instant_of
from tallystick.analysis.cursor import Key, decode_cursor
from tallystick.analysis.dialect import Dialect
from tallystick.analysis.filters import Fields, Params, filter_sql, scope_conditions, where
from tallystick.analysis.funnel.compile import compile_funnel, compile_funnel_users
from tallystick.analysis.metrics.compile import compile_metrics
from tallystick.analysis.metrics.tables import Groups, counts_users_of_events
from tallystick.analysis.parameters import Statement
from tallystick.analysis.paths.compile import compile_paths
from tallystick.analysis.property_columns import PropertyColumn
from tallystick.analysis.retention.compile import compile_persons
from tallystick.analysis.sessions.compile import compile_sessions
from tallystick.analysis.sessions.index import SessionIndex
from tallystick.analysis.user_numbers import UserNumbers
from tallystick.analysis.users.compile import compile_people
from tallystick.analysis.users.person import compile_person, of_person
from tallystick.model.queries.retention import PersonsScope
from tallystick.model.query import (
    PROPERTY_PREFIX,
    EventsQuery,
    FunnelQuery,
    FunnelUsersQuery,
    KeysQuery,
    MetricsQuery,
    PathsQuery,
    PeopleQuery,
    PersonQuery,
    Query,
    SessionsQuery,
    ValuesQuery,
)

EVENT_COLUMNS = "{event_id}, site_id, name, {timestamp}, {received_at}, user_id, session_id, source, path, properties"
NEWEST_FIRST = "timestamp DESC, event_id DESC, site_id DESC"
OLDEST_FIRST = "timestamp, event_id, site_id"


def compile_query(
    query: Query,
    dialect: Dialect,
    now: datetime,
    *,
    rollups: bool = True,
    slots: Mapping[str, PropertyColumn] | None = None,
    groups: Groups | None = None,
    joined: bool = False,
    folded: SessionIndex | None = None,
    numbered: UserNumbers | None = None,
) -> Statement:
    """The statement that answers a question.

    Args:
        now: bounds the clock changes that are looked up when the question has no `until`.
        rollups: False reads the raw events whatever the question is.
        slots: the property keys that have columns of their own.
        joined: the site has ids that were joined to persons, and `asks_for_persons`.
        groups: of a question with `top` about metrics or sessions, the groups to answer about instead of the largest.
        folded: sessions that the store has put together; None reads the raw events.
        numbered: the events with numbers in the place of user ids, where `can_use_user_numbers`.

    Raises:
        InvalidRequest: a broken cursor, too many buckets, or a text that is no Unicode.
    """
    params = Params(dialect)
    if isinstance(query, MetricsQuery):
        return compile_metrics(query, Params(dialect, slots, joined, query.site_id, numbered), now, rollups, groups)
    if isinstance(query, EventsQuery):
        return _events(query, Params(dialect, joined=joined), limit=query.limit + 1)
    if isinstance(query, FunnelQuery):
        return compile_funnel(query, Params(dialect, slots, joined, query.site_id, numbered))
    if isinstance(query, FunnelUsersQuery):
        return compile_funnel_users(query, Params(dialect, slots, joined, query.site_id))
    if isinstance(query, KeysQuery):
        return _keys(query, params)
    if isinstance(query, SessionsQuery):
        return compile_sessions(query, Params(dialect, slots, joined, query.site_id), now, groups, folded)
    if isinstance(query, PathsQuery):
        return compile_paths(query, Params(dialect, slots, joined, query.site_id), folded)
    if isinstance(query, PersonQuery):
        return compile_person(query, params)
    if isinstance(query, PeopleQuery):
        return compile_people(query, Params(dialect, slots, joined, query.site_id))
    if isinstance(query, PersonsScope):
        return compile_persons(query, Params(dialect, slots, joined, query.site_id), now, rollups)
    return _values(query, params)


def compile_export(
    query: EventsQuery, dialect: Dialect, joined: bool = False, rows: tuple[int, int] | None = None
) -> Statement:
    """Every event of a scope, in no order, in the columns of `EVENT_COLUMNS`.

    Args:
        rows: only events with a row number (DuckDB's) above the first and up to the second; it is one more column.
    """
    return _events(query, Params(dialect, joined=joined), limit=None, rows=rows)


def asks_for_persons(query: Query) -> bool:
    """Whether it matters to a question which ids were joined."""
    if isinstance(query, MetricsQuery):
        return "user_id" in query.breakdown or any(m.kind in {"users", "events_per_user"} for m in query.metrics)
    if isinstance(query, EventsQuery):
        return query.user_id is not None
    return not isinstance(query, KeysQuery | ValuesQuery | PersonQuery)


def can_use_user_numbers(query: Query) -> bool:
    """Whether an answer names no user, and telling the users of events apart is most of its work."""
    if isinstance(query, MetricsQuery):
        return counts_users_of_events(query) and "user_id" not in query.breakdown
    return isinstance(query, FunnelQuery) and query.breakdown != "user_id"


# --- events, keys, values -------------------------------------------------------------------------------------------


def _events(query: EventsQuery, params: Params, limit: int | None, rows: tuple[int, int] | None = None) -> Statement:
    dialect = params.dialect
    conditions = scope_conditions(query, "timestamp", params)
    if query.user_id is not None:
        own = of_person(query, params) if params.joined else f"user_id = {params.add(query.user_id, 'text')}"
        conditions.append(own)
    columns = EVENT_COLUMNS.format(
        event_id=dialect.uuid_text.format("event_id"),
        timestamp=dialect.epoch_us.format("timestamp"),
        received_at=dialect.epoch_us.format("received_at"),
    )
    if rows is not None:
        conditions.append(f"rowid > {rows[0]:d} AND rowid <= {rows[1]:d}")
        columns += ", rowid"
    if limit is None:
        return Statement(f"SELECT {columns}\nFROM events{where(conditions)}", params.values)
    after = decode_cursor(query)
    if after is not None:
        conditions.append(_after_event(after, ">" if query.ascending else "<", params))
    order = OLDEST_FIRST if query.ascending else NEWEST_FIRST
    page = f"ORDER BY {order}\nLIMIT {limit}"
    if dialect.sites and query.site_id is None and query.user_id is None:
        each = f"SELECT *\n  FROM events{where(['site_id = site', *conditions])}\n  ORDER BY {order}\n  LIMIT {limit}"
        sql = f"{dialect.sites}\nSELECT {columns}\nFROM sites CROSS JOIN LATERAL (\n  {each}\n) AS events\n{page}"
    else:
        sql = f"SELECT {columns}\nFROM events{where(conditions)}\n{page}"
    return Statement(sql, params.values)


def _after_event(after: Key, sign: str, params: Params) -> str:
    """The rows behind `[timestamp, event_id, site_id]`; a bound on the time alone lets the store skip what is older."""
    assert isinstance(after[0], int)  # checked by decode_cursor
    at = params.add(instant_of(after[0]), "timestamp")
    event_id, site_id = params.add(after[1], "uuid"), params.add(after[2], "text")
    ties = f"event_id {sign} {event_id} OR (event_id = {event_id} AND site_id {sign} {site_id})"
    return f"timestamp {sign}= {at} AND (timestamp {sign} {at} OR {ties})"


def _newest(query: KeysQuery | ValuesQuery, columns: str, params: Params) -> str:
    """The newest events of the site and range, and of them what the filter picks.

    Sorting all events to find some thousand newest is slow, so the rollup tells first from which quarter hour on there
    are enough of them. Only quarter hours that lie wholly in the range count.

    The quarter hour is found without max() or LIMIT 1: DuckDB 2.0.0 drops the LIMIT of a SELECT whose rows are compared
    with a subquery that it knows to give one row.
    """
    scope = query.model_copy(update={"filter": None})
    quarter = timedelta(seconds=QUARTER_HOUR)
    since = query.since and query.since + (EPOCH - query.since) % quarter
    until = query.until and query.until - (query.until - EPOCH) % quarter - quarter + MICROSECOND
    quarters = scope_conditions(scope.model_copy(update={"since": since, "until": until}), "bucket", params)
    events = scope_conditions(scope, "timestamp", params)
    first = params.dialect.instant.format("1970-01-01 00:00:00")
    reached = f"newer >= {query.sample} AND newer - events < {query.sample}"
    events.append(f"timestamp >= coalesce((SELECT bucket FROM quarters WHERE {reached}), {first})")
    picked = [filter_sql(query.filter, Fields(params))] if query.filter else []
    return (
        "WITH quarters AS (\n"
        "  SELECT bucket, sum(events) AS events, sum(sum(events)) OVER (ORDER BY bucket DESC) AS newer\n"
        f"  FROM rollup{where(quarters)}\n  GROUP BY bucket\n),\n"
        f"sampled AS (\n  SELECT *\n  FROM events{where(events)}\n"
        f"  ORDER BY {NEWEST_FIRST}\n  LIMIT {query.sample}\n),\n"
        f"newest AS (\n  SELECT {columns}\n  FROM sampled{where(picked)}\n)\n"
    )


def _keys(query: KeysQuery, params: Params) -> Statement:
    sql = (
        _newest(query, f"{params.dialect.property_keys} AS key", params)
        + f"SELECT key, count(*) AS events\nFROM newest\nGROUP BY key\nORDER BY events DESC, key\nLIMIT {query.limit}"
    )
    return Statement(sql, params.values)


def _values(query: ValuesQuery, params: Params) -> Statement:
    """`text` is what is searched; `value` is it too, or a property's JSON text, so that 1 and "1" stay apart."""
    fields, dialect = Fields(params), params.dialect
    text = value = fields.text(query.field)
    if query.field.startswith(PROPERTY_PREFIX):
        value = fields.json(query.field)
    conditions = ["text IS NOT NULL"]
    newest = _newest(query, f"{text} AS text, {value} AS value", params)
    if query.search:
        searched = dialect.lowered.format(params.add(query.search, "text"))
        conditions.append(dialect.contains.format(dialect.lowered.format("text"), searched))
    sql = (
        f"{newest}SELECT value, count(*) AS events\nFROM newest{where(conditions)}\n"
        f"GROUP BY text, value\nORDER BY events DESC, text, value\nLIMIT {query.limit}"
    )
    return Statement(sql, params.values)
