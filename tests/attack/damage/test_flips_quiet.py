"""What is no damage to the embedded queue, and is not taken for it; backups and interrupted recoveries (G6)."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest
from structlog.testing import capture_logs

from tallystick.errors import QueueDamaged
from tallystick.model.block import encode_block
from tallystick.model.books import close_books, stored_beyond
from tallystick.queue.sqlite.recover import recover
from tallystick.queue.sqlite.wal import Log
from tests.helpers.damage.flips import contents, fresh_copy
from tests.helpers.queue.steps import NO_WAIT, opened
from tests.helpers.queue.world import QUEUE, World, ledger_of, make_world, outcome, quiet, settings_of
from tests.helpers.samples import INGESTER, incompressible_block, sample_block
from tests.servers.scratch import scratch_folder


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with scratch_folder("flips", in_memory=True) as folder:
        yield asyncio.run(make_world(folder))


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
    """G6: frames of older generations after the newest are no damage, and a flip in the newest is found."""
    async with opened(settings_of(tmp_path / "data")) as queue:
        for seq in range(150):
            await queue.publish([incompressible_block(seq, 200_000)])
            if seq % 4 == 3:
                batch = await queue.consume(3, NO_WAIT)
                assert batch is not None
                await batch.ack()
        seq, newest = 150, Log(tmp_path / "data" / "queue.sqlite-wal")
        while newest.commits[: newest.whole].sum() < 3:  # with one, frame 1 might be a torn tail
            await queue.publish([sample_block(seq, [seq])])
            seq, newest = seq + 1, Log(tmp_path / "data" / "queue.sqlite-wal")
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


# --- backups and interruptions --------------------------------------------------------------------------------------


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
    assert [line["event"] for line in logs] == ["the queue's watermark is missing and is written anew"]
    (difference,) = stored_beyond(books, {INGESTER: ledger_of([sample_block(1, [1])])})
    assert difference.check == "queue"
    assert "has block 1, but the queue knows of 1 blocks only" in difference.message


async def test_an_interrupted_recovery_goes_on(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """G6: at whichever step; until it is over no process opens the queue."""
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
            assert recover(folder / QUEUE, world.ledger).resumed
        monkeypatch.undo()
        async with opened(settings_of(folder)) as queue:
            totals, _ = close_books(await queue.books(), world.ledger)
        assert totals.missing + totals.queued == sum(block.count for block in world.waiting.values())
        assert len(list(folder.glob("damaged-*/queue.sqlite-wal"))) == 1
        shutil.rmtree(folder)
