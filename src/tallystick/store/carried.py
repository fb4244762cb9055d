"""What a store holds beside events and library, as rows that any other store can take: what `tallystick move` carries.

Rows are tuples of texts, numbers, bytes and None, in the order of COLUMNS. Instants are microseconds since 1970, UTC;
UUIDs are texts.

A store that a move fills has blocks of one more ingester, `move-…`, in its ledger. They stand for the events that were
carried, until the source's ledger takes their place; then one compacted entry with no events is left of them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

from tallystick.model.books import IngesterLedger

Kind: TypeAlias = Literal[
    "identities",
    "splits",
    "purges",
    "removals",
    "kept_rollup",
    "kept_days",
    "retention_rules",
    "erasure_keys",
    "tombstones",
    "erasures",
    "dead_letters",
    "blocks",
    "compacted",
]
Row: TypeAlias = Sequence[Any]
Carried: TypeAlias = AsyncIterator[tuple[Kind, Sequence[Row]]]

COLUMNS: Mapping[Kind, Sequence[str]] = {
    "identities": ("site_id", "user_id", "linked_to", "linked_at", "event_id", "person_id"),
    "splits": ("site_id", "user_id", "split_at"),
    "purges": ("purged_at", "before", "events", "site_id"),
    "removals": ("removed_at", "kind", "subject", "site_id", "events"),
    "kept_rollup": ("site_id", "bucket", "name", "source", "events", "last_received", "bot"),
    "kept_days": ("site_id", "day", "bot", "users", "kept_at"),
    "retention_rules": ("site_id", "days", "keep_rollups"),
    "erasure_keys": ("key",),
    "tombstones": ("site_id", "digest", "erased_at", "until", "blocked"),
    "erasures": (
        *("id", "site_id", "digest", "erased_at", "until", "blocked"),
        *("ids", "events", "sessions", "dead_letters", "first", "last"),
    ),
    "dead_letters": (
        *("ingester", "seq", "index", "original", "code", "reason", "events", "attempts", "dead_at", "state"),
    ),
    "blocks": ("ingester", "seq", "count", "stored", "duplicates", "conflicts", "dead", "loaded_at", "erased"),
    "compacted": ("ingester", "folded", "count", "stored", "duplicates", "conflicts", "dead", "loaded_at", "erased"),
}
"""The kinds of rows in the order in which they are carried, and their columns. The ledger is last."""
PIECE_ROWS = 5_000
"""Rows that are carried at a time."""

MOVE = "move-"
"""What the ingester of carried events begins with; those of queues are 16 hexadecimal digits."""
ENDED = 2**53
"""`folded` of a move's entry once the source's ledger has taken the place of its blocks."""


class DayEvents(NamedTuple):
    """How many events a site has on one UTC day, counted from the events. `day`: its start, microseconds since 1970."""

    site_id: str
    day: int
    events: int


def ended_move(ingester: str) -> Row:
    """What is left in the ledger of a move that ended: a row of the kind `compacted`."""
    return (ingester, ENDED, 0, 0, 0, 0, 0, 0, 0)


def is_unfinished(ledger: Mapping[str, IngesterLedger]) -> bool:
    """Whether a store with this ledger is one that a move has begun to fill."""
    return any(name.startswith(MOVE) and entry.folded < ENDED for name, entry in ledger.items())


def without_moves(ledger: Mapping[str, IngesterLedger]) -> dict[str, IngesterLedger]:
    """What the ledger says of the blocks of queues."""
    return {name: entry for name, entry in ledger.items() if not name.startswith(MOVE)}


def columns_of(kind: Kind, rows: Sequence[Row]) -> dict[str, list[Any]]:
    """The rows as one list a column."""
    return {name: [row[place] for row in rows] for place, name in enumerate(COLUMNS[kind])}
