"""The list of users, and one of them."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from tallystick.model.queries.scope import Scope, Shape


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


class JoinedId(Shape):
    """One id of a person, and what the events that were sent with it say.

    The person's own id was joined to no other, unless the links form a circle, which is cut there.
    """

    user_id: str
    site_id: str
    linked_to: str | None = Field(description="The id that it was joined to; null: to none.")
    linked_at: datetime | None = Field(description="The time of the event that joined it.")
    event_id: str | None = Field(description="That event.")
    first_seen: datetime | None
    last_seen: datetime | None
    events: int


class Person(Shape):
    """One person: the row of the answer to a `person` question."""

    person_id: str | None = Field(description="What reports call the person; null when sites disagree about it.")
    first_seen: datetime | None = Field(description="Over all ids; null: there is no event.")
    last_seen: datetime | None
    events: int
    ids: list[JoinedId]
    ids_total: int = Field(description="How many ids there are, beyond `limit` too.")


class PersonQuery(Scope):
    """One person: the ids that were joined, each with the event that did it, and what the events of the scope say.

    The answer has one row. With `site_id` null it has the ids of every site that knows `user_id`, joined there.
    """

    kind: Literal["person"] = "person"
    user_id: str = Field(min_length=1, max_length=256, description="Any id of the person.")
    limit: int = Field(100, ge=1, le=1_000, description="Ids in the answer: the person's own, then the first joined.")
