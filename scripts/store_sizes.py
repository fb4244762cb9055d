"""Lists what each table and column of a DuckDB store takes: `python -m scripts.store_sizes DATA/store.duckdb`.

The server has to be stopped. A column's bytes are those of its segments. What stays empty at the end of a block counts
as the column's whose segment is the last one in the block.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import duckdb

PREFIX = 8
"""Bytes of a block's checksum."""
SEGMENTS = """
SELECT block_id, block_offset, column_name, len(additional_block_ids) AS more_blocks
FROM pragma_storage_info(?)
WHERE persistent AND block_id >= 0
"""


class Sizes(NamedTuple):
    """What a store's file holds.

    Attributes:
        columns: bytes by table and column.
        free: bytes of blocks that nothing uses; later events will.
    """

    events: int
    file: int
    free: int
    columns: dict[tuple[str, str], int]

    @property
    def other(self) -> int:
        """Bytes of headers and of DuckDB's catalogue."""
        return self.file - self.free - sum(self.columns.values())


def read_sizes(path: Path) -> Sizes:
    """The sizes of the store in this file."""
    blocks: dict[int, list[tuple[int, tuple[str, str]]]] = defaultdict(list)
    columns: dict[tuple[str, str], int] = defaultdict(int)
    with duckdb.connect(path, read_only=True) as db:
        (events,) = db.execute("SELECT count(*) FROM events").fetchall()[0]
        size, free = db.execute("SELECT block_size, free_blocks FROM pragma_database_size()").fetchall()[0]
        for (table,) in db.execute("SELECT table_name FROM duckdb_tables() ORDER BY table_name").fetchall():
            for block, offset, column, more in db.execute(SEGMENTS, [table]).fetchall():
                blocks[block].append((offset, (table, column)))
                columns[table, column] += (more or 0) * size
    for segments in blocks.values():
        segments.sort()
        ends = [start for start, _ in segments[1:]] + [size - PREFIX]
        for (start, column), end in zip(segments, ends, strict=True):
            columns[column] += end - start
    return Sizes(events, path.stat().st_size, free * size, dict(columns))


def table_of(sizes: Sizes, least: float = 0.1) -> str:
    """A Markdown table in bytes an event: each table, below it its columns that take at least `least`."""
    lines = ["| table or column | bytes an event |", "|---|--:|"]
    tables: dict[str, int] = defaultdict(int)
    for (table, _), size in sizes.columns.items():
        tables[table] += size
    for table, total in sorted(tables.items(), key=lambda item: -item[1]):
        lines.append(f"| **{table}** | **{total / sizes.events:.1f}** |")
        columns = sorted((-size, name) for (of, name), size in sizes.columns.items() if of == table)
        lines += [f"| {name} | {-size / sizes.events:.1f} |" for size, name in columns if -size >= least * sizes.events]
    lines.append(f"| **free blocks** | **{sizes.free / sizes.events:.1f}** |")
    lines.append(f"| **headers, catalogue** | **{sizes.other / sizes.events:.1f}** |")
    lines.append(f"| **the file** | **{sizes.file / sizes.events:.1f}** |")
    return "\n".join(lines)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path, help="store.duckdb of a stopped server")
    sizes = read_sizes(parser.parse_args().file)
    print(f"{sizes.events:,} events, {sizes.file:,} bytes\n\n{table_of(sizes)}")


if __name__ == "__main__":
    main()
