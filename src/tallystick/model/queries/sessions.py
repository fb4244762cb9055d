"""Questions about sessions: how many, how long, where they came from, where they began and ended."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal, TypeAlias

from pydantic import Field, field_validator, model_validator

from tallystick.model.queries.comparison import Compare
from tallystick.model.queries.scope import BREAKDOWN_COLUMNS, Interval, Scope, check_field, check_timezone

SESSION_REACH = timedelta(hours=24)
"""How far before `since` and behind `until` a session's events are looked for."""
PAGE_NAMES = ("page_view", "$pageview", "pageview")

SESSION_FIELDS = ("entry_page", "exit_page", "channel", "referrer")
"""What a session has beside the fields of its entry event."""

SessionMetric: TypeAlias = Literal[
    "sessions", "bounce_rate", "avg_duration", "median_duration", "pages_per_session", "pages", "events"
]


DEFAULT_METRICS: tuple[SessionMetric, ...] = ("sessions", "bounce_rate", "median_duration", "pages_per_session")


class SessionScope(Scope):
    """How events make sessions.

    The events of a site with the same `session_id` are one session. Events without one, of a user, are a session as
    long as no two neighbours lie more than `inactivity` minutes apart. Events with neither belong to no session.
    """

    inactivity: int = Field(
        30,
        ge=1,
        le=720,
        description="Minutes. A longer pause of a user ends the session, where events have no `session_id`.",
    )
    page_names: list[str] = Field(
        default_factory=lambda: list(PAGE_NAMES),
        min_length=1,
        max_length=20,
        description="Names of the events that are page views.",
    )


class SessionsQuery(SessionScope):
    """Sessions: counts, bounce rate, duration and pages, over time and by where they came from, began or ended.

    A session belongs to the range and the bucket in which its first event lies; its events are looked for up to 24
    hours before `since` and behind `until`, and count whole. `filter` picks the sessions of which at least one event
    passes it. The entry event is the first page view, or the first event where there is no page view; the exit event
    likewise the last. Events of the same instant are in order of `event_id`.
    """

    kind: Literal["sessions"] = "sessions"
    metrics: list[SessionMetric] = Field(
        default_factory=lambda: list(DEFAULT_METRICS),
        min_length=1,
        max_length=7,
        description="`bounce_rate` is a share from 0 to 1; durations are seconds from a session's first event to its "
        "last, 0 when it has one; `pages` and `events` count page views and events of the sessions. Where there are "
        "no sessions, counts are 0 and the others null.",
    )
    bounce: Literal["one_page", "one_event"] = Field(
        "one_page", description="What a bounce is: exactly one page view, whatever else happened; or just one event."
    )
    compare: Compare = None
    interval: Interval | None = Field(None, description="Absent: the whole range as one. Weeks start on Monday.")
    timezone: str = Field("UTC", description="IANA name; buckets start at this zone's midnights and full hours.")
    breakdown: list[str] = Field(
        default_factory=list,
        max_length=2,
        description="`entry_page`, `exit_page` (paths of the entry and exit event), `channel` (direct, search, social, "
        "referral, campaign, email), `referrer` (referring domain), or a field of the entry event.",
    )
    top: int = Field(
        100,
        ge=1,
        le=1000,
        description="Keep this many groups of a breakdown, the ones with most sessions over the whole range (equal "
        "ones in order of their values, null last).",
    )
    other: bool = Field(False, description="With a breakdown: one more group, `other`, holds the rest.")
    fill: bool = Field(True, description="Without breakdown: empty buckets between since and until appear, as zero.")

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
