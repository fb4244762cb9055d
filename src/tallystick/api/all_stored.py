"""Waiting until everything that was accepted before a request is stored, for requests that remove events."""

from __future__ import annotations

import asyncio

from tallystick.api.dependencies import Parts
from tallystick.errors import EventsWait

WAIT_SECONDS = 30.0
"""How long a request waits until what was accepted before it is stored."""
LOOK_EVERY = 0.2
"""Seconds between two looks."""


async def all_stored(parts: Parts) -> None:
    """Wait until all blocks that were published before this call are stored.

    Raises:
        EventsWait: they are not after WAIT_SECONDS.
    """
    published = (await parts.queue.books()).published
    loop = asyncio.get_running_loop()
    give_up = loop.time() + WAIT_SECONDS
    while True:
        ledger = await parts.store.ledger()
        missing = 0
        for ingester, side in published.items():
            entry = ledger.get(ingester)
            below = 0 if entry is None else entry.folded + sum(1 for seq in entry.seqs if seq < side.next_seq)
            missing += max(0, side.next_seq - below)
        if not missing:
            return
        if loop.time() > give_up:
            raise EventsWait(
                f"{missing} blocks of events that were accepted before are not stored yet: try again when the queue is "
                "empty (GET /v1/pipeline); nothing was removed"
            )
        await asyncio.sleep(LOOK_EVERY)
