"""Opens DuckDB, locked down. Only this module imports the driver; the others get its errors by the names here."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import duckdb

from tallystick.config import Settings
from tallystick.errors import AlreadyRunning, DataRejected, StoreDamaged, StoreUnavailable
from tallystick.model.sql import quote_text

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
"""What DuckDB raises when a user's statement is at fault."""
SELECT = duckdb.StatementType.SELECT
VERSION = duckdb.__version__

ROW_GROUP_SIZE = 30_720
"""Rows of a row group. A transaction that fills row groups writes them directly into the file, compressed once, instead
of into the write-ahead log and again at the checkpoint. The default of 122,880 would need batches that large.
"""
BLOCK_SIZE = 131_072
"""Bytes of a block of a new file. A column of a row group takes whole blocks where it needs more than a part of
one, so DuckDB's default of 262,144 leaves a quarter of the file empty. Smaller blocks make long texts slower to read.
Files that earlier versions made keep their blocks of 262,144.
"""
NUMBERED_BITS = 20
"""GROUP BY a number of at most so many bits, such as a user's, uses an array instead of a hash table: at most 20 MB for
each thread.
"""
CHECKPOINT_BYTES = 64 * 1024 * 1024
"""Size of the write-ahead log at which DuckDB makes a checkpoint; at most a quarter of its memory, so that it fits."""


def open_database(path: Path, spool: Path, settings: Settings, memory: int | None = None) -> Connection:
    """Open the store's database. It can read and write no files but its own and those in `spool`.

    Args:
        memory: most bytes of memory; None: `settings.store_memory`.

    Raises:
        AlreadyRunning: another process has it open.
        StoreDamaged: the file or its write-ahead log is damaged.
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
            "enable_progress_bar": False,  # it would be drawn into the standard output, even of an export
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            # This optimizer keeps millions of events in memory and on disk to save a second scan of 40 ms.
            "disabled_optimizers": "common_subplan",
        }.items():
            connection.execute(f"SET {name} = ?", [value])
        connection.execute(
            f"SET GLOBAL perfect_ht_threshold = {NUMBERED_BITS}"
        )  # without GLOBAL it is only this connection's
        sizes = f"ROW_GROUP_SIZE {ROW_GROUP_SIZE}" + ("" if path.exists() else f", BLOCK_SIZE {BLOCK_SIZE}")
        connection.execute(f"ATTACH {quote_text(str(path))} AS tallystick ({sizes})")
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
    """Open a database in memory, with a limit in bytes, to read and write files: imports, Parquet exports."""
    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": f"{memory_limit}B",
        "threads": threads,
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
    }
    connection = duckdb.connect(":memory:", config=config)
    connection.execute(
        "SET TimeZone = 'UTC'"
    )  # not part of `config`: the time zone extension is not loaded while connecting
    connection.execute("SET enable_progress_bar = false")
    return connection


def cursor(connection: Connection) -> Connection:
    """Open another connection to the same database, for one thread at a time."""
    opened = connection.cursor()
    opened.execute("USE tallystick")
    return opened


@contextlib.contextmanager
def transaction(connection: Connection) -> Iterator[None]:
    """Run a block in one transaction; any exception rolls it back.

    After a failed statement a COMMIT would roll back without an error, so it is never sent then.
    """
    try:
        _begin(connection)
        yield
        connection.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(duckdb.Error):
            connection.execute("ROLLBACK")
        raise


def _begin(connection: Connection) -> None:
    """Begin a transaction, also where a failed one is still open: without memory its ROLLBACK may have failed too."""
    try:
        connection.execute("BEGIN TRANSACTION")
    except duckdb.TransactionException as error:
        if "is aborted" not in str(error):
            raise
        connection.execute("ROLLBACK")
        connection.execute("BEGIN TRANSACTION")


def checkpoint(connection: Connection) -> None:
    """Write changes into the file and free their memory. Does nothing while another transaction runs."""
    with contextlib.suppress(duckdb.Error):  # the next one will do
        connection.execute("CHECKPOINT tallystick")


def lacks_memory(error: duckdb.Error) -> bool:
    """Whether DuckDB ran out of memory; a commit reports it by an error of another class."""
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
"""Parts of DuckDB's messages about a damaged file. A full disk has other messages."""


def is_damage(error: BaseException) -> bool:
    """Whether the error is about a damaged file, and not about a busy or full disk or database."""
    text = str(error).lower()
    if ".spool" in text:
        return False  # a temporary file of this process, which the next try creates again
    return isinstance(error, duckdb.SerializationException) or any(words in text for words in DAMAGE)


@contextlib.contextmanager
def errors() -> Iterator[None]:
    """Map the driver's errors: DataRejected if the data is at fault, else StoreUnavailable or StoreDamaged.

    FatalException and OutOfMemoryException pass, because the store handles each in its own way.
    """
    try:
        yield
    except duckdb.Error as error:
        if is_damage(error):
            raise StoreDamaged from error
        with _undamaged_errors():
            raise


@contextlib.contextmanager
def _undamaged_errors() -> Iterator[None]:
    try:
        yield
    except duckdb.InternalException as error:
        raise duckdb.FatalException(str(error)) from error  # after this the database cannot be used any more
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
    """Open a damaged file for reading, as `old`, and a store for writing, as `new`. Driver errors pass as they are."""
    connection = connect_memory(memory, 1)
    connection.execute("SET temp_directory = ?", [spill])
    connection.execute(f"ATTACH {quote_text(old)} AS old (READ_ONLY)")
    connection.execute(f"ATTACH {quote_text(new)} AS new (ROW_GROUP_SIZE {ROW_GROUP_SIZE})")
    return connection
