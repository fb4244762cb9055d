"""Queries about one person → SQL: which events belong to the person, and the ids that resolve to the person.

An event is sent with a `user_id`. The table `identities` has a row for each id that resolves to another one, its
`person_id`, on a site; any other id is a person itself.
"""

from __future__ import annotations

from tallystick.analysis.cte import clause, cte, sql, with_ctes
from tallystick.analysis.event_source import EventSource
from tallystick.analysis.filters import scope_conditions
from tallystick.analysis.sources import Sources
from tallystick.analysis.statement import Statement
from tallystick.model.queries.users import PersonQuery
from tallystick.model.query import EventsQuery


def of_person(query: EventsQuery, source: EventSource) -> str:
    """Condition: an event belongs to the person that the query's `user_id` resolves to.

    The first condition is a list of ids, because the store may have an index of events by id. With several sites it is
    only a preselection: an id can belong to the person on one site, and to another person on another site.
    """
    user = source.parameters.add(query.user_id, "text")
    if query.site_id is None:
        return _of_person_of_each_site(user)
    site = f"site_id = {source.parameters.add(query.site_id, 'text')}"
    return sql(
        """
        user_id IN (
            SELECT user_id
            FROM identities
            WHERE person_id = coalesce((SELECT person_id FROM identities WHERE user_id = {user} AND {site}), {user})
                AND {site}
            UNION ALL
            SELECT person_id FROM identities WHERE user_id = {user} AND {site}
            UNION ALL
            SELECT {user} WHERE NOT EXISTS (SELECT 1 FROM identities WHERE user_id = {user} AND {site})
        )
        """,
        user=user,
        site=site,
    )


def _of_person_of_each_site(user: str) -> str:
    # Pairs of site and id, and no subquery that refers to the event: ClickHouse refuses one over several shards.
    return sql(
        """
        user_id IN (
            SELECT user_id
            FROM identities
            WHERE person_id = {user} OR person_id IN (SELECT person_id FROM identities WHERE user_id = {user})
            UNION ALL
            SELECT person_id FROM identities WHERE user_id = {user}
            UNION ALL
            SELECT {user}
        )
        AND (
            user_id = {user}
            OR (site_id, user_id) IN (
                SELECT site_id, user_id
                FROM identities
                WHERE person_id = {user}
                    OR (site_id, person_id) IN (SELECT site_id, person_id FROM identities WHERE user_id = {user})
                UNION ALL
                SELECT site_id, person_id FROM identities WHERE user_id = {user}
            )
        )
        """,
        user=user,
    )


def compile_person(query: PersonQuery, sources: Sources) -> Statement:
    """The statement of a query about one person.

    It has a row for each id of the person on a site: site_id, person_id, user_id; linked_to, linked_at and event_id:
    the id that it was joined to, when, and by which event (NULL for the person's own id); first_seen and last_seen of
    the id, and of all ids; the number of events of the id, and of all ids; and the number of ids.
    """
    source = EventSource.as_sent(sources)
    dialect, user = source.dialect, source.parameters.add(query.user_id, "text")
    site = None if query.site_id is None else source.parameters.add(query.site_id, "text")
    on_site = [] if site is None else [f"site_id = {site}"]
    persons = cte(
        "persons",
        """
        SELECT site_id, coalesce(max(person_id), {user}) AS person_id
        FROM (
            SELECT site_id, person_id
            FROM identities
            {by_user_id}
            UNION ALL
            SELECT site_id, NULL
            FROM identities
            {by_person_id}
            UNION ALL
            SELECT DISTINCT site_id, NULL
            FROM events
            {by_user_id}
            {queried_site}
        ) AS known_on_sites
        GROUP BY site_id
        """,
        user=user,
        by_user_id=clause("WHERE", [f"user_id = {user}", *on_site]),
        by_person_id=clause("WHERE", [f"person_id = {user}", *on_site]),
        queried_site="" if site is None else f"UNION ALL SELECT {site}, NULL",
    )
    ids = cte(
        "ids",
        """
        SELECT site_id, person_id, user_id, linked_to, linked_at, event_id
        FROM persons JOIN identities USING (site_id, person_id)
        UNION ALL
        SELECT site_id, person_id, person_id, NULL, NULL, NULL
        FROM persons
        WHERE (site_id, person_id) NOT IN (
            SELECT site_id, user_id
            FROM identities
            WHERE user_id IN (SELECT person_id FROM persons)
        )
        """,
    )
    events_of_ids = cte(
        "events_of_ids",
        """
        SELECT
            site_id,
            user_id,
            min(timestamp) AS first_seen,
            max(timestamp) AS last_seen,
            count(*) AS events
        FROM events
        {where}
        GROUP BY site_id, user_id
        """,
        where=clause(
            "WHERE",
            [
                *scope_conditions(query, "timestamp", source),
                "(site_id, user_id) IN (SELECT site_id, user_id FROM ids)",
            ],
        ),
    )
    rows = sql(
        """
        SELECT
            site_id,
            person_id,
            user_id,
            linked_to,
            {linked_at},
            {event_id},
            {first_seen},
            {last_seen},
            {first_seen_of_person},
            {last_seen_of_person},
            coalesce(events, 0),
            coalesce(CAST(sum(events) OVER () AS BIGINT), 0),
            count(*) OVER ()
        FROM ids LEFT JOIN events_of_ids USING (site_id, user_id)
        ORDER BY linked_at NULLS FIRST, user_id, site_id
        LIMIT {limit}
        """,
        linked_at=dialect.epoch_us.format("linked_at"),
        event_id=dialect.uuid_text.format("event_id"),
        first_seen=dialect.epoch_us.format("first_seen"),
        last_seen=dialect.epoch_us.format("last_seen"),
        first_seen_of_person=dialect.epoch_us.format("min(first_seen) OVER ()"),
        last_seen_of_person=dialect.epoch_us.format("max(last_seen) OVER ()"),
        limit=str(query.limit),
    )
    return Statement(with_ctes([persons, ids, events_of_ids], rows), source.parameters.values)
