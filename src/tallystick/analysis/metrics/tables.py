"""Which tables answer a metrics query: the events, or pre-aggregated tables where they say the same."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from tallystick.analysis.buckets import Buckets
from tallystick.analysis.dialect import Dialect
from tallystick.analysis.filters import filter_fields
from tallystick.analysis.rollups import PEOPLE_FIELDS, ROLLUP_FIELDS, on_quarter_hours, on_utc_days
from tallystick.analysis.sources import Needs
from tallystick.model.query import PROPERTY_PREFIX, AllOf, AnyOf, Filter, Metric, MetricsQuery

Table = Literal["events", "rollup", "people", "people_days"]

ROLLUP_KINDS = {"events", "last_received"}
"""Metrics that the rollup has."""


def metrics_needs(query: MetricsQuery) -> Needs:
    """What a store reads before it compiles a metrics query."""
    persons = "user_id" in query.breakdown or any(m.kind in {"users", "events_per_user"} for m in query.metrics)
    numbers = _counts_users_of_events(query) and "user_id" not in query.breakdown
    return Needs(property_columns=_names_properties(query), persons=persons, user_numbers=numbers)


def _names_properties(query: MetricsQuery) -> bool:
    """Whether the query reads any property."""
    fields = {*query.breakdown, *filter_fields(query.filter), *_filter_fields_of(query.metrics)}
    return any(metric.property for metric in query.metrics) or any(name.startswith(PROPERTY_PREFIX) for name in fields)


def _counts_users_of_events(query: MetricsQuery) -> bool:
    """Whether users are counted whom `people` does not have, whatever the range's edges are."""
    kinds = {metric.kind for metric in query.metrics}
    fields = set(query.breakdown) | filter_fields(query.filter) | _filter_fields_of(users_metrics(query.metrics))
    in_people = fields <= PEOPLE_FIELDS and query.top is None and kinds <= ROLLUP_KINDS | {"users"}
    return bool(kinds & {"users", "events_per_user"}) and not in_people


def tables_for(query: MetricsQuery, buckets: Buckets | None, dialect: Dialect) -> tuple[Table, ...]:
    """The smallest tables that can answer the query: one, or the rollup together with one of active users."""
    if not on_quarter_hours(query, buckets):
        return ("events",)
    kinds = {metric.kind for metric in query.metrics}
    fields = set(query.breakdown) | filter_fields(query.filter)
    in_rollup = fields | _filter_fields_of(query.metrics) <= ROLLUP_FIELDS
    if kinds <= ROLLUP_KINDS and in_rollup:
        return ("rollup",)
    in_people = fields | _filter_fields_of(users_metrics(query.metrics)) <= PEOPLE_FIELDS
    if not kinds <= ROLLUP_KINDS | {"users"} or not (in_people and in_rollup) or query.top is not None:
        return ("events",)
    people: Table = "people_days" if dialect.day_start and on_utc_days(query, buckets) else "people"
    # Groups whose events all lack a user_id are in the rollup alone.
    grouped = buckets is not None or query.breakdown
    return ("rollup", people) if grouped or kinds != {"users"} else (people,)


def users_metrics(metrics: Iterable[Metric]) -> list[Metric]:
    """The metrics that count users."""
    return [metric for metric in metrics if metric.kind == "users"]


def _filter_fields_of(metrics: Iterable[Metric]) -> set[str]:
    """The fields that the metrics' own filters read."""
    return set().union(*(filter_fields(metric.filter) for metric in metrics))


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
