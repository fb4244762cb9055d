"""Queries about sessions: how many, how long, where they came from, where they began and ended."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal, TypeAlias

from pydantic import Field, field_validator, model_validator

from tallystick.model.queries.comparison import Compare
from tallystick.model.queries.scope import (
    BREAKDOWN_COLUMNS,
    SESSION_FIELDS,
    FirstWeekday,
    Interval,
    Scope,
    check_field,
    check_timezone,
)

SESSION_REACH = timedelta(hours=24)
"""How far before `since` and after `until` the events of a session are looked up."""
PAGE_NAMES = ("page_view", "$pageview", "pageview")
LEAVE_NAMES = ("page_leave", "$pageleave", "pageleave")
"""Events that say how long a page was in view. They are sent late, and are nothing that a visitor does."""

SessionMetric: TypeAlias = Literal[
    "sessions", "bounce_rate", "avg_duration", "median_duration", "pages_per_session", "pages", "events"
]


DEFAULT_METRICS: tuple[SessionMetric, ...] = ("sessions", "bounce_rate", "median_duration", "pages_per_session")


class SessionScope(Scope):
    """How events are grouped into sessions, which are visits: docs/use/visits.md has the rules.

    Events of a site with the same `session_id` are one session. An event without one joins the session of its user
    that has an event within `inactivity` minutes. Other events of a user without a `session_id` are one session until
    the next of them comes more than `inactivity` minutes later. Events with neither id belong to no session.
    """

    inactivity: int = Field(
        30,
        ge=1,
        le=720,
        description="Minutes. For events without `session_id`, a longer pause of the user ends the session.",
    )
    page_names: list[str] = Field(
        default_factory=lambda: list(PAGE_NAMES),
        min_length=1,
        max_length=20,
        description="Names of the events that are page views.",
    )


class SessionsQuery(SessionScope):
    """Sessions: counts, bounce rate, duration and pages, over time and by where they came from, began or ended.

    A session belongs to the range and the bucket of its first event. Its events are looked up from 24 hours before
    `since` to 24 hours after `until`, and all of them count. `filter` keeps the sessions in which at least one event
    passes. The entry event is the first page view, the exit event the last one; in a session without page views they
    are the first and the last event. Events of the same instant are in order of arrival.
    """

    kind: Literal["sessions"] = "sessions"
    metrics: list[SessionMetric] = Field(
        default_factory=lambda: list(DEFAULT_METRICS),
        min_length=1,
        max_length=7,
        description="`bounce_rate` is a share from 0 to 1; durations are seconds from a session's first event to its "
        "last, 0 if it has one event; `pages` and `events` count the sessions' page views and events. Without "
        "sessions, counts are 0 and the others null.",
    )
    bounce: Literal["one_page", "one_event"] = Field(
        "one_page",
        description="What a bounce is: exactly one page view, whatever else happened; or one page view and nothing "
        "else. Only sessions with a page view can bounce; how long it was in view (`page_leave`) is nothing else.",
    )
    compare: Compare = None
    interval: Interval | None = Field(None, description="Absent: the whole range as one.")
    week_start: FirstWeekday = "monday"
    timezone: str = Field("UTC", description="IANA name; buckets start at this zone's midnights and full hours.")
    breakdown: list[str] = Field(
        default_factory=list,
        max_length=2,
        description="`entry_page`, `exit_page` (paths of the entry and exit event), `channel` (such as direct, search, "
        "paid_search, social, email, ai, referral), `referrer` (referring domain, unless it is the site's own), or "
        "a field of the entry event.",
    )
    top: int = Field(
        100,
        ge=1,
        le=1000,
        description="Keep this many groups of a breakdown, those with the most sessions over the whole range (ties in "
        "order of their values, null last).",
    )
    other: bool = Field(False, description="With a breakdown: one more group, `other`, holds the rest.")
    fill: bool = Field(
        True, description="Without breakdown: empty buckets from since to until are rows, too, with zeros."
    )

    @field_validator("metrics")
    @classmethod
    def _no_metric_twice(cls, value: list[SessionMetric]) -> list[SessionMetric]:
        if len(set(value)) != len(value):
            raise ValueError("metrics names one twice")
        return value

    @field_validator("breakdown")
    @classmethod
    def _known_breakdown(cls, value: list[str]) -> list[str]:
        if len(set(value)) != len(value):
            raise ValueError("breakdown names a field twice")
        return [check_field(name, (*SESSION_FIELDS, *BREAKDOWN_COLUMNS)) for name in value]

    @field_validator("timezone")
    @classmethod
    def _known_timezone(cls, value: str) -> str:
        return check_timezone(value)

    @model_validator(mode="after")
    def _parts_fit_together(self) -> SessionsQuery:
        if self.other and not self.breakdown:
            raise ValueError("other needs a breakdown")
        return self
