"""Which user ids are one person: `identify` and `alias` events join them. docs/use/identity.md has the rules.

A link joins one id of a site to another. Only the earliest link of an id counts, by time and event id, so the same
events give the same persons in any order of arrival. An id resolves to a person by following the links from id to id.
Where the links form a circle, its latest link is left out, and the id that this link began at is the person.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

from tallystick.model.books import Difference

LINK_NAMES = ("identify", "$identify", "alias", "$create_alias")
"""Names of the events that may join two ids. The stores' `link_id` knows which property has the other id."""

Id: TypeAlias = tuple[str, str]
"""Site and user id."""


@dataclass(frozen=True, slots=True)
class Link:
    """A link from one id of a site to another, made by the event with this id and time."""

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
        """The sort key of links; the smallest is the earliest."""
        return self.linked_at, self.event_id


@dataclass(frozen=True, slots=True)
class NewLink:
    """A link that is earlier than the known link of its id, and what was known before it.

    Attributes:
        person: the person of `link.user_id` so far; None when that id had no link.
        ahead: the person of `link.linked_to`.
        same: whether the id was joined to the same id already, by a later event.
        circled: whether a circle was cut among the ids of its person.
    """

    link: Link
    person: str | None
    ahead: str
    same: bool
    circled: bool


Joined: TypeAlias = tuple[Link, str]
"""A link that counts, and the person that its id resolves to."""


@dataclass(frozen=True, slots=True)
class Change:
    """What a store has to do: first move every id of the persons in `moved` to another person, then replace the rows of
    these ids by the given rows.
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
    """What new links change if they only join whole persons to others; None: use `rejoined` instead.

    This needs the links alone, so its cost does not depend on how many ids a person has.
    """
    onward = {}
    for one in new:
        if one.person is None:
            onward[one.link.id] = replace(one.link, linked_to=one.ahead)
        elif not one.same or one.circled:
            return None
    moved = persons(onward)
    if any((site, person) in onward for (site, _), person in moved.items()):
        return None  # the links form a circle
    rows = []
    for one in new:
        known = one.link.id if one.person is None else (one.link.site_id, one.person)
        rows.append((one.link, moved.get(known, known[1])))
    return Change(rows, moved)


def touched(new: Iterable[NewLink]) -> set[Id]:
    """The persons whose ids `rejoined` needs."""
    sites = ((one.link.site_id, (one.person or one.link.user_id, one.ahead)) for one in new)
    return {(site, person) for site, both in sites for person in both}


def rejoined(new: Iterable[NewLink], known: Iterable[Joined]) -> Change:
    """What new links change, computed from all ids of the persons that they touch."""
    before = {link.id: (link, person) for link, person in known}
    links = {id_: link for id_, (link, _) in before.items()} | {one.link.id: one.link for one in new}
    now = ((links[id_], person) for id_, person in persons(links).items())
    return Change([row for row in now if before.get(row[0].id) != row], {})


def separated(known: Iterable[Joined], gone: Collection[Id]) -> Change:
    """What changes when the links of some ids no longer count: the other rows whose person is another now.

    Args:
        known: all ids of the persons that the ids in `gone` resolve to.
    """
    left = [(link, person) for link, person in known if link.id not in gone]
    now = persons({link.id: link for link, _ in left})
    return Change([(link, now[link.id]) for link, person in left if now[link.id] != person], {})


def cut_links(known: Sequence[Joined], site_id: str, user_id: str) -> list[Link]:
    """The links that have to go so that an id is no longer one person with those it was joined to.

    Of an id that was joined to another it is that link; the ids that were joined to it go with it. Of the person itself
    these are the links of all ids that were joined to it directly. A link that was left out because it closes a circle
    has to go too: it would count as soon as the circle is open.

    Args:
        known: all ids of its person. Empty: it is joined to no other id.
    """
    person = known[0][1] if known else user_id
    chosen = {(site_id, user_id), (site_id, person)}
    return [link for link, _ in known if link.id in chosen or (user_id == person and link.linked_to == user_id)]


def identity_differences(missing: int, strange: int, astray: int) -> list[Difference]:
    """The differences that `verify` reports for these counts; a count of 0 gives none."""
    sentences = {
        f"{missing} events that join ids are not known": missing,
        f"{strange} ids are joined to others by no event": strange,
        f"{astray} joined ids are not where their links lead": astray,
    }
    return [Difference("persons", sentence) for sentence, count in sentences.items() if count]
