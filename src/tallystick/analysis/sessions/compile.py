"""Queries about sessions → SQL.

The CTE `sessions` has a row for each session of the answer: `bucket_key` (of the bucket in which the session starts),
`duration` (microseconds), `events`, `pages` (page views), and the breakdown's values `dim_0`, `dim_1`. It is the union
of the two kinds of sessions (see `events`), and of sessions from the session index where that can be used. The final
SELECT counts the rows of `sessions`.
"""

from __future__ import annotations

from collections.abc import Sequence

from tallystick.analysis.buckets import Buckets
from tallystick.analysis.cte import Cte, clause, columns, cte, sql, union_all, with_ctes
from tallystick.analysis.dialect import Dialect
from tallystick.analysis.event_source import EventSource
from tallystick.analysis.filters import Fields, filter_sql, scope_conditions
from tallystick.analysis.groups import given_groups
from tallystick.analysis.series import make_buckets
from tallystick.analysis.sessions.breakdown import Breakdown
from tallystick.analysis.sessions.counts import (
    MEDIAN,
    SUMS,
    as_sums,
    bounced,
    can_use_counts,
    classes_of,
    counted_select,
    excluded_select,
)
from tallystick.analysis.sessions.days import BuiltDay, days_within
from tallystick.analysis.sessions.events import (
    attributed_events,
    events_of_sessions,
    events_of_visits,
    is_page_view,
    session_keys,
    visit_keys,
)
from tallystick.analysis.sessions.index import COLUMNS, DurationClasses, can_use_session_index
from tallystick.analysis.sessions.keys import reach
from tallystick.analysis.sessions.materialized import (
    index_ctes,
    indexed_select,
    may_have_long_sessions,
    of_long_session,
)
from tallystick.analysis.sessions.medians import COUNTED_GROUPS, answer_with_medians, median_ctes
from tallystick.analysis.sessions.parts import (
    can_use_parts,
    of_other_days,
    parts_of_sessions,
    sessions_of_parts,
)
from tallystick.analysis.sessions.visit_tests import visit_filter_sql
from tallystick.analysis.sources import Groups, Needs, Sources
from tallystick.analysis.statement import Statement
from tallystick.model.queries.scope import Filter, parted_filter, visit_fields
from tallystick.model.queries.sessions import LEAVE_NAMES
from tallystick.model.query import SERIES_LIMIT, SessionsQuery

ROWS_LIMIT = 100_000
"""Most rows of an answer."""


def sessions_needs(query: SessionsQuery) -> Needs:
    """What a store reads before it compiles a query about sessions."""
    can = can_use_session_index(query)
    return Needs(property_columns=True, persons=True, loose_events=True, session_index=can, session_days=can)


def compile_sessions(query: SessionsQuery, sources: Sources) -> Statement:
    """The statement of a query about sessions.

    Its columns: `bucket` if there is an interval, the breakdown's values, the metrics, and with `other` a boolean that
    says whether the row is the rest.
    """
    source, groups = EventSource(sources, query.site_id), sources.groups
    buckets = make_buckets(query, sources.now)
    index = sources.session_index if can_use_session_index(query) else None
    whole, (of_visits, of_events) = query, parted_filter(query.filter)
    query = query.model_copy(update={"filter": of_events})
    counted = index is not None and can_use_counts(query, index, buckets, of_visits, groups is not None)
    classes = classes_of(query, index) if index is not None and counted else None
    events_scope = _reach(query)
    selects: list[str] = []
    single_selects: list[str] = []
    ctes: list[Cte] = []
    # Only what the statement uses may add parameters to it.
    is_computed = index is None or may_have_long_sessions(query, source)
    breakdown = Breakdown([*query.breakdown, *visit_fields(of_visits)], source) if is_computed else None
    days: Sequence[BuiltDay] = ()
    if breakdown and sources.session_days and can_use_session_index(whole) and can_use_parts(breakdown):
        days = days_within(sources.session_days, events_scope.since, events_scope.until)
    selected = _columns_of_events(query, source, breakdown) if breakdown else []
    ctes += attributed_events(events_scope, source, selected) if breakdown else []
    if index is not None:
        ctes += index_ctes(query, events_scope, source, index, of_visits)
    if index is not None and index.counts is not None and counted:
        ctes += index.counts([COLUMNS[field] for field in query.breakdown])
        selects.append(counted_select(query, source, buckets, classes))
        selects += [excluded_select(query, source, buckets, classes)] if is_computed else []
    if index is not None and (classes or not counted):
        single_selects.append(indexed_select(query, events_scope, source, buckets, of_visits))
    if breakdown:
        computed, select = _computed_sessions(
            query, events_scope, source, buckets, breakdown, selected, days, index is not None
        )
        ctes += computed
        single_selects.append(select if of_visits is None else _passing(query, of_visits, select, source))
        selects += [as_sums(query, select, classes)] if counted else []
    selects = selects if counted else single_selects
    # Ranking reads `sessions` twice; to compute it twice would take twice as long.
    read_twice = bool(query.breakdown) and groups is None and (buckets is not None or query.other)
    ctes.append(Cte("sessions", union_all(selects), True if read_twice else None))
    if classes is not None:
        counted_ctes, answer = _with_medians(query, source, classes, single_selects)
        ctes += counted_ctes
    elif not query.breakdown:
        answer = _totals(query, source, counted)
    elif buckets is None and not query.other and groups is None:
        answer = _largest_groups(query, source, counted)
    else:
        ctes.append(_top_groups(query, source, groups, counted))
        answer = _by_group(query, source, buckets, counted)
    text = with_ctes(ctes, answer)
    parameters, indexed = source.parameters.values, index is not None or bool(days)
    return Statement(text, parameters, from_rollup=indexed, buckets=buckets, now=sources.now)


def _reach(query: SessionsQuery) -> SessionsQuery:
    """The scope in which the events of the sessions are read."""
    return query.model_copy(update=reach(query))


# --- sessions -------------------------------------------------------------------------------------------------------


def _columns_of_events(query: SessionsQuery, source: EventSource, breakdown: Breakdown) -> list[str]:
    """The columns of an event that its session is made of, as SQL with aliases."""
    selected = [f"CASE WHEN {is_page_view(query, source)} THEN 1 ELSE 0 END AS page", *breakdown.texts]
    if query.bounce == "one_event":
        leaves = ", ".join(source.parameters.add(name, "text") for name in LEAVE_NAMES)
        selected.append(f"CASE WHEN name IN ({leaves}) THEN 1 ELSE 0 END AS leave")
    selected += [f"{filter_sql(query.filter, Fields(source))} AS matches"] if query.filter is not None else []
    return selected


def _computed_sessions(
    query: SessionsQuery,
    reach: SessionsQuery,
    source: EventSource,
    buckets: Buckets | None,
    breakdown: Breakdown,
    selected: list[str],
    days: Sequence[BuiltDay],
    has_index: bool,
) -> tuple[list[Cte], str]:
    """CTEs of the sessions that are computed from events, and a SELECT of them in the columns of `sessions`.

    Args:
        selected: the columns that sessions are made of; those of `attributed_events`.
        days: those whose sessions with a `session_id` are built.
        has_index: of the sessions with a `session_id` only those that the index does not have whole are computed.
    """
    having = _having(query, "timestamp", source)
    long_only = of_long_session(query, source) if has_index else []
    persons = "user_id" in query.breakdown
    keys = session_keys(query)
    if days:
        leaves = bool(_leaves(query))
        ctes = [
            events_of_sessions(reach, source, selected, conditions=[of_other_days(days, source.dialect)]),
            parts_of_sessions(query, source, days, breakdown, leaves=leaves),
            sessions_of_parts(_having(query, "first_at", source), breakdown, source, leaves=leaves),
        ]
    else:
        ctes = [
            events_of_sessions(reach, source, selected, conditions=long_only, persons=persons),
            _grouped(query, "sessions_with_id", "events_of_sessions", keys, breakdown, having, source.dialect),
        ]
    unions = ["SELECT * FROM sessions_with_id"]
    if source.has_loose_events:
        ctes += [
            events_of_visits(reach, source, selected),
            _grouped(query, "visits", "events_of_visits", visit_keys(query), breakdown, having, source.dialect),
        ]
        unions.append("SELECT * FROM visits")
    bucket = [f"{buckets.sql(source.dialect, 'started')} AS bucket_key"] if buckets else []
    started = ["started"] if buckets else []
    select = sql(
        """
        SELECT
            {columns}
        FROM (
            {sessions}
        ) AS computed_sessions
        """,
        columns=columns([*bucket, "duration", "events", "pages", *_leaves(query), *breakdown.dims]),
        sessions=breakdown.of_sessions(union_all(unions), [*started, "duration", "events", "pages", *_leaves(query)]),
    )
    return ctes, select


def _having(query: SessionsQuery, time: str, source: EventSource) -> list[str]:
    """Conditions of a session: it begins in the query's range, and an event of it passes the filter."""
    having = scope_conditions(query.model_copy(update={"site_id": None, "filter": None}), f"min({time})", source)
    return [*having, *([source.dialect.any_true.format("matches")] if query.filter is not None else [])]


def _passing(query: SessionsQuery, of_visits: Filter, select: str, source: EventSource) -> str:
    """The computed sessions that pass a filter of visits alone, in the columns of `sessions`.

    Args:
        select: the sessions, in which the fields of the filter follow those of the breakdown.
    """
    first = len(query.breakdown)
    texts = {field: f"dim_{index}" for index, field in enumerate(visit_fields(of_visits), first)}
    bucket = ["bucket_key"] if query.interval is not None else []
    return sql(
        """
        SELECT
            {columns}
        FROM (
            {select}
        ) AS tested_sessions
        WHERE {test}
        """,
        columns=columns([*bucket, "duration", "events", "pages", *_leaves(query), *_dims(query)]),
        select=select,
        test=visit_filter_sql(of_visits, texts, source),
    )


def _grouped(
    query: SessionsQuery,
    name: str,
    events: str,
    keys: list[str],
    breakdown: Breakdown,
    having: list[str],
    dialect: Dialect,
) -> Cte:
    """A CTE with one row for each session of some events."""
    started, ended = (dialect.epoch_us.format(edge) for edge in ("min(timestamp)", "max(timestamp)"))
    selected = [
        "min(timestamp) AS started",
        f"{ended} - {started} AS duration",
        "count(*) AS events",
        "count(*) FILTER (WHERE page = 1) AS pages",
        *[f"count(*) FILTER (WHERE leave = 1) AS {leaves}" for leaves in _leaves(query)],
        *breakdown.aggregates,
    ]
    return cte(
        name,
        """
        SELECT
            {columns}
        FROM {events}
        GROUP BY {keys}
        {having}
        """,
        materialized=False,
        columns=columns(selected),
        events=events,
        keys=", ".join(keys),
        having=clause("HAVING", having),
    )


def _leaves(query: SessionsQuery) -> list[str]:
    """The column with the number of a session's events that only say how long a page was in view."""
    return ["leaves"] if query.bounce == "one_event" else []


# --- answers --------------------------------------------------------------------------------------------------------


def _metrics(query: SessionsQuery, source: EventSource, counted: bool) -> list[str]:
    """The metrics over the rows of `sessions`.

    Args:
        counted: the rows are sums.
    """
    dialect = source.dialect
    if counted:
        return _counted_metrics(query, dialect)
    # A visit without a page view cannot bounce.
    with_pages = "nullif(count(*) FILTER (WHERE pages > 0), 0)"
    double = "CAST({} AS DOUBLE PRECISION)"
    sessions = "nullif(count(*), 0)"
    by_kind = {
        "sessions": "count(*)",
        "bounce_rate": f"{double.format(f'count(*) FILTER (WHERE {bounced(query)})')} / {with_pages}",
        "avg_duration": f"{double.format('sum(duration)')} / {sessions} / 1000000",
        "median_duration": dialect.percentile.format(double.format("duration"), fraction="0.5") + " / 1000000",
        "pages_per_session": f"{double.format('sum(pages)')} / {sessions}",
        "pages": f"coalesce({dialect.whole.format('pages')}, 0)",
        "events": f"coalesce({dialect.whole.format('events')}, 0)",
    }
    return [f"{by_kind[kind]} AS metric_{index}" for index, kind in enumerate(query.metrics)]


def _counted_metrics(query: SessionsQuery, dialect: Dialect) -> list[str]:
    total = {name: dialect.whole.format(name) for name in SUMS}
    double = {name: f"CAST({text} AS DOUBLE PRECISION)" for name, text in total.items()}
    sessions = f"nullif({total['sessions']}, 0)"
    by_kind = {
        "sessions": f"coalesce({total['sessions']}, 0)",
        "bounce_rate": f"{double['bounced']} / nullif({total['viewed']}, 0)",
        "avg_duration": f"{double['duration']} / {sessions} / 1000000",
        "pages_per_session": f"{double['pages']} / {sessions}",
        "pages": f"coalesce({total['pages']}, 0)",
        "events": f"coalesce({total['events']}, 0)",
    }
    return [f"{by_kind[kind]} AS metric_{index}" for index, kind in enumerate(query.metrics) if kind in by_kind]


def _with_medians(
    query: SessionsQuery, source: EventSource, classes: DurationClasses, selects: Sequence[str]
) -> tuple[list[Cte], str]:
    """CTEs up to `medians`, and the answer: all sessions as one row or as a series, or the groups with most sessions.

    Args:
        selects: SELECTs of the single sessions.
    """
    dialect, dims = source.dialect, _dims(query)
    has_buckets = query.interval is not None
    keys = ["bucket_key"] if has_buckets else dims
    ranking = "bucket_key" if has_buckets else _ranking(query, True) if dims else ""
    limit = SERIES_LIMIT + 1 if has_buckets else query.top
    selected = [
        *keys,
        *_counted_metrics(query, dialect),
        f"row_number() OVER (ORDER BY {ranking})" + " AS group_number" if ranking else "1 AS group_number",
        f"coalesce({dialect.whole.format('sessions')}, 0) AS total",
        *(f"{dialect.whole.format(name)} AS {name}" for name in classes.counts),
    ]
    groups = cte(
        COUNTED_GROUPS,
        """
        SELECT
            {columns}
        FROM sessions
        {group}
        {having}
        {order}
        {limit}
        """,
        materialized=True,
        columns=columns(selected),
        group=f"GROUP BY {', '.join(keys)}" if keys else "",
        having=_with_sessions(True) if keys else "",
        order="ORDER BY group_number" if keys else "",
        limit=f"LIMIT {limit}" if keys else "",
    )
    metrics = [
        f"median / 1000000 AS metric_{index}" if kind == MEDIAN else f"metric_{index}"
        for index, kind in enumerate(query.metrics)
    ]
    bucket = [f"{dialect.key_us.format('bucket_key')} AS bucket"] if has_buckets else []
    answer = answer_with_medians([*bucket, *dims, *metrics])
    return [groups, *median_ctes(classes, keys, selects, dialect)], answer


def _with_sessions(counted: bool) -> str:
    """HAVING of groups: sums of sessions that were all taken off again are no group."""
    return "HAVING sum(sessions) > 0" if counted else ""


def _totals(query: SessionsQuery, source: EventSource, counted: bool) -> str:
    """All sessions as one row, or as a series."""
    metrics = _metrics(query, source, counted)
    if query.interval is None:
        return sql(
            """
            SELECT
                {columns}
            FROM sessions
            """,
            columns=columns(metrics),
        )
    return sql(
        """
        SELECT
            {columns}
        FROM sessions
        GROUP BY bucket_key
        {having}
        ORDER BY bucket_key
        LIMIT {limit}
        """,
        having=_with_sessions(counted),
        columns=columns([f"{source.dialect.key_us.format('bucket_key')} AS bucket", *metrics]),
        limit=str(SERIES_LIMIT + 1),
    )


def _dims(query: SessionsQuery) -> list[str]:
    return [f"dim_{index}" for index in range(len(query.breakdown))]


def _ranking(query: SessionsQuery, counted: bool) -> str:
    """ORDER BY of groups: those with most sessions first."""
    return ", ".join(
        ["sum(sessions) DESC" if counted else "count(*) DESC", *(f"{dim} NULLS LAST" for dim in _dims(query))]
    )


def _largest_groups(query: SessionsQuery, source: EventSource, counted: bool) -> str:
    """The groups with most sessions."""
    return sql(
        """
        SELECT
            {columns}
        FROM sessions
        GROUP BY {dims}
        {having}
        ORDER BY {ranking}
        LIMIT {top}
        """,
        columns=columns([*_dims(query), *_metrics(query, source, counted)]),
        dims=", ".join(_dims(query)),
        having=_with_sessions(counted),
        ranking=_ranking(query, counted),
        top=str(query.top),
    )


def _top_groups(query: SessionsQuery, source: EventSource, groups: Groups | None, counted: bool) -> Cte:
    """`top_groups`: the given groups, or those with most sessions over the whole range, with their `rank` from 1."""
    if groups is not None:
        return Cte("top_groups", given_groups(groups, [*_dims(query), "rank"], source.parameters))
    return cte(
        "top_groups",
        """
        SELECT
            {dims},
            row_number() OVER (ORDER BY {ranking}) AS rank
        FROM sessions
        GROUP BY {dims_of_group}
        {having}
        ORDER BY rank
        LIMIT {top}
        """,
        dims=columns(_dims(query)),
        ranking=_ranking(query, counted),
        dims_of_group=", ".join(_dims(query)),
        having=_with_sessions(counted),
        top=str(query.top),
    )


def _by_group(query: SessionsQuery, source: EventSource, buckets: Buckets | None, counted: bool) -> str:
    """The groups of `top_groups` in their order, by bucket if there are any; with `other` the rest as one group."""
    dialect, dims = source.dialect, _dims(query)
    same = " AND ".join(dialect.same.format(f"sessions.{dim}", f"top_groups.{dim}") for dim in dims)
    dims = [f"top_groups.{dim}" for dim in dims]
    bucket = ["bucket_key"] if buckets else []
    selected = [f"{dialect.key_us.format('bucket_key')} AS bucket"] if buckets else []
    selected += [*dims, *_metrics(query, source, counted), *(["rank IS NULL AS other"] if query.other else [])]
    return sql(
        """
        SELECT
            {columns}
        FROM sessions {join} top_groups ON {same}
        GROUP BY {group}
        {having}
        ORDER BY {order}
        LIMIT {limit}
        """,
        columns=columns(selected),
        having=_with_sessions(counted),
        join="LEFT JOIN" if query.other else "JOIN",
        same=same,
        group=", ".join([*bucket, "rank", *dims]),
        order=", ".join([*bucket, "rank NULLS LAST"]),
        limit=str(ROWS_LIMIT + 1),
    )
