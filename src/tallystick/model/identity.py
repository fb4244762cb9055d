"""Who is one person: ids that `identify` and `alias` events join. docs/use/identity.md has the rules.

A link joins one id of a site to another. Of each id the earliest link by time and event id counts, so the same events
give the same persons in whatever order they come. Following the links from id to id leads to the person; where they
form a circle, the latest of its links is left out, and the person is the id that it began at.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

from tallystick.model.books import Difference

LINK_NAMES = ("identify", "$identify", "alias", "$create_alias")
"""Names of the events that may join two ids. In which property the other id is, the stores' `link_id` knows."""

Id: TypeAlias = tuple[str, str]
"""Site and user id."""


@dataclass(frozen=True, slots=True)
class Link:
    """An id of a site is another one's, by the event of this id and time."""

    site_id: str
    user_id: str
    linked_to: str
    linked_at: datetime
    event_id: UUID

    @property
    def id(self) -> Id:
        return self.site_id, self.user_id

    @property
    def age(self) -> tuple[datetime, UUID]:
        """The smallest is the earliest."""
        return self.linked_at, self.event_id


@dataclass(frozen=True, slots=True)
class NewLink:
    """A link that is earlier than what is known of its id, and what was known before it.

    Attributes:
        person: of `link.user_id`; None when it was joined to nobody.
        ahead: the person of `link.linked_to`.
        same: it was joined to the same id, by a later event.
        circled: a circle was cut among the ids of its person.
    """

    link: Link
    person: str | None
    ahead: str
    same: bool
    circled: bool


Joined: TypeAlias = tuple[Link, str]
"""A link that counts, and the person whom its id belongs to."""


@dataclass(frozen=True, slots=True)
class Change:
    """What a store has to do: put these rows in the place of those of their ids, after it made every id of the persons
    in `moved` one of another person.
    """

    rows: Sequence[Joined]
    moved: Mapping[Id, str]


def persons(links: Mapping[Id, Link]) -> dict[Id, str]:
    """The person of each id that has a link."""
    found: dict[Id, str] = {}
    for start in links:
        way: dict[Id, int] = {}
        at = start
        while at in links and at not in found and at not in way:
            way[at] = len(way)
            at = at[0], links[at].linked_to
        if at in way:
            circle = list(way)[way[at] :]
            end = max(circle, key=lambda id_: links[id_].age)[1]
        else:
            end = found.get(at, at[1])
        found.update(dict.fromkeys(way, end))
    return found


def added(new: Sequence[NewLink]) -> Change | None:
    """What new links change when all that they do is join persons to others. None: it takes a closer look.

    Only the links are needed for it, so that it costs the same however many ids a person has.
    """
    onward = {}
    for one in new:
        if one.person is None:
            onward[one.link.id] = replace(one.link, linked_to=one.ahead)
        elif not one.same or one.circled:
            return None
    moved = persons(onward)
    if any((site, person) in onward for (site, _), person in moved.items()):
        return None  # they form a circle
    rows = []
    for one in new:
        known = one.link.id if one.person is None else (one.link.site_id, one.person)
        rows.append((one.link, moved.get(known, known[1])))
    return Change(rows, moved)


def touched(new: Iterable[NewLink]) -> set[Id]:
    """The persons whose ids have to be looked at."""
    sites = ((one.link.site_id, (one.person or one.link.user_id, one.ahead)) for one in new)
    return {(site, person) for site, both in sites for person in both}


def rejoined(new: Iterable[NewLink], known: Iterable[Joined]) -> Change:
    """What new links change among all the ids of the persons that they touch."""
    before = {link.id: (link, person) for link, person in known}
    links = {id_: link for id_, (link, _) in before.items()} | {one.link.id: one.link for one in new}
    now = ((links[id_], person) for id_, person in persons(links).items())
    return Change([row for row in now if before.get(row[0].id) != row], {})


def told(missing: int, strange: int, astray: int) -> list[Difference]:
    """What `verify` has to say of these counts."""
    sentences = {
        f"{missing} events that join ids are not known": missing,
        f"{strange} ids are joined to others by no event": strange,
        f"{astray} joined ids are not where their links lead": astray,
    }
    return [Difference("persons", sentence) for sentence, count in sentences.items() if count]
