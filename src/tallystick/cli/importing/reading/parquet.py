"""Parquet files as rows of JSON values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from zoneinfo import ZoneInfo

from tallystick.cli.importing.reading.rows import Broken, Row, check_columns, lost

if TYPE_CHECKING:
    from tallystick.store.duckdb.files import TableFile


class ParquetFile:
    """An opened Parquet file. Its nested values become JSON objects and arrays; NaN and infinity become null."""

    word: Literal["line", "row"] = "row"
    unit: Literal["rows", "bytes"] = "rows"
    broken_count = 0
    numeric_texts: Sequence[str] = ()

    def __init__(self, path: Path, timezone: str) -> None:
        """Open `path`. `timezone` is the IANA name of the zone of times without an offset.

        Raises:
            InvalidRequest: it is not Parquet, or has columns that cannot be told apart.
        """
        from tallystick.store.duckdb.files import TableFile  # imported late: it loads DuckDB

        self.broken: list[Broken] = []
        self._path = path
        zone = UTC if timezone == "UTC" else ZoneInfo(timezone)
        self._table: TableFile = TableFile(path, zone)
        try:
            self.columns = self._table.columns
            check_columns(path, self.columns)
        except BaseException:
            self.close()
            raise
        self.numbered = self.total = self.counted = self._table.rows
        self._at = 0

    def rows(self, skip: int, texts: frozenset[str] | None = frozenset()) -> Iterator[Row]:
        """The rows in order, without the first `skip`. `texts` changes nothing: a Parquet file says its types."""
        number = skip
        for batch in self._table.read(skip):
            for values in batch:
                number += 1
                self._at = number
                yield Row(number, values)
        if number != self.numbered:
            raise lost(self._path, "row", number, self.numbered)

    def position(self) -> int:
        """Rows read so far."""
        return self._at

    def close(self) -> None:
        """Close the file."""
        self._table.close()
