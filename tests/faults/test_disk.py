"""A disk that is slow, refuses an fsync, is full or has no inodes left; a process that dies at an fsync; torn tails."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from pathlib import Path

import duckdb
import pytest

from tallystick.config import Settings
from tallystick.errors import StoreUnavailable
from tallystick.harness.server import ServerFailed
from tallystick.model.query import MetricsQuery
from tallystick.store.duckdb import DuckDBStore
from tests.faults.disk_faults import LONG, DiskRun, failing, fill, small_disk, use_up_inodes
from tests.faults.oracle import findings
from tests.faults.times import REPETITIONS, TIMES, Record
from tests.faults.traced import INJECTED, STORE_FILES, traced
from tests.helpers.damage.flips import PAGE, contents, fresh_copy
from tests.helpers.queue.steps import opened, take_all
from tests.helpers.queue.world import quiet, settings_of
from tests.helpers.samples import INGESTER, incompressible_block, sample_block
from tests.helpers.thorough import THOROUGH, chance
from tests.servers.scratch import scratch_folder

pytestmark = pytest.mark.faults
FSYNCS = (1, 60)
"""Which fsync of a process it is: the first ones belong to its start."""
FSYNCS_OF_STORE = (4, 12)
"""Which fsync of a thread of DuckDB's; a start makes a few."""
TEARS = PAGE
MANY = 1_000
FULL_SECONDS = 2.0
"""How long nothing is accepted; or stored, while there are no inodes for the files of batches that DuckDB reads."""


@pytest.mark.parametrize("moment", ["dies-before", "dies-after"])
async def test_death_at_an_fsync(tmp_path: Path, record_property: Record, moment: str) -> None:
    """G1, G3, G4, G11: the process is killed by its own fsync, before it or after it."""
    record_property(REPETITIONS, TIMES)
    run = DiskRun(tmp_path, seed=21)

    async def deaths() -> None:
        for _ in range(TIMES):
            if await run.start(failing(f"{moment}:{run.chance.randint(*FSYNCS)}")):
                assert await run.until_it_ends() == -signal.SIGKILL

    outcome = await run.run(deaths)
    assert findings(run.clients.ledger, outcome) == []
    assert run.ended_badly == TIMES


@pytest.mark.parametrize("failpoint", ["fails", "fails-from"])
async def test_an_fsync_that_fails(tmp_path: Path, record_property: Record, failpoint: str) -> None:
    """G1, G6: once, or that one and all after it: the process ends with an error, and nothing confirmed is gone."""
    record_property(REPETITIONS, TIMES)
    run = DiskRun(tmp_path, seed=22)

    async def failures() -> None:
        for _ in range(TIMES):
            if await run.start(failing(f"{failpoint}:{run.chance.randint(*FSYNCS)}")):
                assert await run.until_it_ends() > 0

    outcome = await run.run(failures)
    assert findings(run.clients.ledger, outcome) == []
    assert run.ended_badly == TIMES


async def test_fsyncs_of_half_a_second(tmp_path: Path) -> None:
    """G1, G6: requests share them, and nothing times out."""
    run = DiskRun(tmp_path, seed=23, senders=12)

    async def slow() -> None:
        await run.start(failing("slow:0.5"))
        await run.answers(100)

    outcome = await run.run(slow)
    assert findings(run.clients.ledger, outcome) == []


async def test_fsyncs_of_half_a_second_of_every_file(tmp_path: Path) -> None:
    """G1, G6: of the store too."""
    run = DiskRun(tmp_path, seed=26, senders=12)

    async def slow() -> None:
        await run.start(traced("delay_exit=500000", run.data, tmp_path / "trace"))
        await run.answers(100)
        await run.stores(1)

    outcome = await run.run(slow)
    assert findings(run.clients.ledger, outcome) == []


@pytest.mark.parametrize("when", ["", "+"], ids=["once", "for ever"])
async def test_an_fsync_of_the_store_fails(tmp_path: Path, record_property: Record, when: str) -> None:
    """G3, G6: once, or that one and all after it: events are taken all the while, and none of them is gone."""
    record_property(REPETITIONS, TIMES)
    run = DiskRun(tmp_path, seed=27)

    async def failures() -> None:
        trace = tmp_path / "trace"
        for _ in range(TIMES):
            await run.start()
            await run.stores(1)
            await killed(run)
            trace.write_text("")
            failing_fsync = run.chance.randint(*FSYNCS_OF_STORE)
            assert await run.start(traced(f"error=EIO:when={failing_fsync}{when}", run.data, trace, STORE_FILES))
            async with asyncio.timeout(LONG):
                while INJECTED not in trace.read_text():  # noqa: ASYNC110 - a file has no event
                    await asyncio.sleep(0.1)
            await run.answers(20)
            await killed(run)

    outcome = await run.run(failures)
    assert findings(run.clients.ledger, outcome) == []


async def test_the_reserve_of_a_small_disk(record_property: Record) -> None:
    """G5, G6: 64 MiB, most of it taken by something else: requests get 503 before it is full, and then no more."""
    record_property(REPETITIONS, TIMES)
    with small_disk("size=64m") as folder:
        run = DiskRun(folder, seed=24)
        junk = folder / "junk"

        async def full_and_back() -> None:
            await run.start()
            for _ in range(TIMES):
                await run.answers(10)
                await asyncio.to_thread(fill, junk)
                await run.refuses()
                junk.unlink()
                await run.answers(10)

        outcome = await run.run(full_and_back)
    assert findings(run.clients.ledger, outcome) == []
    assert run.ended_badly == 0


@pytest.mark.parametrize("what", ["bytes", "inodes"])
async def test_a_disk_without_a_reserve_is_full(record_property: Record, what: str) -> None:
    """G1, G5, G6: queue and store find no room, in the middle of commits and at the checkpoint of an orderly stop."""
    record_property(REPETITIONS, TIMES)
    options = "size=64m" if what == "bytes" else "size=256m,nr_inodes=300"
    with small_disk(options) as folder:
        run = DiskRun(folder, seed=25, settings={"TALLYSTICK_DISK_RESERVE_BYTES": "0"})
        junk = folder / "junk"

        async def full_and_back() -> None:
            await run.start()
            for number in range(TIMES):
                await run.answers(10)
                await asyncio.to_thread(fill if what == "bytes" else use_up_inodes, junk)
                await (run.accepts_nothing if what == "bytes" else run.stores_nothing)(FULL_SECONDS)
                if number % 2 and not run.server_ended:
                    run.clients.pause()
                    await stopped(run)
                await asyncio.to_thread(remove, junk)
                if run.server_ended:
                    await run.start()
                await run.answers(10)

        outcome = await run.run(full_and_back)
    assert findings(run.clients.ledger, outcome) == []


async def test_a_checkpoint_finds_no_room(record_property: Record) -> None:
    """G3, G6: DuckDB's checkpoint fails, after it wrote any part of what it has to write, and no row is gone: neither
    of the store that is opened again, nor of the one that is closed on the full disk, nor of a copy of its files.
    """
    record_property(REPETITIONS, TIMES)
    random = chance()
    with small_disk("size=64m") as folder:
        settings = Settings(data=folder / "data", disk_reserve_bytes=0)
        junk, expected, failed = folder / "junk", 0, 0
        store = DuckDBStore(settings)
        await store.open()
        for number in range(MANY):
            first = MANY + 500 * number
            blocks = [sample_block(number, range(first, first + 500)), incompressible_block(number, ingester="noise")]
            try:
                report = await store.write(blocks)
            except StoreUnavailable:  # after a checkpoint that failed: the worker would come again too
                report = await store.write(blocks)
            assert sum(entry.stored for entry in report.entries) == 501
            expected += 501
            fill(junk)
            os.truncate(junk, max(0, junk.stat().st_size - PAGE * random.randrange(64)))
            try:
                store._writer.execute("CHECKPOINT tallystick")
            except duckdb.Error:
                failed += 1
            copy = Path(shutil.copytree(settings.data, folder.parent / f"{folder.name}-copy"))
            await _counts(DuckDBStore(Settings(data=copy, disk_reserve_bytes=0)), expected)
            shutil.rmtree(copy)
            if number % 2:
                await store.close()
                junk.unlink()
                store = DuckDBStore(settings)
                await store.open()
            else:
                junk.unlink()
            if failed == TIMES:
                break
        await store.close()
        assert failed == TIMES
        await _counts(DuckDBStore(settings), expected)


async def _counts(store: DuckDBStore, expected: int) -> None:
    await store.open()
    try:
        assert (await store.run(MetricsQuery(site_id=None))).rows[0]["events"] == expected
        assert await store.verify() == []
    finally:
        await store.close()


async def killed(run: DiskRun) -> None:
    run.clients.pause()
    await asyncio.to_thread(run.server.kill)


async def stopped(run: DiskRun) -> None:
    """SIGTERM on a full disk; it may end with an error."""
    try:
        await asyncio.to_thread(run.server.stop)
    except ServerFailed:
        run.server.kill()


def remove(junk: Path) -> None:
    if junk.is_dir():
        for file in junk.iterdir():
            file.unlink()
        junk.rmdir()
    else:
        junk.unlink()


async def test_a_tail_torn_at_each_byte(record_property: Record) -> None:
    """G6, G11: the last commit's frames end at each of the last 4,096 bytes. What was confirmed is there."""
    lengths = range(TEARS + 1) if THOROUGH else sorted(chance().sample(range(TEARS + 1), 40))
    record_property(REPETITIONS, len(lengths))
    with scratch_folder("torn", in_memory=True) as folder:
        whole, cut = folder / "whole", folder / "cut"
        async with opened(settings_of(whole)) as queue:
            blocks = [sample_block(seq, [seq]) for seq in range(5)]
            for block in blocks:
                await queue.publish([block])
            confirmed = contents(whole)
            last = incompressible_block(5, 9_000)
            await queue.publish([last])
            wal = (whole / "queue.sqlite-wal").read_bytes()
            fresh_copy(whole, folder / "copy")
        assert len(wal) - TEARS > len(confirmed["queue.sqlite-wal"])
        for length in lengths:
            fresh_copy(folder / "copy", cut)
            for name, content in {**confirmed, "queue.sqlite-wal": wal[: len(wal) - length]}.items():
                (cut / name).write_bytes(content)
            await quiet(cut)
            async with opened(settings_of(cut)) as queue:
                delivered = await take_all(queue)
                assert delivered == ([*blocks, last] if length == 0 else blocks), length
                assert (await queue.books()).published[INGESTER].next_seq == len(delivered)
