"""Steps that the suites of the queue on RabbitMQ share."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Collection

from tallystick.config import Settings
from tallystick.queue import Queue
from tallystick.queue.rabbitmq.address import parse_address
from tests.helpers.queue.steps import NO_WAIT, PATIENCE


def name_of(settings: Settings) -> str:
    return parse_address(settings).queue


def fresh() -> str:
    """A new ingester id, as the publisher takes one after a publish of unknown outcome."""
    return secrets.token_hex(8)


async def drain(queue: Queue, wanted: Collection[tuple[str, int]]) -> list[tuple[str, int]]:
    """Every block that waits, acknowledged; ends when these have come and no other waits, or is out of patience.

    What a lost connection had, the broker counts as nobody's until it has noticed the loss.
    """
    keys: list[tuple[str, int]] = []
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE):
            while True:
                batch = await queue.consume(1_000_000, NO_WAIT)
                if batch is not None:
                    keys += [block.key for block in batch.blocks]
                    await batch.ack()
                elif set(wanted) <= set(keys) and not (await queue.depth()).blocks:
                    break
    return keys
