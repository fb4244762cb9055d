"""The contract of a queue: what ingest and worker may rely on, and nothing more.

A queue keeps blocks between the 202 and the store's commit. It reads no event and decides nothing about one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from tallystick.model.block import Block
from tallystick.model.books import QueueBooks


class Depth(msgspec.Struct, frozen=True):
    """What waits in the queue: delivered but unacknowledged blocks count too.

    Attributes:
        blocks: where the queue cannot know how many other processes have, those are left out.
        events: None when the queue cannot know it, as `bytes` then.
        bytes: encoded size of the blocks.
        oldest_age: seconds since the oldest block was published; None when the queue is empty or cannot know it.
    """

    blocks: int
    events: int | None
    bytes: int | None
    oldest_age: float | None


class Batch(Protocol):
    """Some blocks, delivered together; exactly one of `ack` and `nack` is called, once."""

    blocks: Sequence[Block]

    async def ack(self) -> None:
        """They are stored: forget them. Called only after the store's commit; a lost ack means delivery again."""

    async def nack(self) -> None:
        """They are not stored: deliver them again, in order, to this or another consumer."""


class Queue(Protocol):
    """An at-least-once queue of blocks. All methods may raise QueueUnavailable; nobody but the caller retries."""

    durability: str
    """What a returned `publish` has survived, as shown to operators: `fsync`, `memory`, …"""

    async def open(self) -> None:
        """Connect, create, take over what a dead process left. Raises ConfigError on a setting it refuses."""

    async def close(self) -> None:
        """Let go of everything; blocks delivered and not acknowledged are delivered again after the next open."""

    async def publish(self, blocks: Sequence[Block]) -> None:
        """Returns only once every block is durable, all or none of them.

        Raises QueueFull (nothing was taken) or QueueUnavailable (unknown: the caller goes on with a new ingester id).
        """

    async def consume(self, max_events: int, wait: float, max_bytes: int | None = None) -> Batch | None:
        """The oldest blocks nobody has: at most `max_events` events and `max_bytes` encoded bytes, at least one block.

        Waits up to `wait` seconds for a first block; None when none came.
        """

    async def depth(self) -> Depth:
        """What waits, now."""

    async def books(self) -> QueueBooks:
        """The queue's side of the books, as one consistent look."""
