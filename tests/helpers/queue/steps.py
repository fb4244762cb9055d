"""Steps that the queue suites share."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from tallystick.config import Settings
from tallystick.model.block import Block
from tallystick.queue import Batch, Queue, make_queue

NO_WAIT = 0.0
PATIENCE = 60.0
"""Seconds that no test waits in full."""


async def take(queue: Queue, max_events: int = 1_000_000) -> Batch:
    """The next batch, which has to be there."""
    batch = await queue.consume(max_events, NO_WAIT)
    assert batch is not None
    return batch


async def take_all(queue: Queue) -> list[Block]:
    """Every block that waits, acknowledged; in the order of delivery."""
    blocks: list[Block] = []
    while (batch := await queue.consume(1_000_000, NO_WAIT)) is not None:
        blocks += batch.blocks
        await batch.ack()
    return blocks


async def take_blocks(queue: Queue, number: int) -> list[Block]:
    """This many blocks, acknowledged; waits for what a dead process had."""
    blocks: list[Block] = []
    while len(blocks) < number:
        batch = await queue.consume(1_000_000, PATIENCE)
        assert batch is not None
        blocks += batch.blocks
        await batch.ack()
    return blocks


async def reopen(queue: Queue) -> None:
    await queue.close()
    await queue.open()


@contextlib.asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Queue]:
    """The queue of these settings, closed at the end."""
    queue = make_queue(settings)
    await queue.open()
    try:
        yield queue
    finally:
        await queue.close()
