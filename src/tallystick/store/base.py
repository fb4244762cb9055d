"""The contract of a store: what the worker, the read API and the CLI may rely on.

All methods may raise StoreUnavailable: nothing was changed, and the caller may try again. Its subclass StoreDamaged is
permanent: trying again does not help until the store is recovered.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from tallystick.errors import StoreDamaged
from tallystick.model.block import Block
from tallystick.model.books import Difference, IngesterLedger, LedgerEntry
from tallystick.model.queries.statement import SqlQuery, Table
from tallystick.model.query import EventsQuery, Query, Result
from tallystick.store.library import Library
from tallystick.store.turns import Turns


class DeadLetter(msgspec.Struct, frozen=True):
    """One or more events of a block that the store cannot take, with their original bytes.

    Attributes:
        index: position of the event in the block; -1 when the block itself is broken.
        original: the canonical line, or the broken block's payload.
        events: number of events: 1, or the broken block's count.
        attempts: how often the worker tried to store it.
    """

    ingester: str
    seq: int
    index: int
    original: bytes
    code: str
    reason: str
    events: int = 1
    attempts: int = 1


class StoredDeadLetter(msgspec.Struct, frozen=True):
    """A dead letter as the store lists it. `state` is dead, replayed or dropped."""

    id: int
    letter: DeadLetter
    dead_at: datetime
    state: str


class WriteReport(msgspec.Struct, frozen=True):
    """What one `write` did: how many blocks the ledger already had, and the ledger entries of the others."""

    skipped: int
    entries: Sequence[LedgerEntry]


class PurgeReport(msgspec.Struct, frozen=True):
    """How many events a purge removed."""

    events: int


class Store(Protocol):
    """A store of events, with its ledger, rollups and dead letters changed in the same transactions."""

    @property
    def damage(self) -> StoreDamaged | None:
        """The damage that was found, which needs a recovery; None: no damage was found."""

    @property
    def write_bytes(self) -> int:
        """Bytes of lines that fit into one `write`; a single block may have more."""

    @property
    def library(self) -> Library:
        """Saved reports, boards and share links."""

    @property
    def turns(self) -> Turns:
        """The turns in which `run` and `select` are answered; `tallystick.store.turns.CALLER` has the caller."""

    async def open(self) -> None: ...
    async def close(self) -> None: ...
    async def migrate(self) -> int:
        """Bring the schema up to date; returns its version. Raises SchemaTooNew."""

    async def write(self, blocks: Sequence[Block], dead: Sequence[DeadLetter] = ()) -> WriteReport:
        """Store blocks in one transaction: events, rollups, ledger, dead letters (G2, G3).

        Args:
            dead: lines of these blocks to store as dead letters.

        Raises:
            DataRejected: the data is at fault; nothing was stored. The worker bisects with `probe`.
            BatchTooLarge: nothing was stored; fewer blocks may fit.
        """

    async def probe(self, lines: bytes) -> None:
        """Read canonical lines as `write` would, without storing them. Raises DataRejected."""

    async def run(self, query: Query) -> Result:
        """Answer a query. Raises QueryTimeout, QueryTooExpensive, InvalidRequest (an invalid cursor)."""

    async def select(self, query: SqlQuery, *, sealed: bool = False) -> Table:
        """Run a SQL statement that a user wrote.

        Args:
            sealed: the caller may see no site but `query.site_id`.

        Raises:
            QueryTimeout, QueryTooExpensive: as `run`.
            InvalidRequest: the statement is refused; the message says why.
        """

    def export(self, query: EventsQuery) -> AsyncGenerator[bytes, None]:
        """Every event of the scope as canonical lines, in pieces; ignores `limit` and `cursor`.

        It holds a connection until it ends or is closed: a caller that stops early has to call `aclose`.
        """

    async def purge(self, before: datetime) -> PurgeReport:
        """Delete the events before an instant, rounded down to a quarter hour, from everything but the ledger."""

    async def maintain(self) -> bool:
        """One short step of housekeeping; the worker calls it while no blocks wait. Returns whether there is more."""

    async def ledger(self) -> Mapping[str, IngesterLedger]:
        """The ledger by ingester, as of one moment."""

    async def receipt(self, ingester: str, seq: int) -> LedgerEntry | None:
        """The ledger entry of a block; None: it is not stored, or compacted."""

    async def verify(self) -> list[Difference]:
        """Compare the ledger and everything derived with the raw events; empty when all agree."""

    async def dead_letters(
        self, state: str | None = "dead", limit: int = 100, after: int = 0
    ) -> Sequence[StoredDeadLetter]:
        """The dead letters with an id greater than `after`, by id; of one state, or (None) of all."""

    async def dead_letter(self, letter_id: int) -> StoredDeadLetter | None:
        """A dead letter, or None."""

    async def mark_dead(self, letter_ids: Sequence[int], state: str) -> int:
        """Set the state of dead letters; returns how many changed."""
