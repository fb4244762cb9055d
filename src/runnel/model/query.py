"""Questions and answers: shapes only, no SQL.

These models are the request and answer bodies of `/v1/query` (field descriptions show in the OpenAPI document) and what
`Store.run` takes and gives.
"""

from __future__ import annotations

import builtins
import math
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AwareDatetime, BaseModel, ConfigDict, Discriminator, Field, Tag, field_validator, model_validator

COLUMNS = ("name", "source", "path", "site_id", "user_id", "session_id", "event_id")
"""Fields of an event that filters accept by name; a property is written `properties.<key>`."""

BREAKDOWN_COLUMNS = ("name", "source", "path", "site_id", "user_id", "session_id")
PROPERTY_PREFIX = "properties."
SERIES_LIMIT = 20_000
"""Most buckets a time series may have."""
FILTER_CONDITIONS_MAX = 200
FILTER_DEPTH_MAX = 10

Interval: TypeAlias = Literal["minute", "hour", "day", "week", "month"]
Scalar: TypeAlias = str | float | int | bool


class Shape(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def check_field(name: str, columns: tuple[str, ...]) -> str:
    """`name` when it is one of `columns` or a property; raises ValueError with what is allowed otherwise."""
    if name in columns or (name.startswith(PROPERTY_PREFIX) and 0 < len(name) - len(PROPERTY_PREFIX) <= 200):
        return name
    raise ValueError(f"unknown field {name!r}: use one of {', '.join(columns)} or properties.<key>")


class Metric(Shape):
    """What to compute over the events of each row."""

    kind: Literal[
        "events", "users", "sessions", "events_per_user", "sum", "avg", "min", "max", "median", "p90", "p95",
        "last_received",
    ] = Field(
        "events",
        description="`users` and `sessions` count distinct ids (null is no id); `events_per_user` is events that have "
        "a user divided by distinct users; sum…p95 take the values of `property` that are JSON numbers; percentiles "
        "interpolate; `last_received` is when the newest of the events arrived. Where there are no events (or no "
        "numbers), events, users and sessions are 0 and the others null.",
    )
    property: str | None = Field(
        None, max_length=200, description="Key in `properties`; required by sum, avg, min, max, median, p90, p95."
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
        """The metric's column in the answer: `events`, `sum(amount)`."""
        return f"{self.kind}({self.property})" if self.property else self.kind


class Condition(Shape):
    """One test of one field. A missing property and a null field are `not_set` and fail every other test but `!=`."""

    field: str = Field(description="name, source, path, site_id, user_id, session_id, event_id, or properties.<key>")
    op: Literal["=", "!=", "in", "contains", ">", "<", "set", "not_set"]
    value: Scalar | list[Scalar] | None = Field(
        None,
        description="A list for `in`, nothing for `set` and `not_set`. A number compares by number (only with numeric "
        "values), a text by text in code-point order, a boolean with true or false.",
    )

    @field_validator("field")
    @classmethod
    def _known_field(cls, value: str) -> str:
        return check_field(value, COLUMNS)

    @field_validator("value")
    @classmethod
    def _numbers_are_doubles(cls, value: Scalar | list[Scalar] | None) -> Scalar | list[Scalar] | None:
        for part in value if isinstance(value, list) else [value]:
            try:
                finite = not isinstance(part, int | float) or math.isfinite(part)
            except OverflowError:
                finite = False
            if not finite:
                raise ValueError(f"the number {str(part)[:40]} is beyond the range of a double")
        return value

    @model_validator(mode="after")
    def _value_fits_op(self) -> Condition:
        if self.op in {"set", "not_set"}:
            fits = self.value is None
        elif self.op == "in":
            fits = isinstance(self.value, list) and 0 < len(self.value) <= 1000
        elif self.op == "contains":
            fits = isinstance(self.value, str)
        elif self.op in {">", "<"}:
            fits = isinstance(self.value, str | int | float) and not isinstance(self.value, bool)
        else:
            fits = self.value is not None and not isinstance(self.value, list)
        if not fits:
            raise ValueError(f"operator {self.op!r} does not take the value {self.value!r}")
        return self


class AllOf(Shape):
    """True when every part is; true when empty."""

    all: list[Filter] = Field(max_length=50)


class AnyOf(Shape):
    """True when at least one part is; false when empty."""

    any: list[Filter] = Field(max_length=50)


def _filter_tag(value: object) -> str:
    """Which of the three a filter is, by the key that only it has: so that an error names the right one."""
    for tag in ("all", "any"):
        if hasattr(value, tag) or (isinstance(value, dict) and tag in value):
            return tag
    return "condition"


Filter: TypeAlias = Annotated[
    Annotated[Condition, Tag("condition")] | Annotated[AllOf, Tag("all")] | Annotated[AnyOf, Tag("any")],
    Discriminator(_filter_tag),
]


def filter_size(root: Filter) -> tuple[int, int]:
    """How many conditions a filter has, and how deep it is nested."""
    if isinstance(root, Condition):
        return 1, 1
    sizes = [filter_size(part) for part in (root.all if isinstance(root, AllOf) else root.any)]
    return sum(count for count, _ in sizes), 1 + max((depth for _, depth in sizes), default=0)


class Scope(Shape):
    """Which events a question is about. `since` is included, `until` is not."""

    site_id: str | None = Field("default", max_length=128, description="null: every site that the caller may read.")
    since: AwareDatetime | None = Field(None, description="Event time, included; absent: from the first event.")
    until: AwareDatetime | None = Field(None, description="Event time, excluded; absent: up to the newest event.")
    filter: Filter | None = Field(
        None, description=f"At most {FILTER_CONDITIONS_MAX} conditions, nested at most {FILTER_DEPTH_MAX} deep."
    )

    @field_validator("filter")
    @classmethod
    def _filter_is_bounded(cls, value: Filter | None) -> Filter | None:
        count, depth = filter_size(value) if value else (0, 0)
        if count > FILTER_CONDITIONS_MAX or depth > FILTER_DEPTH_MAX:
            raise ValueError(
                f"a filter has at most {FILTER_CONDITIONS_MAX} conditions ({count} given), "
                f"nested at most {FILTER_DEPTH_MAX} deep ({depth} given)"
            )
        return value

    @field_validator("since", "until")
    @classmethod
    def _in_utc(cls, value: datetime | None) -> datetime | None:
        try:
            return value.astimezone(UTC) if value else None
        except OverflowError as error:
            raise ValueError("the time is outside the years 1 to 9999 in UTC") from error

    @model_validator(mode="after")
    def _range_is_forward(self) -> Scope:
        if self.since and self.until and self.since > self.until:
            raise ValueError("since must not be after until")
        return self


class MetricsQuery(Scope):
    """Metrics, over time and broken down when asked. The kind of question that charts and tables are made of."""

    kind: Literal["metrics"] = "metrics"
    metrics: list[Metric] = Field(default_factory=lambda: [Metric()], min_length=1, max_length=10)
    interval: Interval | None = Field(None, description="Absent: the whole range as one. Weeks start on Monday.")
    timezone: str = Field("UTC", description="IANA name; buckets start at this zone's midnights and full hours.")
    breakdown: list[str] = Field(default_factory=list, max_length=3, description="Fields to group by.")
    top: int | None = Field(
        None, ge=1, le=1000,
        description="Keep this many groups, the largest by the first metric over the whole range (equal ones in order "
        "of their values, null last). The answer comes whole: no `next_cursor`. Absent: all groups.",
    )
    other: bool = Field(False, description="With `top`: one more group, `other`, holds the rest.")
    fill: bool = Field(True, description="Without breakdown: empty buckets between since and until appear, as zero.")
    approximate: bool = Field(
        False, description="Allow estimated distinct counts (faster); the answer says whether it is `exact`."
    )
    limit: int = Field(10_000, ge=1, le=100_000, description="Rows in one answer.")
    cursor: str | None = Field(None, description="`next_cursor` of the answer before; every other field unchanged.")

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
        labels = [metric.label for metric in self.metrics]
        if len(set(labels)) != len(labels):
            raise ValueError("metrics names one twice")
        return self

    @field_validator("timezone")
    @classmethod
    def _known_timezone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(f"unknown time zone {value!r}: use an IANA name such as Europe/Berlin") from error
        return value


class EventsQuery(Scope):
    """Single events, newest first (or oldest first: a user's timeline), page by page without losing any."""

    kind: Literal["events"] = "events"
    user_id: str | None = Field(None, max_length=256, description="Only this user's events: a timeline.")
    ascending: bool = Field(False, description="Oldest first.")
    limit: int = Field(100, ge=1, le=5_000)
    cursor: str | None = None


class KeysQuery(Scope):
    """Which property keys occur, the most frequent first: for filter pickers. Looks at the newest events only.

    The newest are those of the site and the time range; the filter picks among them.
    """

    kind: Literal["keys"] = "keys"
    sample: int = Field(100_000, ge=1, le=1_000_000, description="How many of the newest events are looked at.")
    limit: int = Field(200, ge=1, le=1_000)


class ValuesQuery(Scope):
    """Which values a field has, the most frequent first: for filter pickers. Looks at the newest events only.

    The newest are those of the site and the time range; the filter picks among them. A property's value comes as a
    filter takes it (text, number or boolean), arrays and objects as their JSON text.
    """

    kind: Literal["values"] = "values"
    field: str
    search: str | None = Field(None, max_length=200, description="Only values that contain this, whatever the case.")
    sample: int = Field(100_000, ge=1, le=1_000_000)
    limit: int = Field(50, ge=1, le=1_000)

    @field_validator("field")
    @classmethod
    def _known_field(cls, value: str) -> str:
        return check_field(value, COLUMNS)


Query: TypeAlias = Annotated[MetricsQuery | EventsQuery | KeysQuery | ValuesQuery, Field(discriminator="kind")]


class Freshness(Shape):
    """How current an answer is (G10)."""

    loaded_at: datetime | None = Field(None, description="When the newest batch was stored; null: nothing yet.")
    queue_lag_seconds: float | None = Field(None, description="Age of the oldest event still queued; null: none waits.")


class Result(Shape):
    """The answer to any question: rows as objects.

    A metrics row has `bucket` (ISO 8601 with offset, when an interval was asked for), a value (or null) per breakdown
    field, a value per metric's label, and `other: true` on rows of the `other` group. An events row has the event's
    fields. A keys row has `key`, `events`; a values row `value`, `events`.
    """

    rows: list[dict[str, Any]]
    next_cursor: str | None = None
    exact: bool = True
    from_rollup: bool = Field(False, description="Served from the quarter-hour rollup, which equals the raw events.")
    elapsed_ms: float = 0.0
    freshness: Freshness = Freshness(loaded_at=None, queue_lag_seconds=None)


AllOf.model_rebuild()
AnyOf.model_rebuild()
