"""What housekeeping builds from events (`UPKEEP`), and how it covers them, a piece in each transaction.

To add something: a class with the methods of `Upkeep`, and a line in `UPKEEP`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from tallystick.store.postgres.connection import Connection
from tallystick.store.postgres.upkeep.hour_users import COUNTED_HOURS
from tallystick.store.postgres.upkeep.sessions import SESSIONS
from tallystick.store.postgres.upkeep.user_times import USER_TIMES
from tallystick.store.postgres.upkeep.value_counts import GENERATIONS_OF_VALUES
from tallystick.store.postgres.upkeep.watermark import Watermark, forget_loads, place_loads


class Upkeep(Protocol):
    """Something that is built from events, up to a watermark. All methods run in the caller's transaction, which has
    the lock of housekeeping.
    """

    @property
    def watermark(self) -> Watermark:
        """How far it has come."""
        ...

    @property
    def piece(self) -> int:
        """About how many events one step covers."""
        ...

    async def is_wanted(self, connection: Connection) -> bool:
        """Whether there is anything to build."""
        ...

    async def clear(self, connection: Connection) -> None:
        """Remove all of it, before it is built anew."""
        ...

    async def cover(self, connection: Connection, condition: str) -> None:
        """Add events.

        Args:
            condition: which they are, as SQL over the columns of `events`. It may be true for more events in the next
                statement, so one statement has to read them.
        """
        ...

    async def follow_purge(self, connection: Connection, before: datetime) -> None:
        """Take out what the events before a border stood for, after they were deleted."""
        ...

    async def follow_removal(self, connection: Connection) -> None:
        """Take out what the events in the table `removed` stood for, after they were deleted."""
        ...


UPKEEP: Sequence[Upkeep] = (SESSIONS, COUNTED_HOURS, *GENERATIONS_OF_VALUES, USER_TIMES)
"""In this order: a later one gets its turn when the ones before it have covered all events."""


async def step(connection: Connection) -> bool:
    """Cover a piece of events, in the caller's transaction, which has the lock of housekeeping.

    Returns:
        False: all events are covered.
    """
    await place_loads(connection)
    for upkeep in UPKEEP:
        if await upkeep.is_wanted(connection) and await _advance(connection, upkeep):
            await forget_loads(connection, [each.watermark for each in UPKEEP])
            return True
    await forget_loads(connection, [each.watermark for each in UPKEEP])
    return False


async def _advance(connection: Connection, upkeep: Upkeep) -> bool:
    """Cover the next piece of events in one thing. Returns False when there is none."""
    progress = await upkeep.watermark.read(connection)
    if progress is None:
        await upkeep.clear(connection)
        await upkeep.watermark.begin(connection)
        return True
    piece = await upkeep.watermark.next_piece(connection, progress, upkeep.piece)
    if piece is None:
        return False
    await upkeep.cover(connection, piece.condition)
    await upkeep.watermark.advance(connection, piece)
    return True
