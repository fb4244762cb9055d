"""Metrics questions → SQL: which table serves them, the groups, top and other, the page.

In the statements b is the bucket, d0… are the breakdown's values, n0… a metric's numbers, m0… the metrics, f0… whether
a row passes a metric's own filter.

Some dialects count distinct values slowly. For them rows are folded: put together by bucket, breakdown and user (or
session) first, so that afterwards each row of a group is another user.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from tallystick.analysis.buckets import SECONDS, Buckets, segments
from tallystick.analysis.cursor import decode_cursor
from tallystick.analysis.dialect import Dialect
from tallystick.analysis.filters import Fields, Params, filter_sql, scope_conditions, where
from tallystick.analysis.metrics.tables import ROLLUP_KINDS, Table, given_groups, narrowed, tables_for, users_of
from tallystick.analysis.sources import Groups, Sources
from tallystick.analysis.statement import Statement
from tallystick.errors import InvalidRequest
from tallystick.model.query import PROPERTY_PREFIX, SERIES_LIMIT, Interval, Metric, MetricsQuery, Scope, SessionsQuery

DISTINCT_KINDS = {"users", "sessions", "events_per_user"}
FOLDABLE = {
    "user_id": {"events", "last_received", "users", "events_per_user"},
    "session_id": {"events", "last_received", "sessions"},
}
"""Metrics that can be had from rows that were put together by one column."""
FRACTIONS = {"median": "0.5", "p90": "0.9", "p95": "0.95"}


def compile_metrics(query: MetricsQuery, sources: Sources) -> Statement:
    """The statement of a metrics question; see `dispatch.compile_query`.

    Its columns: `bucket` when there is an interval, the breakdown's values, the metrics, and with an `other` group a
    boolean that says whether the row is it.
    """
    params, groups = Params(sources, query.site_id), sources.groups
    buckets = make_buckets(query, sources.now)
    tables = tables_for(query, buckets, params.dialect) if sources.rollups else ("events",)
    parts = [_Grouping(query, params, buckets, table, groups) for table in tables]
    sql = parts[0].sql() if len(parts) == 1 else _side_by_side(query, params, *parts)
    raw = tables == ("events",)
    estimated = raw and _estimates(query, params.dialect) and any(m.kind in DISTINCT_KINDS for m in query.metrics)
    return Statement(sql, params.values, not estimated, not raw, buckets)


def is_filled(query: MetricsQuery | SessionsQuery) -> bool:
    """Whether the answer is a series without holes; its pages are cut after the holes are filled."""
    return query.fill and query.interval is not None and not query.breakdown


def make_buckets(query: MetricsQuery | SessionsQuery, now: datetime) -> Buckets | None:
    """The buckets of a question with an interval. Raises InvalidRequest: there are too many."""
    if query.interval is None:
        return None
    check_range(query, query.interval)
    return Buckets(query.interval, query.timezone, segments(query.timezone, query.since, query.until, now))


def check_range(query: Scope, interval: Interval) -> None:
    """Raises InvalidRequest: the range has too many buckets, or lies where nothing can be cut into them."""
    for edge in (query.since, query.until):
        if edge and not 1900 <= edge.year <= 9000:
            raise InvalidRequest("with an interval, since and until lie in the years 1900 to 9000")
    if query.since and query.until:
        count = (query.until - query.since) // timedelta(seconds=SECONDS[interval])
        if count > SERIES_LIMIT:
            raise InvalidRequest(
                f"the range has {count} {interval} buckets, {SERIES_LIMIT} at most: "
                "shorten it, or take a longer interval"
            )


def _estimates(query: MetricsQuery, dialect: Dialect) -> bool:
    """Whether distinct values of events may be estimated."""
    return query.approximate and bool(dialect.estimate)


class _Grouping:
    """One metrics question over one table."""

    def __init__(
        self, query: MetricsQuery, params: Params, buckets: Buckets | None, table: Table, groups: Groups | None = None
    ) -> None:
        self.query = query
        self.params = params
        self.dialect = params.dialect
        self.buckets = buckets
        self.table = table
        self.dims = [f"d{index}" for index in range(len(query.breakdown))]
        self.keys = (["b"] if buckets else []) + self.dims
        self.groups = groups
        self.twice = query.top is not None and (buckets is not None or query.other or groups is not None)
        self.fold = self._fold()
        # What no metric counts makes no group. Beside the rollup, which has the groups, people may leave out more.
        self.scope, alike = narrowed(query, users_of(query.metrics) if self.of_people else query.metrics)
        self.tests = {
            place: metric.filter
            for place, metric in enumerate(query.metrics)
            if metric.filter is not None and not alike and self._has(metric)
        }

    def _fold(self) -> list[str] | None:
        """What events are put together by first, None when they are not: the keys, and the column that is counted."""
        kinds = {metric.kind for metric in self.query.metrics}
        if self.table != "events" or _estimates(self.query, self.dialect):
            return None
        if kinds <= ROLLUP_KINDS:  # what is ranked first and then told is a row for each group, and not for each event
            return self.keys if self.twice else None
        if not self.dialect.folds:
            return None
        column = next((column for column, fitting in FOLDABLE.items() if kinds <= fitting), None)
        return None if column is None else [*self.keys, column]

    def sql(self) -> str:
        """The whole statement."""
        tables = ",\n".join([*self.params.tables, f"scoped AS (\n  {self.scoped()}\n)"])
        scoped = f"WITH {tables}"
        if self.query.top is None:
            columns = ", ".join([*self.outputs(), *self.metrics()])
            after = after_cursor(self.query, self.keys, self.params)
            groups = self.group_by(self.keys) + order_and_limit(self.query, self.keys)
            return f"{scoped}\nSELECT {columns}\nFROM scoped{after}{groups}"
        if self.twice:
            return f"{scoped},\nranked AS (\n{self._ranked(self.query.top)}\n)\n{self._joined()}"
        columns = ", ".join([*self.dims, *self.metrics()])
        limit = min(self.query.top, self.query.limit + 1)
        groups = f"{self.group_by(self.dims)}\nORDER BY {self._ranking()}\nLIMIT {limit}"
        return f"{scoped}\nSELECT {columns}\nFROM scoped{groups}"

    # --- the rows that a question is about --------------------------------------------------------------------------

    def scoped(self) -> str:
        """The rows that the question is about, with the columns that it needs."""
        fields = Fields(self.params)
        columns = [f"{self._bucket()} AS b"] if self.buckets else []
        values = zip(self.query.breakdown, self.dims, strict=True)
        columns += [f"{fields.text(field)} AS {dim}" for field, dim in values]
        columns += self._columns(fields)
        if self.table == "people_days":
            conditions = scope_conditions(self.scope, "day", self.params, "day")
        else:
            conditions = scope_conditions(self.scope, self._time(), self.params)
        table = self.params.people(self.table) if self.of_people else self.table
        table = self.params.relation() if self.table == "events" else table
        groups = f"\n  GROUP BY {', '.join(self.fold)}" if self.fold else ""
        select = "SELECT DISTINCT" if self._repeats() else "SELECT"
        return f"{select} {', '.join(columns) or '1'}\n  FROM {table}{where(conditions)}{groups}"

    def _time(self) -> str:
        """The instant of a row."""
        if self.table == "people_days":
            return self.dialect.day_start
        return "timestamp" if self.table == "events" else "bucket"

    def _bucket(self) -> str:
        assert self.buckets
        if self.table == "people_days" and self.query.interval == "day":
            return self.dialect.day_start
        return self.buckets.sql(self.dialect, self._time())

    def _columns(self, fields: Fields) -> list[str]:
        """What the metrics are made of."""
        if self.fold:
            return self._folded(fields, self.fold)
        tests = self._tests(fields)
        metrics = self.query.metrics
        passed = [f"{test} AS f{place}" for place, test in tests.items() if not metrics[place].property]
        if self.table == "rollup":
            return ["events", "last_received", *passed]
        if self.table != "events":
            return ["user_id", *passed]
        kinds = {metric.kind for metric in self.query.metrics}
        needed = {
            "user_id": kinds & {"users", "events_per_user"},
            "session_id": kinds & {"sessions"},
            "received_at": kinds & {"last_received"},
        }
        numbers = []
        for index, metric in enumerate(metrics):
            if metric.property:
                number = fields.number(PROPERTY_PREFIX + metric.property)  # once a row, used below
                own = f"CASE WHEN {tests[index]} THEN {number} END" if index in tests else number
                numbers.append(f"{own} AS n{index}")
        return [column for column, wanted in needed.items() if wanted] + numbers + passed

    def _tests(self, fields: Fields) -> dict[int, str]:
        """The metrics that have a filter of their own, by their places, and what rows pass it."""
        return {place: filter_sql(test, fields) for place, test in self.tests.items()}

    def _folded(self, fields: Fields, fold: list[str]) -> list[str]:
        """What rows that were put together have: how many events there were, of each filter apart."""
        newest = any(metric.kind == "last_received" for metric in self.query.metrics)
        columns = [*fold[len(self.keys) :], "count(*) AS events"]
        columns += ["max(received_at) AS last_received"] if newest else []
        for place, test in self._tests(fields).items():
            columns.append(f"count(CASE WHEN {test} THEN 1 END) AS e{place}")
            if self.query.metrics[place].kind == "last_received":
                columns.append(f"max(CASE WHEN {test} THEN received_at END) AS l{place}")
        return columns

    def _repeats(self) -> bool:
        """Whether somebody may stand in several rows of a group, which have to be made different first."""
        if not self.dialect.folds or not self.of_people or self.tests:
            return False
        one_site = self.query.site_id is not None or "site_id" in self.query.breakdown
        once = self.table == "people_days" and self.query.interval == "day" and one_site
        return self.params.joined or not once

    # --- groups -----------------------------------------------------------------------------------------------------

    def outputs(self) -> list[str]:
        """The keys as they are given back."""
        return ([f"{self.dialect.key_us.format('b')} AS bucket"] if self.buckets else []) + self.dims

    def metrics(self) -> list[str]:
        """The metrics that this table has."""
        return [
            f"{self._metric(metric, index)} AS m{index}"
            for index, metric in enumerate(self.query.metrics)
            if self._has(metric)
        ]

    def _has(self, metric: Metric) -> bool:
        """Whether a metric comes from this table."""
        return self.table == "events" or (metric.kind == "users") == self.of_people

    @property
    def of_people(self) -> bool:
        """Whether the table holds users instead of counts."""
        return self.table in {"people", "people_days"}

    def _own(self, index: int, column: str) -> str:
        """A column in the rows that a metric is about, NULL in the others."""
        if index not in self.tests:
            return column
        if self.fold and column in ("events", "last_received"):
            return f"{column[0]}{index}"
        return f"CASE WHEN {f'e{index} > 0' if self.fold else f'f{index}'} THEN {column} END"

    def _metric(self, metric: Metric, index: int) -> str:
        """A metric over the rows of a group. Without rows, counts are 0 and everything else is NULL."""
        dialect, summed = self.dialect, bool(self.table == "rollup" or self.fold)
        user = self._own(index, "user_id")
        match metric.kind:
            case "events" if summed:
                return f"coalesce({dialect.whole.format(self._own(index, 'events'))}, 0)"
            case "events":
                return f"count({self._own(index, '1')})" if index in self.tests else "count(*)"
            case "users":
                return self._different(user)
            case "sessions":
                return self._different(self._own(index, "session_id"))
            case "events_per_user":
                counted = f"sum({self._own(index, 'events')}) FILTER (WHERE user_id IS NOT NULL)"
                events = counted if summed else f"count({user})"
                return f"CAST({events} AS DOUBLE PRECISION) / nullif({self._different(user)}, 0)"
            case "last_received":
                newest = self._own(index, "last_received" if summed else "received_at")
                return dialect.epoch_us.format(f"max({newest})")
        number = f"n{index}"
        if metric.kind in ("sum", "avg"):
            return (dialect.total if metric.kind == "sum" else dialect.mean).format(number)
        number = dialect.finite.format(number)
        if metric.kind in FRACTIONS:
            return dialect.percentile.format(number, fraction=FRACTIONS[metric.kind])
        return f"{metric.kind}({number})"

    def _different(self, column: str) -> str:
        """How many different values a column has in a group."""
        alone = self.fold or (self.of_people and not self.tests)
        if self.dialect.folds and alone and not self.twice:
            return f"count({column})"  # each stands in one row
        estimate = self.table == "events" and _estimates(self.query, self.dialect)
        return (self.dialect.estimate if estimate else "count(DISTINCT {0})").format(column)

    def group_by(self, keys: list[str]) -> str:
        """GROUP BY the keys. What an erasure has brought to nothing in the rollup is no group."""
        if not keys:
            return ""
        having = "\nHAVING sum(events) <> 0" if self.table == "rollup" else ""
        return f"\nGROUP BY {', '.join(keys)}{having}"

    def _ranking(self) -> str:
        return ", ".join(["m0 DESC NULLS LAST", *(f"{dim} NULLS LAST" for dim in self.dims)])

    def _ranked(self, top: int) -> str:
        """The largest groups over the whole range, numbered from the largest; or those that were given."""
        if self.groups is not None:
            return given_groups(self.groups, self.params)
        dims = ", ".join(self.dims)
        return (
            f"  SELECT {dims}, row_number() OVER (ORDER BY {self._ranking()}) AS place\n"
            f"  FROM (SELECT {dims}, {self.metrics()[0]} FROM scoped{self.group_by(self.dims)}) AS ranking\n"
            f"  ORDER BY place\n  LIMIT {top}"
        )

    def _joined(self) -> str:
        """The metrics of the ranked groups in their order, and with `other` those of all the rest as one group."""
        query = self.query
        same = " AND ".join(self.dialect.same.format(f"scoped.{dim}", f"ranked.{dim}") for dim in self.dims)
        keys = [*(["b"] if self.buckets else []), "place", *(f"ranked.{dim}" for dim in self.dims)]
        outputs = [column if column not in self.dims else f"ranked.{column}" for column in self.outputs()]
        columns = [*outputs, *self.metrics(), *(["place IS NULL AS other"] if query.other else [])]
        order = "b, place NULLS LAST" if self.buckets else "place NULLS LAST"
        return (
            f"SELECT {', '.join(columns)}\nFROM scoped {'LEFT ' if query.other else ''}JOIN ranked ON {same}"
            f"{self.group_by(keys)}\nORDER BY {order}\nLIMIT {query.limit + 1}"
        )


def _side_by_side(query: MetricsQuery, params: Params, counts: _Grouping, people: _Grouping) -> str:
    """Counts from the rollup beside users, who all have events: every group is in the rollup."""
    parts = []
    for part, name in ((counts, "counts"), (people, "persons")):
        columns = ", ".join([*part.keys, *part.metrics()])
        table = f"({part.scoped()}) AS scoped{part.group_by(part.keys)}"
        parts.append(f"{name} AS (\n  SELECT {columns}\n  FROM {table}\n)")
    same = " AND ".join(f"persons.{key} = counts.{key}" for key in counts.keys)
    outputs = [f"{params.dialect.key_us.format('counts.b')} AS bucket"] if counts.buckets else []
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
            mark = params.add(value, "bucket")
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
