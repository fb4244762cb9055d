"""A store carried into another one, of every kind into every kind: nothing is lost, nothing is there twice."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tallystick.config import Settings
from tallystick.model.block import make_block
from tallystick.model.event import Event, encode_lines
from tallystick.model.queries.retention import RetentionQuery
from tallystick.model.queries.users import PeopleQuery, PersonQuery
from tallystick.model.query import (
    EventsQuery,
    FunnelQuery,
    Metric,
    MetricsQuery,
    PathsQuery,
    SessionsQuery,
)
from tallystick.queue import make_queue
from tallystick.store import DeadLetter, Store, WriteReport, make_store, move, removal
from tallystick.store.carried import Carried, Kind, Row
from tallystick.store.library import Document, Share
from tallystick.store.move import Move, Moved, Refused, destination_settings, ingester_of
from tallystick.store.retention import Borders, Keeping, RetentionRule
from tallystick.worker.worker import Worker
from tests.conformance.conftest import STORES, settings_in
from tests.helpers.pipeline_steps import Crash, CrashingQueue, closed_books, drain, outcome
from tests.helpers.query_steps import NOON, fixed_events, make_event, numbers
from tests.helpers.samples import block_of
from tests.helpers.thorough import THOROUGH, some

SITE = "moved"
IDS = "abcdef"
FILLER = "00000000000000f1"
METRICS = [Metric(kind="events"), Metric(kind="users"), Metric(kind="sessions"), Metric(kind="last_received")]
AT = datetime(2025, 6, 20, 9, 30, 1, 2, tzinfo=UTC)
PAIRS = [(source, destination) for source in STORES for destination in STORES]

Pair = tuple[Settings, Settings]
"""Settings of the store that is carried, and of the one that is filled."""


@pytest.fixture(params=PAIRS, ids=["-to-".join(pair) for pair in PAIRS])
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Pair]:
    """Every kind of store into every kind."""
    made: list[Settings] = []
    databases = []
    for name, place in zip(request.param, ("source", "destination"), strict=True):
        settings = settings_in(tmp_path / place)
        if STORES[name]:
            server = request.getfixturevalue(f"{name}_server")
            url = server.new_database()
            databases.append((server, url))
            settings = settings.model_copy(update={"store_url": url})
        made.append(settings)
    yield made[0], made[1]
    for server, url in databases:
        server.drop_database(url)


# --- what a store can have ------------------------------------------------------------------------------------------


def joining_events(seed: int, count: int, import_id: str | None = None) -> list[Event]:
    """Events of few users over several days, with sessions; some join ids."""
    chance, base = random.Random(seed), next(numbers) * 100_000
    events = []
    for n in range(count):
        joins = chance.random() < 0.2
        properties: dict[str, Any] = {} if import_id is None else {"$import": import_id}
        properties |= {"anonymous_id": chance.choice(IDS)} if joins else {}
        events.append(
            make_event(
                base + n,
                SITE,
                name="identify" if joins else chance.choice(["page_view", "buy"]),
                user_id=chance.choice(IDS) if joins or chance.random() < 0.9 else None,
                session_id=chance.choice([None, "s1", "s2", "s3"]),
                path=chance.choice(["/", "/a"]),
                timestamp=NOON + timedelta(minutes=chance.randrange(4 * 24 * 60)),
                properties=properties | {"n": n, "$bot": chance.random() < 0.1},
            )
        )
    return events


async def fill(store: Store, *, keeps: bool) -> None:
    """Put one of everything into a store.

    Args:
        keeps: it gets kept rollups too.
    """
    events = joining_events(1, 120)
    moved = [msgspec.structs.replace(event, timestamp=event.timestamp + timedelta(seconds=7)) for event in events[:9]]
    changed = [msgspec.structs.replace(event, path="/other") for event in events[:3]]
    letters = [
        DeadLetter(FILLER, 1, 0, b'{"a":\xff\x00}', "no_event", "it is none", attempts=3),
        DeadLetter(FILLER, 1, 1, b"", "no_event", "it is none either", attempts=0),
        DeadLetter(FILLER, 2, -1, b"broken", "block_corrupt", "it is broken", events=4),
    ]
    await store.write([block_of(0, events, FILLER)])
    await store.write([block_of(1, [*changed, *joining_events(2, 3)], FILLER)], letters[:2])
    await store.write([make_block(FILLER, 2, b"?", 4)], letters[2:])
    # The same ids at other times: they came so late that they are other events.
    await store.write([block_of(3, moved, FILLER), block_of(5, fixed_events(SITE), FILLER)])
    await store.write([block_of(6, joining_events(3, 30, "undone"), FILLER), block_of(7, [], FILLER)])
    await store.undo_import("undone")
    ids = [letter.id for letter in await store.dead_letters()]
    await store.mark_dead(ids[:1], "dropped")
    await store.mark_dead(ids[1:2], "replayed")
    assert [await store.split(SITE, user) for user in IDS] != [None] * len(IDS)
    joined = [
        make_event(92_000_000, SITE, name="identify", user_id="ann", timestamp=NOON, properties={"anonymous_id": "?1"}),
        make_event(92_000_001, SITE, name="page_view", user_id="?1", timestamp=NOON),
    ]
    await store.write([block_of(8, [*joined, gone()], FILLER)])
    await store.erase(SITE, "?2")
    [again] = (await store.write([block_of(10, [gone()], FILLER)])).entries
    assert again.erased == 1
    await store.purge(datetime(2011, 1, 1, tzinfo=UTC))
    rules = [RetentionRule(SITE, None), RetentionRule("ключ", 90), RetentionRule("bare", 7, False)]
    for rule in [*rules, RetentionRule("short", None, True)] if keeps else rules:
        await store.set_retention_rule(rule)
    short = make_event(94_000_000, "short", name="view", timestamp=NOON)
    await store.write([block_of(4, [short], FILLER)])
    borders = Borders(None, {"short": NOON + timedelta(days=12, hours=12)}, Keeping(False, ("short",) if keeps else ()))
    assert (await store.retire(borders)).events == 1
    await fill_library(store)


def gone() -> Event:
    """An event of an erased person (G13)."""
    joins = {"anonymous_id": "?2"}
    return make_event(93_000_000, SITE, name="identify", user_id="zoe", timestamp=NOON, properties=joins)


async def fill_library(store: Store) -> None:
    report = Document("report", "r" * 12, SITE, {"name": "ключ", "n": 1.5}, AT, AT + timedelta(microseconds=1))
    tiles = [{"report_id": report.id}]
    for document in (report, Document("board", "b" * 12, None, {"name": "b", "tiles": tiles}, AT, AT)):
        await store.library.add(document)
    await store.library.add_share(Share("s" * 12, "b" * 12, "open", b"\x00\xff" * 16, AT))
    await store.library.add_share(Share("t" * 12, "b" * 12, "ends", b"\x01\xfe" * 16, AT, AT + timedelta(days=9)))
    await store.library.touch_share("s" * 12, AT + timedelta(hours=1))


async def answers(store: Store) -> list[Any]:
    """Answers to queries of every kind, and all that is no query."""
    queries: list[Any] = [
        MetricsQuery(site_id=SITE, metrics=METRICS),
        MetricsQuery(site_id=SITE, metrics=METRICS, bots="include", interval="day"),
        MetricsQuery(site_id=SITE, metrics=METRICS[:2], breakdown=["name", "user_id"]),
        MetricsQuery(site_id=SITE, breakdown=["path"], interval="hour", since=NOON, until=NOON + timedelta(days=2)),
        MetricsQuery(site_id=SITE, breakdown=["properties.anonymous_id"]),
        FunnelQuery(site_id=SITE, steps=[{"name": "page_view"}, {"name": "buy"}], window=36_000),
        MetricsQuery(site_id="short", metrics=[*METRICS[:2], METRICS[3]], interval="day"),
        RetentionQuery(site_id=SITE, interval="day", since=NOON, until=NOON + timedelta(days=5)),
        PathsQuery(site_id=SITE),
        SessionsQuery(site_id=SITE),
        SessionsQuery(site_id=SITE, breakdown=["entry_page"]),
        PeopleQuery(site_id=SITE),
        *(PersonQuery(site_id=SITE, user_id=user, limit=1000) for user in [*IDS, "ann"]),
        EventsQuery(site_id=None, limit=5_000),
    ]
    found: list[Any] = [(await store.run(query)).rows for query in queries]
    letters = await store.dead_letters(state=None)
    return [
        *found,
        [msgspec.structs.replace(letter, id=0) for letter in letters],
        await store.library.documents("report"),
        await store.library.documents("board"),
        await store.library.shares("b" * 12),
        [msgspec.structs.replace(removed, removed_at=AT) for removed in await store.removals("undone")],
        [await store.receipt(FILLER, seq) for seq in range(11)],
        await store.erasures(SITE, "?2"),
    ]


def keep_rollups(pair: Pair) -> bool:
    """Whether both stores can keep rollups of removed events."""
    return not any(settings.store_url.startswith("clickhouse") for settings in pair)


async def opened(settings: Settings) -> Store:
    store = make_store(settings)
    await store.open()
    return store


async def carry(source: Store, pair: Pair, **given: Any) -> Moved:
    """Move into the destination, which is closed after."""
    destination = await opened(destination_settings(pair[1]))
    try:
        return await Move(source, destination, ingester_of(pair[0]), lambda *_: None).run(**given)
    finally:
        await destination.close()


@pytest.fixture
async def source(pair: Pair) -> AsyncIterator[Store]:
    store = await opened(pair[0])
    yield store
    await store.close()


# --- everything -----------------------------------------------------------------------------------------------------


async def test_the_same_answers_from_the_other_store(source: Store, pair: Pair) -> None:
    await fill(source, keeps=keep_rollups(pair))
    before = await answers(source)

    moved = await carry(source, pair)

    assert moved.differences == []
    assert moved.carried == moved.events > 100
    none = {both.name for both in moved.compared if not (both.equal and both.source)}
    assert none == (set() if keep_rollups(pair) else {"kept rollups of events", "kept rollups of users"})
    destination = await opened(pair[1])
    assert await answers(destination) == before
    assert await answers(source) == before
    while await destination.maintain():
        pass
    assert await answers(destination) == before
    [again] = (await destination.write([block_of(11, [gone()], FILLER)])).entries
    assert again.erased == 1
    assert await destination.verify() == []
    await destination.close()


async def test_kept_rollups_into_a_store_without_rollups(source: Store, pair: Pair) -> None:
    """They would be lost: nothing is carried. Into a store that has them they come along (above)."""
    if not source.keeps_rollups or keep_rollups(pair):
        assert (await carry(source, pair)).ok
        return
    await source.set_retention_rule(RetentionRule("short", 3, True))
    with pytest.raises(Refused, match="no-keep-rollups"):
        await carry(source, pair)
    await source.clear_retention_rule("short")
    short = make_event(95_000_000, "short", name="view", timestamp=NOON)
    await source.write([block_of(4, [short], FILLER)])
    gone = Borders(None, {"short": NOON + timedelta(days=1, hours=12)}, Keeping(True))
    assert (await source.retire(gone)).events == 1
    with pytest.raises(Refused, match="would be lost, nothing was changed"):
        await carry(source, pair)
    await source.retire(Borders(None))
    assert (await carry(source, pair)).ok


async def test_and_on_into_a_third_store(source: Store, pair: Pair, tmp_path: Path) -> None:
    """What was filled by a move, and used since, can be moved itself."""
    await fill(source, keeps=keep_rollups(pair))
    assert (await carry(source, pair)).ok
    middle = await opened(pair[1])
    await middle.write([block_of(9, joining_events(4, 20), FILLER)])
    while await middle.maintain():
        pass
    before = await answers(middle)

    moved = await carry(middle, (pair[1], settings_in(tmp_path / "third")))

    assert (moved.resumed, moved.differences) == (False, [])
    third = await opened(settings_in(tmp_path / "third"))
    assert await answers(third) == before
    await third.close()
    await middle.close()


async def test_an_empty_store(source: Store, pair: Pair) -> None:
    await fill_library(source)

    assert (await carry(source, pair)).ok
    again = await carry(source, pair)

    assert (again.ok, again.resumed, again.carried) == (True, True, 0)
    destination = await opened(pair[1])
    assert len(await destination.library.shares("b" * 12)) == 2
    await destination.close()


# --- the queue goes on ----------------------------------------------------------------------------------------------


async def test_the_queue_goes_on(source: Store, pair: Pair, tmp_path: Path) -> None:
    """G2, G4: blocks that were stored and not acknowledged are skipped; what is sent again is found."""
    now = datetime.now(UTC).replace(microsecond=5)
    ingester = "00000000000000ab"
    events = [make_event(90_000_000 + n, SITE, name="x", timestamp=now, user_id=f"u{n}") for n in range(30)]
    late = [msgspec.structs.replace(event, timestamp=now - timedelta(minutes=1)) for event in events[:10]]
    new = [make_event(91_000_000 + n, SITE, name="x", timestamp=now) for n in range(5)]
    queue = make_queue(settings_in(tmp_path / "queue"))
    await queue.open()
    await queue.publish([block_of(0, events[:10], ingester)])
    await drain(Worker(queue, source, pair[0]))
    await queue.publish([block_of(1, events[10:20], ingester), block_of(2, events[20:], ingester)])
    with pytest.raises(Crash):
        await Worker(CrashingQueue(queue), source, pair[0]).step(wait=0.0)
    await queue.publish([block_of(3, late, ingester)])  # accepted while no worker runs

    assert (await carry(source, pair)).ok
    await queue.publish([block_of(4, new, ingester)])
    await queue.close()
    await queue.open()

    destination = await opened(pair[1])
    assert outcome(await closed_books(queue, destination)) == {"accepted": 45, "stored": 30, "queued": 15}
    await drain(Worker(queue, destination, pair[1]))
    assert outcome(await closed_books(queue, destination)) == {"accepted": 45, "stored": 35, "duplicates": 10}
    assert (await destination.run(EventsQuery(site_id=SITE, limit=1))).rows != []
    await destination.close()
    await queue.close()


# --- stopped and started again --------------------------------------------------------------------------------------


class Dying:
    """A store whose process is gone after some steps."""

    def __init__(self, store: Store, steps: int) -> None:
        self._store = store
        self._left = steps

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def _step(self) -> None:
        if self._left == 0:
            raise Crash
        self._left -= 1

    async def write(self, blocks: Sequence[Any], dead: Sequence[DeadLetter] = ()) -> WriteReport:
        self._step()
        report = await self._store.write(blocks, dead)
        self._step()
        return report

    async def replace_carried(self, carried: Carried) -> None:
        async def dying() -> AsyncIterator[tuple[Kind, Sequence[Row]]]:
            async for piece in carried:
                self._step()
                yield piece
            self._step()

        await self._store.replace_carried(dying())
        self._step()


@pytest.mark.parametrize("seed", some(range(5)))
async def test_stopped_anywhere_it_goes_on(
    source: Store, pair: Pair, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """G2, G3: whatever step it stopped at, the next call ends with the same."""
    monkeypatch.setattr(move, "BATCH_BYTES", 9_000)
    monkeypatch.setattr(removal, "STEP_EVENTS", 60)
    await fill(source, keeps=keep_rollups(pair))
    before = await answers(source)
    chance = random.Random(seed)
    stops, moved = 0, None
    while moved is None:
        destination = await opened(destination_settings(pair[1]))
        dying: Any = Dying(destination, chance.randrange(4 + (2 if THOROUGH else 6) * stops))
        try:
            moved = await Move(source, dying, ingester_of(pair[0]), lambda *_: None).run()
        except Crash:
            stops += 1
        await destination.close()

    assert stops > 1
    assert moved.differences == []
    destination = await opened(pair[1])
    assert await answers(destination) == before
    await destination.close()


# --- refused --------------------------------------------------------------------------------------------------------


async def test_a_destination_that_is_not_empty(source: Store, pair: Pair) -> None:
    await source.write([block_of(0, joining_events(1, 5), FILLER)])
    destination = await opened(pair[1])
    await destination.write([block_of(0, joining_events(2, 5), FILLER)])
    before = await destination.run(EventsQuery(site_id=None))
    await destination.close()

    for dry_run in (True, False):
        with pytest.raises(Refused, match="not empty"):
            await carry(source, pair, dry_run=dry_run)

    destination = await opened(pair[1])
    assert (await destination.run(EventsQuery(site_id=None))).rows == before.rows
    await destination.close()


async def test_a_destination_that_was_used_meanwhile(source: Store, pair: Pair) -> None:
    """Half filled, it is not taken for empty; moved and used, it is not overwritten."""
    await source.write([block_of(0, joining_events(1, 5), FILLER)])
    assert (await carry(source, pair)).ok
    destination = await opened(pair[1])
    await destination.write([block_of(1, joining_events(2, 5), FILLER)])
    await destination.close()

    with pytest.raises(Refused, match="has been used since"):
        await carry(source, pair)


async def test_a_source_that_is_written_meanwhile(source: Store, pair: Pair) -> None:
    """It is found before anything but events is carried, and the next call carries the rest."""
    await source.write([block_of(0, joining_events(1, 5), FILLER)])
    destination: Any = await opened(destination_settings(pair[1]))
    write = destination.write
    later = [block_of(1, joining_events(2, 5), FILLER)]

    async def meanwhile(blocks: Sequence[Any], dead: Sequence[DeadLetter] = ()) -> WriteReport:
        await source.write(later)
        report: WriteReport = await write(blocks, dead)
        return report

    destination.write = meanwhile
    with pytest.raises(Refused, match="was written during the move"):
        await Move(source, destination, ingester_of(pair[0]), lambda *_: None).run()
    await destination.close()

    moved = await carry(source, pair)
    assert (moved.ok, moved.events, moved.resumed) == (True, 10, True)


def test_lines_of_one_id_are_stored_apart() -> None:
    """Within a batch the second of two events with one id would be a duplicate."""
    first = make_event(1, SITE, name="x", timestamp=NOON)
    second = msgspec.structs.replace(first, timestamp=NOON + timedelta(seconds=1))
    other = make_event(2, SITE, name="x", timestamp=NOON)
    lines = encode_lines([first, second, other]).splitlines(keepends=True)

    assert move._first_of_each(lines) == ([lines[0], lines[2]], [lines[1]])
