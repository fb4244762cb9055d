"""The metrics of a group as aggregates over `scoped_rows`."""

from __future__ import annotations

from tallystick.analysis.metrics.grouping import COUNTED_USERS, VISIT, Grouping
from tallystick.model.query import Metric

FRACTIONS = {"median": "0.5", "p90": "0.9", "p95": "0.95"}


def metric_columns(grouping: Grouping) -> list[str]:
    """The metrics that the grouping's table has, named `metric_0`, … by their index in the query."""
    return [
        f"{_metric(grouping, metric, index)} AS metric_{index}"
        for index, metric in enumerate(grouping.query.metrics)
        if grouping.has(metric)
    ]


def _metric(grouping: Grouping, metric: Metric, index: int) -> str:
    """A metric over the rows of a group. Without rows, counts are 0 and all others are NULL."""
    dialect = grouping.dialect
    are_counts = bool(grouping.table in {"rollup", "value_counts"} or grouping.preaggregated_by)
    user = _counted(grouping, index, "user_id")
    match metric.kind:
        case "events" if are_counts:
            return f"coalesce({dialect.whole.format(_counted(grouping, index, 'events'))}, 0)"
        case "events":
            return f"count({_counted(grouping, index, '1')})" if index in grouping.filters else "count(*)"
        case "users" if grouping.table in COUNTED_USERS:
            return f"coalesce({dialect.whole.format(_counted(grouping, index, 'users'))}, 0)"
        case "users":
            return _distinct(grouping, user)
        case "sessions":
            return _distinct(grouping, _counted(grouping, index, VISIT))
        case "events_per_user":
            summed = f"sum({_counted(grouping, index, 'events')}) FILTER (WHERE user_id IS NOT NULL)"
            events = summed if are_counts else f"count({user})"
            return f"CAST({events} AS DOUBLE PRECISION) / nullif({_distinct(grouping, user)}, 0)"
        case "last_received":
            newest = _counted(grouping, index, "last_received" if are_counts else "received_at")
            return dialect.epoch_us.format(f"max({newest})")
    value = f"value_{index}"
    if metric.kind in ("sum", "avg") and grouping.table == "value_counts":
        return (dialect.counted_total if metric.kind == "sum" else dialect.counted_mean).format(value, count="events")
    if metric.kind in ("sum", "avg"):
        return (dialect.total if metric.kind == "sum" else dialect.mean).format(value)
    finite = dialect.finite.format(value)
    if metric.kind in FRACTIONS:
        return dialect.percentile.format(finite, fraction=FRACTIONS[metric.kind])
    return f"{metric.kind}({finite})"


def _counted(grouping: Grouping, index: int, column: str) -> str:
    """A column of the rows that a metric counts, NULL in the rows that its own filter leaves out."""
    if index not in grouping.filters:
        return column
    if grouping.preaggregated_by and column in ("events", "last_received"):
        return f"{column}_{index}"
    passes = f"events_{index} > 0" if grouping.preaggregated_by else f"passes_{index}"
    return f"CASE WHEN {passes} THEN {column} END"


def _distinct(grouping: Grouping, column: str) -> str:
    """How many distinct values a column has in a group."""
    is_distinct = grouping.preaggregated_by or (grouping.has_users and not grouping.filters)
    if grouping.dialect.preaggregates and is_distinct and not grouping.ranks_first:
        return f"count({column})"  # each value is in one row
    return (grouping.dialect.estimate if grouping.estimates else "count(DISTINCT {0})").format(column)
