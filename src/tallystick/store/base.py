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
from tallystick.model.identity import Link
from tallystick.model.queries.statement import SqlQuery, Table
from tallystick.model.query import EventsQuery, Query, Result
from tallystick.store.carried import Carried, DayEvents, Kind, Row
from tallystick.store.erasure import Erasure, PersonFound
from tallystick.store.library import Library
from tallystick.store.retention import Borders, RetentionRule
from tallystick.store.turns import Turns


class DeadLetter(msgspec.Struct, frozen=True):
    """One or more events of a block that the store cannot take, with their original bytes.

    Attributes:
        index: position of the event in the block; -1 when the block itself is broken.
        original: the canonical line, or the broken block's payload, or a refused event as it was sent.
        events: number of events: 1, or the broken block's count.
        attempts: how often the worker tried to store it; 0: it was refused on arrival.
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
    """A dead letter as the store lists it. `state` is dead, replayed, dropped or erased."""

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


class ImportedEvents(msgspec.Struct, frozen=True):
    """What is stored of one import on one site.

    Attributes:
        first, last: the earliest and the latest event time, UTC.
        began, ended: when the first and the last of them were received, UTC.
    """

    import_id: str
    site_id: str
    events: int
    first: datetime
    last: datetime
    began: datetime
    ended: datetime


class Removal(msgspec.Struct, frozen=True):
    """One step in which events of an import were taken back: when, of which site, how many."""

    removed_at: datetime
    import_id: str
    site_id: str
    events: int


class SplitReport(msgspec.Struct, frozen=True):
    """What a split of joined ids changed.

    Attributes:
        person_id: the person that the id resolved to before.
        users: the ids whose join no longer counts.
        split_at: joins of these ids count again if their event time is later than this, UTC.
    """

    person_id: str
    users: Sequence[str]
    split_at: datetime


class RebuildReport(msgspec.Struct, frozen=True):
    """What a rebuild of a day's rollups counted.

    Attributes:
        events: events of the day.
        wrong: rows of the day's rollups that differed from the events before, of every site.
    """

    events: int
    wrong: int


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
    def keeps_rollups(self) -> bool:
        """Whether rollups can stay when retention removes their events."""

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

    async def retire(self, borders: Borders) -> PurgeReport:
        """Delete the events before the border of their site from everything but the ledger.

        Of sites that keep their rollups, these are kept in the transaction that deletes the events. Kept rollups of
        other sites are deleted.

        It goes in steps. After each step the books close and `verify` finds nothing, so a call that was interrupted
        can be repeated.
        """

    async def kept_events(self, site_id: str, before: datetime | None = None) -> int:
        """How many removed events the kept rollups of a site stand for, of before an instant or of all time."""

    async def events_from(self, site_id: str | None) -> datetime | None:
        """The end of the last day of which kept rollups of a site (None: of any) stand for removed events; None: there
        is no such day.
        """

    async def retention_rules(self) -> Sequence[RetentionRule]:
        """The sites that have a rule of their own, by site."""

    async def set_retention_rule(self, rule: RetentionRule) -> None:
        """Set a site's rule, in the place of the one that it has. Nothing is deleted before `retire`."""

    async def clear_retention_rule(self, site_id: str) -> bool:
        """Delete a site's rule; returns whether it had one."""

    async def split(self, site_id: str, user_id: str) -> SplitReport | None:
        """Take an id out of its person, with the ids that were joined to it; of the person itself: take all ids apart.

        Returns None, and changes nothing, when the id is not joined to any other.
        """

    async def imports(self, import_id: str | None = None) -> Sequence[ImportedEvents]:
        """What is stored of each import on each site, the last one first. Reads the properties of every event.

        Args:
            import_id: only this import.
        """

    async def removals(self, import_id: str) -> Sequence[Removal]:
        """The steps in which events of an import were taken back, the oldest first."""

    async def undo_import(self, import_id: str, site_id: str | None = None) -> int:
        """Remove the events of an import, of one site or of all. Returns how many they were.

        Everything that follows from them is corrected: rollups, joined ids, sessions. It goes in steps of whole days.
        After each step the books close and `verify` finds nothing, so a call that was interrupted can be repeated.
        The same rows can be imported again afterwards.
        """

    async def person_links(self, site_id: str, user_id: str) -> tuple[str, Sequence[Link]]:
        """The person that an id resolves to, and the links of all ids that were joined to it."""

    async def person_found(self, site_id: str, user_id: str) -> PersonFound:
        """What `erase` would remove."""

    async def erase(self, site_id: str, user_id: str, *, block: bool = False) -> Erasure:
        """Remove a person: the events of all ids that are joined to the given one, and everything that follows from
        them (rollups, sessions, joined ids, splits); their dead letters stay without their bytes, so that the books
        close. Returns the receipt, which is kept.

        From then on `write` does not store events of these ids that were received or happened before; the ledger counts
        them as erased. In one transaction; a store without transactions does it so that it is finished by itself when
        it stopped anywhere.

        Args:
            block: store no event of these ids any more, whatever its time.
        """

    async def erasures(self, site_id: str | None = None, user_id: str | None = None) -> Sequence[Erasure]:
        """The receipts of erasures, the last one first.

        Args:
            user_id: only those of this id, as it was given to `erase`; needs `site_id`.
        """

    async def maintain(self) -> bool:
        """One short step of housekeeping; the worker calls it while no blocks wait. Returns whether there is more."""

    async def ledger(self) -> Mapping[str, IngesterLedger]:
        """The ledger by ingester, as of one moment."""

    async def receipt(self, ingester: str, seq: int) -> LedgerEntry | None:
        """The ledger entry of a block; None: it is not stored, or compacted."""

    async def verify(self) -> list[Difference]:
        """Compare the ledger and everything derived with the raw events; empty when all agree."""

    async def rollup_days(self) -> Sequence[datetime]:
        """The UTC days that have events or rollups, ascending."""

    async def rebuild_rollups(self, day: datetime, site_id: str | None = None) -> RebuildReport:
        """Replace the rollups of the UTC day that begins at `day` by counts of its raw events, in one transaction.

        No batch is written meanwhile. `site_id` None: of every site.
        """

    async def dead_letters(
        self, state: str | None = "dead", limit: int = 100, after: int = 0
    ) -> Sequence[StoredDeadLetter]:
        """The dead letters with an id greater than `after`, by id; of one state, or (None) of all."""

    async def dead_letter(self, letter_id: int) -> StoredDeadLetter | None:
        """A dead letter, or None."""

    async def mark_dead(self, letter_ids: Sequence[int], state: str) -> int:
        """Set the state of dead letters; returns how many changed."""

    # --- `tallystick move`, see store/carried.py ----------------------------------------------------------------------

    async def day_events(self) -> Sequence[DayEvents]:
        """The events of each site and UTC day, counted from the events, by day."""

    def carried(self, kind: Kind) -> AsyncGenerator[Sequence[Row], None]:
        """The rows of a kind, in pieces; none of a move's own. It holds a connection until it ends or is closed."""

    async def replace_carried(self, carried: Carried) -> None:
        """Put these rows in the place of all rows of these kinds; the ledger's is what makes a move end.

        In one transaction; a store without transactions has to do it so that the same call can be repeated when it
        stopped anywhere. Nothing else is written meanwhile.
        """
