"""The oracle of visits: which visit each event belongs to, as docs/use/visits.md says. Events arrive in their order."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from datetime import timedelta

from tallystick.model.event import Event
from tallystick.model.queries.scope import Scope
from tallystick.model.queries.sessions import LEAVE_NAMES

DAY = timedelta(hours=24)


class Visited(Event):
    """An event with the key of its visit; None if it belongs to none."""

    visit: Hashable = None


def near(scope: Scope, events: Iterable[Event]) -> list[Event]:
    """The events that decide about the visits of a range."""
    return [
        event
        for event in events
        if (scope.site_id is None or event.site_id == scope.site_id)
        and (scope.since is None or event.timestamp >= scope.since - DAY)
        and (scope.until is None or event.timestamp < scope.until + DAY)
    ]


def with_visits(scope: Scope, events: Iterable[Event]) -> list[Event]:
    """The events near a range, each with its visit."""
    events = near(scope, events)
    keys = {id(event): key for key, event in keyed(30, events)}
    return [
        Visited(**{name: getattr(event, name) for name in event.__struct_fields__}, visit=keys.get(id(event)))
        for event in events
    ]


def keyed(inactivity: int, events: Iterable[Event]) -> list[tuple[Hashable, Event]]:
    """The events that belong to a session, each with the key of its session, in order of time."""
    ordered = sorted(events, key=lambda event: event.timestamp)
    of_users: dict[tuple[str, str], list[Event]] = {}
    for event in ordered:
        if event.user_id is not None:
            of_users.setdefault((event.site_id, event.user_id), []).append(event)
    keys: dict[int, Hashable] = {}
    for user, theirs in of_users.items():
        for number, stretch in enumerate(_stretches(inactivity, theirs)):
            ids = [(index, event.session_id) for index, event in enumerate(stretch) if event.session_id is not None]
            for index, event in enumerate(stretch):
                earlier = [session for at, session in ids if at < index]
                later = [session for at, session in ids if at > index]
                joined = earlier[-1] if earlier else later[0] if later else _going_on(theirs, event)
                keys[id(event)] = (*user, number) if joined is None else (user[0], joined)
    for event in ordered:
        if event.session_id is not None:
            keys[id(event)] = (event.site_id, event.session_id)
    return [(keys[id(event)], event) for event in ordered if id(event) in keys]


def _stretches(inactivity: int, events: Sequence[Event]) -> list[list[Event]]:
    """A user's events, cut at pauses. How long a page was in view is told late, and is no new activity."""
    stretches: list[list[Event]] = []
    for event in events:
        is_leave = event.session_id is None and event.name in LEAVE_NAMES
        pause = DAY if is_leave else timedelta(minutes=inactivity)
        if stretches and event.timestamp - stretches[-1][-1].timestamp <= pause:
            stretches[-1].append(event)
        else:
            stretches.append([event])
    return stretches


def _going_on(events: Sequence[Event], event: Event) -> str | None:
    """The session of the user that has the last event before this one and the next one after it."""
    at = next(index for index, other in enumerate(events) if other is event)
    before = [other.session_id for other in events[:at] if other.session_id is not None]
    after = [other.session_id for other in events[at:] if other.session_id is not None]
    return before[-1] if before and after and before[-1] == after[0] else None
