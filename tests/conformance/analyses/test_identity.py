"""Every store answers every query as if joined ids were one person, in whatever order the events came (G10)."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tallystick.model.event import Event
from tallystick.model.queries.funnel import FunnelQuery, FunnelUsersQuery
from tallystick.model.queries.paths import PathsQuery
from tallystick.model.queries.retention import PersonsQuery
from tallystick.model.queries.users import PeopleQuery, PersonQuery
from tallystick.model.query import Condition, EventsQuery, Metric, MetricsQuery, SessionsQuery, ValuesQuery
from tallystick.store import Store
from tests.conformance.analyses.test_funnels import doings, funnels
from tests.conformance.analyses.test_paths import path_questions
from tests.conformance.analyses.test_persons import QUESTION, placed, seasons
from tests.conformance.analyses.test_persons import questions as persons_questions
from tests.conformance.analyses.test_sessions import questions as sessions_questions
from tests.conformance.analyses.test_store_queries import event_lists, metrics_queries
from tests.helpers.analysis_steps import filters, visits
from tests.helpers.identity_steps import IDS, joining, put_in_pieces, unique
from tests.helpers.query_steps import NOON, ask, make_event, numbers, put, same
from tests.helpers.thorough import examples, some
from tests.oracle import metrics as oracle
from tests.oracle.funnel import funnel_answer, funnel_users_answer
from tests.oracle.identity import about_sent, answer_person, as_persons, links_of, person_of
from tests.oracle.paths import answer_paths, answer_people
from tests.oracle.retention import persons_answer
from tests.oracle.sessions import answer_sessions

OF_PEOPLE = [Metric(kind="users"), Metric(kind="events_per_user"), Metric(kind="events")]
MINUTE = timedelta(minutes=1)
ANY: dict[str, Any] = {"deadline": None, "suppress_health_check": list(HealthCheck)}
sizes = st.sampled_from([3, 10, 100])


def sites_of(events: Sequence[Event]) -> list[str]:
    return sorted({event.site_id for event in events})


def of_all(events: Sequence[Event], test: Any = None) -> dict[str, Any]:
    """The scope of all sites of an example; the store has other examples' events too."""
    ours = {"field": "site_id", "op": "in", "value": sites_of(events)}
    return {"site_id": None, "filter": {"all": [ours, test]} if test else ours}


def agree(query: Any, got: Any, wanted: Any) -> None:
    assert same(got, wanted), f"{query!r}\nstore:  {got}\noracle: {wanted}"


# --- who is who -----------------------------------------------------------------------------------------------------


@settings(max_examples=examples(25), **ANY)
@given(events=joining(visits(8), most=14), size=sizes, since=st.none() | st.just(NOON), limit=st.sampled_from([1, 100]))
async def test_the_links_lead_to_the_same_person_in_any_order(
    store: Store, events: list[Event], size: int, since: datetime | None, limit: int
) -> None:
    """G10: collisions, chains, circles, late and repeated links, batch by batch."""
    await put_in_pieces(store, events, size)
    known = unique(events)
    for site in sites_of(known):
        for user in IDS:
            query = PersonQuery(site_id=site, user_id=user, since=since, limit=limit)
            [got] = (await store.run(query)).rows
            agree(query, got, answer_person(query, known))


async def test_the_books_say_so(store: Store) -> None:
    """G4: `verify` works the persons out from all the links at once."""
    for number in some(range(30)):
        chance = random.Random(number)
        links = [(chance.choice("abcdef"), chance.choice("abcdef"), chance.randrange(9)) for _ in range(12)]
        await put_in_pieces(store, told(*links), chance.choice([1, 3, 20]))
    assert await store.verify() == []


# --- queries ------------------------------------------------------------------------------------------------------


FOCUS: list[dict[str, Any]] = [
    {},
    {"metrics": OF_PEOPLE[:1], "filter": None, "breakdown": [], "top": None, "other": False},
    {"metrics": OF_PEOPLE[:1], "filter": None, "breakdown": ["site_id"], "top": None, "other": False},
    {"metrics": OF_PEOPLE, "filter": None},
    {"metrics": OF_PEOPLE, "filter": {"field": "user_id", "op": "in", "value": IDS[:3]}},
    {"metrics": OF_PEOPLE, "filter": None, "breakdown": ["user_id"], "top": 2, "other": True},
]
"""What makes most of the queries ones about persons: from the rollup of people, its days, and the events."""


@settings(max_examples=examples(15), **ANY)
@given(
    events=joining(event_lists()),
    asked=st.lists(metrics_queries(), min_size=len(FOCUS), max_size=len(FOCUS)),
    size=sizes,
    everywhere=st.booleans(),
)
async def test_metrics_count_persons(
    store: Store, events: list[Event], asked: list[dict[str, Any]], size: int, everywhere: bool
) -> None:
    """G10: a filter is about the id that was sent."""
    await put_in_pieces(store, events, size, tidy=True)
    persons = as_persons(unique(events))
    for question, focus in zip(asked, FOCUS, strict=True):
        question |= focus
        scopes = [of_all(events, question["filter"])] if everywhere else [{"site_id": s} for s in sites_of(events)]
        for scope in scopes:
            query = MetricsQuery(**{**question, **scope})
            wanted = oracle.answer(query.model_copy(update={"filter": about_sent(query.filter)}), persons)
            agree(query, await ask(store, query), wanted)


@settings(max_examples=examples(12), **ANY)
@given(season=seasons(), data=st.data(), asked=st.lists(persons_questions(), min_size=3, max_size=6), size=sizes)
async def test_retention_lifecycle_stickiness_and_active_users(
    store: Store, season: tuple[datetime, list[Event]], data: st.DataObject, asked: list[dict[str, Any]], size: int
) -> None:
    base, plain = season
    events = data.draw(joining(st.just(plain)))
    await put_in_pieces(store, events, size, tidy=True)
    persons = as_persons(unique(events))
    for question in asked:
        scopes = [{"site_id": site} for site in sites_of(events)] + [of_all(events, question["filter"])]
        for scope in scopes:
            query: PersonsQuery = QUESTION.validate_python({**placed(question, base), **scope})
            agree(query, (await store.run(query)).rows, persons_answer(query, persons, datetime.now(UTC)))


@settings(max_examples=examples(12), **ANY)
@given(
    events=joining(doings()),
    asked=st.lists(funnels(), min_size=2, max_size=4),
    size=sizes,
    breakdown=st.sampled_from([None, "path", "user_id"]),
)
async def test_funnels(
    store: Store, events: list[Event], asked: list[dict[str, Any]], size: int, breakdown: str | None
) -> None:
    """The first step may have been done under one id, the next under another."""
    await put_in_pieces(store, events, size)
    persons = as_persons(unique(events))
    for question in asked:
        for site in sites_of(events):
            query = FunnelQuery(**question, site_id=site, breakdown=breakdown)
            agree(query, (await store.run(query)).rows, funnel_answer(query, persons))
            users = FunnelUsersQuery(**question, site_id=site, step=1)
            agree(users, (await store.run(users)).rows, funnel_users_answer(users, persons))


@settings(max_examples=examples(12), **ANY)
@given(events=joining(visits(40)), asked=st.lists(sessions_questions(), min_size=2, max_size=4), size=sizes)
async def test_sessions_that_pauses_end(
    store: Store, events: list[Event], asked: list[dict[str, Any]], size: int
) -> None:
    await put_in_pieces(store, events, size, tidy=True)
    persons = as_persons(unique(events))
    for question in asked:
        for scope in [*({"site_id": site} for site in sites_of(events)), of_all(events, question["filter"])]:
            query = SessionsQuery(**{**question, **scope})
            agree(query, (await store.run(query)).rows, answer_sessions(query, persons))


@settings(max_examples=examples(12), **ANY)
@given(events=joining(visits(60)), asked=st.lists(path_questions(), min_size=2, max_size=4), size=sizes)
async def test_paths(store: Store, events: list[Event], asked: list[dict[str, Any]], size: int) -> None:
    await put_in_pieces(store, events, size)
    persons = as_persons(unique(events))
    for question in asked:
        for site in sites_of(events):
            query = PathsQuery(**{**question, "site_id": site})
            agree(query, (await store.run(query)).rows, answer_paths(query, persons))


@settings(max_examples=examples(25), **ANY)
@given(
    events=joining(visits()),
    order=st.sampled_from(["last_seen", "first_seen", "events", "user_id"]),
    test=filters,
    ascending=st.booleans(),
    limit=st.integers(1, 4),
    search=st.sampled_from([None, "", "N", "x"]),
    size=sizes,
)
async def test_the_list_has_one_row_a_person(
    store: Store, events: list[Event], order: Any, test: Any, ascending: bool, limit: int, search: str | None, size: int
) -> None:
    """Any id of a person finds the person, with all events."""
    await put_in_pieces(store, events, size)
    known = unique(events)
    persons = as_persons(known)
    for site in sites_of(known):
        query = PeopleQuery(site_id=site, order=order, filter=test, ascending=ascending, limit=limit, search=search)
        links = links_of(known)
        found = {
            person_of(links, site, event.user_id)
            for event in known
            if event.user_id is not None
            and event.site_id == site
            and oracle.in_scope(query, event)
            and (search or "").lower() in f"{event.user_id}\n{person_of(links, site, event.user_id)}".lower()
        }
        everybody = answer_people(query.model_copy(update={"search": None}), persons)
        wanted, got = [row for row in everybody if row["user_id"] in found], []
        while (result := await store.run(query)).next_cursor:
            got += result.rows
            query = query.model_copy(update={"cursor": result.next_cursor})
        agree(query, [*got, *result.rows], wanted)


@settings(max_examples=examples(25), **ANY)
@given(events=joining(event_lists()), size=sizes, user=st.sampled_from(IDS), ascending=st.booleans())
async def test_a_timeline_has_all_events_of_the_person_as_they_were_sent(
    store: Store, events: list[Event], size: int, user: str, ascending: bool
) -> None:
    await put_in_pieces(store, events, size)
    known = unique(events)
    links = links_of(known)
    for scope in [*({"site_id": site} for site in sites_of(known)), of_all(known)]:
        query = EventsQuery(**scope, user_id=user, ascending=ascending, limit=3)
        mine = [
            event
            for event in known
            if event.user_id is not None
            and person_of(links, event.site_id, event.user_id) == person_of(links, event.site_id, user)
        ]
        wanted = oracle.answer(query.model_copy(update={"user_id": None}), mine)
        agree(query, await ask(store, query), wanted)
        exported = b"".join([chunk async for chunk in store.export(query)]).count(b"\n")
        assert exported == len(wanted)


# --- rules, one by one ----------------------------------------------------------------------------------------------


def told(*links: tuple[str, str, int]) -> list[Event]:
    """On a site of its own: `(id, its user, minute)` of identify events."""
    base = next(numbers) * 1000
    return [
        make_event(
            base + n,
            f"s{base}",
            name="identify",
            user_id=user,
            timestamp=NOON + minute * MINUTE,
            properties={"anonymous_id": joined},
        )
        for n, (joined, user, minute) in enumerate(links)
    ]


async def persons(store: Store, events: Sequence[Event], ids: str) -> str:
    """The person of each of some ids of one letter."""
    found = ""
    for one in ids:
        [row] = (await store.run(PersonQuery(site_id=events[0].site_id, user_id=one))).rows
        found += row["person_id"]
    return found


@pytest.mark.parametrize(
    ("links", "ids", "wanted"),
    [
        ([("a", "u", 1)], "au", "uu"),
        ([("a", "u", 2), ("a", "v", 3)], "auv", "uuv"),  # a shared device
        ([("a", "u", 3), ("a", "v", 2)], "auv", "vuv"),  # the earlier link came later
        ([("a", "b", 1), ("b", "c", 2)], "abc", "ccc"),
        ([("b", "c", 2), ("a", "b", 1), ("c", "d", 0)], "abcd", "dddd"),
        ([("a", "b", 1), ("b", "a", 2)], "ab", "bb"),  # the later link is left out
        ([("a", "b", 2), ("b", "c", 1), ("c", "a", 0), ("z", "c", 9)], "abcz", "aaaa"),
        ([("a", "b", 1), ("b", "a", 2), ("b", "c", 3)], "abc", "bbc"),
        ([("a", "b", 1), ("b", "a", 2), ("b", "c", 0)], "abc", "ccc"),  # the earliest one of b opens the circle
    ],
)
async def test_rules(store: Store, links: list[tuple[str, str, int]], ids: str, wanted: str) -> None:
    events = told(*links)
    for event in events:
        await put(store, [event])
    assert await persons(store, events, ids) == wanted
    assert await store.verify() == []


async def test_a_link_counts_from_the_moment_it_is_stored_and_for_earlier_events_too(store: Store) -> None:
    base = next(numbers) * 1000
    visited = [
        make_event(base + 500 + n, f"s{base}", name="page_view", user_id=user, timestamp=NOON + n * MINUTE)
        for n, user in enumerate(["a", "u", "a", "b"])
    ]
    await put(store, visited)
    query = MetricsQuery(site_id=f"s{base}", metrics=OF_PEOPLE)
    [row] = (await store.run(query)).rows
    assert (row["users"], row["events"]) == (3, 4)
    link = make_event(
        base, f"s{base}", name="$create_alias", user_id="u", timestamp=NOON + 90 * MINUTE, properties={"alias": "a"}
    )
    await put(store, [link])
    [row] = (await store.run(query)).rows
    assert (row["users"], row["events"], row["events_per_user"]) == (2, 5, 2.5)


async def test_a_site_knows_nothing_of_another_ones_links(store: Store) -> None:
    events = told(("a", "u", 1))
    other = told(("x", "y", 1))
    await put(store, [*events, *other])
    assert await persons(store, events, "a") == "u"
    assert await persons(store, other, "ax") == "ay"


async def test_filters_and_pickers_are_about_the_ids_that_were_sent(store: Store) -> None:
    events = told(("a", "u", 1))
    base = next(numbers) * 1000
    site = events[0].site_id
    visited = make_event(base, site, name="page_view", user_id="a", timestamp=NOON)
    await put(store, [*events, visited])
    sent = Condition(field="user_id", op="=", value="a")
    rows = (await store.run(MetricsQuery(site_id=site, filter=sent, breakdown=["user_id"]))).rows
    assert rows == [{"user_id": "u", "events": 1}]
    values = (await store.run(ValuesQuery(site_id=site, field="user_id"))).rows
    assert values == [{"value": "a", "events": 1}, {"value": "u", "events": 1}]
    listed = (await store.run(EventsQuery(site_id=site, filter=sent))).rows
    assert [row["user_id"] for row in listed] == ["a"]


async def test_an_id_that_nobody_knows(store: Store) -> None:
    [row] = (await store.run(PersonQuery(site_id="nowhere", user_id="who"))).rows
    assert (row["person_id"], row["events"], row["first_seen"], row["ids_total"]) == ("who", 0, None, 1)
    [row] = (await store.run(PersonQuery(site_id=None, user_id="who"))).rows
    assert (row["person_id"], row["events"], row["ids"]) == ("who", 0, [])


async def test_a_person_of_several_sites(store: Store) -> None:
    """Sites may disagree about the person of an id."""
    number = next(numbers)
    user = f"user-{number}"
    events = [
        make_event(
            number * 1000 + n,
            f"s{number}-{n}",
            name=name,
            user_id=who,
            timestamp=NOON + n * MINUTE,
            properties=properties,
        )
        for n, (name, who, properties) in enumerate(
            [
                ("page_view", user, {}),
                ("alias", f"new-{number}", {"previousId": user}),
            ]
        )
    ]
    await put(store, events)
    [row] = (await store.run(PersonQuery(site_id=None, user_id=user))).rows
    assert (row["person_id"], row["events"], row["ids_total"]) == (None, 2, 3)
    [row] = (await store.run(PersonQuery(site_id=f"s{number}-1", user_id=user))).rows
    assert (row["person_id"], row["events"], row["ids_total"]) == (f"new-{number}", 1, 2)
