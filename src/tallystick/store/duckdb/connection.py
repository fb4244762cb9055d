"""Opening DuckDB, locked down. The only file that imports the driver; its errors are named here for the others."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import duckdb

from tallystick.config import Settings
from tallystick.errors import AlreadyRunning, DataRejected, StoreDamaged, StoreUnavailable

Connection = duckdb.DuckDBPyConnection
DriverError = duckdb.Error
FatalException = duckdb.FatalException
InterruptException = duckdb.InterruptException
OutOfMemoryException = duckdb.OutOfMemoryException
DATA_ERRORS = (
    duckdb.ConversionException,
    duckdb.ConstraintException,
    duckdb.InvalidInputException,
    duckdb.OutOfRangeException,
    duckdb.TypeMismatchException,
)
"""What DuckDB raises when the data, not the machine, is at fault."""
STATEMENT_ERRORS = (
    *DATA_ERRORS,
    duckdb.BinderException,
    duckdb.CatalogException,
    duckdb.NotImplementedException,
    duckdb.ParserException,
    duckdb.SyntaxException,
)
"""What DuckDB raises when a statement that somebody wrote is at fault."""
SELECT = duckdb.StatementType.SELECT
VERSION = duckdb.__version__

ROW_GROUP_SIZE = 30_720
"""Rows of a row group. A transaction that fills row groups writes them straight into the file, compressed once,
instead of into the write-ahead log and again at the checkpoint; the default of 122,880 would need batches that large.
"""
NUMBERED_BITS = 20
"""Rows grouped by a number of so many bits, such as a user's, go into a table by number: 20 MB each thread at most."""
CHECKPOINT_BYTES = 64 * 1024 * 1024
"""Write-ahead log size at which DuckDB copies it into the file, or a quarter of its memory: it has to fit in there."""


def open_database(path: Path, spool: Path, settings: Settings, memory: int | None = None) -> Connection:
    """The store's database, able to read and write no file but its own and those in `spool`.

    Args:
        memory: bytes that it may take; None: as the settings say.

    Raises:
        AlreadyRunning: another process has it open.
        StoreDamaged: the file or its log is not what was written.
        StoreUnavailable: it cannot be opened.
    """
    memory = memory or settings.store_memory
    try:
        connection = duckdb.connect(":memory:")
        for name, value in {
            "threads": settings.store_threads,
            "memory_limit": f"{memory}B",
            "temp_directory": str(spool / "spill"),
            "max_temp_directory_size": f"{settings.store_spill}B",
            "checkpoint_threshold": f"{min(CHECKPOINT_BYTES, memory // 4)}B",
            "TimeZone": "UTC",
            "enable_progress_bar": False,  # it would be drawn into the standard output, of an export too
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            # It keeps millions of events in memory, and beyond it, to save a second scan of 40 ms.
            "disabled_optimizers": "common_subplan",
        }.items():
            connection.execute(f"SET {name} = ?", [value])
        connection.execute(f"SET GLOBAL perfect_ht_threshold = {NUMBERED_BITS}")  # else it is this connection's alone
        connection.execute(f"ATTACH {quoted(str(path))} AS tallystick (ROW_GROUP_SIZE {ROW_GROUP_SIZE})")
        connection.execute("USE tallystick")
        connection.execute("SET allowed_directories = [?]", [f"{spool}/"])
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
    except duckdb.Error as error:
        if is_damage(error):
            raise StoreDamaged from error
        if "could not set lock" in str(error).lower():
            raise AlreadyRunning(f"another Tallystick process holds {path}: stop it, or use its --url") from error
        raise StoreUnavailable("the store's file cannot be opened") from error
    return connection


def connect_memory(memory_limit: int, threads: int) -> Connection:
    """A database in memory with a limit in bytes, for reading files on the operator's behalf (imports)."""
    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": f"{memory_limit}B",
        "threads": threads,
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
    }
    connection = duckdb.connect(":memory:", config=config)
    connection.execute("SET TimeZone = 'UTC'")  # while connecting, the extension that knows time zones is not there yet
    connection.execute("SET enable_progress_bar = false")
    return connection


def cursor(connection: Connection) -> Connection:
    """A further connection to the same database, for one thread at a time."""
    opened = connection.cursor()
    opened.execute("USE tallystick")
    return opened


def quoted(text: str) -> str:
    """A text as an SQL literal, for the few statements that take no parameters."""
    return "'" + text.replace("'", "''") + "'"


@contextlib.contextmanager
def transaction(connection: Connection) -> Iterator[None]:
    """One transaction; any exception rolls it back.

    A COMMIT after a failed statement returns without an error and has rolled back, so nothing is committed after one.
    """
    connection.execute("BEGIN TRANSACTION")
    try:
        yield
    except BaseException:
        with contextlib.suppress(duckdb.Error):
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def checkpoint(connection: Connection) -> None:
    """Write what changed into the file, and let go of the memory that it took; not while another transaction runs."""
    with contextlib.suppress(duckdb.Error):  # the next one will do
        connection.execute("CHECKPOINT tallystick")


def lacks_memory(error: duckdb.Error) -> bool:
    """Whether DuckDB found no memory; a commit that finds none says so in an error of another kind."""
    return isinstance(error, duckdb.OutOfMemoryException) or "failed to pin block" in str(error)


DAMAGE = (
    "corrupt database file",
    "corrupt wal file",
    "failure while replaying wal",
    "not a valid duckdb database",
    "could not read enough bytes",
    "wal was created for",
    "input/output error",
    "failed to deserialize",
    "block header",
)
"""Words of DuckDB's about a file that is not what was written. A full disk has others."""


def is_damage(error: BaseException) -> bool:
    """Whether the error tells of a damaged file, and not of a disk or a database that is busy or full."""
    text = str(error).lower()
    if ".spool" in text:
        return False  # a file of this process's own, which the next try makes anew
    return isinstance(error, duckdb.SerializationException) or any(words in text for words in DAMAGE)


@contextlib.contextmanager
def errors() -> Iterator[None]:
    """The driver's errors as Tallystick's: the data's fault, or the store's. Two pass, for their own cures."""
    try:
        yield
    except duckdb.Error as error:
        if is_damage(error):
            raise StoreDamaged from error
        with _others():
            raise


@contextlib.contextmanager
def _others() -> Iterator[None]:
    try:
        yield
    except duckdb.InternalException as error:
        raise duckdb.FatalException(str(error)) from error  # the database cannot be used any more after one
    except duckdb.IOException as error:
        if "has been invalidated" in str(error):  # a checkpoint failed
            raise duckdb.FatalException(str(error)) from error
        raise StoreUnavailable("the store failed") from error
    except (duckdb.FatalException, duckdb.OutOfMemoryException):
        raise
    except DATA_ERRORS as error:
        raise DataRejected(str(error)) from error
    except duckdb.Error as error:
        if lacks_memory(error):
            raise duckdb.OutOfMemoryException(str(error)) from error
        raise StoreUnavailable("the store failed") from error


def open_pair(old: str, new: str, memory: int, spill: str) -> Connection:
    """A damaged file to read, as `old`, and a store to write to, as `new`. Raises the driver's errors."""
    connection = connect_memory(memory, 1)
    connection.execute("SET temp_directory = ?", [spill])
    connection.execute(f"ATTACH {quoted(old)} AS old (READ_ONLY)")
    connection.execute(f"ATTACH {quoted(new)} AS new (ROW_GROUP_SIZE {ROW_GROUP_SIZE})")
    return connection
