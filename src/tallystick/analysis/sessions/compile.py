"""Questions about sessions → SQL.

`sessions` has a row for each session that the question is about: when it began, how long it was in microseconds, its
events and pages, and d0… the breakdown's values. b is the bucket, m0… are the metrics.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from tallystick.analysis.buckets import Buckets
from tallystick.analysis.filters import Fields, Params, filter_sql, scope_conditions, where
from tallystick.analysis.groups import given_groups
from tallystick.analysis.series import make_buckets
from tallystick.analysis.sessions.channels import CHANNEL_PROPERTIES, channel_sql, referrer_sql
from tallystick.analysis.sessions.index import can_use_session_index
from tallystick.analysis.sessions.materialized import folded_select, folded_tables, has_long, is_long
from tallystick.analysis.sources import Groups, Needs, Sources
from tallystick.analysis.statement import Statement
from tallystick.model.queries.sessions import SESSION_REACH, SessionScope
from tallystick.model.query import PROPERTY_PREFIX, SERIES_LIMIT, SessionsQuery

ROWS_LIMIT = 100_000
"""Most rows of an answer."""


def sessions_needs(query: SessionsQuery) -> Needs:
    """What a store reads before it compiles a query about sessions."""
    return Needs(property_columns=True, persons=True, session_index=can_use_session_index(query))


def compile_sessions(query: SessionsQuery, sources: Sources) -> Statement:
    """The statement of a question about sessions; see `dispatch.compile_query`.

    Its columns: `bucket` when there is an interval, the breakdown's values, the metrics, and with an `other` group a
    boolean that says whether the row is it.
    """
    params, groups, folded = Params(sources, query.site_id), sources.groups, sources.session_index
    buckets = make_buckets(query, sources.now)
    # Ranking reads it twice; making it twice would take twice as long.
    once = " MATERIALIZED" if query.breakdown and groups is None and (buckets or query.other) else ""
    usable = folded if folded is not None and can_use_session_index(query) else None
    tables = f"{folded_tables(query, _reaching(query), params, usable)},\n" if usable else ""
    sessions = f"WITH {tables}sessions AS{once} (\n{_sessions(query, params, buckets, usable is not None)}\n)"
    sql = _ranked(query, params, buckets, groups) if query.breakdown else _whole(query, params)
    sql = f"{sessions}{sql}"
    return Statement(sql, params.values, from_rollup=usable is not None, buckets=buckets)


# --- events of sessions ---------------------------------------------------------------------------------------------


def session_events(
    query: SessionScope, params: Params, columns: Sequence[str], long_only: bool = False, only: Sequence[str] = ()
) -> list[tuple[str, list[str]]]:
    """Two selects of events, each with the columns by which its sessions are told apart.

    The first has the sessions with a `session_id`, the second those that a pause of the user ends. The edges of the
    scope are what `since` and `until` say; `filter` is not looked at.

    Args:
        columns: SQL for an event, with names.
        long_only: of sessions with a `session_id` only those of `compile_from_index.LONG`.
        only: conditions of their events, to read fewer of them.
    """
    conditions = scope_conditions(query.model_copy(update={"filter": None}), "timestamp", params)
    site = ["site_id"] if query.site_id is None else []
    table = params.relation()
    with_ids = table if isinstance(query, SessionsQuery) and "user_id" in query.breakdown else params.relation(False)
    named = [*site, "session_id"]
    with_id = ["session_id IS NOT NULL", *([is_long(query)] if long_only else []), *only]
    chosen = ", ".join([*named, "timestamp", *columns])
    by_id = f"SELECT {chosen}\n    FROM {with_ids}{where([*conditions, *with_id])}"
    person = [*site, "user_id"]
    order = f"(PARTITION BY {', '.join(person)} ORDER BY timestamp)"
    pause = f"INTERVAL '{query.inactivity} minutes'"
    fresh = f"CASE WHEN timestamp <= lag(timestamp) OVER {order} + {pause} THEN 0 ELSE 1 END AS fresh"
    chosen = ", ".join([*person, "timestamp", *columns, fresh])
    pauses = f"SELECT {chosen}\n      FROM {table}{where([*conditions, 'session_id IS NULL', 'user_id IS NOT NULL'])}"
    by_pause = f"SELECT *, sum(fresh) OVER {order} AS visit\n    FROM (\n      {pauses}\n    ) AS paused"
    return [(by_id, named), (by_pause, [*person, "visit"])]


def page_sql(query: SessionScope, params: Params) -> str:
    """1 for a page view, else 0."""
    return f"CASE WHEN {is_page(query, params)} THEN 1 ELSE 0 END"


def is_page(query: SessionScope, params: Params) -> str:
    """Whether an event is a page view."""
    names = ", ".join(params.add(name, "text") for name in dict.fromkeys(query.page_names))
    return f"name IN ({names})"


def _reaching(query: SessionsQuery) -> SessionsQuery:
    """The scope in which the sessions' events are looked for."""
    first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    since = query.since and (query.since - SESSION_REACH if query.since - first > SESSION_REACH else first)
    until = query.until and (query.until + SESSION_REACH if last - query.until > SESSION_REACH else last)
    return query.model_copy(update={"since": since, "until": until})


# --- sessions -------------------------------------------------------------------------------------------------------


class _Edges:
    """The texts that are needed of the sessions' entry and exit events."""

    def __init__(self, query: SessionsQuery, params: Params) -> None:
        self._dialect = params.dialect
        self._fields = Fields(params)
        self.columns: list[str] = []
        self._entry: list[str] = []
        self._exit: list[str] = []
        self.dims = [f"{self._dim(name)} AS d{place}" for place, name in enumerate(query.breakdown)]

    def _dim(self, name: str) -> str:
        if name == "exit_page":
            return self._text("path", "exit_event", self._exit)
        if name == "channel":
            values = [self._of_entry(f"{PROPERTY_PREFIX}{key}") for key in CHANNEL_PROPERTIES]
            return channel_sql(self._dialect, values)
        if name == "referrer":
            return referrer_sql(self._of_entry(f"{PROPERTY_PREFIX}{CHANNEL_PROPERTIES[-1]}"))
        return self._of_entry("path" if name == "entry_page" else name)

    def _of_entry(self, field: str) -> str:
        return self._text(field, "entry_event", self._entry)

    def _text(self, field: str, event: str, wanted: list[str]) -> str:
        column = f"{self._fields.text(field)} AS "
        known = next((one for one in self.columns if one.startswith(column)), "")
        if not known:
            known = f"{column}e{len(self.columns)}"
            self.columns.append(known)
        name = known.removeprefix(column)
        if name not in wanted:
            wanted.append(name)
        return self._dialect.member.format(event, wanted.index(name) + 1)

    def aggregates(self) -> list[str]:
        parts = ((self._dialect.first, self._entry, "entry_event"), (self._dialect.last, self._exit, "exit_event"))
        return [f"{template.format(', '.join(names))} AS {event}" for template, names, event in parts if names]


def _sessions(query: SessionsQuery, params: Params, buckets: Buckets | None, folded: bool) -> str:
    dialect = params.dialect
    edges = _Edges(query, params)
    columns = [f"{page_sql(query, params)} AS page", *(["event_id"] if edges.columns else []), *edges.columns]
    if query.filter is not None:
        columns.append(f"{filter_sql(query.filter, Fields(params))} AS picked")
    started = "min(timestamp)"
    having = scope_conditions(query.model_copy(update={"site_id": None, "filter": None}), started, params)
    having += ["bool_or(picked)"] if query.filter is not None else []
    ended, began = dialect.epoch_us.format("max(timestamp)"), dialect.epoch_us.format(started)
    counted = [
        f"{started} AS started",
        f"{ended} - {began} AS lasted",
        "count(*) AS events",
        "count(*) FILTER (WHERE page = 1) AS pages",
        *edges.aggregates(),
    ]
    parts, reach = [], _reaching(query)
    selects = session_events(reach, params, columns, long_only=folded)
    for events, keys in selects[1:] if folded and not has_long(query) else selects:
        only = f"\n  HAVING {' AND '.join(having)}" if having else ""
        part = f"  SELECT {', '.join(counted)}\n  FROM (\n    {events}\n  ) AS visited"
        parts.append(f"{part}\n  GROUP BY {', '.join(keys)}{only}")
    bucket = [f"{buckets.sql(dialect, 'started')} AS b"] if buckets else []
    outputs = ", ".join([*bucket, "lasted", "events", "pages", *edges.dims])
    union = "\n  UNION ALL\n".join(parts)
    made = f"  SELECT {outputs}\n  FROM (\n{union}\n  ) AS made"
    return f"{folded_select(query, reach, params, buckets)}\n  UNION ALL\n{made}" if folded else made


# --- answers --------------------------------------------------------------------------------------------------------


def _metrics(query: SessionsQuery, params: Params) -> list[str]:
    dialect = params.dialect
    bounced = "pages = 1" if query.bounce == "one_page" else "events = 1"
    number = "CAST({} AS DOUBLE PRECISION)"
    sessions = "nullif(count(*), 0)"
    sums = {"bounce_rate": f"count(*) FILTER (WHERE {bounced})", "pages_per_session": "sum(pages)"}
    made = {
        "sessions": "count(*)",
        "avg_duration": f"{number.format('sum(lasted)')} / {sessions} / 1000000",
        "median_duration": dialect.percentile.format(number.format("lasted"), fraction="0.5") + " / 1000000",
        "pages": f"coalesce({dialect.whole.format('pages')}, 0)",
        "events": f"coalesce({dialect.whole.format('events')}, 0)",
        **{kind: f"{number.format(total)} / {sessions}" for kind, total in sums.items()},
    }
    return [f"{made[kind]} AS m{place}" for place, kind in enumerate(query.metrics)]


def _whole(query: SessionsQuery, params: Params) -> str:
    """All sessions as one, or as a series."""
    metrics = ", ".join(_metrics(query, params))
    if query.interval is None:
        return f"\nSELECT {metrics}\nFROM sessions"
    bucket = params.dialect.key_us.format("b")
    return f"\nSELECT {bucket} AS bucket, {metrics}\nFROM sessions\nGROUP BY b\nORDER BY b\nLIMIT {SERIES_LIMIT + 1}"


def _ranked(query: SessionsQuery, params: Params, buckets: Buckets | None, groups: Groups | None) -> str:
    """The groups with most sessions over the whole range, in this order, and with `other` the rest as one."""
    dims = [f"d{place}" for place in range(len(query.breakdown))]
    ranking = ", ".join(["count(*) DESC", *(f"{dim} NULLS LAST" for dim in dims)])
    if buckets is None and not query.other and groups is None:
        outputs = ", ".join([*dims, *_metrics(query, params)])
        page = f"GROUP BY {', '.join(dims)}\nORDER BY {ranking}\nLIMIT {query.top}"
        return f"\nSELECT {outputs}\nFROM sessions\n{page}"
    largest = (
        f"  SELECT {', '.join(dims)}, row_number() OVER (ORDER BY {ranking}) AS place\n"
        f"  FROM sessions\n  GROUP BY {', '.join(dims)}\n  ORDER BY place\n  LIMIT {query.top}"
    )
    ranked = (
        f",\nranked AS (\n{largest if groups is None else given_groups(groups, [*dims, 'place'], params.parameters)}\n)"
    )
    same = " AND ".join(params.dialect.same.format(f"sessions.{dim}", f"ranked.{dim}") for dim in dims)
    named = [f"ranked.{dim}" for dim in dims]
    columns = [f"{params.dialect.key_us.format('b')} AS bucket"] if buckets else []
    columns += [*named, *_metrics(query, params), *(["place IS NULL AS other"] if query.other else [])]
    bucket = ["b"] if buckets else []
    return (
        f"{ranked}\nSELECT {', '.join(columns)}\nFROM sessions {'LEFT ' if query.other else ''}JOIN ranked ON {same}\n"
        f"GROUP BY {', '.join([*bucket, 'place', *named])}\n"
        f"ORDER BY {', '.join([*bucket, 'place NULLS LAST'])}\nLIMIT {ROWS_LIMIT + 1}"
    )
