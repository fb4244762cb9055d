"""Queries about the list of users, and about one person."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from tallystick.model.queries.scope import Scope, Shape


class PeopleQuery(Scope):
    """Users with first and last time, events and sessions in the scope, page by page.

    A new event can move its user in the order while pages are fetched; then the user may be on two pages or on none. An
    `until` in the past keeps the order fixed. With `site_id` null, an id that occurs on two sites is one user.
    """

    kind: Literal["people"] = "people"
    search: str | None = Field(None, max_length=200, description="Only ids that contain this text; case is ignored.")
    order: Literal["last_seen", "first_seen", "events", "user_id"] = Field(
        "last_seen", description="Ties are in order of `user_id`."
    )
    ascending: bool = Field(False, description="The smallest or earliest first.")
    limit: int = Field(100, ge=1, le=1_000)
    cursor: str | None = Field(None, description="`next_cursor` of the page before; leave every other field as it was.")


class JoinedId(Shape):
    """One id of a person, with the times and the number of the events that were sent with it.

    Each id but the person's own is linked to another one. If the links form a circle, the person's own id is, too: the
    circle is cut at this id.
    """

    user_id: str
    site_id: str
    linked_to: str | None = Field(description="The id that this one is linked to; null: to none.")
    linked_at: datetime | None = Field(description="The time of the event that linked them.")
    event_id: str | None = Field(description="The id of that event.")
    first_seen: datetime | None
    last_seen: datetime | None
    events: int


class Person(Shape):
    """One person: the row of the answer to a `person` query."""

    person_id: str | None = Field(
        description="The id that the person has in answers; null if it differs between sites."
    )
    first_seen: datetime | None = Field(description="Over all ids; null: there is no event in the scope.")
    last_seen: datetime | None
    events: int
    ids: list[JoinedId]
    ids_total: int = Field(description="The number of all ids, also of those beyond `limit`.")


class PersonQuery(Scope):
    """One person: the linked ids, each with the event that linked it, and with its events in the scope.

    The answer has one row. With `site_id` null, it has the ids that are linked to `user_id` on each site.
    """

    kind: Literal["person"] = "person"
    user_id: str = Field(min_length=1, max_length=256, description="Any id of the person.")
    limit: int = Field(
        100,
        ge=1,
        le=1_000,
        description="The most ids in the answer: the person's own, then in the order in which they were linked.",
    )
