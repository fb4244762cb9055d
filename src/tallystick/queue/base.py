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
        blocks: without those of other processes where the queue cannot count them.
        events: None when the queue cannot count them; then `bytes` is None too.
        bytes: encoded size of the blocks.
        oldest_age: seconds since the oldest block was published; None when the queue is empty or does not know.
    """

    blocks: int
    events: int | None
    bytes: int | None
    oldest_age: float | None


class Batch(Protocol):
    """Some blocks, delivered together; exactly one of `ack` and `nack` is called, once."""

    blocks: Sequence[Block]

    async def ack(self) -> None:
        """Remove the blocks, which are stored.

        Called only after the store's commit; after a lost ack they come again.
        """

    async def nack(self) -> None:
        """Give the blocks back, which are not stored: they are delivered again, in order, to any consumer."""


class Queue(Protocol):
    """An at-least-once queue of blocks. All methods may raise QueueUnavailable; only the caller retries."""

    durability: str
    """What a returned `publish` has survived, as shown to operators: `fsync`, `memory`, …"""

    async def open(self) -> None:
        """Connect, create what is missing, and take over what a dead process left.

        Raises:
            ConfigError: a setting is refused.
        """

    async def close(self) -> None:
        """Close all connections and files.

        Blocks that are delivered and not acknowledged come again after the next open.
        """

    async def publish(self, blocks: Sequence[Block]) -> None:
        """Make every block durable, all or none of them; returns only then.

        Raises:
            QueueFull: nothing was taken.
            QueueUnavailable: the outcome is unknown. The caller goes on with a new ingester id.
        """

    async def consume(self, max_events: int, wait: float, max_bytes: int | None = None) -> Batch | None:
        """Deliver the oldest waiting blocks: at most `max_events` events and `max_bytes` encoded bytes, at least one
        block.

        Waits up to `wait` seconds for a first block. None when none came.
        """

    async def depth(self) -> Depth:
        """How much waits now."""

    async def books(self) -> QueueBooks:
        """The queue's side of the books, all of one moment."""
