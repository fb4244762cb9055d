"""What `tallystick move` carries beside events, in ClickHouse.

There is no transaction: the rows of all kinds but the ledger are deleted and inserted, and the ledger's are inserted
under keys that a repeated call has again. The move's own entry comes last of all. It then accounts for the events that
name the move's blocks, whose rows housekeeping deletes as those of compacted blocks. So what stopped in between is
still half filled, and the same call can be repeated.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from typing import Any
from uuid import uuid4

from tallystick.analysis.buckets import instant_of
from tallystick.errors import StoreUnavailable
from tallystick.model.sql import load_statements
from tallystick.store.carried import COLUMNS, Carried, DayEvents, Kind, Row
from tallystick.store.clickhouse.server.connection import UNHURRIED, Connection
from tallystick.store.clickhouse.server.rows import TIMES, json_rows
from tallystick.store.clickhouse.ticks import LETTER_IDS, TICKS
from tallystick.store.clickhouse.upkeep.settling import SETTLED

SQL = load_statements("tallystick.store.clickhouse", "sql/carried.sql")
EMPTIED = (
    "identities",
    "splits",
    "removals",
    "retention_rules",
    "erasure_keys",
    "tombstones",
    "erasures",
    "dead_letters",
)
"""Tables that are emptied before."""
KEPT = ("kept_rollup", "kept_days")
"""Kinds that this store has no rows of: it has no rollups. A move of a store that has some is refused."""
FIRST = instant_of(0)


async def day_events(connection: Connection) -> Sequence[DayEvents]:
    """As `Store.day_events`."""
    return [DayEvents(*row) for row in await connection.query(SQL["day_events"], seconds=UNHURRIED)]


async def select(connection: Connection, kind: Kind) -> AsyncGenerator[Sequence[Row], None]:
    """As `Store.carried`.

    Raises:
        StoreUnavailable: events are being removed, or that stopped in the middle.
    """
    if kind in KEPT:
        return
    if kind in ("purges", "removals") and await connection.value(SQL["unfinished_removals"]):
        raise StoreUnavailable(
            "a removal of events has not ended: start a worker, which finishes it, and stop it again"
        )
    async for rows in connection.stream(SQL[f"select_{kind}"]):
        if kind == "dead_letters":
            yield [(*row[:3], base64.b64decode(row[3]), *row[4:]) for row in rows]
        else:
            yield [tuple(row) for row in rows]


async def replace(connection: Connection, carried: Carried) -> None:
    """As `Store.replace_carried`."""
    for table in EMPTIED:
        await connection.everywhere(f"TRUNCATE TABLE {{{table}}}")
    async for kind, rows in carried:
        table = "removals" if kind == "purges" else kind
        named = [_MADE[kind](dict(zip(COLUMNS[kind], row, strict=True))) for row in rows]
        await connection.insert(SQL[f"insert_{table}"], json_rows(named), settings=TIMES, seconds=UNHURRIED)


Named = dict[str, Any]


def _identity(row: Named) -> Named:
    return row | {"linked_at": instant_of(row["linked_at"]), "version": TICKS.next(), "gone": 0}


def _split(row: Named) -> Named:
    return row | {"split_at": instant_of(row["split_at"]), "version": TICKS.next(), "gone": 0}


def _purge(row: Named) -> Named:
    site = row["site_id"]
    span = {"first": FIRST, "until": instant_of(row["before"]), "site_id": site}
    kind = "purge" if site is None else "retention"
    return _removal(row | {"removed_at": row["purged_at"], "kind": kind, "subject": "", "site_id": site or ""}, span)


def _removal(row: Named, span: Mapping[str, Any] | None = None) -> Named:
    kept = {"removed_at": instant_of(row["removed_at"]), "kind": row["kind"], "subject": row["subject"]}
    counts = {"site_id": None, "sites": [row["site_id"]], "counts": [row["events"]]}
    return {"id": uuid4(), **kept, **counts, **(span or {"first": FIRST, "until": FIRST}), "done": 1}


def _rule(row: Named) -> Named:
    return row | {"version": TICKS.next(), "gone": 0}


def _key(row: Named) -> Named:
    return row | {"made_at": instant_of(TICKS.next())}


def _tombstone(row: Named) -> Named:
    return row | {name: instant_of(row[name]) for name in ("erased_at", "until")}


def _erasure(row: Named) -> Named:
    times = {name: row[name] for name in ("erased_at", "until", "first", "last")}
    return row | {name: None if at is None else instant_of(at) for name, at in times.items()} | {"done": 1}


def _letter(row: Named) -> Named:
    place = {"id": LETTER_IDS.next(), "place": row["index"], "dead_at": instant_of(row["dead_at"])}
    return {name: value for name, value in row.items() if name != "index"} | place


def _block(row: Named) -> Named:
    times = {"oldest": FIRST, "newest": FIRST, "loaded_at": instant_of(row["loaded_at"])}
    kept = {name: value for name, value in row.items() if name != "duplicates"}
    return kept | times | {"settled": 1, "version": SETTLED}


def _compacted(row: Named) -> Named:
    return row | {"loaded_at": instant_of(row["loaded_at"])}


_MADE: Mapping[Kind, Callable[[Named], Named]] = {
    "identities": _identity,
    "splits": _split,
    "purges": _purge,
    "removals": _removal,
    "retention_rules": _rule,
    "erasure_keys": _key,
    "tombstones": _tombstone,
    "erasures": _erasure,
    "dead_letters": _letter,
    "blocks": _block,
    "compacted": _compacted,
}
