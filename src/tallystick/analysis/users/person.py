"""Questions about one person → SQL: their events, and their ids with the events that joined them."""

from __future__ import annotations

from tallystick.analysis.event_source import EventSource
from tallystick.analysis.filters import scope_conditions, where
from tallystick.analysis.sources import Sources
from tallystick.analysis.statement import Statement
from tallystick.model.queries.users import PersonQuery
from tallystick.model.query import EventsQuery


def of_person(query: EventsQuery, source: EventSource) -> str:
    """Whether an event is one of the person's whose id `user_id` is.

    The ids come first, since an index of events may know them. Where there are several sites, an id that is theirs on
    one may be somebody else's on another.
    """
    user = source.parameters.add(query.user_id, "text")
    known = where([f"user_id = {user}", *_on_site(query.site_id, source)])
    persons = f"SELECT person_id FROM identities{known}"
    joined = where([f"(person_id = {user} OR person_id IN ({persons}))", *_on_site(query.site_id, source)])
    if query.site_id is not None:
        stays = f"NOT EXISTS (SELECT 1 FROM identities{known})"
        person = f"person_id = coalesce(({persons}), {user})"
        own = where([person, *_on_site(query.site_id, source)])
        ids = f"SELECT user_id FROM identities{own}\n  UNION ALL {persons}\n  UNION ALL SELECT {user} WHERE {stays}"
        return f"user_id IN (\n  {ids}\n)"
    ids = f"SELECT user_id FROM identities{joined}\n  UNION ALL {persons}\n  UNION ALL SELECT {user}"
    theirs = f"coalesce({_person('events.user_id')}, user_id) = coalesce({_person(user)}, {user})"
    return f"user_id IN (\n  {ids}\n) AND {theirs}"


def _on_site(site_id: str | None, source: EventSource) -> list[str]:
    return [] if site_id is None else [f"site_id = {source.parameters.add(site_id, 'text')}"]


def _person(user: str) -> str:
    """The person of an id on the site of a row of `events`."""
    return f"(SELECT i.person_id FROM identities AS i WHERE i.site_id = events.site_id AND i.user_id = {user})"


def compile_person(query: PersonQuery, sources: Sources) -> Statement:
    """The statement of a question about one person.

    A row for each id: site, person, id, to which it was joined, when, by which event; when it was first and last seen
    and when all of the ids together were; its events and theirs; and how many ids there are.
    """
    source = EventSource.as_sent(sources)
    dialect, user = source.dialect, source.parameters.add(query.user_id, "text")
    site = _on_site(query.site_id, source)
    sites = [
        f"SELECT site_id, person_id FROM identities{where([f'user_id = {user}', *site])}",
        f"SELECT site_id, NULL FROM identities{where([f'person_id = {user}', *site])}",
        f"SELECT DISTINCT site_id, NULL FROM events{where([f'user_id = {user}', *site])}",
    ]
    if query.site_id is not None:
        sites.append(f"SELECT {source.parameters.add(query.site_id, 'text')}, NULL")
    conditions = scope_conditions(query, "timestamp", source)
    at, *times = (
        dialect.epoch_us.format(name)
        for name in ("linked_at", "first_seen", "last_seen", "min(first_seen) OVER ()", "max(last_seen) OVER ()")
    )
    union = "\n    UNION ALL ".join(sites)
    sql = (
        f"WITH persons AS (\n  SELECT site_id, coalesce(max(person_id), {user}) AS person_id\n"
        f"  FROM (\n    {union}\n  ) AS known\n  GROUP BY site_id\n),\n"
        "ids AS (\n  SELECT site_id, person_id, user_id, linked_to, linked_at, event_id\n"
        "  FROM persons JOIN identities USING (site_id, person_id)\n"
        f"  UNION ALL\n  SELECT site_id, person_id, person_id, NULL, NULL, NULL\n  FROM persons{where([_OWN])}\n),\n"
        "seen AS (\n  SELECT site_id, user_id, min(timestamp) AS first_seen, max(timestamp) AS last_seen,\n"
        "    count(*) AS events\n"
        f"  FROM events{where([*conditions, '(site_id, user_id) IN (SELECT site_id, user_id FROM ids)'])}\n"
        "  GROUP BY site_id, user_id\n)\n"
        f"SELECT site_id, person_id, user_id, linked_to, {at}, {dialect.uuid_text.format('event_id')},\n"
        f"  {', '.join(times)}, coalesce(events, 0), coalesce(CAST(sum(events) OVER () AS BIGINT), 0),\n"
        "  count(*) OVER ()\n"
        "FROM ids LEFT JOIN seen USING (site_id, user_id)\n"
        f"ORDER BY linked_at NULLS FIRST, user_id, site_id\nLIMIT {query.limit}"
    )
    return Statement(sql, source.parameters.values)


_OWN = "NOT EXISTS (SELECT 1 FROM identities AS i WHERE i.site_id = persons.site_id AND i.user_id = persons.person_id)"
