"""Questions about persons over days, weeks and months: who comes back, who is new or gone, how many are active."""

from __future__ import annotations

from typing import Literal, TypeAlias

from pydantic import Field, field_validator, model_validator

from tallystick.model.queries.funnel import EventTest, check_tests
from tallystick.model.queries.scope import Scope, check_timezone

Period: TypeAlias = Literal["day", "week", "month"]

ROWS_MAX = 1_000
"""Most rows of an answer to one of these questions."""
PERIODS_MAX = 100


class PersonsScope(Scope):
    """Persons by period: a person is a `user_id`, events without one are nobody's; periods begin at local midnights.

    Where events are looked for is up to the question; `filter` is about every one that is looked at. A period whose end
    lies behind `until`, or in the future, is not over: what is said about it may still change.
    """

    timezone: str = Field("UTC", description="IANA name; days, weeks and months begin at this zone's midnights.")

    @field_validator("timezone")
    @classmethod
    def _known_timezone(cls, value: str) -> str:
        return check_timezone(value)


class RetentionQuery(PersonsScope):
    """Which share of those who began in a period came back in the following ones.

    A cohort is who did a start event in a period: `recurring` in each period in which they did, `first_time` only in
    that of the first that they ever did (before `since`, too: who began then is in no cohort). Number n of a cohort are
    its persons who did a return event in the n-th period after it, number 0 those who did in the period itself, before
    the start event or after it. Both kinds of event are counted from `since` to `until`.

    The answer has a row for each cohort from `since` (or the first) to `until` (or the last): `users`, how many persons
    it has; `returned` and `shares`, a number for each period that has begun; and `complete`, how many are over.
    """

    kind: Literal["retention"] = "retention"
    mode: Literal["first_time", "recurring"] = "first_time"
    interval: Period = Field("week", description="Weeks begin on Monday.")
    periods: int = Field(8, ge=1, le=PERIODS_MAX, description="How many following periods are looked at.")
    start: EventTest = Field(default_factory=EventTest, description="What makes a person part of a cohort.")
    returning: EventTest = Field(default_factory=EventTest, description="What counts as coming back.")

    @model_validator(mode="after")
    def _filters_are_bounded(self) -> RetentionQuery:
        check_tests([self.start, self.returning])
        return self


class LifecycleQuery(PersonsScope):
    """How many of the active persons are new, returning or resurrecting, and how many went dormant.

    Active in a period is who did an event in it. Of these `new` never did one before; `returning` did in the period
    right before; `resurrecting` did before, but not then. `dormant` are those who did in the period right before and
    not in this one. All events up to `until` are looked at; the rows begin with the period that `since` lies in, whole.
    """

    kind: Literal["lifecycle"] = "lifecycle"
    interval: Period = Field("week", description="Weeks begin on Monday.")


class StickinessQuery(PersonsScope):
    """How many persons were active in just 1, 2, 3… of the periods from `since` to `until`.

    `since` and `until` are taken as they are, so that the first and the last period may be short; without them the
    periods of the first and the newest event are the ends. Row n has `users`, active in exactly n periods; `at_least`,
    in n or more; and `share`, the share of `users` in all.
    """

    kind: Literal["stickiness"] = "stickiness"
    interval: Period = Field("day", description="Weeks begin on Monday.")


class ActiveUsersQuery(PersonsScope):
    """Active users per day, and of the last 7 and 30 days that end with it: DAU, WAU, MAU, and their ratios.

    The rows begin with the day that `since` lies in, whole, and look back 29 days. The ratios `dau_wau` and `dau_mau`
    are null where nobody was active.
    """

    kind: Literal["active_users"] = "active_users"
    interval: Literal["day"] = "day"


PersonsQuery: TypeAlias = RetentionQuery | LifecycleQuery | StickinessQuery | ActiveUsersQuery
