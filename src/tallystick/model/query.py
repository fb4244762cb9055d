"""Queries and answers: shapes only, no SQL.

These models are the request and answer bodies of `/v1/query` (the OpenAPI document shows the field descriptions) and
the argument and result of `Store.run`. `queries.scope` has what all queries share; each analysis has its own module.
"""

from __future__ import annotations

import builtins
from datetime import datetime
from typing import Annotated, Any, Literal, TypeAlias, get_args

from pydantic import Field, field_validator, model_validator

from tallystick.model.queries.comparison import Compare, Period
from tallystick.model.queries.formula import Formula, check_formulas, check_labels
from tallystick.model.queries.funnel import EventTest, FunnelQuery, FunnelUsersQuery, check_tests
from tallystick.model.queries.paths import PathsQuery
from tallystick.model.queries.retention import ActiveUsersQuery, LifecycleQuery, RetentionQuery, StickinessQuery
from tallystick.model.queries.scope import (
    BREAKDOWN_COLUMNS,
    COLUMNS,
    FILTER_CONDITIONS_MAX,
    FILTER_DEPTH_MAX,
    PROPERTY_PREFIX,
    SERIES_LIMIT,
    SESSION_PREFIX,
    AllOf,
    AnyOf,
    Condition,
    Filter,
    FirstWeekday,
    Interval,
    Scalar,
    Scope,
    Shape,
    WeekStart,
    check_field,
    check_timezone,
    filter_size,
)
from tallystick.model.queries.sessions import SessionsQuery
from tallystick.model.queries.users import PeopleQuery, Person, PersonQuery

__all__ = [
    "BREAKDOWN_COLUMNS",
    "COLUMNS",
    "FILTER_CONDITIONS_MAX",
    "FILTER_DEPTH_MAX",
    "PROPERTY_PREFIX",
    "SERIES_LIMIT",
    "SESSION_PREFIX",
    "AllOf",
    "AnyOf",
    "Condition",
    "EventsQuery",
    "Filter",
    "Freshness",
    "FunnelQuery",
    "FunnelUsersQuery",
    "Interval",
    "KeysQuery",
    "Metric",
    "MetricsQuery",
    "PathsQuery",
    "PeopleQuery",
    "Person",
    "PersonQuery",
    "Query",
    "Result",
    "Scalar",
    "Scope",
    "SessionsQuery",
    "Shape",
    "ValuesQuery",
    "WeekStart",
    "check_field",
    "filter_size",
]


class Metric(Shape):
    """One number to compute over the events of each row."""

    kind: Literal[
        "events",
        "users",
        "sessions",
        "events_per_user",
        "sum",
        "avg",
        "min",
        "max",
        "median",
        "p90",
        "p95",
        "last_received",
    ] = Field(
        "events",
        description="`users` counts distinct ids (null is no id), `sessions` the visits that have such an event; "
        "`events_per_user` is events that have a user divided by distinct users; sum…p95 take the values of "
        "`property` that are JSON numbers; percentiles interpolate; "
        "`last_received` is when the newest of the events arrived. Where there are no events (or no "
        "numbers), events, users and sessions are 0 and the others null.",
    )
    property: str | None = Field(
        None, max_length=200, description="Key in `properties`; required by sum, avg, min, max, median, p90, p95."
    )
    filter: Filter | None = Field(None, description="Only these events, in addition to the query's own filter.")
    name: str | None = Field(
        None, min_length=1, max_length=60, description="Its column in the answer; absent: `events`, `sum(amount)`."
    )

    @model_validator(mode="after")
    def _property_given_when_needed(self) -> Metric:
        numeric = self.kind in {"sum", "avg", "min", "max", "median", "p90", "p95"}
        if numeric and not self.property:
            raise ValueError(f"metric {self.kind} needs a property")
        if not numeric and self.property is not None:
            raise ValueError(f"metric {self.kind} takes no property")
        return self

    @builtins.property  # the plain name is the field above
    def label(self) -> str:
        """The metric's column in the answer: `events`, `sum(amount)`, or its own name."""
        if self.name is not None:
            return self.name
        return f"{self.kind}({self.property})" if self.property else self.kind


class MetricsQuery(Scope):
    """Metrics, optionally over time and broken down. Charts and tables use this kind of query."""

    kind: Literal["metrics"] = "metrics"
    metrics: list[Metric] = Field(default_factory=lambda: [Metric()], min_length=1, max_length=10)
    formulas: list[Formula] = Field(
        default_factory=list, max_length=5, description="Numbers made of each row's metrics, such as `A / B * 100`."
    )
    compare: Compare = None
    interval: Interval | None = Field(None, description="Absent: one bucket for the whole range.")
    week_start: FirstWeekday = "monday"
    timezone: str = Field("UTC", description="IANA name; buckets start at this zone's midnights and full hours.")
    breakdown: list[str] = Field(default_factory=list, max_length=3, description="Fields to group by.")
    top: int | None = Field(
        None,
        ge=1,
        le=1000,
        description="Keep this many groups, the largest by the first metric over the whole range (equal ones in order "
        "of their values, null last). The answer comes whole: no `next_cursor`. Absent: all groups.",
    )
    other: bool = Field(False, description="With `top`: one more group, `other`, holds the rest.")
    fill: bool = Field(True, description="Without breakdown: empty buckets between since and until appear, as zero.")
    approximate: bool = Field(
        False, description="Allow estimated distinct counts (faster); the answer says whether it is `exact`."
    )
    limit: int = Field(10_000, ge=1, le=100_000, description="Rows in one answer.")
    cursor: str | None = Field(
        None, description="`next_cursor` of the previous page; all other fields must stay the same."
    )

    @field_validator("breakdown")
    @classmethod
    def _known_breakdown(cls, value: list[str]) -> list[str]:
        if len(set(value)) != len(value):
            raise ValueError("breakdown names a field twice")
        return [check_field(name, BREAKDOWN_COLUMNS) for name in value]

    @model_validator(mode="after")
    def _parts_fit_together(self) -> MetricsQuery:
        if self.top is not None and not self.breakdown:
            raise ValueError("top needs a breakdown")
        if self.top is not None and self.cursor is not None:
            raise ValueError("an answer with top comes whole and has no cursor")
        if self.other and self.top is None:
            raise ValueError("other needs top")
        if self.compare is not None and self.cursor is not None:
            raise ValueError("an answer with compare comes whole and has no cursor")
        labels = [metric.label for metric in self.metrics] + [formula.label for formula in self.formulas]
        check_labels(labels, self.breakdown)
        check_formulas(self.formulas, [metric.kind for metric in self.metrics])
        check_tests([EventTest(filter=metric.filter) for metric in self.metrics])
        return self

    @field_validator("timezone")
    @classmethod
    def _known_timezone(cls, value: str) -> str:
        return check_timezone(value)


class EventsQuery(Scope):
    """Single events, newest first (or oldest first: a user's timeline), page by page without losing any."""

    kind: Literal["events"] = "events"
    user_id: str | None = Field(None, max_length=256, description="Only this user's events: a timeline.")
    ascending: bool = Field(False, description="Oldest first.")
    limit: int = Field(100, ge=1, le=5_000)
    cursor: str | None = None


class KeysQuery(Scope):
    """Which property keys occur, the most frequent first: for filter pickers. Reads a sample of the newest events.

    The sample is taken from the site and the time range, and the filter is applied to the sample.
    """

    kind: Literal["keys"] = "keys"
    search: str | None = Field(None, max_length=200, description="Only keys that contain this text, ignoring case.")
    sample: int = Field(100_000, ge=1, le=1_000_000, description="How many of the newest events are read.")
    limit: int = Field(200, ge=1, le=1_000)


class ValuesQuery(Scope):
    """Which values a field has, the most frequent first: for filter pickers. Reads a sample of the newest events.

    The sample is taken from the site and the time range, and the filter is applied to the sample. A property's value
    has the type that a filter takes (text, number or boolean); arrays and objects are returned as their JSON text.
    """

    kind: Literal["values"] = "values"
    field: str
    search: str | None = Field(None, max_length=200, description="Only values that contain this text, ignoring case.")
    sample: int = Field(100_000, ge=1, le=1_000_000)
    limit: int = Field(50, ge=1, le=1_000)

    @field_validator("field")
    @classmethod
    def _known_field(cls, value: str) -> str:
        return check_field(value, COLUMNS)


Query: TypeAlias = Annotated[
    MetricsQuery
    | EventsQuery
    | KeysQuery
    | ValuesQuery
    | SessionsQuery
    | PathsQuery
    | PeopleQuery
    | PersonQuery
    | FunnelQuery
    | FunnelUsersQuery
    | RetentionQuery
    | LifecycleQuery
    | StickinessQuery
    | ActiveUsersQuery,
    Field(discriminator="kind"),
]
QUERY_KINDS: dict[str, type[Scope]] = {
    shape.model_fields["kind"].default: shape for shape in get_args(get_args(Query)[0])
}
"""The model of each query by its `kind`."""


class Freshness(Shape):
    """How current an answer is (G10)."""

    loaded_at: datetime | None = Field(None, description="When the newest batch was stored; null: nothing yet.")
    queue_lag_seconds: float | None = Field(None, description="Age of the oldest queued event; null: none is queued.")


class Result(Shape):
    """The answer to any query: rows as objects.

    A metrics row has `bucket` (ISO 8601 with offset, if the query has an interval), a value (or null) per breakdown
    field, a value per metric's and formula's label, `other: true` on rows of the `other` group, with an interval
    `complete`: false if the range or the current time cuts the bucket, and with `compare` `previous`: an object with
    the same values, `bucket` and `complete`. An events row has the event's fields. A keys row has `key`
    and `events`; a values row has `value` and `events`.
    """

    rows: list[dict[str, Any]]
    next_cursor: str | None = None
    previous: Period | None = Field(None, description="With `compare`: the period of each row's `previous`.")
    exact: bool = True
    from_rollup: bool = Field(False, description="Served from the quarter-hour rollup, which equals the raw events.")
    events_from: datetime | None = Field(
        None,
        description="Retention removed the events of before and kept their rollups: figures that these do not have "
        "begin here. Absent if all figures cover the range.",
    )
    elapsed_ms: float = 0.0
    freshness: Freshness = Freshness(loaded_at=None, queue_lag_seconds=None)
