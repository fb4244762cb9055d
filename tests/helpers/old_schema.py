"""Opening a store with an older schema, by the code of today."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tallystick.config import Settings
from tallystick.store.duckdb import load as duckdb_load
from tallystick.store.duckdb.connection import cursor, open_database
from tallystick.store.erasure import Tombstones
from tallystick.store.migrations import migrations
from tallystick.store.postgres import load as postgres_load
from tallystick.store.postgres.encode import COLUMNS, EncodedBatch

BOT_PARTS = (
    r",\s+(bool_and\()?is_bot\(properties\)\)?( AS bot)?",
    r", bool_and\(bot\)",
    r",( seen\.)? ?bot\b(?!\))",
    r"(?<=1, 2, 3, 4), 7",
    r"\s+AND \(seen\.bot OR NOT \w+\.bot\)",
)
"""What loading says about the column `bot`."""


async def nothing(*_: Any) -> None:
    """Do nothing."""


def duckdb_file(version: int, settings: Settings, path: Path, rows: int) -> None:
    """A store's file as an older version left it, with so many events in it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open_database(path, path.with_name("spool"), settings) as database, cursor(database) as db:
        db.execute("CREATE TABLE schema_version (version INTEGER NOT NULL)")
        for number, statements in enumerate(migrations("duckdb")[:version], 1):
            db.execute(statements)
            db.execute("INSERT INTO schema_version VALUES (?)", [number])
        columns = "event_id, site_id, name, timestamp, received_at, user_id, source, properties"
        values = "uuid(), 's', 'n', TIMESTAMP '2026-01-01', TIMESTAMP '2026-01-01', 'u' || range % 3, '', '{}'"
        db.execute(f"INSERT INTO events ({columns}) SELECT {values} FROM range({rows})")
        db.execute("CHECKPOINT tallystick")


def without_later_parts(patch: pytest.MonkeyPatch) -> None:
    """Leave out what opening and loading take from tables and functions of later schemas."""
    patch.setattr("tallystick.store.duckdb.identity.join", lambda _: None)
    patch.setattr("tallystick.store.postgres.identity.join", nothing)
    patch.setattr("tallystick.store.duckdb.upkeep.referrers.fill", lambda *_: None)
    patch.setattr("tallystick.store.postgres.upkeep.referrers.fill", nothing)
    patch.setattr("tallystick.store.duckdb.read.read_kept", lambda *_: None)
    patch.setattr("tallystick.store.postgres.read.read_kept", nothing)
    for statements, name in ((duckdb_load.SQL, "duplicates"), (postgres_load.SQL, "duplicates")):
        patch.setitem(statements, name, statements[name].replace("without_import", ""))
    load_without_bots(patch)


def load_without_bots(patch: pytest.MonkeyPatch) -> None:
    """Load as before there was a table of sites with bots, before rollups knew bots, before events named loads, and
    before persons were erased.
    """
    patch.setattr("tallystick.store.duckdb.erasure.tombstones", lambda _, known: known)
    patch.setattr("tallystick.store.postgres.erasure.tombstones", _as_known)
    for statements in (duckdb_load.SQL, postgres_load.SQL):
        patch.setitem(statements, "insert_blocks", _without_erased(statements["insert_blocks"]))
    patch.setattr(postgres_load, "LEDGER_COLUMNS", postgres_load.LEDGER_COLUMNS[:-1])
    patch.setitem(duckdb_load.SQL, "insert_bot_sites", "SELECT 1")
    for statements in (duckdb_load.SQL, postgres_load.SQL):
        for name in ("insert_rollup", "insert_people"):
            patch.setitem(statements, name, _without_bots(statements[name]))
    later = {
        "insert_bot_sites": "SELECT $1::text[]",
        "may_have_bots": "SELECT $1::text[] IS NULL",
        "people_state": "SELECT 0::bigint",
        "insert_load": "SELECT 0::bigint FROM (SELECT $1::timestamptz, $2::timestamptz, $3::bigint) AS load",
    }
    for name, statement in later.items():
        patch.setitem(postgres_load.SQL, name, statement)
    patch.setattr(postgres_load, "EVENT_COLUMNS", COLUMNS)
    patch.setattr(EncodedBatch, "rows", _rows_without_load)


def _rows_without_load(batch: EncodedBatch, load_id: int) -> Iterator[bytes]:
    """The rows of `events` without the column `load_id`: each begins with the number of its columns."""
    for row in batch._rows:
        yield struct.pack(">h", len(COLUMNS)) + row[2:]


async def _as_known(_: Any, known: Tombstones) -> Tombstones:
    return known


def _without_erased(statement: str) -> str:
    """The statement that fills the ledger, without the column `erased`."""
    statement = statement.replace(" erased,", "").replace(" unnest($erased::BIGINT[]),", "")
    statement = re.sub(
        r"make_timestamp\(\$now\)", "make_timestamp($now) FROM (SELECT $erased::BIGINT[]) AS ignored", statement
    )
    return statement.replace(", $8::bigint[]", "").replace("$9::timestamptz", "$8::timestamptz")


def _without_bots(statement: str) -> str:
    """A statement of the loading transaction without the column `bot`."""
    for part in BOT_PARTS:
        statement = re.sub(part, "", statement)
    return statement
