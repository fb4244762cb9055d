"""Metrics questions → SQL: which table serves them, the groups, top and other, the page.

In the statements b is the bucket, d0… are the breakdown's values, n0… a metric's numbers, m0… the metrics.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

from runnel.errors import InvalidRequest
from runnel.model.query import PROPERTY_PREFIX, SERIES_LIMIT, Metric, MetricsQuery
from runnel.store.buckets import QUARTER_HOUR, SECONDS, Buckets, micros, segments
from runnel.store.compile_filter import Fields, Params, filter_fields, scope_conditions, where
from runnel.store.cursor import decode_cursor
from runnel.store.engine import Engine
from runnel.store.statement import Statement

Table = Literal["events", "rollup", "people"]

ROLLUP_FIELDS = {"name", "source", "site_id"}
PEOPLE_FIELDS = {"site_id"}
ROLLUP_KINDS = {"events", "last_received"}
DISTINCT_KINDS = {"users", "sessions", "events_per_user"}
FRACTIONS = {"median": "0.5", "p90": "0.9", "p95": "0.95"}


def compile_metrics(query: MetricsQuery, params: Params, now: datetime, rollups: bool) -> Statement:
    """The statement of a metrics question; see `compile.compile_query`.

    Its columns: `bucket` when there is an interval, the breakdown's values, the metrics, and with an `other` group a
    boolean that says whether the row is it.
    """
    buckets = _buckets(query, now)
    tables = _tables(query, buckets) if rollups else ("events",)
    if len(tables) == 2:
        sql = _counts_and_people(query, params, buckets)
    else:
        sql = _Grouping(query, params, buckets, tables[0]).sql()
    raw = tables == ("events",)
    estimated = raw and query.approximate and any(metric.kind in DISTINCT_KINDS for metric in query.metrics)
    return Statement(sql, params.values, not estimated, not raw, buckets)


def names_properties(query: MetricsQuery) -> bool:
    """Whether a question looks at any property."""
    fields = {*query.breakdown, *filter_fields(query.filter)}
    return any(metric.property for metric in query.metrics) or any(name.startswith(PROPERTY_PREFIX) for name in fields)


def is_filled(query: MetricsQuery) -> bool:
    """Whether the answer is a series without holes; its pages are cut after the holes are filled."""
    return query.fill and query.interval is not None and not query.breakdown


def _buckets(query: MetricsQuery, now: datetime) -> Buckets | None:
    if query.interval is None:
        return None
    for edge in (query.since, query.until):
        if edge and not 1900 <= edge.year <= 9000:
            raise InvalidRequest("with an interval, since and until lie in the years 1900 to 9000")
    if query.since and query.until:
        count = (query.until - query.since) // timedelta(seconds=SECONDS[query.interval])
        if count > SERIES_LIMIT:
            raise InvalidRequest(
                f"the range has {count} {query.interval} buckets, {SERIES_LIMIT} at most: "
                "shorten it, or take a longer interval"
            )
    return Buckets(query.interval, query.timezone, segments(query.timezone, query.since, query.until, now))


def _tables(query: MetricsQuery, buckets: Buckets | None) -> tuple[Table, ...]:
    """What can answer the question, the cheapest that does: one table, or the rollup together with `people`."""
    edges = [edge for edge in (query.since, query.until) if edge]
    aligned = all(micros(edge) % (QUARTER_HOUR * 1_000_000) == 0 for edge in edges)
    if not aligned or (buckets and not buckets.on_quarter_hours):
        return ("events",)
    kinds = {metric.kind for metric in query.metrics}
    fields = set(query.breakdown) | filter_fields(query.filter)
    if kinds <= ROLLUP_KINDS and fields <= ROLLUP_FIELDS:
        return ("rollup",)
    if not kinds <= ROLLUP_KINDS | {"users"} or not fields <= PEOPLE_FIELDS or query.top is not None:
        return ("events",)
    # Groups in which nobody is known by a user_id are in the rollup alone.
    grouped = buckets is not None or query.breakdown
    return ("rollup", "people") if grouped or kinds != {"users"} else ("people",)


def _metric(metric: Metric, table: Table, number: str, engine: Engine, approximate: bool) -> str:
    """A metric over the rows of a group. Without rows, counts are 0 and everything else is NULL."""
    distinct = engine.estimate if approximate and table == "events" else "count(DISTINCT {0})"
    if metric.kind == "events":
        return "count(*)" if table == "events" else f"coalesce({engine.whole.format('events')}, 0)"
    if metric.kind == "users":
        return distinct.format("user_id")
    if metric.kind == "sessions":
        return distinct.format("session_id")
    if metric.kind == "events_per_user":
        return f"CAST(count(user_id) AS DOUBLE PRECISION) / nullif({distinct.format('user_id')}, 0)"
    if metric.kind == "last_received":
        return engine.epoch_us.format(f"max({'received_at' if table == 'events' else 'last_received'})")
    number = engine.finite.format(number)
    if metric.kind in FRACTIONS:
        return engine.percentile.format(number, fraction=FRACTIONS[metric.kind])
    return f"{metric.kind}({number})"


class _Grouping:
    """One metrics question over one table."""

    def __init__(self, query: MetricsQuery, params: Params, buckets: Buckets | None, table: Table) -> None:
        self.query = query
        self.params = params
        self.engine = params.engine
        self.buckets = buckets
        self.table = table
        self.dims = [f"d{index}" for index in range(len(query.breakdown))]
        self.keys = (["b"] if buckets else []) + self.dims

    def sql(self) -> str:
        """The whole statement."""
        scoped = f"WITH scoped AS (\n  {self.scoped()}\n)"
        if self.query.top is None:
            columns = ", ".join([*self.outputs(), *self.metrics()])
            after = after_cursor(self.query, self.keys, self.params)
            groups = self.group_by(self.keys) + order_and_limit(self.query, self.keys)
            return f"{scoped}\nSELECT {columns}\nFROM scoped{after}{groups}"
        if self.buckets or self.query.other:
            return f"{scoped},\nranked AS (\n{self._ranked()}\n)\n{self._joined()}"
        columns = ", ".join([*self.dims, *self.metrics()])
        limit = min(self.query.top, self.query.limit + 1)
        groups = f"{self.group_by(self.dims)}\nORDER BY {self._ranking()}\nLIMIT {limit}"
        return f"{scoped}\nSELECT {columns}\nFROM scoped{groups}"

    def scoped(self) -> str:
        """The rows that the question is about, with the columns that it needs."""
        time = "timestamp" if self.table == "events" else "bucket"
        fields = Fields(self.params)
        columns = [f"{self.buckets.sql(self.engine, time)} AS b"] if self.buckets else []
        values = zip(self.query.breakdown, self.dims, strict=True)
        columns += [f"{fields.text(field)} AS {dim}" for field, dim in values]
        if self.table == "events":
            columns += self._event_columns(fields)
        else:
            columns += ["events", "last_received"] if self.table == "rollup" else ["user_id"]
        conditions = scope_conditions(self.query, time, self.params)
        table = self.params.relation() if self.table == "events" else self.table
        return f"SELECT {', '.join(columns) or '1'}\n  FROM {table}{where(conditions)}"

    def _event_columns(self, fields: Fields) -> list[str]:
        kinds = {metric.kind for metric in self.query.metrics}
        needed = {
            "user_id": kinds & {"users", "events_per_user"},
            "session_id": kinds & {"sessions"},
            "received_at": kinds & {"last_received"},
        }
        numbers = [
            f"{fields.number(PROPERTY_PREFIX + metric.property)} AS n{index}"  # once a row, used below
            for index, metric in enumerate(self.query.metrics)
            if metric.property
        ]
        return [column for column, wanted in needed.items() if wanted] + numbers

    def outputs(self) -> list[str]:
        """The keys as they are given back."""
        return (["b AS bucket"] if self.buckets else []) + self.dims

    def metrics(self) -> list[str]:
        """The metrics that this table has."""
        approximate = self.query.approximate
        return [
            f"{_metric(metric, self.table, f'n{index}', self.engine, approximate)} AS m{index}"
            for index, metric in enumerate(self.query.metrics)
            if self.table == "events" or (metric.kind == "users") == (self.table == "people")
        ]

    def group_by(self, keys: list[str]) -> str:
        """GROUP BY the keys. What an erasure has brought to nothing in the rollup is no group."""
        if not keys:
            return ""
        having = "\nHAVING sum(events) <> 0" if self.table == "rollup" else ""
        return f"\nGROUP BY {', '.join(keys)}{having}"

    def _ranking(self) -> str:
        return ", ".join(["m0 DESC NULLS LAST", *(f"{dim} NULLS LAST" for dim in self.dims)])

    def _ranked(self) -> str:
        """The largest groups over the whole range, numbered from the largest."""
        dims = ", ".join(self.dims)
        return (
            f"  SELECT {dims}, row_number() OVER (ORDER BY {self._ranking()}) AS place\n"
            f"  FROM (SELECT {dims}, {self.metrics()[0]} FROM scoped{self.group_by(self.dims)}) AS ranking\n"
            f"  ORDER BY place\n  LIMIT {self.query.top}"
        )

    def _joined(self) -> str:
        """The metrics of the ranked groups in their order, and with `other` those of all the rest as one group."""
        query = self.query
        same = " AND ".join(self.engine.same.format(f"scoped.{dim}", f"ranked.{dim}") for dim in self.dims)
        keys = [*(["b"] if self.buckets else []), "place", *(f"ranked.{dim}" for dim in self.dims)]
        outputs = [column if column not in self.dims else f"ranked.{column}" for column in self.outputs()]
        columns = [*outputs, *self.metrics(), *(["place IS NULL AS other"] if query.other else [])]
        order = "b, place NULLS LAST" if self.buckets else "place NULLS LAST"
        return (
            f"SELECT {', '.join(columns)}\nFROM scoped {'LEFT ' if query.other else ''}JOIN ranked ON {same}"
            f"{self.group_by(keys)}\nORDER BY {order}\nLIMIT {query.limit + 1}"
        )


def _counts_and_people(query: MetricsQuery, params: Params, buckets: Buckets | None) -> str:
    """Counts from the rollup beside users from `people`, who all have events: every group is in the rollup."""
    counts = _Grouping(query, params, buckets, "rollup")
    people = _Grouping(query, params, buckets, "people")
    parts = []
    for part, name in ((counts, "counts"), (people, "persons")):
        columns = ", ".join([*part.keys, *part.metrics()])
        table = f"({part.scoped()}) AS scoped{part.group_by(part.keys)}"
        parts.append(f"{name} AS (\n  SELECT {columns}\n  FROM {table}\n)")
    same = " AND ".join(f"persons.{key} = counts.{key}" for key in counts.keys)
    outputs = ["counts.b AS bucket"] if buckets else []
    outputs += [f"counts.{dim}" for dim in counts.dims]
    for index, metric in enumerate(query.metrics):
        outputs.append(f"coalesce(m{index}, 0) AS m{index}" if metric.kind == "users" else f"m{index}")
    keys = [f"counts.{key}" for key in counts.keys]
    after = after_cursor(query, keys, params)
    return (
        f"WITH {', '.join(parts)}\nSELECT {', '.join(outputs)}\n"
        f"FROM counts LEFT JOIN persons ON {same or '1 = 1'}{after}{order_and_limit(query, keys)}"
    )


def after_cursor(query: MetricsQuery, keys: list[str], params: Params) -> str:
    """Only groups behind the cursor's, in the order of `order_and_limit`: buckets, then values with NULL last."""
    after = decode_cursor(query)
    if after is None or is_filled(query):
        return ""
    equal: list[str] = []
    behind: list[str] = []
    for key, value in zip(keys, after, strict=True):
        if value is None:
            equal.append(f"{key} IS NULL")
            continue
        if isinstance(value, int):
            mark = params.add(value, "whole")
            larger = f"{key} > {mark}"
        else:
            mark = params.add(value, "text")
            larger = f"({key} > {mark} OR {key} IS NULL)"
        behind.append(" AND ".join([*equal, larger]))
        equal.append(f"{key} = {mark}")
    return where([f"({' OR '.join(behind) or '1 = 0'})"])


def order_and_limit(query: MetricsQuery, keys: list[str]) -> str:
    """One row more than asked for, which tells that there is another page; of a filled series, all that it may have."""
    if not keys:
        return ""
    order = ", ".join(f"{key} NULLS LAST" for key in keys)
    return f"\nORDER BY {order}\nLIMIT {SERIES_LIMIT + 1 if is_filled(query) else query.limit + 1}"
