"""Queries about single events → SQL: pages of events, the export, and which property keys and values occur.

Keys and values are counted in the newest events only (`sample` of them), because counting in all events is slow.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from tallystick.analysis.buckets import EPOCH, MICROSECOND, QUARTER_HOUR, instant_of
from tallystick.analysis.cte import Cte, clause, cte, sql, with_ctes
from tallystick.analysis.cursor import Key, Part, decode_cursor
from tallystick.analysis.dialect import Dialect
from tallystick.analysis.event_source import EventSource
from tallystick.analysis.filters import Fields, filter_sql, scope_conditions
from tallystick.analysis.sessions.visit_filters import VisitFilters, names_visits
from tallystick.analysis.sources import Needs, Sources
from tallystick.analysis.statement import Statement
from tallystick.analysis.users.person import of_person
from tallystick.model.query import PROPERTY_PREFIX, EventsQuery, KeysQuery, ValuesQuery

EVENT_COLUMNS = "{event_id}, site_id, name, {timestamp}, {received_at}, user_id, session_id, source, path, properties"
EVENT_KEY: tuple[Part, ...] = ("instant", "uuid", "text")
"""The sort key of an event: timestamp, event_id, site_id."""


# --- events ---------------------------------------------------------------------------------------------------------


def events_needs(query: EventsQuery) -> Needs:
    """What a store reads before it compiles a query for events. Persons matter to the events of one user only."""
    return Needs(persons=query.user_id is not None)


def compile_events(query: EventsQuery, sources: Sources) -> Statement:
    """A page of events in the columns of `EVENT_COLUMNS`, and one event more, which says that there is a next page.

    Raises:
        InvalidRequest: the cursor is broken or belongs to another query.
    """
    source, dialect = EventSource.as_sent(sources), sources.dialect
    conditions = [*_event_conditions(query, source, sources.persons), *_recent(sources, source)]
    after = decode_cursor(query, EVENT_KEY)
    if after is not None:
        conditions.append(_after_event(after, ">" if query.ascending else "<", source))
    order = _order(dialect, "" if query.ascending else " DESC")
    if not dialect.sites or query.site_id is not None or query.user_id is not None:
        page = sql(
            """
            SELECT {columns}
            FROM events
            {where}
            ORDER BY {order}
            LIMIT {limit}
            """,
            columns=_event_columns(dialect),
            where=clause("WHERE", conditions),
            order=order,
            limit=str(query.limit + 1),
        )
        return Statement(page, source.parameters.values)
    page_of_all_sites = sql(
        """
        {sites}
        SELECT {columns}
        FROM sites CROSS JOIN LATERAL (
            SELECT *
            FROM events
            {where}
            ORDER BY {order}
            LIMIT {limit}
        ) AS events
        ORDER BY {order}
        LIMIT {limit}
        """,
        sites=dialect.sites,
        columns=_event_columns(dialect),
        where=clause("WHERE", ["site_id = site", *conditions]),
        order=order,
        limit=str(query.limit + 1),
    )
    return Statement(page_of_all_sites, source.parameters.values)


def compile_export(query: EventsQuery, sources: Sources, rows: tuple[int, int] | None = None) -> Statement:
    """Every event of a scope, in no order, in the columns of `EVENT_COLUMNS`.

    Args:
        rows: only events whose row number (DuckDB's `rowid`) is above the first and at most the second number; the row
            number is then the last column.
    """
    visits = VisitFilters(query, sources)
    source = EventSource.as_sent(visits.sources)
    conditions = _event_conditions(query, source, sources.persons)
    columns = _event_columns(sources.dialect)
    if rows is not None:
        conditions.append(f"rowid > {rows[0]:d} AND rowid <= {rows[1]:d}")
        columns += ", rowid"
    export = sql(
        """
        SELECT {columns}
        FROM events
        {where}
        """,
        columns=columns,
        where=clause("WHERE", conditions),
    )
    return visits.statement(Statement(export, source.parameters.values))


def compile_newest_count(query: EventsQuery | KeysQuery | ValuesQuery, sources: Sources) -> Statement:
    """How many events of a scope there are from `newest_since` of the sources on, before the page that is asked for.

    The query's filter does not matter: it is applied to a sample when it is taken, and may leave any part of a page.
    """
    source = EventSource.as_sent(sources)
    conditions = scope_conditions(query.model_copy(update={"filter": None}), "timestamp", source)
    if (instant := before(query)) is not None:
        conditions.append(f"timestamp <= {source.parameters.add(instant, 'timestamp')}")
    counted = sql(
        """
        SELECT count(*)
        FROM events
        {where}
        """,
        where=clause("WHERE", [*conditions, *_recent(sources, source)]),
    )
    return Statement(counted, source.parameters.values)


def before(query: EventsQuery | KeysQuery | ValuesQuery) -> datetime | None:
    """No event of the page, newest first, is after this instant, by its cursor; None: it has none.

    Raises:
        InvalidRequest: the cursor is broken or belongs to another query.
    """
    after = decode_cursor(query, EVENT_KEY) if isinstance(query, EventsQuery) else None
    if after is None:
        return None
    assert isinstance(after[0], int)  # checked by decode_cursor
    return instant_of(after[0])


def _recent(sources: Sources, source: EventSource) -> list[str]:
    """The condition of the newest events that a query needs, where it is known since when they are."""
    if sources.newest_since is None:
        return []
    return [f"timestamp >= {source.parameters.add(sources.newest_since, 'timestamp')}"]


def _event_columns(dialect: Dialect) -> str:
    return EVENT_COLUMNS.format(
        event_id=dialect.uuid_text.format("event_id"),
        timestamp=dialect.epoch_us.format("timestamp"),
        received_at=dialect.epoch_us.format("received_at"),
    )


def _event_conditions(query: EventsQuery, source: EventSource, persons: bool) -> list[str]:
    """The conditions of the scope, and that an event belongs to the person of `user_id`."""
    conditions = scope_conditions(query, "timestamp", source)
    if query.user_id is not None:
        resolved = of_person(query, source) if persons else f"user_id = {source.parameters.add(query.user_id, 'text')}"
        conditions.append(resolved)
    return conditions


def _order(dialect: Dialect, direction: str) -> str:
    """ORDER BY of events. A direction begins with a space; empty: ascending."""
    return ", ".join(f"{key}{direction}" for key in ("timestamp", dialect.uuid_order.format("event_id"), "site_id"))


def _after_event(after: Key, sign: str, source: EventSource) -> str:
    """Condition of the events after `[timestamp, event_id, site_id]` in the page's order.

    The first comparison is implied by the second. It is written because a store skips blocks of events only for a bound
    on the time alone.
    """
    assert isinstance(after[0], int)  # checked by decode_cursor
    at = source.parameters.add(instant_of(after[0]), "timestamp")
    event_id, site_id = source.parameters.add(after[1], "uuid"), source.parameters.add(after[2], "text")
    ordered, ordered_id = (source.dialect.uuid_order.format(uuid) for uuid in ("event_id", event_id))
    ties = f"{ordered} {sign} {ordered_id} OR (event_id = {event_id} AND site_id {sign} {site_id})"
    return f"timestamp {sign}= {at} AND (timestamp {sign} {at} OR {ties})"


# --- property keys and values ---------------------------------------------------------------------------------------


def compile_keys(query: KeysQuery, sources: Sources) -> Statement:
    """Property keys and how many of the newest events have each."""
    source = EventSource.as_sent(sources)
    ctes = _newest_events(query, f"{source.dialect.property_keys} AS key", source, sources)
    keys = sql(
        """
        SELECT key, count(*) AS events
        FROM newest_events
        {where}
        GROUP BY key
        ORDER BY events DESC, key
        LIMIT {limit}
        """,
        where=clause("WHERE", _found("key", query.search, source)),
        limit=str(query.limit),
    )
    return Statement(with_ctes(ctes, keys), source.parameters.values)


def _found(column: str, search: str | None, source: EventSource) -> list[str]:
    """The condition of the texts that contain another, whatever the case; none without a search."""
    if not search:
        return []
    dialect = source.dialect
    searched = dialect.lowered.format(source.parameters.add(search, "text"))
    return [dialect.contains.format(dialect.lowered.format(column), searched)]


def compile_values(query: ValuesQuery, sources: Sources) -> Statement:
    """Values of a field and how many of the newest events have each.

    `text` is what `search` looks at. `value` is what is returned: of a property the JSON text, so that the number 1 and
    the string "1" stay apart, otherwise the text.
    """
    source = EventSource.as_sent(sources)
    fields = Fields(source)
    text = value = fields.text(query.field)
    if query.field.startswith(PROPERTY_PREFIX):
        value = fields.json(query.field)
    ctes = _newest_events(query, f"{text} AS text, {value} AS value", source, sources)
    conditions = ["text IS NOT NULL", *_found("text", query.search, source)]
    values = sql(
        """
        SELECT value, count(*) AS events
        FROM newest_events
        {where}
        GROUP BY text, value
        ORDER BY events DESC, text, value
        LIMIT {limit}
        """,
        where=clause("WHERE", conditions),
        limit=str(query.limit),
    )
    return Statement(with_ctes(ctes, values), source.parameters.values)


def _newest_events(query: KeysQuery | ValuesQuery, columns: str, source: EventSource, sources: Sources) -> list[Cte]:
    """CTEs up to `newest_events`: these columns of the newest events of a scope that fulfil the filter.

    Sorting all events to find some thousand is slow. Therefore the rollup, if there is one, says first from which
    quarter hour on there are enough events. Only quarter hours that lie wholly in the range count.

    That quarter hour is found without max() or LIMIT 1: DuckDB 2.0.0 drops the LIMIT of a SELECT whose rows are
    compared with a subquery that it knows to return one row.
    """
    scope = query.model_copy(update={"filter": None})
    quarter = timedelta(seconds=QUARTER_HOUR)
    since = query.since and query.since + (EPOCH - query.since) % quarter
    until = query.until and query.until - (query.until - EPOCH) % quarter - quarter + MICROSECOND
    whole_quarter_hours = scope.model_copy(update={"since": since, "until": until})
    quarter_hours = cte(
        "quarter_hours",
        """
        SELECT
            bucket,
            sum(events) AS events,
            sum(sum(events)) OVER (ORDER BY bucket DESC) AS events_from_here
        FROM rollup
        {where}
        GROUP BY bucket
        """,
        where=clause("WHERE", scope_conditions(whole_quarter_hours, "bucket", source)),
    )
    enough = sql(
        """
        timestamp >= coalesce(
            (
                SELECT bucket
                FROM quarter_hours
                WHERE events_from_here >= {sample} AND events_from_here - events < {sample}
            ),
            {first_instant}
        )
        """,
        sample=str(query.sample),
        first_instant=source.dialect.instant.format("1970-01-01 00:00:00"),
    )
    conditions = [*scope_conditions(scope, "timestamp", source), *_recent(sources, source)]
    if sources.rollups:
        conditions.append(enough)
    sampled_events = cte(
        "sampled_events",
        """
        SELECT {columns}
        FROM events
        {where}
        ORDER BY {order}
        LIMIT {sample}
        """,
        where=clause("WHERE", conditions),
        columns=", ".join(["*", *source.hidden_columns] if names_visits(query.filter) else ["*"]),
        order=_order(source.dialect, " DESC"),
        sample=str(query.sample),
    )
    newest_events = cte(
        "newest_events",
        """
        SELECT {columns}
        FROM sampled_events AS events
        {where}
        """,
        columns=columns,
        where=clause("WHERE", [filter_sql(query.filter, Fields(source))] if query.filter else []),
    )
    return [*([quarter_hours] if sources.rollups else []), sampled_events, newest_events]
