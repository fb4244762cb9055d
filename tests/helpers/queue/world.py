"""A queue's history of which everything is known, and what may become of its files when they are damaged.

The world has a ledger of its own: which blocks were published and confirmed, which of them stored. After any damage
every confirmed block that is not stored is there, or it is said that it is not, by number and events.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pytest
from structlog.testing import capture_logs

from tallystick.config import Settings
from tallystick.errors import BlockCorrupt, QueueDamaged
from tallystick.model.block import Block
from tallystick.model.books import IngesterLedger, close_books
from tallystick.queue import Queue
from tallystick.queue.sqlite.recover import recover
from tests.helpers.damage.flips import contents, fresh_copy
from tests.helpers.queue.steps import NO_WAIT, opened
from tests.helpers.samples import incompressible_block, sample_block

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
    """The outcome of a damaged folder; fails the test when something is wrong and not reported."""
    before = contents(folder)
    with capture_logs() as logs:
        refusal = ""
        try:
            async with opened(settings_of(folder)) as queue:
                broken = await look(world, queue)
        except QueueDamaged as damage:
            refusal = damage.message
        if refusal:
            assert f"`tallystick recover queue --data {folder}`" in refusal
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


async def quiet(folder: Path) -> None:
    """It opens without a word about what is in it; the tests' files are open to all, which is said."""
    with capture_logs() as logs:
        async with opened(settings_of(folder)):
            pass
    assert [line for line in logs if not line["event"].startswith("others could read")] == []
