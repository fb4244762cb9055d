"""Steps that the suites of the queue in Redis share."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from typing import Any

from tallystick.errors import QueueUnavailable
from tallystick.model.block import Block
from tallystick.queue import Batch, Queue
from tallystick.queue.redis import RedisQueue
from tallystick.queue.redis.scripts import key_names
from tests.helpers.queue.steps import PATIENCE
from tests.helpers.samples import sample_block
from tests.servers.redis import RedisServer

TAKEOVER = 0.5
"""Seconds of idleness after which these tests' consumers take over."""


class Stream:
    """One test's stream, looked at from outside."""

    def __init__(self, server: RedisServer, url: str) -> None:
        self._server = server
        self.names = key_names(url.partition("?stream=")[2])

    def ask(self, command: str, key: str, *arguments: Any) -> Any:
        return self._server.ask(*command.split(), self.names[key], *arguments)

    @property
    def ids(self) -> list[bytes]:
        return [id_ for id_, _ in self.ask("XRANGE", "blocks", "-", "+")]

    @property
    def consumers(self) -> dict[str, int]:
        """Pending entries by consumer; the one for blocks given back is left out when it has none."""
        rows = self.ask("XINFO CONSUMERS", "blocks", "tallystick")
        found = {row[b"name"].decode(): int(row[b"pending"]) for row in rows}
        return {name: pending for name, pending in found.items() if pending or name != "(given back)"}


async def until(so: Callable[[], bool]) -> None:
    """Returns once it is so."""
    deadline = time.monotonic() + PATIENCE
    while not so():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


async def waited(queue: Queue) -> Batch:
    """The next batch, which comes sooner or later."""
    batch = await queue.consume(1_000_000, PATIENCE)
    assert batch is not None
    return batch


def hang(queue: Queue) -> None:
    """From now on it gives no sign of life, as a process that is stopped."""
    assert isinstance(queue, RedisQueue)
    assert queue._upkeep is not None
    queue._upkeep.cancel()


def fresh() -> str:
    """A new ingester id, as the publisher takes one after a publish of unknown outcome."""
    return secrets.token_hex(8)


async def until_it_publishes(queue: Queue) -> Block:
    """Publish with fresh ingester ids until it is confirmed; that block."""
    deadline = time.monotonic() + PATIENCE
    while True:
        block = sample_block(0, [1], fresh())
        try:
            await queue.publish([block])
            return block
        except QueueUnavailable:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.02)


async def finished(server: RedisServer, what: str) -> None:
    """Returns when the server no longer does that."""
    while server.ask("INFO", "persistence")[what]:  # noqa: ASYNC110 - another process's work
        await asyncio.sleep(0.02)
