"""What a metrics question is read from: the tables that know enough, and the rows in them that count."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from tallystick.analysis.buckets import QUARTER_HOUR, SECOND, SECONDS, Buckets, micros
from tallystick.analysis.dialect import Dialect
from tallystick.analysis.filters import Params, filter_fields
from tallystick.analysis.sources import Groups, Needs
from tallystick.model.query import PROPERTY_PREFIX, AllOf, AnyOf, Filter, Metric, MetricsQuery

Table = Literal["events", "rollup", "people", "people_days"]

ROLLUP_FIELDS = {"name", "source", "site_id"}
PEOPLE_FIELDS = {"site_id"}
ROLLUP_KINDS = {"events", "last_received"}


def names_properties(query: MetricsQuery) -> bool:
    """Whether a question looks at any property."""
    fields = {*query.breakdown, *filter_fields(query.filter), *fields_of(query.metrics)}
    return any(metric.property for metric in query.metrics) or any(name.startswith(PROPERTY_PREFIX) for name in fields)


def counts_users_of_events(query: MetricsQuery) -> bool:
    """Whether users are counted who have to be looked for among the events, whatever the range's edges."""
    kinds = {metric.kind for metric in query.metrics}
    fields = set(query.breakdown) | filter_fields(query.filter) | fields_of(users_of(query.metrics))
    everybody = fields <= PEOPLE_FIELDS and query.top is None and kinds <= ROLLUP_KINDS | {"users"}
    return bool(kinds & {"users", "events_per_user"}) and not everybody


def tables_for(query: MetricsQuery, buckets: Buckets | None, dialect: Dialect) -> tuple[Table, ...]:
    """What can answer the question, the cheapest that does: one table, or the rollup together with one of people."""
    edges = [micros(edge) for edge in (query.since, query.until) if edge]
    aligned = all(edge % (QUARTER_HOUR * SECOND) == 0 for edge in edges)
    if not aligned or (buckets and not buckets.on_quarter_hours):
        return ("events",)
    kinds = {metric.kind for metric in query.metrics}
    fields = set(query.breakdown) | filter_fields(query.filter)
    in_rollup = fields | fields_of(query.metrics) <= ROLLUP_FIELDS
    if kinds <= ROLLUP_KINDS and in_rollup:
        return ("rollup",)
    of_people = fields | fields_of(users_of(query.metrics)) <= PEOPLE_FIELDS
    if not kinds <= ROLLUP_KINDS | {"users"} or not (of_people and in_rollup) or query.top is not None:
        return ("events",)
    whole_days = all(edge % (SECONDS["day"] * SECOND) == 0 for edge in edges) and (not buckets or buckets.on_utc_days)
    people: Table = "people_days" if dialect.day_start and whole_days else "people"
    # Groups in which nobody is known by a user_id are in the rollup alone.
    grouped = buckets is not None or query.breakdown
    return ("rollup", people) if grouped or kinds != {"users"} else (people,)


def users_of(metrics: Iterable[Metric]) -> list[Metric]:
    return [metric for metric in metrics if metric.kind == "users"]


def fields_of(metrics: Iterable[Metric]) -> set[str]:
    """The fields that the metrics' own filters look at."""
    return set().union(*(filter_fields(metric.filter) for metric in metrics))


def narrowed(query: MetricsQuery, metrics: Sequence[Metric]) -> tuple[MetricsQuery, bool]:
    """The question without the events that none of these metrics counts, and whether that says all of their filters."""
    filters: list[Filter] = []
    for metric in metrics:
        if metric.filter is None:
            return query, all(other.filter is None for other in metrics)
        if metric.filter not in filters:
            filters.append(metric.filter)
    together = filters[0] if len(filters) == 1 else AnyOf(any=filters)
    test = together if query.filter is None else AllOf(all=[query.filter, together])
    return query.model_copy(update={"filter": test}), len(filters) == 1


def given_groups(groups: Groups, params: Params) -> str:
    """A SELECT of d0… and `place`, as a ranking gives them."""
    rows = []
    for place, group in enumerate(groups, 1):
        # NULL has no type that a parameter could tell.
        values = ["CAST(NULL AS VARCHAR)" if value is None else params.add(value, "text") for value in group]
        rows.append(f"({', '.join([*values, str(place)])})")
    columns = ", ".join([*(f"d{number}" for number in range(len(groups[0]))), "place"])
    return f"  SELECT {columns}\n  FROM (VALUES {', '.join(rows)}) AS given({columns})"


def needs(query: MetricsQuery) -> Needs:
    """What a store reads first for a metrics query."""
    persons = "user_id" in query.breakdown or any(m.kind in {"users", "events_per_user"} for m in query.metrics)
    numbers = counts_users_of_events(query) and "user_id" not in query.breakdown
    return Needs(property_columns=names_properties(query), persons=persons, user_numbers=numbers)
