"""Steps that the suites of the queue on RabbitMQ share."""

from __future__ import annotations

import asyncio
import secrets

from tallystick.config import Settings
from tallystick.queue import Queue
from tallystick.queue.rabbitmq.address import parse_address
from tests.helpers.queue.steps import NO_WAIT, PATIENCE


def name_of(settings: Settings) -> str:
    return parse_address(settings).queue


def fresh() -> str:
    """A new ingester id, as the publisher takes one after a publish of unknown outcome."""
    return secrets.token_hex(8)


async def drain(queue: Queue) -> list[tuple[str, int]]:
    """Every block that waits, also those that a lost connection had; acknowledged."""
    keys: list[tuple[str, int]] = []
    async with asyncio.timeout(PATIENCE):
        while True:
            batch = await queue.consume(1_000_000, NO_WAIT)
            if batch is not None:
                keys += [block.key for block in batch.blocks]
                await batch.ack()
            elif not (await queue.depth()).blocks:
                return keys
