"""Which events a query looks at: fields, filters, site and time range. Shapes only, no SQL."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Annotated, Literal, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AwareDatetime, BaseModel, ConfigDict, Discriminator, Field, Tag, field_validator, model_validator

from tallystick.keys import EVERY_SITE
from tallystick.model.event import SITE_ID_MAX

COLUMNS = ("name", "source", "path", "site_id", "user_id", "session_id", "event_id")
"""The fields of an event that a filter may name. A property is written `properties.<key>`."""

BREAKDOWN_COLUMNS = ("name", "source", "path", "site_id", "user_id", "session_id")
PROPERTY_PREFIX = "properties."
SESSION_PREFIX = "session."
"""Before the fields of a filter that describe the visit of an event, not the event."""
SESSION_FIELDS = ("entry_page", "exit_page", "channel", "referrer")
"""The fields that a session has in addition to those of its entry event."""
ENTRY_COLUMNS = ("name", "source", "path")
"""The fields of the entry event that a filter may name after SESSION_PREFIX, besides its properties."""
SERIES_LIMIT = 20_000
"""The most buckets that a time series may have."""
FILTER_CONDITIONS_MAX = 200
FILTER_DEPTH_MAX = 10

Interval: TypeAlias = Literal["minute", "hour", "day", "week", "month"]
WeekStart: TypeAlias = Literal["monday", "sunday"]
FirstWeekday: TypeAlias = Annotated[
    WeekStart, Field(description="The day that weeks begin on, with the interval `week`.")
]
Scalar: TypeAlias = str | float | int | bool


class Shape(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def check_field(name: str, columns: tuple[str, ...]) -> str:
    """Return `name` if it is one of `columns` or a property.

    Raises:
        ValueError: it is neither; the message lists what is allowed.
    """
    if name in columns or (name.startswith(PROPERTY_PREFIX) and 0 < len(name) - len(PROPERTY_PREFIX) <= 200):
        return name
    raise ValueError(f"unknown field {name!r}: use one of {', '.join(columns)} or properties.<key>")


def check_filter_field(name: str) -> str:
    """Return `name` if a filter may name it: a field of the event, or `session.<field>` of its visit.

    Raises:
        ValueError: it is neither; the message lists what is allowed.
    """
    if not name.startswith(SESSION_PREFIX):
        return check_field(name, COLUMNS)
    allowed = (*SESSION_FIELDS, *ENTRY_COLUMNS)
    try:
        check_field(name.removeprefix(SESSION_PREFIX), allowed)
    except ValueError as error:
        names = ", ".join(SESSION_PREFIX + field for field in (*allowed, "properties.<key>"))
        raise ValueError(f"unknown field {name!r} of a visit: use one of {names}") from error
    return name


def check_timezone(name: str) -> str:
    """Return `name` if it is an IANA time zone.

    Raises:
        ValueError: there is no such zone.
    """
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"unknown time zone {name!r}: use an IANA name such as Europe/Berlin") from error
    return name


class Condition(Shape):
    """A test of one field. A missing property and a null field are `not_set`, and fail all tests but `!=`."""

    field: str = Field(
        description="Of the event: name, source, path, site_id, user_id, session_id, event_id, or properties.<key>. Of "
        "the visit that the event belongs to: session.entry_page, session.exit_page, session.channel, "
        "session.referrer, or of the visit's entry event session.name, session.source, session.path, "
        "session.properties.<key>; these are compared as texts."
    )
    op: Literal["=", "!=", "in", "contains", "has", ">", "<", "set", "not_set"]
    value: Scalar | list[Scalar] | None = Field(
        None,
        description="A list for `in`; an element for `has`, which is true of lists that have it; absent for `set` and "
        "`not_set`. A number is compared with numeric values only, a text with texts in code-point order, a boolean "
        "with true and false.",
    )

    @field_validator("field")
    @classmethod
    def _known_field(cls, value: str) -> str:
        return check_filter_field(value)

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
    def _visits_have_texts(self) -> Condition:
        if self.field.startswith(SESSION_PREFIX):
            if self.op == "has":
                raise ValueError(f"{self.field} is a text of the visit: has looks into a property of the event")
            for part in self.value if isinstance(self.value, list) else [self.value]:
                if part is not None and not isinstance(part, str):
                    raise ValueError(f"{self.field} is compared as a text: put {part!r} in quotes")
        return self

    @model_validator(mode="after")
    def _value_fits_op(self) -> Condition:
        if self.op in {"set", "not_set"}:
            fits = self.value is None
        elif self.op == "in":
            fits = isinstance(self.value, list) and 0 < len(self.value) <= 1000
        elif self.op == "contains":
            fits = isinstance(self.value, str)
        elif self.op == "has":
            if not self.field.startswith(PROPERTY_PREFIX):
                raise ValueError(f"{self.field} is no list: has looks into a property that is one")
            fits = self.value is not None and not isinstance(self.value, list)
        elif self.op in {">", "<"}:
            fits = isinstance(self.value, str | int | float) and not isinstance(self.value, bool)
        else:
            fits = self.value is not None and not isinstance(self.value, list)
        if not fits:
            raise ValueError(f"operator {self.op!r} does not take the value {self.value!r}")
        return self


class AllOf(Shape):
    """True if all parts are true; also true without parts."""

    all: list[Filter] = Field(max_length=50)


class AnyOf(Shape):
    """True if at least one part is true; false without parts."""

    any: list[Filter] = Field(max_length=50)


def _filter_tag(value: object) -> str:
    """Which of the three shapes a filter has, by the key that only this shape has. Errors then name the right shape."""
    for tag in ("all", "any"):
        if hasattr(value, tag) or (isinstance(value, dict) and tag in value):
            return tag
    return "condition"


Filter: TypeAlias = Annotated[
    Annotated[Condition, Tag("condition")] | Annotated[AllOf, Tag("all")] | Annotated[AnyOf, Tag("any")],
    Discriminator(_filter_tag),
]


def filter_size(root: Filter) -> tuple[int, int]:
    """The number of conditions in a filter, and the depth of its nesting (1 for a single condition)."""
    if isinstance(root, Condition):
        return 1, 1
    sizes = [filter_size(part) for part in (root.all if isinstance(root, AllOf) else root.any)]
    return sum(count for count, _ in sizes), 1 + max((depth for _, depth in sizes), default=0)


def filter_fields(root: Filter | None) -> set[str]:
    """The fields that a filter reads."""
    if root is None:
        return set()
    if isinstance(root, Condition):
        return {root.field}
    parts = root.all if isinstance(root, AllOf) else root.any
    return set().union(*(filter_fields(part) for part in parts))


def only_of_visits(root: Filter | None) -> bool:
    """Whether a filter says nothing of single events, so that all events of a visit pass it or none."""
    return all(field.startswith(SESSION_PREFIX) for field in filter_fields(root))


def parted_filter(root: Filter | None) -> tuple[Filter | None, Filter | None]:
    """A filter as two: one of visits alone, and the rest; each is None if there is nothing of its kind.

    A visit has an event that passes the filter if it passes the one and has an event that passes the other.
    """
    if root is None or only_of_visits(root):
        return root, None
    if not isinstance(root, AllOf):
        return None, root
    parts = [parted_filter(part) for part in root.all]
    of_visits, of_events = ([part for part in side if part is not None] for side in zip(*parts, strict=True))
    return AllOf(all=of_visits) if of_visits else None, AllOf(all=of_events)


def visit_fields(root: Filter | None) -> list[str]:
    """The fields of visits that a filter names, without their prefix."""
    named = (field for field in sorted(filter_fields(root)) if field.startswith(SESSION_PREFIX))
    return [field.removeprefix(SESSION_PREFIX) for field in named]


def one_site(site_id: str | None) -> str | None:
    """Return the id of a site, or None for all sites.

    Raises:
        ValueError: it is `*`, which means all sites in a key and names none.
    """
    if site_id == EVERY_SITE:
        raise ValueError("no site is called *; null is every site")
    return site_id


class Scope(Shape):
    """Which events a query looks at. `since` is included, `until` is excluded."""

    site_id: str | None = Field(
        "default", max_length=SITE_ID_MAX, description="null: every site that the caller may read."
    )
    since: AwareDatetime | None = Field(None, description="Event time, included. Absent: from the first event.")
    until: AwareDatetime | None = Field(None, description="Event time, excluded. Absent: up to the newest event.")
    filter: Filter | None = Field(
        None, description=f"At most {FILTER_CONDITIONS_MAX} conditions, nested at most {FILTER_DEPTH_MAX} deep."
    )

    bots: Literal["exclude", "include"] | None = Field(
        None,
        description="Whether the events of bots (`properties.$bot` is true) count. Absent: as TALLYSTICK_BOTS says, by "
        "default `exclude`; lists of events, keys and values, and queries that name `$bot`, include them.",
    )

    @field_validator("site_id")
    @classmethod
    def _site_is_one(cls, value: str | None) -> str | None:
        return one_site(value)

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


AllOf.model_rebuild()
AnyOf.model_rebuild()
