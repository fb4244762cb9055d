"""Opening the queue's file: nothing is written before log, file and mark are known to agree.

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
from tallystick.queue.sqlite.mark import Mark
from tallystick.queue.sqlite.tally import Tally, decode, tally_of
from tallystick.queue.sqlite.wal import Log

log = structlog.get_logger(__name__)

SQL = load_statements("tallystick.queue.sqlite", "queue.sql")
WAL_PAGES = 4_000
"""Pages of 4 KiB in the write-ahead log before it is copied back: 16 MiB, some hundred blocks a copy."""
OURS = {"blocks", "ingesters"}
SHOWN = 3
"""Findings of SQLite's own check in one sentence."""


class Files(NamedTuple):
    """The queue's files, named after the first."""

    queue: Path
    wal: Path
    shm: Path
    mark: Path
    recovering: Path
    """Stands while a recovery puts its files in place."""

    @classmethod
    def of(cls, path: Path) -> Files:
        return cls(path, *(path.with_name(path.name + end) for end in ("-wal", "-shm", ".mark", ".recovering")))


class Opened(NamedTuple):
    """A file that is what was written, and what it holds."""

    writer: apsw.Connection
    tally: Tally
    published: dict[str, Published]
    slots: Sequence[Slot]
    mark: Mark


class Content(NamedTuple):
    """What SQLite sees. `sealed` is the tally as it was written; None: damaged, or the file is an older Tallystick's."""

    tally: Tally
    published: Mapping[str, Published]
    slots: Sequence[Slot]
    sealed: Tally | None
    problems: list[str]


NOTHING = Content(Tally(), MappingProxyType({}), (), None, [])


def open_checked(path: Path, command: str) -> Opened:
    """Open the queue's file, after a look at all of it; made when there is none.

    Args:
        command: the recovery, as the operator types it.

    Raises:
        QueueDamaged: something that was confirmed is not there, or not as it was; no file was changed.
        QueueBroken: a file cannot be read.
    """
    files = Files.of(path)
    if files.recovering.exists():
        raise QueueDamaged(f"a recovery of {path} was interrupted: run `{command}` again, it goes on from there")
    mark = Mark(files.mark)
    try:
        mark.read()
        damage = Log(files.wal).damage
    except OSError as error:
        raise QueueBroken("the queue's file failed") from error
    problems = [f"{files.wal.name}: {damage}"] if damage else []
    if _size(path) == 0 and _size(files.wal) > 0:
        problems.append(f"it is empty or gone, but {files.wal.name} is there")
    if _size(path) == 0 and (problems := problems + _compare(NOTHING, mark)):
        raise QueueDamaged(_sentence(path, problems, NOTHING, mark, command))  # SQLite would delete the log
    with errors():
        writer = _connect(path)
        try:
            content = _look(writer)
            problems += content.problems + _compare(content, mark)
            if problems:
                raise QueueDamaged(_sentence(path, problems, content, mark, command))
            _begin(writer, content)
        except BaseException:
            writer.close()
            raise
    _warn(content, mark)
    mark.begin(content.tally)
    return Opened(writer, content.tally, dict(content.published), content.slots, mark)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def connect(path: Path) -> apsw.Connection:
    """A connection to a file that was looked at before."""
    connection = _connect(path)
    _prepare(connection)
    return connection


def _connect(path: Path) -> apsw.Connection:
    connection = apsw.Connection(str(path))
    connection.set_busy_timeout(5_000)
    # Until the file has been looked at, closing must leave it as it is.
    connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
    return connection


def _prepare(connection: apsw.Connection) -> None:
    for pragma in ("journal_mode=WAL", "synchronous=FULL", f"wal_autocheckpoint={WAL_PAGES}", "cache_size=-8192"):
        connection.execute(f"PRAGMA {pragma}")
    connection.execute(SQL["schema"])
    connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0)


def _begin(writer: apsw.Connection, content: Content) -> None:
    """Make tables and tally where there are none, and begin a fresh log: no torn tail of an earlier life is in it."""
    _prepare(writer)
    with contextlib.suppress(apsw.FullError, apsw.BusyError):
        writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        writer.execute(SQL["set_tally"], (content.tally.encode(),))


# --- what SQLite sees -----------------------------------------------------------------------------------------------


def _look(connection: apsw.Connection) -> Content:
    """Everything that SQLite sees of the file. Errors that are the file's become problems."""
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
    """A finding of SQLite's check in one line."""
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


# --- what the mark says ---------------------------------------------------------------------------------------------


def _compare(content: Content, mark: Mark) -> list[str]:
    """What the mark has to say against the file."""
    known, sealed = mark.tally, content.sealed
    if known is None or content.problems:
        return []
    if sealed is None:
        missing = known.commits or known.published_blocks
        return [f"what {mark.path.name} knows of is not in it: {known.commits:,} commits"] if missing else []
    if sealed.commits < known.commits:
        return [f"its last {known.commits - sealed.commits:,} of {known.commits:,} commits are missing"]
    if sealed.commits == known.commits and sealed != known:
        return [f"it is not the file that {mark.path.name} belongs to"]
    return []


def _warn(content: Content, mark: Mark) -> None:
    """Say it when the mark itself is not as it should be; it is made anew, and nothing else is wrong."""
    if mark.there and mark.damaged:
        log.error("the queue's mark was damaged and is made anew", file=str(mark.path), copies=mark.damaged)
    elif not mark.there and content.sealed is not None and content.sealed.commits:
        log.error("the queue's mark is missing and is made anew", file=str(mark.path))


def _sentence(path: Path, problems: list[str], content: Content, mark: Mark, command: str) -> str:
    known, lost = mark.tally, ""
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
    """apsw's errors as the queue's: a full disk is a clean no, an I/O error is the end of this file handle."""
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
