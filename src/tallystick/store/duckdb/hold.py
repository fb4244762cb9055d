"""One moment of the store's files, kept while batches are stored, to be copied.

DuckDB writes new blocks of its file into free ones only, and appends to its log, until a checkpoint writes a new header
and begins the log anew. A transaction that updated a row keeps checkpoints away. So until it ends, the blocks of the
file and the log up to its present end are one moment of the store. A copy of the file may have blocks of later
transactions too, which nothing refers to.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

from tallystick.errors import StoreUnavailable
from tallystick.model.books import IngesterLedger
from tallystick.store.duckdb.admin import SQL, read_ledger
from tallystick.store.duckdb.connection import Connection, DriverError
from tallystick.store.duckdb.repair.checksums import HEADER, HEADERS
from tallystick.store.duckdb.repair.damage import log_of


@dataclass(frozen=True)
class HeldFile:
    """A file as of the moment: its first `size` bytes."""

    path: Path
    size: int


class HeldStore:
    """The moment in which it is made. It has to be made while nothing is written.

    Attributes:
        files: the store's file and, if there is one, its log.
        schema: the version of the schema.
        ledger: as `Store.ledger`, of the moment.
    """

    def __init__(self, connection: Connection, path: Path) -> None:
        """Driver errors pass as they are.

        Args:
            connection: one that nothing else uses; `close` closes it.
        """
        self._connection = connection
        self._path = path
        connection.execute("BEGIN TRANSACTION")
        connection.execute(SQL["hold"])
        log = log_of(path)
        self.files = [HeldFile(path, path.stat().st_size)]
        if log.is_file():
            self.files.append(HeldFile(log, log.stat().st_size))
        self._headers = self._read_headers()
        self.schema = int(connection.execute(SQL["schema"]).fetchall()[0][0])
        self.ledger: dict[str, IngesterLedger] = read_ledger(connection)

    def _read_headers(self) -> bytes:
        with self._path.open("rb") as file:
            return file.read(HEADERS * HEADER)

    def check(self) -> None:
        """Make sure that what was copied is one moment: no checkpoint was made since, and the log was not begun anew.

        Raises:
            StoreUnavailable: it is not.
        """
        try:
            self._connection.execute(SQL["schema"]).fetchall()
        except DriverError as error:
            raise StoreUnavailable("the store was opened again while it was copied") from error
        shrunk = [file for file in self.files if file.path.stat().st_size < file.size]
        if shrunk or self._read_headers() != self._headers:
            raise StoreUnavailable("the store made a checkpoint while it was copied")

    def close(self) -> None:
        """Let the moment go. A second call does nothing."""
        with contextlib.suppress(DriverError):  # the store failed, and ended it
            self._connection.execute("ROLLBACK")
        self._connection.close()
