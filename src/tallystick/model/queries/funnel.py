"""Queries about funnels: how many persons get how far through a series of steps, and which persons."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from tallystick.model.queries.scope import (
    BREAKDOWN_COLUMNS,
    FILTER_CONDITIONS_MAX,
    FILTER_DEPTH_MAX,
    Filter,
    Scope,
    Shape,
    check_field,
    filter_size,
)

DAY_SECONDS = 86_400
STEPS_MAX = 20


class EventTest(Shape):
    """A test of one event: it has this name and passes this filter. Without both, every event passes."""

    name: str | None = Field(None, max_length=200, description="Absent: events of any name.")
    filter: Filter | None = Field(None, description="In addition to the query's own filter.")


def check_tests(tests: list[EventTest]) -> None:
    """Check that the filters of all tests together keep the limits of one query.

    Raises:
        ValueError: they have too many conditions, or are nested too deep.
    """
    sizes = [filter_size(test.filter) for test in tests if test.filter]
    count, depth = sum(size for size, _ in sizes), max((depth for _, depth in sizes), default=0)
    if count > FILTER_CONDITIONS_MAX or depth > FILTER_DEPTH_MAX:
        raise ValueError(
            f"the filters have at most {FILTER_CONDITIONS_MAX} conditions together ({count} given), "
            f"nested at most {FILTER_DEPTH_MAX} deep ({depth} given)"
        )


class FunnelScope(Scope):
    """The steps of a funnel, and when a person has done them.

    A person is a `user_id`; events without one do not count. A person's events are in order of time. Events of the same
    instant are in order of the first step that they match, then of the other steps; those that match no step come last.
    An attempt begins with an event that matches the first step and uses each event once. `order` says how it continues:

    - `ordered`: with the next event that matches the next step, whatever happens in between;
    - `strict`: with the very next event of the person in the scope, if that matches the next step;
    - `any`: an attempt begins with an event that matches any step, and each step is done at the first event from there
      on that matches it. Equal steps (same name and filter) need one event each; one event can do several other steps.

    The attempt ends with the last step that is done at most `window` seconds after its beginning. All its events are in
    `since` to `until`. Of a person's attempts the one that gets furthest counts, and of several of these the earliest.
    """

    steps: list[EventTest] = Field(min_length=2, max_length=STEPS_MAX)
    order: Literal["ordered", "strict", "any"] = "ordered"
    window: int = Field(
        7 * DAY_SECONDS,
        ge=1,
        le=366 * DAY_SECONDS,
        description="Seconds after the first step in which the others have to be done, the last second included.",
    )

    @field_validator("steps")
    @classmethod
    def _filters_are_bounded(cls, value: list[EventTest]) -> list[EventTest]:
        check_tests(value)
        return value


class FunnelQuery(FunnelScope):
    """How many persons get how far, and how long each step takes them.

    The answer has a row for each step of each group: how many persons did it (with `any`: how many did at least that
    many steps), their share of the persons of the first step and of the step before, and the median and the 90th
    percentile of the seconds since the step before.
    """

    kind: Literal["funnel"] = "funnel"
    breakdown: str | None = Field(
        None,
        description="A field to group by: its value at the event with which the person's attempt begins (the smallest "
        "value, if several events of that instant match).",
    )
    top: int = Field(
        10,
        ge=1,
        le=100,
        description="With a breakdown: keep this many groups, those with the most persons at the first step (ties in "
        "order of their values, null last).",
    )
    other: bool = Field(True, description="With a breakdown: one more group, `other`, holds the rest.")

    @field_validator("breakdown")
    @classmethod
    def _known_breakdown(cls, value: str | None) -> str | None:
        return value and check_field(value, BREAKDOWN_COLUMNS)


class FunnelUsersQuery(FunnelScope):
    """The persons who did a step of a funnel, or only the step before it. In order of `user_id`, page by page."""

    kind: Literal["funnel_users"] = "funnel_users"
    step: int = Field(ge=1, le=STEPS_MAX, description="The number of a step, from 1.")
    outcome: Literal["reached", "dropped"] = Field(
        "reached", description="`dropped`: they did the step before, and not this one."
    )
    limit: int = Field(100, ge=1, le=5_000)
    cursor: str | None = Field(None, description="`next_cursor` of the page before; leave every other field as it was.")

    @model_validator(mode="after")
    def _step_exists(self) -> FunnelUsersQuery:
        if self.step > len(self.steps):
            raise ValueError(f"there is no step {self.step}: the funnel has {len(self.steps)}")
        if self.outcome == "dropped" and self.step == 1:
            raise ValueError("no person drops at step 1: there is no step before it")
        return self
