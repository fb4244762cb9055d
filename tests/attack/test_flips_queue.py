"""Flipped bits, cut ends and zeroed pages in the embedded queue's files: detected or harmless, never silent (G6).

The world of these tests has a ledger of its own: which blocks were published and confirmed, which of them stored. After
each damage every confirmed block that is not stored is there, or it is said that it is not, by number and events.
"""

from __future__ import annotations

import asyncio
import os
import random
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import apsw
import pytest
from structlog.testing import capture_logs

from runnel.config import Settings
from runnel.errors import BlockCorrupt, QueueDamaged
from runnel.model.block import Block, encode_block
from runnel.model.books import IngesterLedger, close_books, stored_beyond
from runnel.queue import Queue
from runnel.queue.sqlite_file.recover import recover
from tests.attack.flip_steps import Harm, Kind, contents, fresh_copy, harms
from tests.conformance.queue_steps import NO_WAIT, opened
from tests.samples import INGESTER, incompressible_block, sample_block
from tests.servers.scratch import scratch_folder
from tests.thorough import THOROUGH, examples

FLIPS, OTHERS = 200, 60
QUEUE = "queue.sqlite"
INGESTERS = [f"{number:016x}" for number in range(0xA0, 0xA6)]


class World(NamedTuple):
    """Two folders with the same history, and what is true.

    Attributes:
        killed: as kill -9 leaves it: everything is in the log.
        stopped: as an orderly stop leaves it: everything is in the file.
    """

    killed: Path
    stopped: Path
    waiting: dict[tuple[str, int], Block]
    ledger: dict[str, IngesterLedger]
    published: int


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with scratch_folder("flips", in_memory=True) as folder:
        yield asyncio.run(make_world(folder))


async def make_world(folder: Path) -> World:
    """Small blocks that share pages and large ones over many pages, of several ingesters; some are stored."""
    chance = random.Random(14)
    waiting: dict[tuple[str, int], Block] = {}
    stored: dict[str, list[Block]] = {}
    async with opened(settings_of(folder / "stopped")) as queue:
        for ingester in INGESTERS:
            for seq in range(40):
                small = chance.random() < 0.75
                events = range(seq * 10, seq * 10 + chance.randint(1, 9))
                block = (
                    sample_block(seq, events, ingester)
                    if small
                    else incompressible_block(seq, chance.choice((3_000, 9_000, 30_000)), ingester)
                )
                await queue.publish([block])
                waiting[block.key] = block
            if (batch := await queue.consume(60, NO_WAIT)) is not None:
                await batch.ack()
                for block in batch.blocks:
                    stored.setdefault(block.ingester, []).append(waiting.pop(block.key))
        fresh_copy(folder / "stopped", folder / "killed")
    ledger = {name: ledger_of(blocks) for name, blocks in stored.items()}
    published = sum(block.count for block in waiting.values()) + sum(entry.count for entry in ledger.values())
    return World(folder / "killed", folder / "stopped", waiting, ledger, published)


def ledger_of(blocks: list[Block]) -> IngesterLedger:
    events = sum(block.count for block in blocks)
    return IngesterLedger(0, sorted(block.seq for block in blocks), events, events, 0, 0, 0)


def settings_of(folder: Path) -> Settings:
    return Settings(data=folder, disk_reserve_bytes=0)


async def outcome(world: World, folder: Path) -> str:
    """What becomes of a damaged folder; fails the test when something is wrong and nobody says so."""
    before = contents(folder)
    with capture_logs() as logs:
        refusal = ""
        try:
            async with opened(settings_of(folder)) as queue:
                broken = await look(world, queue)
        except QueueDamaged as damage:
            refusal = damage.message
        if refusal:
            assert f"`runnel recover queue --data {folder}`" in refusal
            assert "\n" not in refusal
            after = contents(folder)
            assert {name: after[name] for name in before} == before, "a damaged file was changed"
            await recovered(world, folder)
            return "refused"
    if broken:
        return "set aside"
    return "told" if any(line["log_level"] == "error" for line in logs) else "harmless"


async def look(world: World, queue: Queue) -> int:
    """Everything that waits is there and the books close; how many blocks know that they are damaged."""
    totals, differences = close_books(await queue.books(), world.ledger)
    assert differences == []
    assert totals.accepted == world.published
    broken = 0
    seen: set[tuple[str, int]] = set()
    while (batch := await queue.consume(1_000, NO_WAIT)) is not None:
        for block in batch.blocks:
            seen.add(block.key)
            broken += not sound(block, world.waiting)
    assert seen == world.waiting.keys()
    return broken


def sound(block: Block, waiting: Mapping[tuple[str, int], Block]) -> bool:
    """Whether it is the block that was published; one that is not has to know it, and what it stands for."""
    published = waiting[block.key]
    assert block.count == published.count
    if block == published:
        return True
    with pytest.raises(BlockCorrupt):
        block.lines()
    return False


async def recovered(world: World, folder: Path) -> None:
    """A recovery keeps the files, and what is missing afterwards is in the books to the last event."""
    before = contents(folder)
    result = recover(folder / QUEUE, world.ledger)
    kept = contents(result.folder)
    assert {name: kept[name] for name in before} == before
    async with opened(settings_of(folder)) as queue:
        books = await queue.books()
        while (batch := await queue.consume(1_000, NO_WAIT)) is not None:
            for block in batch.blocks:
                sound(block, world.waiting)
    here = {(block.ingester, block.seq): block.count for block in books.queued}
    assert here.keys() <= world.waiting.keys()
    assert all(world.waiting[key].count == count for key, count in here.items())
    lost = sum(block.count for key, block in world.waiting.items() if key not in here)
    totals, differences = close_books(books, world.ledger)
    assert totals.missing == lost == result.missing
    assert totals.accepted == world.published
    assert bool(differences) == (lost > 0) == bool(result.missing_blocks)
    assert result.events + result.damaged_events == totals.queued


FILES = [
    ("killed", "queue.sqlite"), ("killed", "queue.sqlite-wal"), ("killed", "queue.sqlite-shm"),
    ("killed", "queue.sqlite.mark"), ("stopped", "queue.sqlite"), ("stopped", "queue.sqlite.mark"),
]  # fmt: skip
TOLD: dict[tuple[str, str], set[str]] = {
    ("killed", "queue.sqlite"): {"harmless", "refused"},
    ("killed", "queue.sqlite-wal"): {"refused"},
    ("killed", "queue.sqlite-shm"): {"harmless"},
    ("killed", "queue.sqlite.mark"): {"harmless", "told"},
    ("stopped", "queue.sqlite"): {"harmless", "refused", "set aside"},
    ("stopped", "queue.sqlite.mark"): {"harmless", "told"},
}


@pytest.mark.parametrize("kind", ["flip", "cut", "zero"])
@pytest.mark.parametrize(("state", "file"), FILES)
async def test_damage_is_detected_or_harmless(world: World, tmp_path: Path, state: str, file: str, kind: Kind) -> None:
    """G6: never silent; and a flip in the log is always found, wherever it is."""
    source = getattr(world, state)
    count = examples(FLIPS if kind == "flip" else OTHERS)
    count = count if THOROUGH or "wal" in file else -(-count // 3)
    outcomes: Counter[str] = Counter()
    with scratch_folder("flip", in_memory=True) as scratch:
        for harm in harms((source / file).read_bytes(), kind, count, seed=random.Random().randrange(100)):
            outcomes[await of_harm(world, source, scratch / "data", file, harm)] += 1
    assert outcomes.keys() <= TOLD[state, file], outcomes


async def of_harm(world: World, source: Path, folder: Path, file: str, harm: Harm) -> str:
    fresh_copy(source, folder)
    (folder / file).write_bytes(harm.content)
    try:
        return await outcome(world, folder)
    except Exception as error:
        raise AssertionError(f"{file}: {harm}") from error


@pytest.mark.parametrize("gone", ["queue.sqlite", "queue.sqlite-wal", "queue.sqlite-shm", "queue.sqlite.mark"])
async def test_a_file_that_is_gone(world: World, tmp_path: Path, gone: str) -> None:
    """G6: no new queue is begun where one was; only the index of the log is nothing that anybody needs."""
    fresh_copy(world.killed, tmp_path / "data")
    (tmp_path / "data" / gone).unlink()
    expected = {"queue.sqlite-shm": "harmless", "queue.sqlite.mark": "told"}.get(gone, "refused")
    assert await outcome(world, tmp_path / "data") == expected


async def test_a_changed_row_is_noticed(world: World, tmp_path: Path) -> None:
    """G6: rows that SQLite finds nothing wrong with."""
    for change in (
        "DELETE FROM blocks WHERE id = (SELECT max(id) FROM blocks)",
        "UPDATE blocks SET count = count + 1 WHERE id = (SELECT max(id) FROM blocks)",
        "UPDATE blocks SET seq = seq + 100 WHERE id = (SELECT max(id) FROM blocks)",
        "UPDATE ingesters SET events = events - 1 WHERE ingester LIKE '%a2'",
        "UPDATE ingesters SET next_seq = next_seq + 16 WHERE ingester LIKE '%a3'",
        "DELETE FROM ingesters WHERE ingester LIKE '%a4'",
        "UPDATE sqlite_sequence SET seq = 9223372036854775807",
        "UPDATE tally SET sealed = zeroblob(120)",
        "DROP TABLE tally",
    ):
        fresh_copy(world.stopped, tmp_path / "data")
        connection = apsw.Connection(str(tmp_path / "data" / QUEUE))
        connection.execute(change)
        connection.close()
        assert await outcome(world, tmp_path / "data") == "refused", change


# --- what is no damage -----------------------------------------------------------------------------------------------


async def quiet(folder: Path) -> None:
    """It opens without a word."""
    with capture_logs() as logs:
        async with opened(settings_of(folder)):
            pass
    assert logs == []


async def test_stopped_killed_copied_and_opened_again(world: World, tmp_path: Path) -> None:
    """G11: nothing is said of a folder that was copied at rest, however often it is opened."""
    for source in (world.killed, world.stopped):
        fresh_copy(source, tmp_path / "data")
        for _ in range(3):
            await quiet(tmp_path / "data")
        assert await outcome(world, tmp_path / "data") == "harmless"


async def test_a_torn_tail_is_cut_in_silence(tmp_path: Path) -> None:
    """G6, G11: a commit that was not confirmed may be there whole, in part, or without its beginning; after a power cut
    the mark may be older too.
    """
    async with opened(settings_of(tmp_path / "data")) as queue:
        for seq in range(5):
            await queue.publish([sample_block(seq, [seq])])
        confirmed = contents(tmp_path / "data")
        await queue.publish([incompressible_block(5, 30_000)])
        wal = (tmp_path / "data" / "queue.sqlite-wal").read_bytes()
    begin = len(confirmed["queue.sqlite-wal"])
    tails = [wal[: begin + cut] for cut in range(0, len(wal) - begin, 1_111)]
    tails += [wal[:begin] + bytes(4_120) + wal[begin + 4_120 :], wal[:-4_000] + bytes(4_000)]
    for tail in tails:
        fresh_copy(tmp_path / "data", tmp_path / "cut")
        for name, content in {**confirmed, "queue.sqlite-wal": tail}.items():
            (tmp_path / "cut" / name).write_bytes(content)
        await quiet(tmp_path / "cut")
        async with opened(settings_of(tmp_path / "cut")) as queue:
            assert (await queue.books()).published[INGESTER].next_seq in (5, 6)


async def test_a_log_that_began_anew_many_times(tmp_path: Path) -> None:
    """G6: frames of older generations behind the newest are no damage, and a flip in the newest is found."""
    async with opened(settings_of(tmp_path / "data")) as queue:
        for seq in range(150):
            await queue.publish([incompressible_block(seq, 200_000)])
            if seq % 4 == 3:
                batch = await queue.consume(3, NO_WAIT)
                assert batch is not None
                await batch.ack()
        for seq in range(150, 153):
            await queue.publish([sample_block(seq, [seq])])
        fresh_copy(tmp_path / "data", tmp_path / "killed")
    fresh_copy(tmp_path / "killed", tmp_path / "again")
    await quiet(tmp_path / "again")
    wal = bytearray((tmp_path / "killed" / "queue.sqlite-wal").read_bytes())
    wal[32 + 24 + 100] ^= 1
    (tmp_path / "killed" / "queue.sqlite-wal").write_bytes(wal)
    with pytest.raises(QueueDamaged, match=r"queue\.sqlite-wal: frame 1 of "):
        await quiet(tmp_path / "killed")


OLD_SCHEMA = """
CREATE TABLE blocks (id INTEGER PRIMARY KEY AUTOINCREMENT, ingester TEXT NOT NULL, seq INTEGER NOT NULL,
    count INTEGER NOT NULL, size INTEGER NOT NULL, enqueued_at REAL NOT NULL, data BLOB NOT NULL) STRICT;
CREATE TABLE ingesters (
    ingester TEXT PRIMARY KEY, next_seq INTEGER NOT NULL, events INTEGER NOT NULL) STRICT, WITHOUT ROWID
"""


async def test_a_folder_of_an_older_version_is_taken_over(tmp_path: Path) -> None:
    """Silently, once; from then on it is guarded."""
    connection = apsw.Connection(str(tmp_path / QUEUE))
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute(OLD_SCHEMA)
    block = sample_block(0, [1, 2])
    row = (*block.key, block.count, 9, 1.0, encode_block(block))
    connection.execute("INSERT INTO blocks (ingester, seq, count, size, enqueued_at, data) VALUES (?,?,?,?,?,?)", row)
    connection.execute("INSERT INTO ingesters VALUES (?, 1, 2)", (block.ingester,))
    connection.close()

    await quiet(tmp_path)
    await quiet(tmp_path)

    (tmp_path / QUEUE).unlink()
    with pytest.raises(QueueDamaged, match=r"2 events in 1 blocks waited in it"):
        await quiet(tmp_path)


# --- backups and interruptions ---------------------------------------------------------------------------------------


async def test_an_older_copy_of_the_queue(tmp_path: Path) -> None:
    """G4, G6: beside the newer mark it is refused; without it, `verify` sees a store that has later blocks."""
    data = settings_of(tmp_path / "data")
    async with opened(data) as queue:
        await queue.publish([sample_block(0, [0])])
    older = (tmp_path / "data" / QUEUE).read_bytes()
    async with opened(data) as queue:
        await queue.publish([sample_block(1, [1]), sample_block(2, [2])])
    (tmp_path / "data" / QUEUE).write_bytes(older)

    with pytest.raises(QueueDamaged, match=r"its last 1 of 2 commits are missing\. .* up to 2 accepted events"):
        await quiet(tmp_path / "data")

    (tmp_path / "data" / "queue.sqlite.mark").unlink()
    with capture_logs() as logs:
        async with opened(data) as queue:
            books = await queue.books()
    assert [line["event"] for line in logs] == ["the queue's mark is missing and is made anew"]
    (difference,) = stored_beyond(books, {INGESTER: ledger_of([sample_block(1, [1])])})
    assert difference.check == "queue"
    assert "has block 1, but the queue knows of 1 blocks only" in difference.message


async def test_an_interrupted_recovery_goes_on(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """G6: at whichever step; until it is over nobody opens the queue."""
    original = os.replace
    for step in range(6):
        folder = fresh_copy(world.killed, tmp_path / "data")
        wal = bytearray((folder / "queue.sqlite-wal").read_bytes())
        wal[5_000] ^= 1
        (folder / "queue.sqlite-wal").write_bytes(wal)
        calls = iter(range(step))

        def interrupted(source: Path, target: Path, calls: Iterator[int] = calls) -> None:
            if next(calls, None) is None:
                raise KeyboardInterrupt
            original(source, target)

        monkeypatch.setattr(os, "replace", interrupted)
        try:
            recover(folder / QUEUE, world.ledger)
        except KeyboardInterrupt:
            monkeypatch.undo()
            with pytest.raises(QueueDamaged, match="was interrupted"):
                await quiet(folder)
            recover(folder / QUEUE, world.ledger)
        monkeypatch.undo()
        async with opened(settings_of(folder)) as queue:
            totals, _ = close_books(await queue.books(), world.ledger)
        assert totals.missing + totals.queued == sum(block.count for block in world.waiting.values())
        assert len(list(folder.glob("damaged-*/queue.sqlite-wal"))) == 1
        shutil.rmtree(folder)
