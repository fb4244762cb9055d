"""A metrics query over one table: which columns make a group, and in which form its rows are counted."""

from __future__ import annotations

from tallystick.analysis.buckets import Buckets
from tallystick.analysis.dialect import Dialect
from tallystick.analysis.event_source import EventSource
from tallystick.analysis.metrics.tables import ROLLUP_KINDS, Table, narrowed, users_metrics
from tallystick.model.query import Metric, MetricsQuery

BUCKET_KEY = "bucket_key"
"""The bucket of a row, as the store groups by it; `bucket` in the answer is that key in microseconds."""

COUNTED_USERS = {"hour_users", "kept_days"}
"""Tables that hold the number of active users."""

VISIT = "visit"
"""The visit of an event, see `sessions.keys`."""

COUNTED_BY = {
    "user_id": {"events", "last_received", "users", "events_per_user"},
    VISIT: {"events", "last_received", "sessions"},
}
"""Metrics that pre-aggregated rows have, by the column by which events are pre-aggregated."""


class Grouping:
    """A metrics query over one table.

    Events may be pre-aggregated: grouped by bucket, breakdown and user (or session) first. Afterwards each row of a
    group is another user, which some stores count far faster than `count(DISTINCT …)`.

    Attributes:
        dims: the columns of the breakdown's values: `dim_0`, …
        keys: the columns that make a group: `bucket_key` when there is an interval, and `dims`.
        groups_are_given: the groups come with the query instead of a ranking.
        ranks_first: the groups are ranked over the whole range first, and measured afterwards.
        preaggregated_by: the columns that events are pre-aggregated by; None: they are counted one by one.
        scope: the query without the events that no metric counts.
        filters: the filters that metrics have of their own, by the metric's index, where `scope` does not say them.
    """

    def __init__(
        self,
        query: MetricsQuery,
        source: EventSource,
        buckets: Buckets | None,
        table: Table,
        groups_are_given: bool = False,
    ) -> None:
        self.query = query
        self.source = source
        self.buckets = buckets
        self.table = table
        self.groups_are_given = groups_are_given
        self.dims = [f"dim_{index}" for index in range(len(query.breakdown))]
        self.keys = ([BUCKET_KEY] if buckets else []) + self.dims
        self.ranks_first = query.top is not None and (buckets is not None or query.other or groups_are_given)
        self.preaggregated_by = self._preaggregated_by()
        # Beside the rollup, which has all of the groups, the users may be narrowed by their own metrics alone.
        self.scope, is_complete = narrowed(query, users_metrics(query.metrics) if self.has_users else query.metrics)
        self.filters = {
            index: metric.filter
            for index, metric in enumerate(query.metrics)
            if metric.filter is not None and not is_complete and self.has(metric)
        }

    @property
    def dialect(self) -> Dialect:
        """The store's SQL."""
        return self.source.dialect

    @property
    def has_users(self) -> bool:
        """Whether the table holds active users, or their number, instead of counts of events."""
        return self.table in {"people", "people_days", *COUNTED_USERS}

    @property
    def counts_visits(self) -> bool:
        """Whether a metric counts sessions."""
        return any(metric.kind == "sessions" for metric in self.query.metrics)

    @property
    def estimates(self) -> bool:
        """Whether the number of distinct values is estimated."""
        return self.table == "events" and self.query.approximate and bool(self.dialect.estimate)

    @property
    def repeats_users(self) -> bool:
        """Whether a user may be in several rows of a group, which are made distinct before they are counted."""
        if not self.dialect.preaggregates or not self.has_users or self.filters or self.table in COUNTED_USERS:
            return False
        one_site = self.query.site_id is not None or "site_id" in self.query.breakdown
        once_a_day = self.table == "people_days" and self.query.interval == "day" and one_site
        return self.source.has_persons or not once_a_day

    def has(self, metric: Metric) -> bool:
        """Whether a metric comes from this table."""
        return self.table == "events" or (metric.kind == "users") == self.has_users

    def _preaggregated_by(self) -> list[str] | None:
        kinds = {metric.kind for metric in self.query.metrics}
        if self.table != "events" or self.estimates:
            return None
        if kinds <= ROLLUP_KINDS:
            # Rows that are ranked and measured are read twice: one for each group instead of one for each event.
            return self.keys if self.ranks_first else None
        if not self.dialect.preaggregates:
            return None
        column = next((column for column, counted in COUNTED_BY.items() if kinds <= counted), None)
        return None if column is None else [*self.keys, column]
