"""Questions about paths: which way visitors take through pages or events."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from tallystick.model.event import PATH_MAX
from tallystick.model.queries.sessions import SessionScope


class PathsQuery(SessionScope):
    """The ways that sessions take, as edges between one step and the next.

    A session's steps are its events in the range that pass `filter`, in order of time (of the same instant, of the page
    or name). A session that crosses an edge of the range is cut there. Each session gives at most one edge to each step
    number. Without an anchor paths begin with the first step; with `start` at the session's first occurrence of it,
    other sessions left out; with `end` they are followed backwards from its first occurrence.
    """

    kind: Literal["paths"] = "paths"
    by: Literal["page", "event"] = Field(
        "page", description="`page`: steps are the paths of page views; `event`: the names of all events."
    )
    start: str | None = Field(None, max_length=PATH_MAX, description="The page or event that paths begin with.")
    end: str | None = Field(None, max_length=PATH_MAX, description="The page or event that paths lead to.")
    steps: int = Field(5, ge=2, le=10, description="Most pages or events of a path; it has one edge less.")
    merge: bool = Field(True, description="The same page or event several times in a row is one step.")
    top: int = Field(
        20,
        ge=1,
        le=200,
        description="Edges of each step number that are kept, those of most sessions (equal ones in order of source, "
        "then target, null last). The rest of a number is one row with `other: true`.",
    )

    @model_validator(mode="after")
    def _one_anchor(self) -> PathsQuery:
        if self.start is not None and self.end is not None:
            raise ValueError("a path has a start or an end, not both")
        return self
