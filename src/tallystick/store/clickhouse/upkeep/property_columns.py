"""Property columns: frequent keys of `properties` get columns of their own, which ClickHouse fills itself.

They are MATERIALIZED columns: an insert computes them, and so does a question from the JSON text where a part has none
yet, so that every row has the same value in either way. A column's name follows from its key, whichever process makes
it on whichever server; its comment is the key. Columns are never dropped.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b

import structlog

from tallystick.analysis.cte import columns, sql
from tallystick.analysis.property_columns import BOOLEAN, NESTED, NUMBER, STRING, PropertyColumn
from tallystick.errors import StoreUnavailable
from tallystick.model.sql import load_statements
from tallystick.store.clickhouse.server.connection import UNHURRIED, Connection

log = structlog.get_logger(__name__)
SQL = load_statements("tallystick.store.clickhouse", "sql/property_columns.sql")

COLUMNS_MAX = 16
"""Most keys with columns of their own: each makes storing an event dearer."""
KEY_MAX = 100
"""Most characters of such a key."""
VALUE_MAX = 100.0
"""Most bytes of its values, on average: long texts would take the disk twice."""
SAMPLE = 20_000
"""How many of the newest events are sampled for frequent keys."""
SHARE = 0.01
"""Share of the sampled events that must have a key for it to get a column."""
FEW_VALUES = 1_000
"""Up to so many different values in the sample, a column is a dictionary."""
SEARCH_EVERY = 3_600.0
"""Seconds between two searches for frequent keys."""
KNOWN_SECONDS = 60.0
"""Seconds for which a process takes the columns for all there are. One that is newer is read as JSON until then."""


def column_of(key: str) -> PropertyColumn:
    """The columns of a key, whether there are any or not."""
    return PropertyColumn(int.from_bytes(blake2b(key.encode(), digest_size=6).digest()), 0)


class KnownColumns:
    """The columns that a database has, as of some seconds ago."""

    def __init__(self) -> None:
        self._found: Mapping[str, PropertyColumn] = {}
        self._ends = float("-inf")

    def current(self) -> Mapping[str, PropertyColumn] | None:
        """The columns by key; None: they have to be read again."""
        return self._found if time.monotonic() < self._ends else None

    def take(self, keys: Iterable[str]) -> Mapping[str, PropertyColumn]:
        """Take what was read just now: the comments of columns."""
        self._found = {key: column_of(key) for key in keys}
        self._ends = time.monotonic() + KNOWN_SECONDS
        return self._found


class PropertyColumns:
    """Looks for frequent keys, and adds their columns; for one process, others may do the same at the same time."""

    def __init__(self) -> None:
        self._searched_at = float("-inf")

    async def step(self, connection: Connection) -> None:
        """Search, if it is time."""
        if time.monotonic() - self._searched_at < SEARCH_EVERY:
            return
        known = await _keys(connection, "events")
        found = await connection.query(SQL["frequent"], {"rows": SAMPLE}, seconds=UNHURRIED)
        if not found:  # there are no events yet
            return
        self._searched_at = time.monotonic()
        frequent = {
            key: values <= FEW_VALUES
            for key, share, size, values in found
            if key not in known and share >= SHARE and size <= VALUE_MAX and 0 < len(key) <= KEY_MAX
        }
        new = dict(list(frequent.items())[: max(COLUMNS_MAX - len(known), 0)])
        if new:
            await _add(connection, new)


async def equalise(connection: Connection) -> None:
    """Give each server of a cluster the columns that any of them has, so that a question finds them on all."""
    if connection.cluster is None:
        return
    types: dict[str, bool] = {}
    for server in connection.servers:
        try:
            found = await connection.query(SQL["columns"], {"table": connection.local("events")}, server=server)
            types |= {str(key): bool(few) for key, few in found}
        except StoreUnavailable as error:
            log.warning("a server of the cluster cannot be reached: its property columns are unknown", error=str(error))
    if types:
        await _add(connection, types)


async def _keys(connection: Connection, table: str) -> list[str]:
    return [str(key) for key, _ in await connection.query(SQL["columns"], {"table": table})]


async def _add(connection: Connection, keys: Mapping[str, bool]) -> None:
    """Add the columns that are missing: first to what has the rows, and then to the tables that ask it.

    Args:
        keys: and whether each one's column is a dictionary.
    """
    added = columns(f"ADD COLUMN IF NOT EXISTS {one}" for key, few in keys.items() for one in _definitions(key, few))
    local = connection.local("events")
    tables = [local] if local == "events" else [local, "events"]
    for table in tables:
        for server in connection.servers:
            await connection.command(f"ALTER TABLE {table} {added}", seconds=UNHURRIED, server=server)
    # What is stored already is rewritten later, by ClickHouse itself: questions read it as JSON until then.
    filled = ", ".join(f"MATERIALIZE COLUMN {name}" for key in keys for name in _names(key))
    for server in connection.servers:
        await connection.command(
            f"ALTER TABLE {local} {filled}", settings={"mutations_sync": 0}, seconds=UNHURRIED, server=server
        )
    log.info("properties have columns of their own from now on", keys=sorted(keys))


def _names(key: str) -> tuple[str, str]:
    column = column_of(key)
    return column.text, column.kind


def _definitions(key: str, few: bool) -> Sequence[str]:
    """The columns of a key: its text and its kind, as `PropertyColumn` has them.

    All of them read the same array of an event's properties, which ClickHouse makes once for all.
    """
    quoted = quote(key)
    pairs = "JSONExtractKeysAndValuesRaw(if(readable = '', properties, readable))"
    value = f"[{pairs}.2[indexOf({pairs}.1, {quoted})]]"
    text = sql(
        r"""
        arrayMap(
            json -> multiIf(
                json IN ('', 'null'), NULL,
                startsWith(json, '"\\u0000'), substring(json, 8, length(json) - 8),
                startsWith(json, '"') AND position(json, '\\') = 0, substring(json, 2, length(json) - 2),
                startsWith(json, '"'), JSONExtractString(concat('[', json, ']'), 1),
                replaceRegexpAll(json, '"\\\\u0000([^"]*)"', '\\1')
            ),
            {value}
        )[1]
        """,
        value=value,
    )
    kind = sql(
        r"""
        arrayMap(
            json -> multiIf(
                json IN ('', 'null'), 0,
                startsWith(json, '"\\u0000'), {number},
                startsWith(json, '"'), {string},
                json IN ('true', 'false'), {boolean},
                match(json, '^[\\[{]'), {nested},
                {number}
            ),
            {value}
        )[1]
        """,
        value=value,
        string=str(STRING),
        number=str(NUMBER),
        boolean=str(BOOLEAN),
        nested=str(NESTED),
    )
    kept = "LowCardinality(Nullable(String))" if few else "Nullable(String)"
    text_name, kind_name = _names(key)
    return [
        f"{text_name} {kept} MATERIALIZED {text} COMMENT {quoted} CODEC(ZSTD(1))",
        f"{kind_name} UInt8 MATERIALIZED {kind} COMMENT {quoted} CODEC(ZSTD(1))",
    ]


def quote(text: str) -> str:
    """A text as a literal of ClickHouse's SQL, where a backslash escapes."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
