"""Query strings of the GET routes, turned into the same queries that POST /v1/query takes.

An unknown parameter is refused: if a misspelt filter were ignored, the answer would be a wrong number.
"""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from tallystick.api.files.format import FileFormat
from tallystick.api.responses import understood
from tallystick.errors import InvalidRequest
from tallystick.keys import EVERY_SITE
from tallystick.model.event import SITE_ID_MAX
from tallystick.model.query import (
    PROPERTY_PREFIX,
    EventsQuery,
    Interval,
    KeysQuery,
    MetricsQuery,
    PersonQuery,
    ValuesQuery,
)
from tallystick.model.times import read_time

_AGO = re.compile(r"(\d{1,5})([mhdw])")
_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
_LOST_PLUS = re.compile(r"(T[\d:.]+) (\d{2}:?\d{2})$")
"""An unescaped + in a query string arrives as a space."""
_FILTER = re.compile(r"(?P<field>.+?):(?P<op>=|!=|in|contains|has|>|<|set|not_set)(?::(?P<value>.*))?", re.DOTALL)
_LITERAL = re.compile(r'true|false|-?\d+(\.\d+)?([eE][+-]?\d{1,3})?|".*"', re.DOTALL)


def _documented(pattern: str) -> WithJsonSchema:
    """The pattern for the OpenAPI document only. Values are checked below, with error messages that people can read."""
    return WithJsonSchema({"type": "string", "pattern": f"^({pattern})$"})


_FIELDS = r"(name|source|path|site_id|user_id|session_id|event_id|properties\..{1,200})"
_OF_VISIT = r"session\.(entry_page|exit_page|channel|referrer|name|source|path|properties\..{1,200})"
_DAY = r"[12]\d{3}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])"
_MOMENT = rf"\d{{1,5}}[mhdw]|{_DAY}(T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{{1,6}})?(Z|[+-](0\d|1[0-3]):[0-5]\d)?)?"
FieldText: TypeAlias = Annotated[str, _documented(_FIELDS)]
MomentText: TypeAlias = Annotated[str, _documented(_MOMENT)]
_TEST = r"((=|!=|in|contains|>|<):.*|set|not_set)"
FilterText: TypeAlias = Annotated[str, _documented(f"{_FIELDS}:has:.*|({_FIELDS}|{_OF_VISIT}):{_TEST}")]
MetricText: TypeAlias = Annotated[
    str, _documented("events|users|sessions|events_per_user|last_received|(sum|avg|min|max|median|p90|p95):.+")
]
FormulaText: TypeAlias = Annotated[str, _documented(r"([^:]{1,60}: *)?[A-J0-9.+*/() -]{1,200}")]


class ScopeParams(BaseModel):
    """Which events."""

    model_config = ConfigDict(extra="forbid")

    site_id: str = Field("default", max_length=SITE_ID_MAX, description="`*`: every site.")
    since: MomentText | None = Field(
        None,
        max_length=64,
        description="Included. An ISO 8601 instant (no offset: in `timezone`), a date (its midnight in `timezone`), "
        "or how long ago: `30m`, `24h`, `7d`, `2w`.",
    )
    until: MomentText | None = Field(None, max_length=64, description="Excluded; forms as for `since`.")
    timezone: str = Field("UTC", max_length=64, description="IANA name, such as Europe/Berlin.")
    filter: list[FilterText] = Field(
        default_factory=list,
        max_length=20,
        description="`field:op:value`; all must hold. op: = != in contains has > < set not_set. Several values of `in` "
        "are separated by commas. For a property a value that is a number, true or false is compared as such, in "
        'double quotes as text: `properties.plan:=:"10"`. A field `session.…` (such as `session.channel`) describes '
        "the visit that the event belongs to, any other field the event.",
    )

    bots: Literal["exclude", "include"] | None = Field(None, description="Whether the events of bots count.")

    def scope(self, now: datetime) -> dict[str, Any]:
        """The fields of a `Scope`. Raises InvalidRequest."""
        zone = _zone(self.timezone)
        parts = [_condition(text) for text in self.filter]
        named = {"site_id": None if self.site_id == EVERY_SITE else self.site_id}
        return {
            **(
                named if "site_id" in self.model_fields_set else {}
            ),  # left out when not given: then the site of the caller's key is used
            "since": _instant("since", self.since, zone, now),
            "until": _instant("until", self.until, zone, now),
            "filter": None if not parts else parts[0] if len(parts) == 1 else {"all": parts},
            **({} if self.bots is None else {"bots": self.bots}),
        }


class MetricsParams(ScopeParams):
    """Metrics, over time and broken down."""

    metric: list[MetricText] = Field(
        default_factory=lambda: ["events"],
        min_length=1,
        max_length=10,
        description="`events`, `users`, `sessions`, `events_per_user`, `last_received`, or `sum:<property>`; besides "
        "sum also avg, min, max, median, p90, p95.",
    )
    formula: list[FormulaText] = Field(
        default_factory=list,
        max_length=5,
        description="Made of the metrics of each row, A being the first: `A / B * 100`, or with a name in front of it "
        "`share: A / B`. A + has to be written as %2B.",
    )
    compare: Literal["previous"] | None = Field(None, description="Add the values of the previous period to each row.")
    interval: Interval | None = None
    breakdown: list[FieldText] = Field(default_factory=list, max_length=3)
    top: int | None = Field(None, ge=1, le=1000)
    other: bool = False
    fill: bool = True
    approximate: bool = False
    limit: int = Field(10_000, ge=1, le=100_000)
    cursor: str | None = None
    format: FileFormat | None = Field(None, description="The answer as a file; without `limit` all of its rows.")

    def query(self, now: datetime) -> MetricsQuery:
        """The query of these parameters. Raises InvalidRequest."""
        metrics = [{"kind": kind, "property": key or None} for kind, _, key in (m.partition(":") for m in self.metric)]
        given = self.model_dump(
            include={
                "interval",
                "timezone",
                "breakdown",
                "top",
                "other",
                "fill",
                "approximate",
                "limit",
                "cursor",
                "compare",
            },
            exclude_unset=True,
        )
        query: MetricsQuery = understood(
            MetricsQuery,
            {
                **self.scope(now),
                **given,
                "metrics": metrics,
                "formulas": [formula_fields(text) for text in self.formula],
            },
        )
        return query


class TimelineParams(ScopeParams):
    """Single events of one user."""

    order: Literal["newest", "oldest"] = Field("oldest", description="Which come first.")
    limit: int = Field(100, ge=1, le=5_000)
    cursor: str | None = Field(None, description="`next_cursor` of the answer before; every other parameter unchanged.")

    def query(self, now: datetime, user_id: str | None) -> EventsQuery:
        """The query of these parameters. Raises InvalidRequest."""
        own = {"user_id": user_id, "ascending": self.order == "oldest", "limit": self.limit, "cursor": self.cursor}
        query: EventsQuery = understood(EventsQuery, {**self.scope(now), **own})
        return query


class EventsParams(TimelineParams):
    """Single events."""

    order: Literal["newest", "oldest"] = Field("newest", description="Which come first.")
    user_id: str | None = Field(None, max_length=256)


class PersonParams(ScopeParams):
    """One person."""

    limit: int = Field(100, ge=1, le=1_000, description="Ids in the answer: the person's own, then the first joined.")

    def query(self, now: datetime, user_id: str) -> PersonQuery:
        """The query of these parameters. Raises InvalidRequest."""
        query: PersonQuery = understood(PersonQuery, {**self.scope(now), "user_id": user_id, "limit": self.limit})
        return query


class KeysParams(ScopeParams):
    """Property keys."""

    search: str | None = Field(None, max_length=200, description="Only keys that contain this, whatever the case.")
    sample: int = Field(100_000, ge=1, le=1_000_000, description="How many of the newest events are read.")
    limit: int = Field(200, ge=1, le=1_000)

    def query(self, now: datetime) -> KeysQuery:
        """The query of these parameters. Raises InvalidRequest."""
        query: KeysQuery = understood(
            KeysQuery, {**self.scope(now), "search": self.search, "sample": self.sample, "limit": self.limit}
        )
        return query


class ValuesParams(ScopeParams):
    """Values of a field."""

    field: FieldText = Field(
        description="name, source, path, site_id, user_id, session_id, event_id, or properties.<key>"
    )
    search: str | None = Field(None, max_length=200, description="Only values that contain this, whatever the case.")
    sample: int = Field(100_000, ge=1, le=1_000_000, description="How many of the newest events are read.")
    limit: int = Field(50, ge=1, le=1_000)

    def query(self, now: datetime) -> ValuesQuery:
        """The query of these parameters. Raises InvalidRequest."""
        own = self.model_dump(include={"field", "search", "sample", "limit"})
        query: ValuesQuery = understood(ValuesQuery, {**self.scope(now), **own})
        return query


class ExportParams(ScopeParams):
    """Which events, and how they are written."""

    format: Literal["ndjson", "csv", "excel", "parquet"] = "ndjson"
    user_id: str | None = Field(None, max_length=256)

    def query(self, now: datetime) -> EventsQuery:
        """The query of these parameters. Raises InvalidRequest."""
        query: EventsQuery = understood(EventsQuery, {**self.scope(now), "user_id": self.user_id, "ascending": True})
        return query


def formula_fields(text: str) -> dict[str, Any]:
    """The fields of a formula that is written as `A / B`, or with a name as `share: A / B`."""
    name, _, expression = text.rpartition(":")
    return {"name": name.strip() or None, "expression": expression.strip()}


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidRequest(f"timezone: unknown time zone {name!r}: use an IANA name such as Europe/Berlin") from error


def _instant(field: str, text: str | None, zone: ZoneInfo, now: datetime) -> datetime | None:
    if not text:
        return None
    try:
        if ago := _AGO.fullmatch(text):
            return now - int(ago[1]) * _UNITS[ago[2]]
        moment = read_time(_LOST_PLUS.sub(r"\1+\2", text), zone)
        if moment is None:
            raise ValueError("outside the calendar")
        return moment
    except (ValueError, OverflowError) as error:
        message = f"{field}: {text!r} is not an ISO 8601 instant, a date, or a time span such as 24h or 7d"
        raise InvalidRequest(message) from error


def _condition(text: str) -> dict[str, Any]:
    found = _FILTER.fullmatch(text)
    if not found:
        raise InvalidRequest(f"filter: {text!r} does not have the form field:op:value, such as name:=:page_view")
    field, op, value = found["field"], found["op"], found["value"]
    typed = field.startswith(PROPERTY_PREFIX) and op != "contains"
    if op in {"set", "not_set"}:
        return {"field": field, "op": op, "value": value or None}
    if value is None:
        raise InvalidRequest(f"filter: {text!r} lacks a value after {op}")
    if op == "in":
        return {"field": field, "op": op, "value": [_value(part, typed) for part in value.split(",")]}
    return {"field": field, "op": op, "value": _value(value, typed)}


def _value(text: str, typed: bool) -> Any:
    if typed and _LITERAL.fullmatch(text):
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text
