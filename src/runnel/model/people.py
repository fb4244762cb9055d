"""The list of users."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from runnel.model.scope import Scope


class PeopleQuery(Scope):
    """Users with what the events of the scope say of them, page by page without losing any that stays as it is.

    A user whom an event moves in the order while pages are fetched may come twice or not at all: name an `until` for
    a list that stands still. An id that occurs on two sites is one user when `site_id` is null.
    """

    kind: Literal["people"] = "people"
    search: str | None = Field(None, max_length=200, description="Only ids that contain this, whatever the case.")
    order: Literal["last_seen", "first_seen", "events", "user_id"] = Field(
        "last_seen", description="Equal ones are in order of `user_id`."
    )
    ascending: bool = Field(False, description="The smallest, or longest ago, first.")
    limit: int = Field(100, ge=1, le=1_000)
    cursor: str | None = Field(None, description="`next_cursor` of the answer before; every other field unchanged.")
