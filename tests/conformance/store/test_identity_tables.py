"""The tables of identity: built from older events, kept right by several workers, purged and verified."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from tallystick.config import Settings
from tallystick.model.block import make_block
from tallystick.model.event import Event, encode_lines
from tallystick.model.queries.users import PersonQuery
from tallystick.model.query import Metric, MetricsQuery
from tallystick.store import Store, make_store, migrations
from tallystick.store.clickhouse import ClickHouseStore
from tallystick.store.duckdb import DuckDBStore
from tallystick.store.postgres import PostgresStore
from tallystick.store.postgres import identity as postgres_identity
from tests.helpers.identity_steps import put_in_pieces, unique
from tests.helpers.old_schema import without_later_parts
from tests.helpers.postgres_steps import connected, opened
from tests.helpers.query_steps import NOON, make_event, numbers, put
from tests.helpers.thorough import some
from tests.oracle.identity import answer_person

USERS = Metric(kind="users")


def linked(seed: int, count: int, ids: str = "abcdefgh", site: str = "") -> list[Event]:
    """Events of some ids on one site, half of which join two of them."""
    chance = random.Random(seed)
    base = next(numbers) * 10_000
    events = []
    for n in range(count):
        joins = chance.random() < 0.5
        events.append(
            make_event(
                base + n,
                site or f"t{base}",
                name=chance.choice(["identify", "$create_alias"]) if joins else "view",
                user_id=chance.choice(ids),
                timestamp=NOON + timedelta(seconds=chance.randrange(20)),
                properties={"$anon_distinct_id": chance.choice(ids), "alias": chance.choice(ids)},
            )
        )
    return events


async def check(
    store: Store,
    events: Sequence[Event],
    ids: str = "abcdefgh",
    splits: Mapping[tuple[str, str], datetime] | None = None,
) -> None:
    """Everybody is who the oracle says, and the books agree."""
    known = unique(events)
    for site in sorted({event.site_id for event in known}):
        for user in ids:
            query = PersonQuery(site_id=site, user_id=user, limit=1000)
            assert (await store.run(query)).rows == [answer_person(query, known, splits or {})]
    assert await store.verify() == []


# --- a store that was filled before ---------------------------------------------------------------------------------


async def test_a_store_that_was_filled_before_knows_its_persons(
    store_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """G10: the migration makes the table from the events, chains and circles included."""
    events = [event for seed in range(12) for event in linked(seed, 12)]

    with monkeypatch.context() as before:
        all_steps = migrations.migrations
        before.setattr(migrations, "migrations", lambda name: all_steps(name)[:2])
        without_later_parts(before)
        old = make_store(store_settings)
        await old.open()
        await put(old, events, tidy=False)
        await old.close()
    store = make_store(store_settings)
    await store.open()
    await check(store, events)
    more = [msgspec.structs.replace(event, site_id=events[0].site_id) for event in linked(99, 12)]
    await put_in_pieces(store, more, 1)
    await check(store, [*events, *more])
    await store.close()


# --- loading --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("properties", "joined"),
    [
        ('{"anonymous_id":"a"}', "a"),
        ('{"anonymous_id":"a","anonymous_id":"b"}', "a"),  # of a key that stands twice the first counts
        ('{"anonymous_id":5,"anonymousId":"b"}', "5"),  # a number is its text, as a user id is
        ('{"anonymous_id":5.5,"anonymousId":"b"}', "b"),
        ('{"anonymous_id":-0,"anonymousId":true,"$anon_distinct_id":"b"}', "b"),
        ('{"anonymous_id":76561198000000001}', "76561198000000001"),
        ('{"anonymous_id":"null","anonymousId":"b"}', "b"),
        ('{"anonymous_id":"u","$anon_distinct_id":"c"}', "c"),  # the first is the user's own
        ('{"alias":"a"}', None),
        ('{"nested":{"anonymous_id":"a"}}', None),
        ('{"anonymous_id":"\\u00fc \\\\ \\" 🦊"}', 'ü \\ " 🦊'),
    ],
)
async def test_which_property_has_the_other_id(store: Store, properties: str, joined: str | None) -> None:
    event = make_event(next(numbers) * 1000, "default", name="identify", user_id="u", timestamp=NOON)
    event = msgspec.structs.replace(event, properties=msgspec.Raw(properties.encode()))
    await put(store, [event])
    [row] = (await store.run(PersonQuery(user_id="u"))).rows
    assert [one["user_id"] for one in row["ids"]] == (["u"] if joined is None else ["u", joined])
    assert await store.verify() == []


async def test_a_person_of_very_many_ids(store: Store) -> None:
    """Joining one more reads none of them, and moving all of them is one statement."""
    many = 3000
    events = [
        make_event(
            5_000_000 + n,
            "hub",
            name="identify",
            user_id="host-0",
            timestamp=NOON + timedelta(seconds=n),
            properties={"anonymous_id": f"device-{n}"},
        )
        for n in range(many)
    ]
    await put_in_pieces(store, events, 1000)
    [row] = (await store.run(PersonQuery(site_id="hub", user_id="device-7", limit=5))).rows
    assert (row["person_id"], row["ids_total"], len(row["ids"])) == ("host-0", many + 1, 5)
    onward = make_event(5_900_000, "hub", name="alias", user_id="host", timestamp=NOON, properties={"alias": "host-0"})
    await put(store, [onward])
    [row] = (await store.run(PersonQuery(site_id="hub", user_id="device-7"))).rows
    assert (row["person_id"], row["ids_total"], row["events"]) == ("host", many + 2, many + 1)
    users = MetricsQuery(site_id="hub", metrics=[USERS])
    assert (await store.run(users)).rows == [{"users": 1}]
    assert await store.verify() == []


# --- splits ---------------------------------------------------------------------------------------------------------


async def test_a_split_takes_an_id_out_of_its_person(store: Store) -> None:
    """G10: chains and circles; later joins count again, in whatever order the events came."""
    for seed in some(range(6)):
        events = linked(seed, 14)
        site = events[0].site_id
        await put_in_pieces(store, events, 5)
        splits: dict[tuple[str, str], datetime] = {}
        for user in random.Random(seed).sample("abcdefgh", 3):
            query = PersonQuery(site_id=site, user_id=user)
            [before] = (await store.run(query)).rows
            report = await store.split(site, user)
            if before["ids_total"] == 1:
                assert report is None
                continue
            assert report is not None
            assert report.person_id == before["person_id"]
            splits |= {(site, one): report.split_at for one in report.users}
            [after] = (await store.run(query)).rows
            others = {one["user_id"] for one in after["ids"]}
            assert before["person_id"] not in others or user == before["person_id"]
            await check(store, events, splits=splits)
        # Sent again, and some that are new: what happened before the split joins nothing.
        late = [msgspec.structs.replace(event, site_id=site) for event in linked(100 + seed, 8)]
        now = datetime.now(UTC)
        joins = [
            msgspec.structs.replace(event, site_id=site, timestamp=now + timedelta(seconds=60 + n))
            for n, event in enumerate(linked(200 + seed, 8))
        ]
        await put_in_pieces(store, [*events, *late, *joins], 4)
        await check(store, [*events, *late, *joins], splits=splits)


async def test_a_split_of_ids_that_a_clock_of_tomorrow_joined(store: Store) -> None:
    """The split is as late as the join, and the next later join counts at once."""
    ahead = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=5)
    joins = [
        make_event(
            8_500_000 + n,
            "ahead",
            name="identify",
            user_id=user,
            timestamp=ahead + timedelta(hours=n),
            properties={"anonymous_id": "a"},
        )
        for n, user in enumerate("bc")
    ]
    await put(store, joins)
    report = await store.split("ahead", "a")
    assert report is not None
    assert (report.person_id, list(report.users), report.split_at) == ("b", ["a"], ahead)
    [row] = (await store.run(PersonQuery(site_id="ahead", user_id="a"))).rows
    assert row["person_id"] == "c"
    assert await store.verify() == []


# --- several workers ------------------------------------------------------------------------------------------------


@pytest.fixture
def postgres_settings(settings: Settings, postgres_url: str) -> Settings:
    return settings.model_copy(update={"store_url": postgres_url})


async def test_several_workers_join_the_same_ids(postgres_settings: Settings) -> None:
    """G2, G10: chains and circles whose links are stored by different workers at the same moment."""
    async with opened(postgres_settings, 4) as stores:
        for seed in some(range(8)):
            events = linked(seed, 120, "abcdefghijklmnop")
            blocks = [
                make_block(f"{next(numbers):016x}", 0, encode_lines(events[n : n + 3]), len(events[n : n + 3]))
                for n in range(0, len(events), 3)
            ]

            async def work(store: PostgresStore, seed: int, blocks: Sequence[Any] = blocks) -> None:
                mine = random.Random(seed).sample(blocks, len(blocks))
                for first in range(0, len(mine), 2):
                    await store.write(mine[first : first + 2])

            async with asyncio.timeout(120):
                await asyncio.gather(*(work(store, 10 * seed + n) for n, store in enumerate(stores)))
            await check(stores[0], events, "abcdefghijklmnop")


async def test_two_links_that_make_a_chain_wait_for_each_other(
    postgres_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """G10: the second worker looks again once the first has committed; neither sees the other's link before."""
    chain = [
        make_event(
            6_000_000 + n, "chain", name="identify", user_id=user, timestamp=NOON, properties={"anonymous_id": joined}
        )
        for n, (joined, user) in enumerate([("a", "b"), ("b", "c")])
    ]
    looked = asyncio.Barrier(2)
    join = postgres_identity.join

    async def together(connection: Any) -> None:
        await looked.wait()
        await join(connection)

    monkeypatch.setattr(postgres_identity, "join", together)
    async with opened(postgres_settings, 2) as stores:
        blocks = [make_block(f"{n + 1:016x}", 0, encode_lines([event]), 1) for n, event in enumerate(chain)]
        async with asyncio.timeout(60):
            await asyncio.gather(*(store.write([block]) for store, block in zip(stores, blocks, strict=True)))
        await check(stores[0], chain, "abc")


# --- purge and verify -----------------------------------------------------------------------------------------------


async def test_who_has_no_event_left_is_forgotten(store: Store) -> None:
    """G4, G13: the others stay who they are, although the event that joined them is gone."""
    days = [("identify", "old", 0, "gone"), ("identify", "u", 0, "a"), ("view", "a", 5, ""), ("view", "w", 5, "")]
    events = [
        make_event(
            7_000_000 + n,
            "purged",
            name=name,
            user_id=user,
            timestamp=NOON + timedelta(days=day),
            properties={"anonymous_id": joined},
        )
        for n, (name, user, day, joined) in enumerate(days)
    ]
    await put(store, events)
    assert (await store.purge(NOON + timedelta(days=2))).events == 2
    assert await store.verify() == []
    [row] = (await store.run(PersonQuery(site_id="purged", user_id="a"))).rows
    assert (row["person_id"], row["events"], row["ids_total"]) == ("u", 1, 2)
    [row] = (await store.run(PersonQuery(site_id="purged", user_id="gone"))).rows
    assert (row["person_id"], row["ids_total"]) == ("gone", 1)
    await put(store, events[:2])  # sent again: they are new events
    assert await store.verify() == []
    [row] = (await store.run(PersonQuery(site_id="purged", user_id="gone"))).rows
    assert (row["person_id"], row["events"]) == ("old", 1)


SPOILS = {
    "a link that is not known": "DELETE FROM identities WHERE user_id = 'a'",
    "a person who is another": "UPDATE identities SET person_id = 'x' WHERE user_id = 'a'",
    "a link of no event": "INSERT INTO identities SELECT site_id, 'q', 'b', linked_at, event_id, 'c' FROM identities "
    "WHERE user_id = 'a'",
    "a later link": "UPDATE identities SET linked_at = linked_at + INTERVAL '1 hour' WHERE user_id = 'a'",
}


CLICKHOUSE_SPOILS = {
    "a person who is another": "ALTER TABLE identities UPDATE person_id = 'x' WHERE user_id = 'a'",
    "a link of no event": "INSERT INTO identities (site_id, user_id, linked_to, linked_at, event_id, person_id) "
    "SELECT site_id, 'q', 'b', linked_at, event_id, 'c' FROM identities WHERE user_id = 'a'",
    "a later link": "INSERT INTO identities SELECT site_id, user_id, linked_to, linked_at + INTERVAL 1 HOUR, event_id, "
    "person_id, version + 1, 0 FROM identities WHERE user_id = 'a'",
}
"""Those that ClickHouse writes differently."""


@pytest.mark.parametrize("spoil", SPOILS)
async def test_verify_finds_what_is_wrong(store: Store, store_settings: Settings, spoil: str) -> None:
    """G4."""
    now = datetime.now(UTC)
    chain = [
        make_event(
            8_000_000 + n, "spoilt", name="identify", user_id=user, timestamp=now, properties={"anonymous_id": joined}
        )
        for n, (joined, user) in enumerate([("a", "b"), ("b", "c")])
    ]
    await put(store, chain)
    assert await store.verify() == []
    if isinstance(store, DuckDBStore):
        store._writer.execute(SPOILS[spoil])
    elif isinstance(store, ClickHouseStore):
        await store._writer.command(CLICKHOUSE_SPOILS.get(spoil, SPOILS[spoil]))
    else:
        async with connected(store_settings) as beside:
            await beside.execute(SPOILS[spoil])
    assert {difference.check for difference in await store.verify()} == {"persons"}
