"""Queries about paths: the ways that visitors take through pages or events."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from tallystick.model.event import PATH_MAX
from tallystick.model.queries.sessions import SessionScope


class PathsQuery(SessionScope):
    """The ways that sessions take, as edges between one step and the next.

    The steps of a session are its events in the range that pass `filter`. They are in order of time; steps of the same
    instant are in order of their page or name. A session that crosses an edge of the range is cut there. Each session
    adds at most one edge to each step number. Paths begin with the first step of a session. With `start`, they begin
    where this first occurs in the session. With `end`, they go backwards from where this first occurs. Sessions in
    which it does not occur are left out.
    """

    kind: Literal["paths"] = "paths"
    by: Literal["page", "event"] = Field(
        "page", description="`page`: the steps are the paths of page views; `event`: the names of all events."
    )
    start: str | None = Field(None, max_length=PATH_MAX, description="The page or event that paths begin with.")
    end: str | None = Field(None, max_length=PATH_MAX, description="The page or event that paths lead to.")
    steps: int = Field(5, ge=2, le=10, description="The most steps of a path; it has one edge less.")
    merge: bool = Field(
        True, description="Merge repetitions: the same page or event several times in a row is one step."
    )
    top: int = Field(
        20,
        ge=1,
        le=200,
        description="Keep this many edges of each step number, those of the most sessions (ties in order of source, "
        "then target, null last). The rest of a step number is one row with `other: true`.",
    )

    @model_validator(mode="after")
    def _one_anchor(self) -> PathsQuery:
        if self.start is not None and self.end is not None:
            raise ValueError("a path has a start or an end, not both")
        return self

    @property
    def anchor(self) -> str | None:
        """The page or event that paths begin with or lead to."""
        return self.start if self.end is None else self.end
