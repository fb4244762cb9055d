"""Erasing a person: every number is as if the person had never been, and nothing brings the person back (G13)."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from tallystick.config import Settings
from tallystick.model.block import Block, make_block
from tallystick.model.event import Event, encode_lines
from tallystick.model.queries.users import PersonQuery
from tallystick.store import DeadLetter, Store, make_store
from tallystick.store.clickhouse import ClickHouseStore
from tallystick.store.clickhouse.server.connection import Connection
from tests.helpers.identity_steps import unique
from tests.helpers.query_steps import NOON, make_event, numbers, put
from tests.helpers.removal_steps import IDS, everything, some, tidied
from tests.helpers.thorough import THOROUGH, chance, examples
from tests.helpers.thorough import some as chosen
from tests.oracle.identity import answer_person

STATEMENTS = 24
"""An erasure in ClickHouse has fewer statements that write."""


def block(events: Sequence[Event], ingester: str | None = None, seq: int = 0) -> Block:
    return make_block(ingester or f"{next(numbers):016x}", seq, encode_lines(list(events)), len(events))


def ids_of(user: str, events: Sequence[Event]) -> set[str]:
    """The ids of a person by the oracle."""
    row = answer_person(PersonQuery(site_id="s", user_id=user, limit=1000), unique(events))
    return {one["user_id"] for one in row["ids"]} | {user}


@pytest.mark.parametrize("tidy", [False, True])
async def test_as_if_the_person_had_never_been(store: Store, monkeypatch: pytest.MonkeyPatch, tidy: bool) -> None:
    """G13, G4, G10: for events that are materialized and for events that are not, and after they are sent again."""
    if tidy:
        monkeypatch.setattr("tallystick.store.duckdb.upkeep.user_times.PIECE", 50, raising=False)
    events = some(1, 200)
    gone = ids_of("a", events)
    assert gone == {"a", "b"}
    rest = [event for event in events if event.user_id not in gone]
    await put(store, [msgspec.structs.replace(event, site_id="mirror") for event in rest], tidy=False)
    sent = block(events[:90])
    await store.write([sent])
    if tidy:
        await tidied(store)
    await store.write([block(events[90:])])
    if tidy:
        await tidied(store)

    counted = await store.person_found("s", "b")
    assert (counted.ids, counted.events) == (2, len(events) - len(rest))
    assert counted.first == min(event.timestamp for event in events if event.user_id in gone)
    assert counted.last == max(event.timestamp for event in events if event.user_id in gone)
    done = await store.erase("s", "b")
    assert (done.found, done.site_id, done.blocked) == (counted, "s", False)
    assert await store.erasures() == [done]
    assert await store.erasures("s", "b") == [done]
    assert await store.erasures("s", "c") == await store.erasures("mirror") == []

    async def check() -> None:
        assert await everything(store, "s") == await everything(store, "mirror")
        assert await store.verify() == []

    await check()
    assert (await store.write([sent])).skipped == 1  # a block that is delivered again
    [again] = (await store.write([block(events)])).entries  # and everything in blocks of another process
    assert (again.erased, again.stored) == (counted.events, 0)
    assert again.duplicates == len(rest)
    await tidied(store)
    await check()
    ledger = await store.ledger()
    assert sum(entry.erased for entry in ledger.values()) == counted.events
    assert (await store.person_found("s", "a")).events == 0
    nothing = await store.erase("s", "a")
    assert (nothing.found.ids, nothing.found.events, nothing.found.first) == (1, 0, None)
    await check()


async def test_what_comes_after_the_erasure(store: Store) -> None:
    """Only what was received and happened afterwards is stored; with `block`, nothing. Clocks may have been ahead."""
    ahead = datetime.now(UTC) + timedelta(hours=5)
    base = next(numbers) * 1000

    def event(number: int, at: datetime, received: datetime, user: str) -> Event:
        made = make_event(base + number, "s", name="view", user_id=user, timestamp=at)
        return msgspec.structs.replace(made, received_at=received)

    old = event(0, NOON, NOON, "ann")
    early = event(1, ahead, datetime.now(UTC), "ann")
    await put(store, [old, early, event(2, NOON, NOON, "bob")])
    done = await store.erase("s", "ann")
    assert done.found.events == 2
    assert done.until == ahead
    await store.erase("s", "bob", block=True)
    now = datetime.now(UTC)
    later = now + timedelta(hours=20)
    cases = [
        (event(10, NOON, now + timedelta(minutes=1), "ann"), False),  # an import
        (msgspec.structs.replace(early, received_at=now + timedelta(minutes=1)), False),
        (event(11, later, NOON, "ann"), False),  # it waited in a queue
        (event(12, later, now + timedelta(minutes=1), "ann"), True),
        (event(13, later, now + timedelta(minutes=1), "bob"), False),
        (event(14, NOON, NOON, "carl"), True),
        (msgspec.structs.replace(event(15, NOON, NOON, "ann"), site_id="other"), True),
    ]
    for number, (one, stored) in enumerate(cases):
        [entry] = (await store.write([block([one])])).entries
        assert (entry.stored, entry.erased) == (int(stored), int(not stored)), number
    assert await store.verify() == []


async def test_dead_letters_lose_their_bytes(store: Store) -> None:
    """G13, G4: those of the person, wherever the id stands; a block's letter loses the person's lines only."""
    anns, bobs = (
        encode_lines([make_event(next(numbers), "s", name="view", user_id=user, timestamp=NOON)])
        for user in ("ann", "bob")
    )
    sent_as = b'{"event":"x","distinct_id":"ann"}'
    ingester = f"{next(numbers):016x}"
    letters = [
        DeadLetter(ingester, 0, 0, anns.rstrip(), "data", "ann is wrong", attempts=3),
        DeadLetter(ingester, 0, 1, bobs.rstrip(), "data", "bob is wrong", attempts=3),
        DeadLetter(ingester, 0, 2, sent_as, "no_event", "refused", attempts=0),
        DeadLetter(ingester, 1, -1, anns + bobs, "data", "ann and bob", events=2),
        DeadLetter(ingester, 2, -1, b"\xff\x00", "block_corrupt", "broken", events=1),
    ]
    await store.write(
        [
            make_block(ingester, 0, anns + bobs + b"{}\n", 3),
            make_block(ingester, 1, anns + bobs, 2),
            make_block(ingester, 2, b"?", 1),
        ],
        letters,
    )
    done = await store.erase("s", "ann")
    assert (done.found.events, done.found.dead_letters) == (0, 3)
    found = {(one.letter.seq, one.letter.index): one for one in await store.dead_letters(None)}
    for place in ((0, 0), (0, 2)):
        assert (found[place].state, found[place].letter.original, found[place].letter.code) == ("erased", b"", "erased")
        assert "ann" not in found[place].letter.reason
    assert (found[0, 1].state, found[0, 1].letter) == ("dead", letters[1])
    assert found[1, -1].letter.original == bobs
    assert "ann" not in found[1, -1].letter.reason
    assert found[2, -1].letter == letters[4]
    assert await store.verify() == []
    assert (await store.erase("s", "ann")).found.dead_letters == 0
    assert await store.mark_dead([found[0, 0].id, found[0, 1].id], "replayed") == 1
    # What becomes a dead letter later is erased as well.
    again = f"{next(numbers):016x}"
    moved = [msgspec.structs.replace(letter, ingester=again) for letter in letters[:3]]
    [entry] = (await store.write([make_block(again, 0, anns + bobs + b"{}\n", 3)], moved)).entries
    assert (entry.erased, entry.dead, entry.stored) == (2, 1, 0)
    assert await store.verify() == []


async def test_an_id_of_another_site_or_person_stays(store: Store) -> None:
    """An event of somebody else that names the id stays: it is theirs. So do joins of other ids."""
    base = next(numbers) * 1000
    own = [
        make_event(base, "s", name="identify", user_id="ann", timestamp=NOON, properties={"anonymous_id": "dev"}),
        make_event(base + 1, "s", name="view", user_id="dev", timestamp=NOON),
    ]
    others = [
        make_event(
            base + 2,
            "s",
            name="identify",
            user_id="bob",
            timestamp=NOON + timedelta(hours=1),
            properties={"anonymous_id": "dev"},
        ),
        make_event(base + 3, "t", name="view", user_id="ann", timestamp=NOON),
    ]
    await put(store, [*own, *others])
    assert (await store.erase("s", "dev")).found.events == 2
    query = PersonQuery(site_id="s", user_id="bob", limit=10)
    assert (await store.run(query)).rows == [answer_person(query, others)]
    assert (await store.person_found("t", "ann")).events == 1
    assert await store.verify() == []


async def test_random_histories(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """G13: loads, blocks delivered again, an import that is undone, erasures, in any order, then a purge: all is as in
    a store that never had the erased persons' events.
    """
    for example in range(examples(24)):
        await _random_history(store, f"h{example}-{next(numbers)}", chance().randrange(10**6))


async def _random_history(store: Store, site: str, seed: int) -> None:
    draw = random.Random(seed)
    mirror = f"{site}-mirror"
    kept: list[Event] = []
    batches = [some(seed + n, 40, site, "wrong" if n == 2 else None) for n in range(5)]
    steps = [("load", n) for n in range(5)] + [("again", 0), ("tidy", 0), ("erase", 0), ("erase", 1), ("undo", 0)]
    draw.shuffle(steps)
    blocks: list[Block] = []
    erased: set[str] = set()
    for what, number in steps:
        if what == "load":
            made = block(batches[number])
            blocks.append(made)
            await store.write([made])
            kept += [event for event in batches[number] if event.user_id not in erased]
        elif what == "again" and blocks:
            chosen = draw.choice(blocks)
            other = make_block(f"{next(numbers):016x}", 0, chosen.lines(), chosen.count)
            # Rows of an import that was taken back would be stored again.
            await store.write([chosen, *([] if b"wrong" in chosen.lines() else [other])])
        elif what == "tidy":
            await tidied(store)
        elif what == "undo":
            await store.undo_import("wrong", site)
            kept = [event for event in kept if b"$import" not in bytes(event.properties)]
        elif what == "erase":
            user = draw.choice(IDS)
            person, links = await store.person_links(site, user)
            gone = {user, person, *(link.user_id for link in links)}
            await store.erase(site, user)
            erased |= gone
            kept = [event for event in kept if event.user_id not in gone]
    await put(store, [msgspec.structs.replace(event, site_id=mirror) for event in kept], tidy=False)
    assert await everything(store, site) == await everything(store, mirror), f"seed {seed}: {steps}"
    assert await store.verify() == []
    await tidied(store)
    assert await everything(store, site) == await everything(store, mirror), f"seed {seed}: {steps}"
    await store.purge(NOON + timedelta(days=1))
    assert await everything(store, site) == await everything(store, mirror), f"seed {seed}: {steps}"
    assert await store.verify() == []


async def test_two_processes(store_settings: Settings, store: Store) -> None:
    """A person is erased while another process stores the person's events: none is left, and the books close."""
    if not store_settings.store_url:
        pytest.skip("one process at a time has a DuckDB file")
    other = make_store(store_settings)
    await other.open()
    base = next(numbers) * 100_000
    made = [
        block([make_event(base + 50 * n + i, "s", name="v", user_id="ann", timestamp=NOON) for i in range(50)])
        for n in range(12)
    ]

    async def storing() -> None:
        for one in made:
            await other.write([one])

    _, done = await asyncio.gather(storing(), store.erase("s", "ann"))
    await tidied(store)
    assert (await store.person_found("s", "ann")).events == 0
    entries = (await store.ledger()).values()
    assert sum(entry.stored + entry.duplicates + entry.erased for entry in entries) == 600
    assert sum(entry.stored for entry in entries) == done.found.events
    assert await store.verify() == []
    await other.close()


class _Stopped(Exception):
    """The process ends here."""


def _stop_after(patch: pytest.MonkeyPatch, writes: int) -> None:
    """Let so many statements that write through; the next one is not run."""
    done: list[int] = []
    for name in ("command", "insert"):
        original = getattr(Connection, name)

        async def writing(self: Connection, *given: Any, original: Any = original, **named: Any) -> Any:
            if len(done) == writes:
                raise _Stopped
            done.append(1)
            return await original(self, *given, **named)

        patch.setattr(Connection, name, writing)


async def test_clickhouse_stops_at_each_step(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """G13: whatever an erasure did before it stopped, housekeeping ends it once it is written down; before that, the
    events are there, `verify` says so, and the same call erases them.
    """
    if not isinstance(store, ClickHouseStore):
        pytest.skip("the other stores erase in one transaction")
    stopped = 0
    for writes in chosen(range(STATEMENTS))[: None if THOROUGH else 2]:
        site = f"k{writes}-{next(numbers)}"
        events = some(7, 40, site)
        rest = [event for event in events if event.user_id not in ("a", "b")]
        await put(store, [msgspec.structs.replace(event, site_id=f"{site}-mirror") for event in rest], tidy=False)
        await store.write([block(events)])
        dead = [make_event(next(numbers), site, name="x", user_id="a", timestamp=NOON)]
        ingester = f"{next(numbers):016x}"
        await store.write(
            [block(dead, ingester)], [DeadLetter(ingester, 0, 0, encode_lines(dead), "data", "a is wrong")]
        )
        with monkeypatch.context() as broken:
            _stop_after(broken, writes)
            try:
                await store.erase(site, "a")
            except _Stopped:
                stopped += 1
        await tidied(store)
        if not await store.erasures(site):
            assert {one.check for one in await store.verify()} <= {"erased"}
            await store.erase(site, "a")
        assert await everything(store, site) == await everything(store, f"{site}-mirror"), writes
        assert [
            one.letter.original for one in await store.dead_letters("erased") if one.letter.ingester == ingester
        ] == [b""]
        assert await store.verify() == [], writes
        [receipt] = await store.erasures(site)
        assert (receipt.found.events, receipt.found.dead_letters) == (len(events) - len(rest), 1)
    assert stopped >= 10 or not THOROUGH
