"""The rows that a metrics query is about, with the columns that its groups and metrics are made of.

Columns besides the keys: `user_id`, `visit` and `received_at` as they are needed; `value_0` for the number that
metric 0 reads; `passes_0` for whether the row passes the filter of metric 0. Pre-aggregated rows have `events` and
`last_received` instead, and `events_0` and `last_received_0` for the events that pass the filter of metric 0.
"""

from __future__ import annotations

from tallystick.analysis.cte import clause, columns, sql
from tallystick.analysis.filters import Fields, filter_sql, scope_conditions
from tallystick.analysis.metrics.grouping import BUCKET_KEY, COUNTED_USERS, VISIT, Grouping
from tallystick.analysis.sessions.keys import visit_of_event, with_loose_visits
from tallystick.model.query import PROPERTY_PREFIX


def scoped_rows(grouping: Grouping) -> str:
    """A SELECT of the rows that the query is about."""
    source, table = grouping.source, grouping.table
    fields = Fields(source, table=table)
    selected = [f"{_bucket_key(grouping)} AS {BUCKET_KEY}"] if grouping.buckets else []
    for field, dim in zip(grouping.query.breakdown, grouping.dims, strict=True):
        selected.append(f"{fields.text(field)} AS {dim}")
    if grouping.preaggregated_by:
        selected += _preaggregated_columns(grouping, fields, grouping.preaggregated_by)
    else:
        selected += _columns(grouping, fields)
    if table == "people_days":
        conditions = scope_conditions(grouping.scope, "day", source, "day", table=table)
    else:
        conditions = scope_conditions(grouping.scope, _instant(grouping), source, table=table)
    relation: str = source.rollup() if table == "rollup" else table
    if table == "events":
        relation = source.relation()  # after the fields: it has the property columns that they read
        if grouping.counts_visits:
            relation = with_loose_visits(relation, source)
    elif table == "value_counts":
        relation = source.value_counts(grouping.query, grouping.buckets is None or grouping.buckets.on_utc_days)
    elif table == "hour_users":
        relation = source.hour_users()
    elif grouping.has_users and table != "kept_days":
        relation = source.people(table, grouping.scope.filter is not None or bool(grouping.filters))
    return sql(
        """
        {select}
            {columns}
        FROM {relation}
        {where}
        {group_by}
        """,
        select="SELECT DISTINCT" if grouping.repeats_users else "SELECT",
        columns=columns(selected) or "1",
        relation=relation,
        where=clause("WHERE", conditions),
        group_by=f"GROUP BY {', '.join(grouping.preaggregated_by)}" if grouping.preaggregated_by else "",
    )


def _instant(grouping: Grouping) -> str:
    """The instant of a row."""
    if grouping.table == "people_days":
        return grouping.dialect.day_start
    if grouping.table == "kept_days":
        return "day"
    return "timestamp" if grouping.table == "events" else "bucket"


def _bucket_key(grouping: Grouping) -> str:
    assert grouping.buckets
    if grouping.table == "people_days" and grouping.query.interval == "day":
        return grouping.dialect.day_start
    return grouping.buckets.sql(grouping.dialect, _instant(grouping))


def _columns(grouping: Grouping, fields: Fields) -> list[str]:
    """What the metrics are made of, a row for each row of the table."""
    metrics = grouping.query.metrics
    tests = _tests(grouping, fields)
    passes = [f"{test} AS passes_{index}" for index, test in tests.items() if not metrics[index].property]
    if grouping.table == "rollup":
        return ["events", "last_received", *passes]
    if grouping.table in COUNTED_USERS:
        return ["users", *passes]
    if grouping.has_users:
        return ["user_id", *passes]
    values = []
    for index, metric in enumerate(metrics):
        if metric.property:
            # Here rather than in the metric, whose expression may repeat it: a property is read once for each row.
            number = fields.number(PROPERTY_PREFIX + metric.property)
            counted = f"CASE WHEN {tests[index]} THEN {number} END" if index in tests else number
            values.append(f"{counted} AS value_{index}")
    if grouping.table == "value_counts":
        return ["events", *values, *passes]
    kinds = {metric.kind for metric in metrics}
    needed = {
        "user_id": kinds & {"users", "events_per_user"},
        _visit(grouping): kinds & {"sessions"},
        "received_at": kinds & {"last_received"},
    }
    return [column for column, wanted in needed.items() if wanted] + values + passes


def _preaggregated_columns(grouping: Grouping, fields: Fields, by: list[str]) -> list[str]:
    """What the metrics are made of, a row for each combination of the columns `by`."""
    metrics = grouping.query.metrics
    selected = [_visit(grouping) if column == VISIT else column for column in by[len(grouping.keys) :]]
    selected.append("count(*) AS events")
    if any(metric.kind == "last_received" for metric in metrics):
        selected.append("max(received_at) AS last_received")
    for index, test in _tests(grouping, fields).items():
        selected.append(f"count(CASE WHEN {test} THEN 1 END) AS events_{index}")
        if metrics[index].kind == "last_received":
            selected.append(f"max(CASE WHEN {test} THEN received_at END) AS last_received_{index}")
    return selected


def _visit(grouping: Grouping) -> str:
    return f"{visit_of_event(grouping.query, grouping.source)} AS {VISIT}"


def _tests(grouping: Grouping, fields: Fields) -> dict[int, str]:
    """Whether a row passes the filter that a metric has of its own, by the metric's index."""
    return {index: filter_sql(own, fields) for index, own in grouping.filters.items()}
