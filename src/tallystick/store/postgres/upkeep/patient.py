"""A watermark that waits for enough new events, so that what is built of them together takes less room."""

from __future__ import annotations

from dataclasses import dataclass

from tallystick.store.postgres.connection import Connection
from tallystick.store.postgres.upkeep.watermark import Piece, Progress, Watermark

LOADS_MAX = 1_000
"""So many loads are covered however few events they have: each query reads the list of those that are not."""


@dataclass(frozen=True)
class PatientWatermark(Watermark):
    """A watermark that stays where it is until some new events are stored.

    Attributes:
        least: how many.
    """

    least: int

    async def next_piece(self, connection: Connection, progress: Progress, events: int) -> Piece | None:
        """As `Watermark.next_piece`; None while there are few new events."""
        is_new = progress.built_before is None
        if is_new and progress.new_events < self.least and len(progress.pending) < LOADS_MAX:
            return None
        return await super().next_piece(connection, progress, events)
