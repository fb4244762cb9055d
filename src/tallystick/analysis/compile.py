"""Queries about events themselves, the keys of their properties and the values of their fields → SQL."""

from __future__ import annotations

from datetime import timedelta

from tallystick.analysis.buckets import EPOCH, MICROSECOND, QUARTER_HOUR, instant_of
from tallystick.analysis.cursor import Key, decode_cursor
from tallystick.analysis.filters import Fields, Params, filter_sql, scope_conditions, where
from tallystick.analysis.sources import Sources
from tallystick.analysis.statement import Statement
from tallystick.analysis.users.person import of_person
from tallystick.model.query import PROPERTY_PREFIX, EventsQuery, KeysQuery, ValuesQuery

EVENT_COLUMNS = "{event_id}, site_id, name, {timestamp}, {received_at}, user_id, session_id, source, path, properties"
NEWEST_FIRST = "timestamp DESC, event_id DESC, site_id DESC"
OLDEST_FIRST = "timestamp, event_id, site_id"


def compile_export(query: EventsQuery, sources: Sources, rows: tuple[int, int] | None = None) -> Statement:
    """Every event of a scope, in no order, in the columns of `EVENT_COLUMNS`.

    Args:
        rows: only events with a row number (DuckDB's) above the first and up to the second; it is one more column.
    """
    return _events(query, sources, limit=None, rows=rows)


def compile_events(query: EventsQuery, sources: Sources) -> Statement:
    """A page of events in the columns of `EVENT_COLUMNS`, and one event more if there is another page."""
    return _events(query, sources, limit=query.limit + 1)


# --- events, keys, values -------------------------------------------------------------------------------------------


def _events(query: EventsQuery, sources: Sources, limit: int | None, rows: tuple[int, int] | None = None) -> Statement:
    params, dialect = Params.as_sent(sources), sources.dialect
    conditions = scope_conditions(query, "timestamp", params)
    if query.user_id is not None:
        own = of_person(query, params) if sources.persons else f"user_id = {params.add(query.user_id, 'text')}"
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


def compile_keys(query: KeysQuery, sources: Sources) -> Statement:
    """The keys of the newest events' properties, the most frequent first: key, events."""
    params = Params.as_sent(sources)
    sql = (
        _newest(query, f"{params.dialect.property_keys} AS key", params)
        + f"SELECT key, count(*) AS events\nFROM newest\nGROUP BY key\nORDER BY events DESC, key\nLIMIT {query.limit}"
    )
    return Statement(sql, params.values)


def compile_values(query: ValuesQuery, sources: Sources) -> Statement:
    """The values of a field in the newest events, the most frequent first: value, events.

    `text` is what is searched; `value` is it too, or a property's JSON text, so that 1 and "1" stay apart.
    """
    params = Params.as_sent(sources)
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
