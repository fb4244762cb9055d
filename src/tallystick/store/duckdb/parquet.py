"""Write canonical lines to a Parquet file, on a separate connection, because the lines may come from any store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from tallystick.errors import StoreUnavailable
from tallystick.model.sql import quote_name, quote_text
from tallystick.store.duckdb.connection import DriverError, connect_memory

MEMORY = 128 * 1024 * 1024
ROW_GROUP = 20_000
"""Rows that the writer holds in memory. Larger groups read slightly faster and need more memory."""

_COPY = """
COPY (
    SELECT event_id, coalesce(site_id, 'default') AS site_id, name, timestamp, received_at, user_id, session_id,
           coalesce(source, '') AS source, path, coalesce(properties, '{{}}') AS properties
    FROM read_json(?, format = 'newline_delimited', auto_detect = false, columns = {{
        event_id: 'UUID', site_id: 'VARCHAR', name: 'VARCHAR', timestamp: 'TIMESTAMPTZ', received_at: 'TIMESTAMPTZ',
        user_id: 'VARCHAR', session_id: 'VARCHAR', source: 'VARCHAR', path: 'VARCHAR', properties: 'VARCHAR'
    }})
) TO {target} (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {rows}{facts})
"""


_COPY_ROWS = """
COPY (
    SELECT {names} FROM read_json(?, format = 'newline_delimited', auto_detect = false, columns = {{{types}}})
) TO {target} (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {rows}{facts})
"""


def write_parquet(
    lines: Path, target: Path, columns: Sequence[tuple[str, str]] = (), facts: Mapping[str, str] | None = None
) -> None:
    """Write the events of a file of canonical lines to a new Parquet file, in their order.

    One column per field; timestamps are UTC with microseconds, `properties` is JSON text. Blocks: call it in a thread.

    Args:
        columns: names and DuckDB types of the columns, if the lines are not events but rows with members `c0`, `c1`, ….
            DuckDB appends a number to a name that occurs twice, ignoring case.
        facts: what the file's metadata says beside the schema.

    Raises:
        StoreUnavailable: the disk is full, or the file cannot be written for another reason.
    """
    connection = connect_memory(memory_limit=MEMORY, threads=1)
    try:
        where = {"target": quote_text(str(target)), "rows": ROW_GROUP, "facts": _facts(facts or {})}
        copy = _copy_rows(columns, where) if columns else _COPY.format(**where)
        connection.execute(copy, [str(lines)])
    except DriverError as error:
        raise StoreUnavailable("the Parquet file cannot be written") from error
    finally:
        connection.close()


def _facts(facts: Mapping[str, str]) -> str:
    written = ", ".join(f"{quote_name(name)}: {quote_text(value)}" for name, value in facts.items())
    return f", KV_METADATA {{{written}}}" if written else ""


def _copy_rows(columns: Sequence[tuple[str, str]], where: Mapping[str, object]) -> str:
    # A statement cannot contain NUL.
    quoted = [quote_name(name.replace("\0", " ")) for name, _ in columns]
    names = ", ".join(f"c{index} AS {name}" for index, name in enumerate(quoted))
    types = ", ".join(f"c{index}: '{type_}'" for index, (_, type_) in enumerate(columns))
    return _COPY_ROWS.format(names=names, types=types, **where)
