"""Metrics queries → SQL. Every statement reads `scoped` rows (see `scoped.py`) and returns the metrics of their groups.

Which statement:

- without `top`: a page of the groups, in the order of their keys;
- with `top`: the largest groups, in the order of their first metric;
- with `top` and an interval, an `other` group or given groups: `ranked` finds the groups over the whole range, and
  `scoped` is joined with it;
- with metrics that no single table has: counts from the rollup, joined with users.
"""

from __future__ import annotations

from collections.abc import Sequence

from tallystick.analysis.cte import Cte, clause, columns, cte, sql, union_all, with_ctes
from tallystick.analysis.cursor import Key, Part, decode_cursor
from tallystick.analysis.event_source import EventSource
from tallystick.analysis.groups import given_groups
from tallystick.analysis.metrics.grouping import BUCKET_KEY, Grouping
from tallystick.analysis.metrics.measures import metric_columns
from tallystick.analysis.metrics.scoped import scoped_rows
from tallystick.analysis.metrics.tables import reads_events, reads_kept, tables_for, with_counted_column
from tallystick.analysis.parameters import Parameters
from tallystick.analysis.series import is_filled, make_buckets
from tallystick.analysis.sessions.keys import loose_visits
from tallystick.analysis.sources import Groups, Sources
from tallystick.analysis.statement import Statement
from tallystick.model.query import SERIES_LIMIT, MetricsQuery

DISTINCT_KINDS = {"users", "sessions", "events_per_user"}


def compile_metrics(query: MetricsQuery, sources: Sources) -> Statement:
    """The statement of a metrics query.

    Its columns: `bucket` (microseconds) when there is an interval, the breakdown's values, the metrics, and with an
    `other` group a boolean that says whether the row is that group.

    Raises:
        InvalidRequest: a broken cursor, or a range with too many buckets.
    """
    buckets = make_buckets(query, sources.now)
    tables = tables_for(query, buckets, sources)
    source = EventSource(sources, query.site_id)
    if tables == ("value_counts",):
        source = EventSource(with_counted_column(sources), query.site_id)
    first, *more = (Grouping(query, source, buckets, table, sources.groups is not None) for table in tables)
    if more:
        text = _counts_and_users(first, *more)
    elif query.top is None:
        text = _page(first)
    elif first.ranks_first:
        text = _ranked_groups(first, query.top, sources.groups)
    else:
        text = _largest_groups(first, query.top)
    estimated = first.estimates and any(metric.kind in DISTINCT_KINDS for metric in query.metrics)
    users_once = "kept_days" not in tables or (sources.kept is not None and sources.kept.exact)
    return Statement(
        text,
        source.parameters.values,
        exact=not estimated and users_once,
        from_rollup=not reads_events(tables, sources),
        reads_kept=reads_kept(tables),
        buckets=buckets,
        now=sources.now,
    )


def _page(grouping: Grouping) -> str:
    """A page of the groups."""
    select = sql(
        """
        SELECT
            {columns}
        FROM scoped
        {where}
        {group_by}
        {page}
        """,
        columns=columns([*_bucket(grouping), *grouping.dims, *metric_columns(grouping)]),
        where=clause("WHERE", _after_cursor(grouping.query, grouping.keys, grouping.source.parameters)),
        group_by=_group_by(grouping, grouping.keys),
        page=_page_of(grouping.query, grouping.keys),
    )
    return with_ctes(_scoped(grouping), select)


def _largest_groups(grouping: Grouping, top: int) -> str:
    """The groups with the largest first metric."""
    select = sql(
        """
        SELECT
            {columns}
        FROM scoped
        {group_by}
        ORDER BY {ranking}
        LIMIT {limit}
        """,
        columns=columns([*grouping.dims, *metric_columns(grouping)]),
        group_by=_group_by(grouping, grouping.dims),
        ranking=_ranking(grouping),
        limit=str(min(top, grouping.query.limit + 1)),
    )
    return with_ctes(_scoped(grouping), select)


def _ranked_groups(grouping: Grouping, top: int, groups: Groups | None) -> str:
    """The largest groups, or the given ones, in their order; with `other` all other rows as one more group."""
    query, dims = grouping.query, grouping.dims
    if groups is not None:
        ranked = Cte("ranked", given_groups(groups, [*dims, "rank"], grouping.source.parameters))
    else:
        ranked = _ranked(grouping, top)
    ranked_dims = [f"ranked.{dim}" for dim in dims]
    bucket_key = [BUCKET_KEY] if grouping.buckets else []
    is_other = ["rank IS NULL AS other"] if query.other else []
    select = sql(
        """
        SELECT
            {columns}
        FROM scoped
        {join} ranked ON {same_group}
        {group_by}
        ORDER BY {order}
        LIMIT {limit}
        """,
        columns=columns([*_bucket(grouping), *ranked_dims, *metric_columns(grouping), *is_other]),
        join="LEFT JOIN" if query.other else "JOIN",
        same_group=" AND ".join(grouping.dialect.same.format(f"scoped.{dim}", f"ranked.{dim}") for dim in dims),
        group_by=_group_by(grouping, [*bucket_key, "rank", *ranked_dims]),
        order=", ".join([*bucket_key, "rank NULLS LAST"]),
        limit=str(query.limit + 1),
    )
    # Few rows, which both the ranking and the groups read: each store computes them once.
    once = groups is None and bool(grouping.preaggregated_by)
    return with_ctes([*_scoped(grouping, materialized=once or None), ranked], select)


def _ranked(grouping: Grouping, top: int) -> Cte:
    """The largest groups over the whole range, numbered from the largest."""
    return cte(
        "ranked",
        """
        SELECT {dims}, row_number() OVER (ORDER BY {ranking}) AS rank
        FROM (
            SELECT {dims}, {first_metric}
            FROM scoped
            {group_by}
        ) AS ranking
        ORDER BY rank
        LIMIT {top}
        """,
        dims=", ".join(grouping.dims),
        ranking=_ranking(grouping),
        first_metric=metric_columns(grouping)[0],
        group_by=_group_by(grouping, grouping.dims),
        top=str(top),
    )


def _counts_and_users(counts: Grouping, *users: Grouping) -> str:
    """Counts from the rollup joined with users. All users have events, so every group is in the rollup."""
    query = counts.query
    ctes = [Cte("counts", _aggregated(counts)), Cte("users", _united(users))]
    keys = [f"counts.{key}" for key in counts.keys]
    selected = [f"{counts.dialect.key_us.format(f'counts.{BUCKET_KEY}')} AS bucket"] if counts.buckets else []
    selected += [f"counts.{dim}" for dim in counts.dims]
    for index, metric in enumerate(query.metrics):
        name = f"metric_{index}"
        selected.append(f"coalesce({name}, 0) AS {name}" if metric.kind == "users" else name)
    select = sql(
        """
        SELECT
            {columns}
        FROM counts
        LEFT JOIN users ON {same_group}
        {where}
        {page}
        """,
        columns=columns(selected),
        same_group=" AND ".join(f"users.{key} = counts.{key}" for key in counts.keys) or "1 = 1",
        where=clause("WHERE", _after_cursor(query, keys, counts.source.parameters)),
        page=_page_of(query, keys),
    )
    return with_ctes(ctes, select)


# --- parts of the statements ----------------------------------------------------------------------------------------


def _scoped(grouping: Grouping, *, materialized: bool | None = None) -> list[Cte | str]:
    visits = loose_visits(grouping.query, grouping.source) if grouping.counts_visits else []
    return [*grouping.source.ctes, *visits, Cte("scoped", scoped_rows(grouping), materialized)]


def _united(groupings: Sequence[Grouping]) -> str:
    """The groups of one table with its metrics, or of several tables, whose numbers of users add up."""
    first, *more = groupings
    if not more:
        return _aggregated(first)
    metrics = [f"metric_{index}" for index, metric in enumerate(first.query.metrics) if first.has(metric)]
    return sql(
        """
        SELECT
            {columns}
        FROM (
            {parts}
        ) AS parts
        GROUP BY {keys}
        """,
        columns=columns([*first.keys, *(f"{first.dialect.whole.format(name)} AS {name}" for name in metrics)]),
        parts=union_all(map(_aggregated, groupings)),
        keys=", ".join(first.keys),
    )


def _aggregated(grouping: Grouping) -> str:
    """The groups of one table with its metrics."""
    return sql(
        """
        SELECT
            {columns}
        FROM (
            {scoped}
        ) AS scoped
        {group_by}
        """,
        columns=columns([*grouping.keys, *metric_columns(grouping)]),
        scoped=scoped_rows(grouping),
        group_by=_group_by(grouping, grouping.keys),
    )


def _bucket(grouping: Grouping) -> list[str]:
    """The bucket as it is returned."""
    return [f"{grouping.dialect.key_us.format(BUCKET_KEY)} AS bucket"] if grouping.buckets else []


def _group_by(grouping: Grouping, keys: list[str]) -> str:
    """GROUP BY the keys. An erasure may leave rows of the rollup that sum up to no events: these make no group."""
    if not keys:
        return ""
    having = "HAVING sum(events) <> 0" if grouping.table == "rollup" else ""
    return sql(
        """
        GROUP BY {keys}
        {having}
        """,
        keys=", ".join(keys),
        having=having,
    )


def _ranking(grouping: Grouping) -> str:
    """The order of the groups: the largest first metric first, equal ones by their values."""
    return ", ".join(["metric_0 DESC NULLS LAST", *(f"{dim} NULLS LAST" for dim in grouping.dims)])


def cursor_key(query: MetricsQuery) -> Key | None:
    """The key of the last group of the page before: the bucket when there is an interval, and the breakdown's values.

    Raises:
        InvalidRequest: the cursor is broken or belongs to another query.
    """
    parts: list[Part] = ["instant"] if query.interval else []
    parts += ["text or null" for _ in query.breakdown]
    return decode_cursor(query, parts)


def _after_cursor(query: MetricsQuery, keys: list[str], parameters: Parameters) -> list[str]:
    """The condition of the groups after the cursor's, in the order of `_page_of`."""
    after = cursor_key(query)
    if after is None or is_filled(query):
        return []
    same: list[str] = []
    alternatives: list[str] = []
    for key, value in zip(keys, after, strict=True):
        if value is None:  # NULL comes last: nothing is larger
            same.append(f"{key} IS NULL")
            continue
        if isinstance(value, int):
            last = parameters.add(value, "bucket")
            larger = f"{key} > {last}"
        else:
            last = parameters.add(value, "text")
            larger = f"({key} > {last} OR {key} IS NULL)"
        alternatives.append(" AND ".join([*same, larger]))
        same.append(f"{key} = {last}")
    return [f"({' OR '.join(alternatives) or '1 = 0'})"]


def _page_of(query: MetricsQuery, keys: list[str]) -> str:
    """ORDER BY the keys and LIMIT to one row more than the page, which says that there is another page.

    A filled series is read as a whole: its pages are cut after its gaps are filled.
    """
    if not keys:
        return ""
    return sql(
        """
        ORDER BY {order}
        LIMIT {limit}
        """,
        order=", ".join(f"{key} NULLS LAST" for key in keys),
        limit=str(SERIES_LIMIT + 1 if is_filled(query) else query.limit + 1),
    )
