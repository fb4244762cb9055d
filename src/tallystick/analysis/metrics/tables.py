"""Which tables answer a metrics query: the events, or pre-aggregated tables where they say the same."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Literal

from tallystick.analysis.buckets import Buckets
from tallystick.analysis.filters import path_of, row_fields
from tallystick.analysis.kept import has_kept_users
from tallystick.analysis.rollups import PEOPLE_FIELDS, ROLLUP_FIELDS, on_quarter_hours, on_utc_days, on_utc_hours
from tallystick.analysis.sources import Needs, Sources
from tallystick.analysis.value_counts import COLUMN, PATH
from tallystick.model.queries.scope import filter_fields
from tallystick.model.query import PROPERTY_PREFIX, AllOf, AnyOf, Condition, Filter, Metric, MetricsQuery

Table = Literal["events", "rollup", "value_counts", "people", "people_days", "hour_users", "kept_days"]

ROLLUP_KINDS = {"events", "last_received"}
"""Metrics that the rollup has."""
COUNTED_KINDS = {"events", "sum", "avg", "min", "max"}
"""Metrics that the counts of values have. A percentile would have to repeat each value as often as it was counted."""


def metrics_needs(query: MetricsQuery) -> Needs:
    """What a store reads before it compiles a metrics query."""
    of_persons = {"users", "events_per_user", "sessions"}
    persons = "user_id" in query.breakdown or any(metric.kind in of_persons for metric in query.metrics)
    kinds = {metric.kind for metric in query.metrics}
    names_users = "user_id" in query.breakdown
    keys = bool(kinds & {"users", "events_per_user"}) and "sessions" not in kinds and not names_users
    numbers = _counts_users_of_events(query) and not names_users
    visits = any(metric.kind == "sessions" for metric in query.metrics)
    return Needs(
        property_columns=_names_properties(query),
        persons=persons,
        user_numbers=numbers,
        user_keys=keys,
        loose_events=visits,
        value_counts=counted_field(query),
        hour_users=counts_users_by_hour(query),
    )


def counts_users_by_hour(query: MetricsQuery) -> bool:
    """Whether the query counts the users of each hour: of one site, since a user of two sites counts once for both."""
    users = users_metrics(query.metrics)
    one_site = query.site_id is not None or "site_id" in query.breakdown
    return bool(users) and query.interval == "hour" and one_site and all(metric.filter is None for metric in users)


def counted_field(query: MetricsQuery) -> str | None:
    """The field whose counts of values answer the query, if there is one: it has one field beside the rollup's own."""
    filters = [query.filter, *(metric.filter for metric in query.metrics)]
    numbers = {PROPERTY_PREFIX + metric.property for metric in query.metrics if metric.property}
    fields = numbers.union(query.breakdown, *map(row_fields, filters)) - ROLLUP_FIELDS
    if len(fields) != 1 or not {metric.kind for metric in query.metrics} <= COUNTED_KINDS:
        return None
    (field,) = fields
    if field == PATH:
        return field
    is_property = field.startswith(PROPERTY_PREFIX) and not path_of(field.removeprefix(PROPERTY_PREFIX))[0]
    return field if is_property and not any(map(_looks_into_arrays, filters)) else None


def _looks_into_arrays(root: Filter | None) -> bool:
    """Whether a filter reads the elements of a property, which takes its JSON."""
    if root is None or isinstance(root, Condition):
        return root is not None and root.op == "has"
    return any(map(_looks_into_arrays, root.all if isinstance(root, AllOf) else root.any))


def _names_properties(query: MetricsQuery) -> bool:
    """Whether the query reads any property."""
    fields = {*query.breakdown, *filter_fields(query.filter), *_filter_fields_of(query.metrics)}
    return any(metric.property for metric in query.metrics) or any(name.startswith(PROPERTY_PREFIX) for name in fields)


def _counts_users_of_events(query: MetricsQuery) -> bool:
    """Whether users are counted whom `people` does not have, whatever the range's edges are."""
    kinds = {metric.kind for metric in query.metrics}
    fields = set(query.breakdown) | row_fields(query.filter) | _row_fields_of(users_metrics(query.metrics))
    in_people = fields <= PEOPLE_FIELDS and query.top is None and kinds <= ROLLUP_KINDS | {"users"}
    return bool(kinds & {"users", "events_per_user"}) and not in_people


def tables_for(query: MetricsQuery, buckets: Buckets | None, sources: Sources) -> tuple[Table, ...]:
    """The smallest tables that can answer the query: one, or the rollup together with those of active users."""
    if not sources.rollups or not on_quarter_hours(query, buckets):
        return ("events",)
    kinds = {metric.kind for metric in query.metrics}
    fields = set(query.breakdown) | row_fields(query.filter)
    in_rollup = fields | _row_fields_of(query.metrics) <= ROLLUP_FIELDS
    if kinds <= ROLLUP_KINDS and in_rollup:
        return ("rollup",)
    if sources.value_counts and sources.value_counts.field == counted_field(query):
        return ("value_counts",)
    in_people = fields | _row_fields_of(users_metrics(query.metrics)) <= PEOPLE_FIELDS
    if not kinds <= ROLLUP_KINDS | {"users"} or not (in_people and in_rollup) or query.top is not None:
        return ("events",)
    people: Table = "people_days" if sources.dialect.day_start and on_utc_days(query, buckets) else "people"
    if sources.hour_users and not sources.persons and counts_users_by_hour(query) and buckets:
        people = "hour_users" if on_utc_hours(query, buckets) else people
    # Groups whose events all lack a user_id are in the rollup alone.
    grouped = buckets is not None or query.breakdown
    if sources.kept and has_kept_users(query, buckets):
        return ("rollup", people, "kept_days")
    return ("rollup", people) if grouped or kinds != {"users"} else (people,)


def with_counted_column(sources: Sources) -> Sources:
    """The sources of a statement over the counts of values, which have the value as if it were a property column."""
    assert sources.value_counts
    key = sources.value_counts.field.removeprefix(PROPERTY_PREFIX)
    return replace(sources, property_columns={key: COLUMN})


def reads_kept(tables: tuple[Table, ...]) -> bool:
    """Whether a statement over these tables has all that is kept of removed events for the query."""
    return tables == ("rollup",) or "kept_days" in tables


def reads_events(tables: tuple[Table, ...], sources: Sources) -> bool:
    """Whether a statement over these tables reads events too."""
    if tables == ("value_counts",):
        return sources.value_counts is not None and sources.value_counts.has_events
    return tables == ("events",)


def users_metrics(metrics: Iterable[Metric]) -> list[Metric]:
    """The metrics that count users."""
    return [metric for metric in metrics if metric.kind == "users"]


def _filter_fields_of(metrics: Iterable[Metric]) -> set[str]:
    """The fields that the metrics' own filters read."""
    return set().union(*(filter_fields(metric.filter) for metric in metrics))


def _row_fields_of(metrics: Iterable[Metric]) -> set[str]:
    """The fields that the metrics' own filters read of a pre-aggregated row."""
    return set().union(*(row_fields(metric.filter) for metric in metrics))


def narrowed(query: MetricsQuery, metrics: Sequence[Metric]) -> tuple[MetricsQuery, bool]:
    """The query without the events that none of these metrics counts.

    Returns:
        The query, and whether its filter now says all that the metrics' own filters say.
    """
    filters: list[Filter] = []
    for metric in metrics:
        if metric.filter is None:
            return query, all(other.filter is None for other in metrics)
        if metric.filter not in filters:
            filters.append(metric.filter)
    any_metric = filters[0] if len(filters) == 1 else AnyOf(any=filters)
    both = any_metric if query.filter is None else AllOf(all=[query.filter, any_metric])
    return query.model_copy(update={"filter": both}), len(filters) == 1
