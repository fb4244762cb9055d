"""Questions about funnels: how many persons get how far through a series of steps, and who they are."""

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
    """Which events are meant: those of a name that pass a filter. Neither of the two: any event."""

    name: str | None = Field(None, max_length=200, description="Absent: events of any name.")
    filter: Filter | None = Field(None, description="Beside the question's own filter.")


def check_tests(tests: list[EventTest]) -> None:
    """Raises ValueError where their filters together are more than one question may have."""
    sizes = [filter_size(test.filter) for test in tests if test.filter]
    count, depth = sum(size for size, _ in sizes), max((depth for _, depth in sizes), default=0)
    if count > FILTER_CONDITIONS_MAX or depth > FILTER_DEPTH_MAX:
        raise ValueError(
            f"the filters have at most {FILTER_CONDITIONS_MAX} conditions together ({count} given), "
            f"nested at most {FILTER_DEPTH_MAX} deep ({depth} given)"
        )


class FunnelScope(Scope):
    """The steps, and what counts as doing them one after the other.

    A person is a `user_id`; events without one are nobody's. A person's events stand in order of time, those of the
    same instant in the order of the first step that they match, then of the others; those that match none come last.
    An attempt begins with an event that matches the first step and goes on, each event being used once:

    - `ordered`: with the next event behind it that matches the next step, whatever lies between;
    - `strict`: with the very next event of the person (in the scope), where that matches the next step;
    - `any`: it begins with an event that matches any step; a step is done at the first event from there on that matches
      it. Equal steps (same name and filter) need an event each; an event may do several steps that differ.

    It ends with the last step that is done no later than `window` seconds after its beginning. All of it lies between
    `since` and `until`. Of a person's attempts the one that gets furthest counts; of several of these the earliest.
    """

    steps: list[EventTest] = Field(min_length=2, max_length=STEPS_MAX)
    order: Literal["ordered", "strict", "any"] = "ordered"
    window: int = Field(
        7 * DAY_SECONDS,
        ge=1,
        le=366 * DAY_SECONDS,
        description="Seconds from the first step within which the others have to be done, the last second included.",
    )

    @field_validator("steps")
    @classmethod
    def _filters_are_bounded(cls, value: list[EventTest]) -> list[EventTest]:
        check_tests(value)
        return value


class FunnelQuery(FunnelScope):
    """How many persons get how far, and how long each step takes them.

    The answer has a row for each step (and group): how many persons did it (`any`: how many did so many steps), their
    share of those of the first and of the step before, and median and 90th percentile of the seconds since that step.
    """

    kind: Literal["funnel"] = "funnel"
    breakdown: str | None = Field(
        None,
        description="A field to group by: its value at the event with which the person's attempt begins (the smallest "
        "one, should several events of that instant match).",
    )
    top: int = Field(
        10,
        ge=1,
        le=100,
        description="With a breakdown: keep this many groups, those with most persons at the first step (equal ones in "
        "order of their values, null last).",
    )
    other: bool = Field(True, description="With a breakdown: one more group, `other`, holds the rest.")

    @field_validator("breakdown")
    @classmethod
    def _known_breakdown(cls, value: str | None) -> str | None:
        return value and check_field(value, BREAKDOWN_COLUMNS)


class FunnelUsersQuery(FunnelScope):
    """Who did a step of a funnel, or did the one before and not this one; in order of `user_id`, page by page."""

    kind: Literal["funnel_users"] = "funnel_users"
    step: int = Field(ge=1, le=STEPS_MAX, description="Number of a step, from 1.")
    outcome: Literal["reached", "dropped"] = Field(
        "reached", description="`dropped`: did the step before this one, and not this one."
    )
    limit: int = Field(100, ge=1, le=5_000)
    cursor: str | None = Field(None, description="`next_cursor` of the answer before; every other field unchanged.")

    @model_validator(mode="after")
    def _step_exists(self) -> FunnelUsersQuery:
        if self.step > len(self.steps):
            raise ValueError(f"there is no step {self.step}: the funnel has {len(self.steps)}")
        if self.outcome == "dropped" and self.step == 1:
            raise ValueError("nobody drops at the first step: there is none before it")
        return self
