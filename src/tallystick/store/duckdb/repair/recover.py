"""Recover a damaged store: repair its files, or copy every readable row into a new file.

1. Copy the files. All work uses the copies; the damaged files are kept in a folder beside the store.
2. Locate single flipped bits by checksum and flip them back. If that repairs everything, nothing is lost.
3. Of a damaged log, use the transactions before the damage.
4. Otherwise let a child process (`salvage`) copy the rows in pieces; halve a piece that fails.
5. Rebuild rollups, people and joined ids from the events. Housekeeping rebuilds sessions, user numbers and times, and
   property columns, as usual.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from tallystick.config import MIB, Settings, url_path
from tallystick.errors import AlreadyRunning, ConfigError, StoreDamaged, StoreUnavailable
from tallystick.model.books import Difference
from tallystick.model.sql import load_statements
from tallystick.store.duckdb import admin
from tallystick.store.duckdb.connection import ROW_GROUP_SIZE, Connection, cursor, open_database, transaction
from tallystick.store.duckdb.repair.damage import log_of, logs_of
from tallystick.store.duckdb.repair.mend import mend_file, mend_log
from tallystick.store.migrations import migrations

SQL = load_statements("tallystick.store.duckdb", "sql/recover.sql")
KEPT: dict[str, Sequence[str] | None] = {
    "events": (
        "event_id",
        "site_id",
        "name",
        "timestamp",
        "received_at",
        "user_id",
        "session_id",
        "source",
        "path",
        "properties",
    ),
    "blocks": None,
    "ledger_folded": None,
    "purges": None,
    "dead_letters": None,
    "library": None,
    "shares": None,
    "identities": None,
    "splits": None,
    "removals": None,
    "retention_rules": None,
    "kept_rollup": None,
    "kept_days": None,
    "erasures": None,
    "tombstones": None,
    "erasure_keys": None,
}
"""The tables whose rows are copied, and their columns; None: all columns. Other tables are derived from these."""
PIECE = ROW_GROUP_SIZE
"""Rows copied at a time."""
PIECE_MIN = 64
"""Rows below which a piece that cannot be read is not halved further, but given up."""
MEMORY = 512 * MIB
"""Least memory limit of the child, in bytes."""

Report = Callable[[str, int, int], None]
"""Progress callback: the current step, how much of it is done, and its whole size."""


class KeptTable(msgspec.Struct, frozen=True):
    """The result for one table. `rows`: the number of rows in the damaged file; None: unreadable."""

    name: str
    rows: int | None
    kept: int


class Recovered(msgspec.Struct):
    """The result of a recovery.

    Attributes:
        mended: descriptions of the repairs.
        lost: descriptions of the data that could not be read.
        tables: the copied tables; empty when repairs were enough.
        differences: the result of `verify` on the new store.
        folder: the folder of the damaged files; None: nothing was changed.
    """

    mended: list[str] = msgspec.field(default_factory=list)
    lost: list[str] = msgspec.field(default_factory=list)
    tables: list[KeptTable] = msgspec.field(default_factory=list)
    differences: list[Difference] = msgspec.field(default_factory=list)
    folder: Path | None = None


def recover(settings: Settings, report: Report, *, dry_run: bool = False, accept_empty: bool = False) -> Recovered:
    """Recover the store's file while no server runs.

    Raises:
        AlreadyRunning: another process has the store open.
        ConfigError: there is no such file, or too little free space beside it.
        StoreDamaged: no row can be read, and `accept_empty` is not given.
    """
    path = url_path(settings.resolved_store_url).absolute()
    if not path.is_file() and not log_of(path).is_file():
        raise ConfigError(f"there is no store {path}")
    with _held(path), _work_folder(path) as folder:
        _copy_files(path, folder / "store.duckdb", report)
        found = _recovered(settings, folder, report, accept_empty)
        if not dry_run:
            found.folder = _put_in_place(path, folder / "new.duckdb")
    return found


@contextlib.contextmanager
def _held(path: Path) -> Iterator[None]:
    """Hold DuckDB's own lock, so that no server can open the file."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise AlreadyRunning(f"another Tallystick process holds {path}: stop it first") from error
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _work_folder(path: Path) -> Iterator[Path]:
    folder = path.with_name(path.name + ".recovering")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _copy_files(path: Path, target: Path, report: Report) -> None:
    """Copy the files in another process: closing a file in this one would release its lock."""
    files = [path, *logs_of(path)] if path.is_file() else logs_of(path)
    sizes = sum(file.stat().st_size for file in files)
    if shutil.disk_usage(path.parent).free < 2 * sizes + 64 * MIB:
        raise ConfigError(f"{path.parent} has too little free space: {2 * sizes // MIB + 64} MiB are needed")
    report("copying the damaged files", 0, sizes)
    for source in files:
        copied = target.with_name(target.name + source.name.removeprefix(path.name))
        done = subprocess.run(["cp", "--", str(source), str(copied)], capture_output=True, check=False, text=True)
        if done.returncode:
            raise StoreUnavailable(f"{source} cannot be copied: {done.stderr.strip()}")


def _recovered(settings: Settings, folder: Path, report: Report, accept_empty: bool) -> Recovered:
    found = Recovered()
    old, new = folder / "store.duckdb", folder / "new.duckdb"
    broken = mend_file(old, found.mended, lambda done, size: report("checking every block", done, size))
    for wal in logs_of(old):
        mend_log(wal, found.mended, found.lost)
    if not broken and not found.lost and _opens(old, folder, settings):
        old.rename(new)
        for wal in logs_of(new.with_name(old.name)):
            wal.rename(new.with_name(new.name + wal.name.removeprefix(old.name)))
    else:
        _make(new, folder, settings)
        _copy_rows(old, new, folder, settings, found, report, accept_empty)
    found.differences = _finish(new, folder, settings, derive=bool(found.tables), report=report)
    return found


# --- copying ------------------------------------------------------------------------------------------------------


def _opens(path: Path, folder: Path, settings: Settings) -> bool:
    try:
        open_database(path, folder, settings).close()
    except (StoreUnavailable, AlreadyRunning):
        return False
    return True


def _make(path: Path, folder: Path, settings: Settings) -> None:
    """Create an empty store with the current schema."""
    database = open_database(path, folder, settings)
    db = cursor(database)
    db.execute("CREATE TABLE schema_version (version INTEGER NOT NULL)")
    for version, statements in enumerate(migrations("duckdb"), 1):
        with transaction(db):
            db.execute(statements)
            db.execute("INSERT INTO schema_version VALUES (?)", [version])
    db.close()
    database.close()


class _Gone(Exception):
    """The child process has ended."""


class _Child:
    """The process that reads the damaged file."""

    def __init__(self, old: Path, new: Path, folder: Path, memory: int) -> None:
        self._command = [
            sys.executable,
            "-m",
            "tallystick.store.duckdb.repair.salvage",
            str(old),
            str(new),
            str(memory),
            str(folder / "spill"),
        ]
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> str | None:
        """Start the process, or restart it. Returns why the file cannot be opened; None when it can."""
        self.stop()
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        try:
            answer = self._hear()
        except _Gone:
            return "DuckDB crashes when it opens the file"
        error: str | None = answer.get("error")
        return error

    def ask(self, name: str, *arguments: Any) -> Any:
        """Send a request and return the answer.

        Raises:
            _Gone: the process has ended.
            StoreDamaged: DuckDB failed; the message is DuckDB's.
        """
        assert self._process is not None
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(msgspec.json.encode([name, arguments]).decode() + "\n")
            self._process.stdin.flush()
        except OSError as error:
            raise _Gone from error
        answer = self._hear()
        if isinstance(answer, dict) and "error" in answer:
            raise StoreDamaged(answer["error"])
        return answer

    def _hear(self) -> Any:
        assert self._process is not None
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise _Gone
        return msgspec.json.decode(line)

    def stop(self) -> None:
        if self._process is not None:
            with contextlib.suppress(OSError):
                self._process.communicate()
            self._process = None


def _copy_rows(
    old: Path, new: Path, folder: Path, settings: Settings, found: Recovered, report: Report, accept_empty: bool
) -> None:
    child = _Child(old, new, folder, max(MEMORY, settings.store_memory))
    try:
        error = child.start()
        if error is not None and (logs := logs_of(old)):
            found.lost.append(f"store.duckdb.wal: DuckDB cannot use it ({error.splitlines()[0]})")
            for log in logs:
                log.unlink()
            error = child.start()
        if error is not None:
            if not accept_empty:
                raise StoreDamaged(
                    f"nothing in the store can be read ({error.splitlines()[0]}): put the backup's files back, or "
                    "start with an empty store by `tallystick recover store --accept-empty`; nothing was changed"
                )
            found.lost.append(f"store.duckdb: nothing in it can be read ({error.splitlines()[0]})")
            found.tables = [KeptTable(name, None, 0) for name in KEPT]
            return
        tables = child.ask("tables")
        for name, columns in KEPT.items():
            if name in tables:
                chosen = [column for column in tables[name]["columns"] if columns is None or column in columns]
                found.tables.append(_Copying(child, name, chosen, tables[name], found, report).copied())
    finally:
        child.stop()


class _Copying:
    """Copies one table's rows into the new store."""

    def __init__(
        self, child: _Child, name: str, columns: Sequence[str], table: dict[str, Any], found: Recovered, report: Report
    ) -> None:
        self._child = child
        self._name = name
        self._columns = columns
        self._rows: int | None = table["rows"]
        self._last: int = -1 if table["last"] is None else table["last"]
        self._found = found
        self._report = report
        self._kept = 0
        self._until: str | None = None
        """The largest `received_at` of the last piece that has events."""
        self._gap: tuple[int, int] | None = None

    def copied(self) -> KeptTable:
        waiting = [(first, min(first + PIECE - 1, self._last)) for first in range(0, self._last + 1, PIECE)][::-1]
        while waiting:
            first, last = waiting.pop()
            answer = self._piece(first, last)
            if answer is None and last - first >= PIECE_MIN:
                middle = (first + last) // 2
                waiting += [(middle + 1, last), (first, middle)]
                continue
            if answer is None:
                self._gap = (self._gap[0] if self._gap else first, last)
            else:
                self._kept += answer["rows"]
                self._end_gap(answer["from"])
                self._until = answer["to"] or self._until
            self._report(f"copying {self._name}", last + 1, self._last + 1)
        self._end_gap(None)
        return KeptTable(self._name, self._rows, self._kept)

    def _piece(self, first: int, last: int) -> dict[str, Any] | None:
        """The child's answer; None: at least one of these rows cannot be read."""
        try:
            return self._child.ask("copy", self._name, self._columns, first, last)  # type: ignore[no-any-return]
        except StoreDamaged as error:
            if "invalidated" in error.message and (reason := self._child.start()):
                raise StoreUnavailable(f"the store cannot be read any more: {reason}") from error
            return None
        except _Gone:
            if reason := self._child.start():
                raise StoreUnavailable(f"the store cannot be read any more: {reason}") from None
            there = int(self._child.ask("count", self._name)["rows"])
            return {"rows": there - self._kept, "from": None, "to": None} if there > self._kept else None

    def _end_gap(self, next_received: str | None) -> None:
        if self._gap is not None:
            first, last = self._gap
            when = f", received from {self._until or 'the beginning'} to {next_received or 'the end'}"
            self._found.lost.append(f"{self._name}: rows {first:,} to {last:,}{when if self._name == 'events' else ''}")
            self._gap = None


# --- the new store --------------------------------------------------------------------------------------------------


def _finish(path: Path, folder: Path, settings: Settings, *, derive: bool, report: Report) -> list[Difference]:
    """Rebuild the derived tables if `derive`, then verify the store."""
    database = open_database(path, folder, settings, max(MEMORY, settings.store_memory))
    db = cursor(database)
    try:
        if derive:
            _derive(db, report)
        report("verifying the store", 0, 1)
        differences = admin.verify(db)
        db.execute("CHECKPOINT tallystick")
        return differences
    finally:
        db.close()
        database.close()


def _derive(db: Connection, report: Report) -> None:
    days = [row[0] for row in db.execute(SQL["days"]).fetchall()]
    for number, day in enumerate(days):
        with transaction(db):
            db.execute(SQL["rollup"], {"day": day})
            db.execute(SQL["people"], {"day": day})
        report("rebuilding rollups", number + 1, len(days))
    with transaction(db):
        for statement in ("bot_sites", "forget_lost_links", "find_links", "find_persons"):
            db.execute(SQL[statement])
    db.execute(SQL["letter_ids"])


def _put_in_place(path: Path, new: Path) -> Path:
    """Sync the new file to disk, move the damaged files to their own folder, and put the new file in their place."""
    folder = path.with_name(f"damaged-{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
    folder.mkdir(mode=0o700)
    os.chmod(new, path.stat().st_mode & 0o777)
    _sync(new)
    os.link(path, folder / path.name)
    for log in logs_of(path):
        log.rename(folder / log.name)
    new.replace(path)
    if log_of(new).is_file():
        log_of(new).rename(log_of(path))
    for changed in (folder, path.parent):
        _sync(changed)
    return folder


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
