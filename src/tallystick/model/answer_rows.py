"""The rows of an answer by kind of query, for the OpenAPI document and the dashboard's types.

`Result.rows` itself stays a list of objects, because a row of `metrics` or `funnel` has columns that its query names.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, NotRequired

from pydantic import ConfigDict, TypeAdapter, with_config
from typing_extensions import TypedDict

from tallystick.model.queries.users import Person

_with_columns = with_config(ConfigDict(extra="allow"))
"""For rows that also have columns named by the query: breakdown fields, labels of metrics and formulas."""


@_with_columns
class ComparedValues(TypedDict):
    """The same columns over the period before."""

    bucket: NotRequired[str]
    complete: NotRequired[bool]


@_with_columns
class MetricsRow(TypedDict):
    """A row of `metrics` or `sessions`: also a value for each breakdown field, metric and formula."""

    bucket: NotRequired[str]
    other: NotRequired[bool]
    complete: NotRequired[bool]
    previous: NotRequired[ComparedValues]


class EventRow(TypedDict):
    """One event."""

    event_id: str
    site_id: str
    name: str
    timestamp: datetime
    received_at: datetime
    user_id: str | None
    session_id: str | None
    source: str
    path: str | None
    properties: dict[str, Any]


class KeyRow(TypedDict):
    """A property's key, and how many of the sampled events have it."""

    key: str
    events: int


class ValueRow(TypedDict):
    """A field's value, and how many events have it."""

    value: str | float | bool | None
    events: int


class UserRow(TypedDict):
    """One user of a `people` query."""

    user_id: str
    first_seen: datetime
    last_seen: datetime
    events: int
    sessions: int


class PathRow(TypedDict):
    """Sessions that went from one page or event to the next.

    A null target is the end of the session; with the query's `end`, a null source is its beginning.
    """

    step: int
    source: str | None
    target: str | None
    sessions: int
    other: NotRequired[bool]


@_with_columns
class FunnelRow(TypedDict):
    """One step, of everyone or of one group. A group's row also has the breakdown field."""

    step: int
    name: str | None
    users: int
    from_first: float | None
    from_previous: float | None
    median_seconds: float | None
    p90_seconds: float | None
    other: NotRequired[bool]


class FunnelUserRow(TypedDict):
    """A user who reached a step, or dropped out before it."""

    user_id: str
    steps: int
    first_at: datetime
    last_at: datetime


class RetentionRow(TypedDict):
    """One cohort; `complete` is the number of its periods that are over."""

    cohort: datetime
    users: int
    returned: list[int]
    shares: list[float | None]
    complete: int


class LifecycleRow(TypedDict):
    """New, returning, resurrecting and dormant users of one period."""

    bucket: datetime
    new: int
    returning: int
    resurrecting: int
    dormant: int
    complete: bool


class StickinessRow(TypedDict):
    """Users who were active in exactly, and in at least, so many periods."""

    periods: int
    users: int
    at_least: int
    share: float | None


class ActiveUsersRow(TypedDict):
    """Daily, weekly and monthly active users at the end of one day."""

    bucket: datetime
    dau: int
    wau: int
    mau: int
    dau_wau: float | None
    dau_mau: float | None
    complete: bool


ROW_BY_KIND: dict[str, type[Any]] = {
    "metrics": MetricsRow,
    "sessions": MetricsRow,
    "events": EventRow,
    "keys": KeyRow,
    "values": ValueRow,
    "people": UserRow,
    "person": Person,
    "paths": PathRow,
    "funnel": FunnelRow,
    "funnel_users": FunnelUserRow,
    "retention": RetentionRow,
    "lifecycle": LifecycleRow,
    "stickiness": StickinessRow,
    "active_users": ActiveUsersRow,
}


def row_schemas() -> dict[str, Any]:
    """JSON Schemas of all rows and of what they contain, by component name, for the OpenAPI document."""
    rows: dict[str, Any] = {row.__name__: row for row in ROW_BY_KIND.values()}
    inputs = [(name, "serialization", TypeAdapter[Any](row)) for name, row in rows.items()]
    _, schema = TypeAdapter.json_schemas(inputs, ref_template="#/components/schemas/{model}")  # type: ignore[arg-type]
    definitions: dict[str, Any] = schema["$defs"]
    return definitions
