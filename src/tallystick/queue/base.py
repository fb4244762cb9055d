"""The contract of a queue: what ingest and worker may rely on, and nothing more.

A queue keeps blocks between the 202 and the store's commit. It reads no event and decides nothing about one.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol, TypeVar

import msgspec

from tallystick.model.block import Block, BlockKey
from tallystick.model.books import QueueBooks

Id = TypeVar("Id")
"""What a queue calls a block by."""


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
    """Blocks for one transaction of the store, delivered together; exactly one of `ack` and `nack` is called, once.

    Either is one step of the queue, however many blocks there are: one commit, one script, one acknowledgement.
    """

    blocks: Sequence[Block]

    async def ack(self, but: Collection[BlockKey] = ()) -> None:
        """Remove the blocks, which are stored; those with the keys in `but` are not, and are given back.

        Called only after the store's commit; after a lost ack they come again.
        """

    async def nack(self) -> None:
        """Give the blocks back, which are not stored: they are delivered again, in order, to any consumer."""


def divide(ids: Sequence[Id], blocks: Sequence[Block], but: Collection[BlockKey]) -> tuple[Sequence[Id], Sequence[Id]]:
    """The ids of a batch's blocks: those to acknowledge, and those whose blocks are in `but`."""
    if not but:
        return ids, []
    named = [(id_, block.key in but) for id_, block in zip(ids, blocks, strict=True)]
    return [id_ for id_, back in named if not back], [id_ for id_, back in named if back]


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

    async def consume(
        self, max_events: int, wait: float, max_bytes: int | None = None, linger: float = 0.0
    ) -> Batch | None:
        """Deliver the oldest waiting blocks: at most `max_events` events and `max_bytes` encoded bytes, at least one
        block.

        Waits up to `wait` seconds for a first block, and from then on up to `linger` seconds for as many as may come.
        None when none came.
        """

    async def depth(self) -> Depth:
        """How much waits now."""

    async def books(self) -> QueueBooks:
        """The queue's side of the books, all of one moment."""
