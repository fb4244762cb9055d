"""Queries about persons over days, weeks and months: who comes back, who is new or gone, how many are active."""

from __future__ import annotations

from typing import Literal, TypeAlias

from pydantic import Field, field_validator, model_validator

from tallystick.model.queries.funnel import EventTest, check_tests
from tallystick.model.queries.scope import FirstWeekday, Scope, check_timezone

Period: TypeAlias = Literal["day", "week", "month"]

ROWS_MAX = 1_000
"""The most rows of an answer to one of these queries."""
PERIODS_MAX = 100


class PersonsScope(Scope):
    """Persons by period. A person is a `user_id`; events without one do not count. Periods begin at local midnights.

    Each query says which time its events are from; `filter` applies to all of them. A period that ends after `until`,
    or in the future, is not complete: its numbers may still change.
    """

    timezone: str = Field("UTC", description="IANA name. Days, weeks and months begin at midnight in this zone.")
    week_start: FirstWeekday = "monday"

    @field_validator("timezone")
    @classmethod
    def _known_timezone(cls, value: str) -> str:
        return check_timezone(value)


class RetentionQuery(PersonsScope):
    """The share of persons who began in one period and came back in the following ones.

    A cohort is the persons who did a start event in a period. With `recurring`, a person is in the cohort of each such
    period; with `first_time`, only in that of the person's first start event ever. If that was before `since`, the
    person is in no cohort. Number n of a cohort counts its persons with a return event in the n-th period after it.
    Number 0 counts those with one in the period itself, before the start event or after it. Start and return events are
    from `since` to `until`.

    The answer has a row for each cohort from `since` (or the first cohort) to `until` (or the last): `users`, its
    number of persons; `returned` and `shares`, a number for each period that has begun; and `complete`, how many of
    these periods are over.
    """

    kind: Literal["retention"] = "retention"
    mode: Literal["first_time", "recurring"] = "first_time"
    interval: Period = "week"
    periods: int = Field(8, ge=1, le=PERIODS_MAX, description="The number of periods after a cohort's own.")
    start: EventTest = Field(default_factory=EventTest, description="The event that puts a person into a cohort.")
    returning: EventTest = Field(default_factory=EventTest, description="The event that counts as coming back.")

    @model_validator(mode="after")
    def _filters_are_bounded(self) -> RetentionQuery:
        check_tests([self.start, self.returning])
        return self


class LifecycleQuery(PersonsScope):
    """How many of the active persons are new, returning or resurrecting, and how many went dormant.

    A person with an event in a period is active in it. An active person is `new` without any event in earlier periods,
    `returning` if active in the period right before, and `resurrecting` if active earlier, but not in the period right
    before. A `dormant` person was active in the period right before and is not in this one. All events up to `until`
    count; the rows begin with the whole period that contains `since`.
    """

    kind: Literal["lifecycle"] = "lifecycle"
    interval: Period = "week"


class StickinessQuery(PersonsScope):
    """How many persons were active in exactly 1, 2, 3… of the periods from `since` to `until`.

    `since` and `until` are not moved to the edges of periods, so the first and the last period may be short. Without
    them, the first and the last period are those of the first and the newest event. Row n has `users`, the persons
    active in exactly n periods; `at_least`, those active in n or more; and `share`, `users` divided by all persons.
    """

    kind: Literal["stickiness"] = "stickiness"
    interval: Period = "day"


class ActiveUsersQuery(PersonsScope):
    """Active users of each day, and of the 7 and 30 days that end with it: DAU, WAU, MAU, and their ratios.

    The rows begin with the whole day that contains `since`; events from 29 days before it count, too. The ratios
    `dau_wau` and `dau_mau` are null where no user was active.
    """

    kind: Literal["active_users"] = "active_users"
    interval: Literal["day"] = "day"


PersonsQuery: TypeAlias = RetentionQuery | LifecycleQuery | StickinessQuery | ActiveUsersQuery
