"""The oracle of identity: it finds the person of each id in plain Python, by the rules of docs/use/identity.md."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any

import msgspec

from tallystick.model.event import Event
from tallystick.model.queries.users import PersonQuery
from tallystick.model.query import AllOf, AnyOf, Condition, Filter
from tests.oracle.metrics import in_scope

KEYS = {
    "identify": ["anonymous_id", "anonymousId", "$anon_distinct_id"],
    "alias": ["alias", "previous_id", "previousId"],
}
KEYS |= {"$identify": KEYS["identify"], "$create_alias": KEYS["alias"]}
PLACEHOLDERS = {
    *("", "null", "(null)", "<null>", "nil", "<nil>", "none", "undefined", "nan", "0", "-1", "true", "false"),
    *("[object object]", "anonymous", "guest", "unknown", "not_authenticated", "id", "email", "distinct_id"),
    *("distinctid", "00000000-0000-0000-0000-000000000000"),
}
"""Ids that join nobody, in lower case."""
SENT = "$sent"
"""A property in the events of `as_persons`: the id that the event was sent with."""

Id = tuple[str, str]
Links = dict[Id, tuple[str, Event]]
Splits = Mapping[Id, datetime]
"""The time up to which joins of an id do not count."""


def is_placeholder(user: str) -> bool:
    bare = user.strip(" \t\n\v\f\r\"'")
    return "".join(chr(ord(c) + 32) if "A" <= c <= "Z" else c for c in bare) in PLACEHOLDERS


def joined_by(event: Event) -> str | None:
    """The id that an event links to its user; None: it links none."""
    properties = json.loads(bytes(event.properties))
    if event.user_id is not None and not is_placeholder(event.user_id):
        for key in KEYS.get(event.name, []):
            value = properties.get(key)
            if isinstance(value, int) and not isinstance(value, bool):
                value = str(value)
            if (
                isinstance(value, str)
                and 0 < len(value) <= 256
                and value != event.user_id
                and not is_placeholder(value)
            ):
                return value
    return None


def links_of(events: Iterable[Event], splits: Splits = MappingProxyType({})) -> Links:
    """For each linked id, the id that it is linked to and the earliest event that links them."""
    links: Links = {}
    for event in sorted(events, key=lambda event: (event.timestamp, event.event_id)):
        joined = joined_by(event)
        if joined is None or event.user_id is None:
            continue
        split_at = splits.get((event.site_id, joined))
        if split_at is None or event.timestamp > split_at:
            links.setdefault((event.site_id, joined), (event.user_id, event))
    return links


def person_of(links: Links, site: str, user: str) -> str:
    """The id at the end of the links. A circle is cut at its latest link."""
    walked = [user]
    while (site, walked[-1]) in links:
        after = links[site, walked[-1]][0]
        if after in walked:
            circle = walked[walked.index(after) :]
            return max(circle, key=lambda one: (links[site, one][1].timestamp, links[site, one][1].event_id))
        walked.append(after)
    return walked[-1]


def as_persons(events: Sequence[Event]) -> list[Event]:
    """The events with the person in `user_id`; the id that was sent moves to the property `SENT`."""
    links = links_of(events)
    mapped = []
    for event in events:
        if event.user_id is not None:
            properties = {**json.loads(bytes(event.properties)), SENT: event.user_id}
            event = msgspec.structs.replace(
                event,
                user_id=person_of(links, event.site_id, event.user_id),
                properties=msgspec.Raw(msgspec.json.encode(properties)),
            )
        mapped.append(event)
    return mapped


def about_sent(root: Filter | None) -> Any:
    """A filter for the events of `as_persons`: where it tested `user_id`, it tests the id that was sent."""
    if isinstance(root, AllOf):
        return AllOf(all=[about_sent(part) for part in root.all])
    if isinstance(root, AnyOf):
        return AnyOf(any=[about_sent(part) for part in root.any])
    if isinstance(root, Condition) and root.field == "user_id":
        return root.model_copy(update={"field": f"properties.{SENT}"})
    return root


def answer_person(query: PersonQuery, events: Sequence[Event], splits: Splits = MappingProxyType({})) -> dict[str, Any]:
    """The one row of the answer about a person on one site."""
    links = links_of(events, splits)
    site = str(query.site_id)
    person = person_of(links, site, query.user_id)
    ids = {person} | {user for (of_site, user) in links if of_site == site and person_of(links, site, user) == person}
    mine = [event for event in events if event.user_id in ids and in_scope(query, event)]
    rows = []
    for user in ids:
        linked_to, link = links.get((site, user), (None, None))
        rows.append(
            {
                "user_id": user,
                "site_id": site,
                "linked_to": linked_to,
                "linked_at": None if link is None else _shown(link),
                "event_id": link and str(link.event_id),
                **_seen([event for event in mine if event.user_id == user]),
            }
        )
    rows.sort(key=lambda row: (row["linked_at"] or "", row["user_id"]))
    return {"person_id": person, **_seen(mine), "ids": rows[: query.limit], "ids_total": len(rows)}


def _seen(events: Sequence[Event]) -> dict[str, Any]:
    times = sorted(map(_shown, events))
    return {"first_seen": times[0] if times else None, "last_seen": times[-1] if times else None, "events": len(times)}


def _shown(event: Event) -> str:
    return event.timestamp.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
