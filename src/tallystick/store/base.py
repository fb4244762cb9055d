"""The contract of a store: what worker, query and CLI may rely on.

All methods may raise StoreUnavailable; nothing was changed then, and the caller may try again. StoreDamaged is one that
lasts: trying again is of no use until somebody has recovered the store.
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
    """Events of a block that the store cannot take, with their original bytes.

    Attributes:
        index: position in the block; -1 when the block itself is broken.
        original: the canonical line, or the broken block's payload.
        events: how many events it stands for: 1, or the broken block's count.
        attempts: how often storing it was tried.
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
    """What one `write` did: blocks skipped because the ledger had them, and the entries of the others."""

    skipped: int
    entries: Sequence[LedgerEntry]


class PurgeReport(msgspec.Struct, frozen=True):
    """How many events a purge removed."""

    events: int


class Store(Protocol):
    """A store of events with its ledger, rollups and dead letters in the same transactions."""

    @property
    def damage(self) -> StoreDamaged | None:
        """Why the store cannot go on until somebody recovers it; None while nothing of the kind was found."""

    @property
    def write_bytes(self) -> int:
        """Bytes of lines that one `write` takes without trouble; a single block may have more."""

    @property
    def library(self) -> Library:
        """Saved reports, boards and share links."""

    @property
    def turns(self) -> Turns:
        """In which `run` and `select` are answered; whose they are says `tallystick.store.turns.CALLER`."""

    async def open(self) -> None: ...
    async def close(self) -> None: ...
    async def migrate(self) -> int:
        """Bring the schema up to date; its version. Raises SchemaTooNew."""

    async def write(self, blocks: Sequence[Block], dead: Sequence[DeadLetter] = ()) -> WriteReport:
        """Store the blocks' events in one transaction: events, rollups, ledger, dead letters (G2, G3).

        `dead` names lines of these blocks to set aside instead of storing. Raises DataRejected when the data is at
        fault: nothing was stored, and the worker bisects with `probe`; BatchTooLarge: nothing was stored, fewer blocks
        may fit.
        """

    async def probe(self, lines: bytes) -> None:
        """Read canonical lines just as `write` would and store nothing. Raises DataRejected."""

    async def run(self, query: Query) -> Result:
        """Answer a question. Raises QueryTimeout, QueryTooExpensive, InvalidRequest (a cursor that is none)."""

    async def select(self, query: SqlQuery, *, sealed: bool = False) -> Table:
        """Answer a statement of the caller's own. `sealed`: the caller may see no other site than `site_id`.

        Raises what `run` does; InvalidRequest: the statement is refused, and the sentence says why.
        """

    def export(self, query: EventsQuery) -> AsyncGenerator[bytes, None]:
        """Every event of the scope as canonical lines, in pieces; `limit` and `cursor` are not looked at.

        What it holds meanwhile it holds until its end or its `aclose`: whoever leaves it has to close it.
        """

    async def purge(self, before: datetime) -> PurgeReport: ...
    async def maintain(self) -> bool:
        """One short piece of housekeeping, called by the worker when nothing waits; True while there is more."""

    async def ledger(self) -> Mapping[str, IngesterLedger]: ...
    async def receipt(self, ingester: str, seq: int) -> LedgerEntry | None: ...
    async def verify(self) -> list[Difference]:
        """Compare ledger with raw events and rollups with raw events; empty when all agree."""

    async def dead_letters(
        self, state: str | None = "dead", limit: int = 100, after: int = 0
    ) -> Sequence[StoredDeadLetter]: ...
    async def dead_letter(self, letter_id: int) -> StoredDeadLetter | None: ...
    async def mark_dead(self, letter_ids: Sequence[int], state: str) -> int:
        """Set dead letters' state; how many changed."""
