"""Opening the queue's file: nothing is written before log, file and watermark are known to agree.

SQLite has no checksums of its pages, so a changed page is found by what it changes: the structure (`quick_check`), the
rows (their tally), or the data of a block (its own checksum, when it is read).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import apsw
import structlog

from tallystick.errors import QueueBroken, QueueDamaged, QueueFull, QueueUnavailable
from tallystick.model.books import Published
from tallystick.model.sql import load_statements
from tallystick.queue.backlog import Slot
from tallystick.queue.sqlite.tally import Tally, decode, tally_of
from tallystick.queue.sqlite.wal import Log
from tallystick.queue.sqlite.watermark import Watermark

log = structlog.get_logger(__name__)

SQL = load_statements("tallystick.queue.sqlite", "queue.sql")
Connection = apsw.Connection
SQLITE_OK = apsw.SQLITE_OK
OURS = {"blocks", "ingesters"}
SHOWN = 3
"""Findings of SQLite's own check in one sentence."""


class Files(NamedTuple):
    """The queue's files, named after the first."""

    queue: Path
    wal: Path
    shm: Path
    watermark: Path
    recovering: Path
    """Exists while a recovery moves its files."""

    @classmethod
    def of(cls, path: Path) -> Files:
        return cls(path, *(path.with_name(path.name + end) for end in ("-wal", "-shm", ".mark", ".recovering")))


class Opened(NamedTuple):
    """An undamaged file, opened, and what it holds."""

    writer: apsw.Connection
    tally: Tally
    published: dict[str, Published]
    slots: Sequence[Slot]
    watermark: Watermark


class Content(NamedTuple):
    """What SQLite sees.

    `sealed` is the tally as it was written; None: it is damaged, or an older version wrote the file.
    """

    tally: Tally
    published: Mapping[str, Published]
    slots: Sequence[Slot]
    sealed: Tally | None
    problems: list[str]


NOTHING = Content(Tally(), MappingProxyType({}), (), None, [])


def open_checked(path: Path, command: str) -> Opened:
    """Check the whole file of the queue, and open it; make it when there is none.

    Args:
        command: the recovery command, for messages.

    Raises:
        QueueDamaged: something that was confirmed is missing or changed; no file was touched.
        QueueBroken: a file cannot be read.
    """
    files = Files.of(path)
    if files.recovering.exists():
        raise QueueDamaged(f"a recovery of {path} was interrupted: run `{command}` again, it goes on from there")
    watermark = Watermark(files.watermark)
    try:
        watermark.read()
        damage = Log(files.wal).damage
    except OSError as error:
        raise QueueBroken("the queue's file failed") from error
    problems = [f"{files.wal.name}: {damage}"] if damage else []
    if _size(path) == 0 and _size(files.wal) > 0:
        problems.append(f"it is empty or gone, but {files.wal.name} is there")
    if _size(path) == 0 and (problems := problems + _compare(NOTHING, watermark)):
        raise QueueDamaged(_sentence(path, problems, NOTHING, watermark, command))  # SQLite would delete the log
    with errors():
        writer = _connect(path)
        try:
            content = _look(writer)
            problems += content.problems + _compare(content, watermark)
            if problems:
                raise QueueDamaged(_sentence(path, problems, content, watermark, command))
            _begin(writer, content)
        except BaseException:
            writer.close()
            raise
    _warn(content, watermark)
    watermark.begin(content.tally)
    return Opened(writer, content.tally, dict(content.published), content.slots, watermark)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def connect(path: Path) -> apsw.Connection:
    """A connection to a file that was checked before."""
    connection = _connect(path)
    _prepare(connection)
    return connection


def _connect(path: Path) -> apsw.Connection:
    connection = apsw.Connection(str(path))
    connection.set_busy_timeout(5_000)
    # Until the file has been checked, closing must leave it as it is.
    connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
    return connection


def _prepare(connection: apsw.Connection) -> None:
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "wal_autocheckpoint=0", "cache_size=-8192"):
        connection.execute(f"PRAGMA {pragma}")
    connection.execute(SQL["schema"])
    connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0)


def _begin(writer: apsw.Connection, content: Content) -> None:
    """Make tables and tally if they are missing, and begin a fresh log without the torn tail of an earlier process."""
    _prepare(writer)
    with contextlib.suppress(apsw.FullError, apsw.BusyError):
        writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        writer.execute(SQL["set_tally"], (content.tally.encode(),))


# --- what SQLite sees -----------------------------------------------------------------------------------------------


def _look(connection: apsw.Connection) -> Content:
    """Everything that SQLite sees of the file. Errors that damage causes become problems."""
    try:
        findings = [row[0] for row in connection.execute(f"PRAGMA quick_check({SHOWN})") if row[0] != "ok"]
        tables = {str(row[0]) for row in connection.execute(SQL["tables"])}
        if findings:
            return NOTHING._replace(problems=[_plain(finding) for finding in findings])
        if not tables:
            return NOTHING
        return _content(connection, tables)
    except (apsw.IOError, apsw.CantOpenError, apsw.BusyError, apsw.PermissionsError):
        raise
    except (apsw.Error, ValueError, TypeError) as error:
        return NOTHING._replace(problems=[f"SQLite says: {error}"])


def _plain(finding: str) -> str:
    """A finding of SQLite's check, as one line."""
    return "SQLite's check says: " + ", ".join(finding.removeprefix("*** in database main ***").strip().splitlines())


def _content(connection: apsw.Connection, tables: set[str]) -> Content:
    if not tables >= OURS:
        return NOTHING._replace(problems=["a table is missing"])
    published = {str(row[0]): Published(row[1], row[2]) for row in connection.execute(SQL["published"])}
    slots: list[Slot] = []

    def rows() -> Iterator[Any]:
        for row in connection.execute(SQL["waiting"]):
            slots.append(Slot(row[0], row[3], row[4]))
            yield row

    sealed, problems = None, []
    if "tally" in tables:
        stored = fetch(connection, "tally")
        sealed = decode(bytes(stored[0][0])) if stored else None
        if stored and sealed is None:
            problems.append("the sums of its rows are damaged")
    last_id = max([0, *(row[0] for row in connection.execute(SQL["last_id"]))])
    found = tally_of(rows(), published, (sealed or Tally())._replace(last_id=last_id))
    if sealed is not None and found != sealed:
        problems.append(_differs(found, sealed))
    return Content(found, published, slots, sealed, problems)


def _differs(found: Tally, sealed: Tally) -> str:
    for name, what in (("blocks", "waiting blocks"), ("events", "waiting events"), ("published_events", "events ever")):
        here, written = getattr(found, name), getattr(sealed, name)
        if here != written:
            return f"it has {here:,} {what} where {written:,} were written"
    return "rows are not what was written"


# --- what the watermark says ----------------------------------------------------------------------------------------


def _compare(content: Content, watermark: Watermark) -> list[str]:
    """Contradictions between the watermark and the file, as sentences."""
    known, sealed = watermark.tally, content.sealed
    if known is None or content.problems:
        return []
    if sealed is None:
        missing = known.commits or known.published_blocks
        return [f"what {watermark.path.name} knows of is not in it: {known.commits:,} commits"] if missing else []
    if sealed.commits < known.commits:
        return [f"its last {known.commits - sealed.commits:,} of {known.commits:,} commits are missing"]
    if sealed.commits == known.commits and sealed != known:
        return [f"it is not the file that {watermark.path.name} belongs to"]
    return []


def _warn(content: Content, watermark: Watermark) -> None:
    """Log that the watermark itself is damaged or missing. It is written anew; the queue is whole."""
    if watermark.there and watermark.damaged:
        log.error(
            "the queue's watermark was damaged and is written anew", file=str(watermark.path), copies=watermark.damaged
        )
    elif not watermark.there and content.sealed is not None and content.sealed.commits:
        log.error("the queue's watermark is missing and is written anew", file=str(watermark.path))


def _sentence(path: Path, problems: list[str], content: Content, watermark: Watermark, command: str) -> str:
    known, lost = watermark.tally, ""
    if known is not None and content.sealed is not None and not content.problems:
        missing = known.published_events - content.sealed.published_events
        lost = f" Without a recovery up to {missing:,} accepted events would be lost." if missing > 0 else ""
    elif known is not None:
        lost = f" {known.events:,} events in {known.blocks:,} blocks waited in it."
    return (
        f"{path} is damaged: {'; '.join(problems)}.{lost} Nothing was changed; delete nothing. `{command}` keeps the "
        "damaged files, rebuilds the queue from every block that can be read, and says what is missing"
    )


@contextlib.contextmanager
def errors() -> Iterator[None]:
    """Turn apsw's errors into the queue's.

    A full disk refuses one request; an I/O error ends the use of this file handle.
    """
    try:
        yield
    except apsw.FullError as error:
        raise QueueFull("the disk is full; nothing of this request was taken") from error
    except (apsw.IOError, apsw.CorruptError, apsw.NotADBError) as error:
        raise QueueBroken("the queue's file failed") from error
    except apsw.Error as error:
        raise QueueUnavailable("the queue's file does not answer") from error


def fetch(connection: apsw.Connection, statement: str, *values: Any) -> list[tuple[Any, ...]]:
    """All rows of a named statement."""
    return connection.execute(SQL[statement], values).fetchall()


def read_published(connection: apsw.Connection) -> Mapping[str, Published]:
    """The queue's side of the books, by ingester."""
    return {row[0]: Published(row[1], row[2]) for row in connection.execute(SQL["published"])}


@contextlib.contextmanager
def transaction(connection: apsw.Connection, begin: str = "BEGIN IMMEDIATE") -> Iterator[None]:
    """One transaction, rolled back on any error."""
    connection.execute(begin)
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
