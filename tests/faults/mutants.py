"""Servers with one promise taken out, to see that the fault tests notice: `mutants.py <mutant> up …`."""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import Collection, Sequence

from tallystick import queue
from tallystick.cli import main
from tallystick.config import Settings
from tallystick.ingest.publisher import Publisher, Tell
from tallystick.metrics import Metrics
from tallystick.model.block import BlockKey, RefusedLine
from tallystick.queue.base import Batch, Queue
from tallystick.store.duckdb import load

WINDOW = 0.2
"""Longest pause in seconds put between two steps in the wrong order, so that a kill falls in between often enough."""


def answers_before_commit() -> None:
    """202 first, the durable commit a little later."""
    submit = Publisher.submit

    def nobody(_: object) -> None:
        """The client has its answer."""

    def at_once(
        self: Publisher, lines: bytes, count: int, request_id: str, refused: Sequence[RefusedLine], tell: Tell
    ) -> None:
        loop = asyncio.get_running_loop()
        loop.call_soon(tell, f"{self.ingester}-{self.seq}")
        loop.call_later(random.uniform(0, WINDOW), submit, self, lines, count, request_id, refused, nobody)

    Publisher.submit = at_once  # type: ignore[method-assign]


class Forgotten:
    """A batch that the queue has forgotten already."""

    def __init__(self, batch: Batch) -> None:
        self.blocks = batch.blocks

    async def ack(self, but: Collection[BlockKey] = ()) -> None:
        pass

    async def nack(self) -> None:
        pass


def acks_before_write() -> None:
    """The queue forgets its blocks when they are delivered, before the store has them."""
    make_queue = queue.make_queue

    def make(settings: Settings, metrics: Metrics | None = None) -> Queue:
        made = make_queue(settings, metrics)
        consume = made.consume

        async def forgetful(
            max_events: int, wait: float, max_bytes: int | None = None, linger: float = 0.0
        ) -> Batch | None:
            batch = await consume(max_events, wait, max_bytes, linger)
            if batch is None:
                return None
            await batch.ack()
            await asyncio.sleep(random.uniform(0, WINDOW))
            return Forgotten(batch)

        made.consume = forgetful  # type: ignore[method-assign]
        return made

    queue.make_queue = make


def stores_again() -> None:
    """An event that the store has already is found, and stored once more."""
    load.SQL = {**load.SQL, "drop_duplicates": "DELETE FROM duplicates"}


MUTANTS = {mutant.__name__: mutant for mutant in (answers_before_commit, acks_before_write, stores_again)}

if __name__ == "__main__":
    MUTANTS[sys.argv[1]]()
    main(sys.argv[2:])
