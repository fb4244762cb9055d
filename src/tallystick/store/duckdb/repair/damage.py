"""Messages about damaged files: which file, the largest possible loss, and the commands that recover the store."""

from __future__ import annotations

from pathlib import Path

import structlog

from tallystick.errors import StoreDamaged
from tallystick.store.duckdb.repair.checksums import read_log

log = structlog.get_logger(__name__)


def log_of(path: Path) -> Path:
    """The path of a file's write-ahead log."""
    return path.with_name(path.name + ".wal")


def logs_of(path: Path) -> list[Path]:
    """All logs that exist: a crash during a checkpoint may leave a second one."""
    wal = log_of(path)
    names = (wal.name, f"{wal.name}.checkpoint", f"{wal.name}.recovery")
    return [path.with_name(name) for name in names if path.with_name(name).is_file()]


def check_log(path: Path) -> None:
    """Check the log that a crash left. DuckDB would treat some damaged logs as empty and delete them, so check first.

    Raises:
        StoreDamaged: opening the store would lose committed data.
    """
    for wal in logs_of(path):
        if not path.is_file():
            raise StoreDamaged(f"{path.name} is missing, but {wal.name} exists")
        if (found := read_log(wal.read_bytes())).damaged:
            position = found.bad.start if found.bad else 0
            raise StoreDamaged(f"{wal.name} is damaged at byte {position:,}")


def at_start(path: Path, damage: StoreDamaged) -> StoreDamaged:
    """The complete message for an operator who starts a server or a command on a damaged store."""
    return StoreDamaged(f"{_what(path, damage)} {_lost(path)} {_cure(path)}")


class Found:
    """The first damage that a running process finds. It is logged once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._message = ""

    @property
    def error(self) -> StoreDamaged | None:
        """A new error on each access: one that is raised repeatedly would collect the tracebacks of all raises."""
        return StoreDamaged(self._message) if self._message else None

    def report(self, error: StoreDamaged) -> StoreDamaged:
        """Log the first damage. Returns the error for clients, which leaves out the driver's message."""
        if not self._message:
            self._message = (
                f"the store is damaged ({self._path.name}): accepted events wait in the queue until it is recovered; "
                "the server's log says how"
            )
            what, lost, cure = _what(self._path, error), _lost(self._path), _cure(self._path)
            log.critical("the store is damaged", file=str(self._path), what=what, lost_at_most=lost, do=cure)
        return StoreDamaged(self._message)


def _what(path: Path, error: StoreDamaged) -> str:
    cause = error.__cause__
    if cause is None:
        return f"{path.parent}: {error.message}."
    words = str(cause).splitlines()[0].removeprefix("IO Error: ").removesuffix(".")
    wal = "wal" in words.lower()
    return f"{log_of(path) if wal else path} is damaged: {words}."


def _lost(path: Path) -> str:
    """The largest possible loss: the log holds the data since the last checkpoint, the file all older data."""
    wal = log_of(path)
    size = wal.stat().st_size if wal.is_file() else 0
    return (
        f"At most lost: of {wal.name} what was stored since the last checkpoint ({size:,} bytes), of {path.name} the "
        "rows in damaged blocks, or all where its directory is damaged; events that wait in the queue are not "
        "concerned."
    )


def _cure(path: Path) -> str:
    return (
        "With the server stopped, either put the backup's files back, or run "
        f"`tallystick recover store --data {path.parent} --dry-run` to see what can be read, and the same without "
        "--dry-run to keep it: docs/run/operations.md#when-the-store-is-damaged"
    )
