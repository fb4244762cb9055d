"""Queries about sessions → SQL.

The CTE `sessions` has a row for each session of the answer: `bucket_key` (of the bucket in which the session starts),
`duration` (microseconds), `events`, `pages` (page views), and the breakdown's values `dim_0`, `dim_1`. It is the union
of the two kinds of sessions (see `events`), and of sessions from the session index where that can be used. The final
SELECT counts the rows of `sessions`.
"""

from __future__ import annotations

from datetime import UTC, datetime

from tallystick.analysis.buckets import Buckets
from tallystick.analysis.cte import Cte, clause, columns, cte, sql, union_all, with_ctes
from tallystick.analysis.dialect import Dialect
from tallystick.analysis.event_source import EventSource
from tallystick.analysis.filters import Fields, filter_sql, scope_conditions
from tallystick.analysis.groups import given_groups
from tallystick.analysis.series import make_buckets
from tallystick.analysis.sessions.channels import CHANNEL_PROPERTIES, channel_sql, referrer_sql
from tallystick.analysis.sessions.events import (
    events_of_visits,
    events_with_session_id,
    is_page_view,
    session_keys,
    visit_keys,
)
from tallystick.analysis.sessions.index import can_use_session_index
from tallystick.analysis.sessions.materialized import (
    index_ctes,
    indexed_select,
    may_have_long_sessions,
    of_long_session,
)
from tallystick.analysis.sources import Groups, Needs, Sources
from tallystick.analysis.statement import Statement
from tallystick.model.queries.sessions import SESSION_REACH
from tallystick.model.query import PROPERTY_PREFIX, SERIES_LIMIT, SessionsQuery

ROWS_LIMIT = 100_000
"""Most rows of an answer."""


def sessions_needs(query: SessionsQuery) -> Needs:
    """What a store reads before it compiles a query about sessions."""
    return Needs(property_columns=True, persons=True, session_index=can_use_session_index(query))


def compile_sessions(query: SessionsQuery, sources: Sources) -> Statement:
    """The statement of a query about sessions.

    Its columns: `bucket` if there is an interval, the breakdown's values, the metrics, and with `other` a boolean that
    says whether the row is the rest.
    """
    source, groups = EventSource(sources, query.site_id), sources.groups
    buckets = make_buckets(query, sources.now)
    index = sources.session_index if can_use_session_index(query) else None
    reach = _reach(query)
    selects, ctes = [], []
    if index is not None:
        ctes += index_ctes(query, reach, source, index)
        selects.append(indexed_select(query, reach, source, buckets))
    computed, select = _computed_sessions(query, reach, source, buckets, index is not None)
    ctes += computed
    selects.append(select)
    # Ranking reads `sessions` twice; to compute it twice would take twice as long.
    read_twice = bool(query.breakdown) and groups is None and (buckets is not None or query.other)
    ctes.append(Cte("sessions", union_all(selects), True if read_twice else None))
    if not query.breakdown:
        answer = _totals(query, source)
    elif buckets is None and not query.other and groups is None:
        answer = _largest_groups(query, source)
    else:
        ctes.append(_top_groups(query, source, groups))
        answer = _by_group(query, source, buckets)
    return Statement(with_ctes(ctes, answer), source.parameters.values, from_rollup=index is not None, buckets=buckets)


def _reach(query: SessionsQuery) -> SessionsQuery:
    """The scope in which the events of the sessions are read."""
    first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    since = query.since and (query.since - SESSION_REACH if query.since - first > SESSION_REACH else first)
    until = query.until and (query.until + SESSION_REACH if last - query.until > SESSION_REACH else last)
    return query.model_copy(update={"since": since, "until": until})


# --- sessions -------------------------------------------------------------------------------------------------------


class _Breakdown:
    """The values of a breakdown, which are texts of a session's entry event or exit event.

    Attributes:
        texts: a column `text_0`, `text_1`, … of an event for each text, as SQL.
        aggregates: columns of a session, as SQL: `entry_event` and `exit_event` are lists of the texts needed of them.
        dims: the values `dim_0`, … of a session, as SQL over `entry_event` and `exit_event`.
    """

    def __init__(self, query: SessionsQuery, source: EventSource) -> None:
        self._dialect = source.dialect
        self._fields = Fields(source)
        self._names: dict[str, str] = {}
        self._of_entry: list[str] = []
        self._of_exit: list[str] = []
        self.dims = [f"{self._dim(field)} AS dim_{index}" for index, field in enumerate(query.breakdown)]
        self.texts = [f"{text} AS {name}" for text, name in self._names.items()]
        self.aggregates = []
        if self._of_entry:
            self.aggregates.append(f"{self._dialect.first.format(', '.join(self._of_entry))} AS entry_event")
        if self._of_exit:
            self.aggregates.append(f"{self._dialect.last.format(', '.join(self._of_exit))} AS exit_event")

    def _dim(self, field: str) -> str:
        if field == "exit_page":
            return self._member("path", "exit_event", self._of_exit)
        if field == "channel":
            values = [self._entry(f"{PROPERTY_PREFIX}{key}") for key in CHANNEL_PROPERTIES]
            return channel_sql(self._dialect, values)
        if field == "referrer":
            return referrer_sql(self._entry(f"{PROPERTY_PREFIX}{CHANNEL_PROPERTIES[-1]}"))
        return self._entry("path" if field == "entry_page" else field)

    def _entry(self, field: str) -> str:
        return self._member(field, "entry_event", self._of_entry)

    def _member(self, field: str, event: str, members: list[str]) -> str:
        """A field of one of the two events; each text is read once."""
        name = self._names.setdefault(self._fields.text(field), f"text_{len(self._names)}")
        if name not in members:
            members.append(name)
        return self._dialect.member.format(event, members.index(name) + 1)


def _computed_sessions(
    query: SessionsQuery, reach: SessionsQuery, source: EventSource, buckets: Buckets | None, has_index: bool
) -> tuple[list[Cte], str]:
    """CTEs of the sessions that are computed from events, and a SELECT of them in the columns of `sessions`.

    Args:
        has_index: of the sessions with a `session_id` only the long ones are computed.
    """
    breakdown = _Breakdown(query, source)
    selected = [f"CASE WHEN {is_page_view(query, source)} THEN 1 ELSE 0 END AS page"]
    selected += ["event_id", *breakdown.texts] if breakdown.texts else []
    selected += [f"{filter_sql(query.filter, Fields(source))} AS matches"] if query.filter is not None else []
    having = scope_conditions(query.model_copy(update={"site_id": None, "filter": None}), "min(timestamp)", source)
    having += ["bool_or(matches)"] if query.filter is not None else []
    ctes, unions = [], []
    if not has_index or may_have_long_sessions(query):
        long_only = [of_long_session(query)] if has_index else []
        persons = "user_id" in query.breakdown
        ctes += [
            events_with_session_id(reach, source, selected, conditions=long_only, persons=persons),
            _grouped(
                "sessions_with_id", "events_with_session_id", session_keys(query), breakdown, having, source.dialect
            ),
        ]
        unions.append("SELECT * FROM sessions_with_id")
    ctes += [
        *events_of_visits(reach, source, selected),
        _grouped("visits", "events_of_visits", visit_keys(query), breakdown, having, source.dialect),
    ]
    unions.append("SELECT * FROM visits")
    bucket = [f"{buckets.sql(source.dialect, 'started')} AS bucket_key"] if buckets else []
    select = sql(
        """
        SELECT
            {columns}
        FROM (
            {sessions}
        ) AS computed_sessions
        """,
        columns=columns([*bucket, "duration", "events", "pages", *breakdown.dims]),
        sessions=union_all(unions),
    )
    return ctes, select


def _grouped(
    name: str, events: str, keys: list[str], breakdown: _Breakdown, having: list[str], dialect: Dialect
) -> Cte:
    """A CTE with one row for each session of some events."""
    started, ended = (dialect.epoch_us.format(edge) for edge in ("min(timestamp)", "max(timestamp)"))
    selected = [
        "min(timestamp) AS started",
        f"{ended} - {started} AS duration",
        "count(*) AS events",
        "count(*) FILTER (WHERE page = 1) AS pages",
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


# --- answers --------------------------------------------------------------------------------------------------------


def _metrics(query: SessionsQuery, source: EventSource) -> list[str]:
    dialect = source.dialect
    bounced = "pages = 1" if query.bounce == "one_page" else "events = 1"
    double = "CAST({} AS DOUBLE PRECISION)"
    sessions = "nullif(count(*), 0)"
    by_kind = {
        "sessions": "count(*)",
        "bounce_rate": f"{double.format(f'count(*) FILTER (WHERE {bounced})')} / {sessions}",
        "avg_duration": f"{double.format('sum(duration)')} / {sessions} / 1000000",
        "median_duration": dialect.percentile.format(double.format("duration"), fraction="0.5") + " / 1000000",
        "pages_per_session": f"{double.format('sum(pages)')} / {sessions}",
        "pages": f"coalesce({dialect.whole.format('pages')}, 0)",
        "events": f"coalesce({dialect.whole.format('events')}, 0)",
    }
    return [f"{by_kind[kind]} AS metric_{index}" for index, kind in enumerate(query.metrics)]


def _totals(query: SessionsQuery, source: EventSource) -> str:
    """All sessions as one row, or as a series."""
    metrics = _metrics(query, source)
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
        ORDER BY bucket_key
        LIMIT {limit}
        """,
        columns=columns([f"{source.dialect.key_us.format('bucket_key')} AS bucket", *metrics]),
        limit=str(SERIES_LIMIT + 1),
    )


def _dims(query: SessionsQuery) -> list[str]:
    return [f"dim_{index}" for index in range(len(query.breakdown))]


def _ranking(query: SessionsQuery) -> str:
    """ORDER BY of groups: those with most sessions first."""
    return ", ".join(["count(*) DESC", *(f"{dim} NULLS LAST" for dim in _dims(query))])


def _largest_groups(query: SessionsQuery, source: EventSource) -> str:
    """The groups with most sessions."""
    return sql(
        """
        SELECT
            {columns}
        FROM sessions
        GROUP BY {dims}
        ORDER BY {ranking}
        LIMIT {top}
        """,
        columns=columns([*_dims(query), *_metrics(query, source)]),
        dims=", ".join(_dims(query)),
        ranking=_ranking(query),
        top=str(query.top),
    )


def _top_groups(query: SessionsQuery, source: EventSource, groups: Groups | None) -> Cte:
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
        ORDER BY rank
        LIMIT {top}
        """,
        dims=columns(_dims(query)),
        ranking=_ranking(query),
        dims_of_group=", ".join(_dims(query)),
        top=str(query.top),
    )


def _by_group(query: SessionsQuery, source: EventSource, buckets: Buckets | None) -> str:
    """The groups of `top_groups` in their order, by bucket if there are any; with `other` the rest as one group."""
    dialect, dims = source.dialect, _dims(query)
    same = " AND ".join(dialect.same.format(f"sessions.{dim}", f"top_groups.{dim}") for dim in dims)
    dims = [f"top_groups.{dim}" for dim in dims]
    bucket = ["bucket_key"] if buckets else []
    selected = [f"{dialect.key_us.format('bucket_key')} AS bucket"] if buckets else []
    selected += [*dims, *_metrics(query, source), *(["rank IS NULL AS other"] if query.other else [])]
    return sql(
        """
        SELECT
            {columns}
        FROM sessions {join} top_groups ON {same}
        GROUP BY {group}
        ORDER BY {order}
        LIMIT {limit}
        """,
        columns=columns(selected),
        join="LEFT JOIN" if query.other else "JOIN",
        same=same,
        group=", ".join([*bucket, "rank", *dims]),
        order=", ".join([*bucket, "rank NULLS LAST"]),
        limit=str(ROWS_LIMIT + 1),
    )
