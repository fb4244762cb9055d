"""The disk reserve (G5), and the permissions of Tallystick's files (G12).

The reserve is disk space that Tallystick leaves free, so that it answers 503 before the disk is full and no file is
damaged.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import time
from collections.abc import Iterable
from pathlib import Path

import structlog

from tallystick.config import Settings

log = structlog.get_logger(__name__)

CHECK_EVERY = 0.25
"""Seconds for which the result of one check of the file system is reused."""


class DiskGuard:
    """Checks whether the file system of `folder` is down to the reserve, at most once per CHECK_EVERY."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        self._folder = folder
        self._bytes = settings.disk_reserve_bytes
        self._fraction = settings.disk_reserve_fraction
        self._checked = float("-inf")
        self._low = False

    def low(self) -> bool:
        """Whether less than the reserve is free."""
        now = time.monotonic()
        if now - self._checked >= CHECK_EVERY:
            usage = shutil.disk_usage(self._folder)
            self._low = usage.free < min(self._bytes, int(usage.total * self._fraction))
            self._checked = now
        return self._low


# --- who may read ---------------------------------------------------------------------------------------------------

OWN = ("queue.sqlite", "store.duckdb", "imports", "export-", "damaged-")
"""Names of a data folder's contents: queue, store, bookmarks of imports, files of answers, damaged files."""


def closed_to(settings: Settings) -> int:
    """The permission bits to remove: all of group and others, or all but the group's read if a setting allows it."""
    return 0o027 if settings.data_group_readable else 0o077


def set_umask(settings: Settings) -> None:
    """Make new files of this process and its children private, regardless of the shell's umask."""
    os.umask(closed_to(settings))


def private_folder(folder: Path, settings: Settings, *names: str) -> None:
    """Create the folder if it does not exist, and make it and Tallystick's files in it private to their owner.

    A folder that Tallystick neither creates nor owns (`TALLYSTICK_DATA`) is not changed, nor is one that all users may
    write to, such as /tmp.

    Args:
        names: prefixes of the names of Tallystick's files and folders in it.
    """
    made = not folder.exists()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    closed = closed_to(settings)
    own = made or folder.resolve() == settings.data.resolve()
    public = bool(folder.stat().st_mode & stat.S_ISVTX)
    found = [folder] if own and not public else []
    names = (*names, *OWN) if own else names
    changed = sum(_close(path, closed) for path in (*found, *_inside(folder, names)))
    if changed and not made:
        log.warning("others could read the data, and no longer can", folder=str(folder), changed=changed)


def private_file(path: Path, settings: Settings) -> None:
    """Make a file private that a library has just created."""
    _close(path, closed_to(settings))


def _inside(folder: Path, names: tuple[str, ...]) -> Iterable[Path]:
    """Tallystick's files and folders in a folder, and the contents of these folders."""
    for path in folder.iterdir():
        if path.name.startswith(names) and not path.is_symlink():
            yield path
            if path.is_dir():
                with contextlib.suppress(FileNotFoundError):  # the file of an answer, removed after it was sent
                    yield from (inner for inner in path.rglob("*") if not inner.is_symlink())


def _close(path: Path, closed: int) -> bool:
    """Remove these permission bits. Returns whether any was set."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & closed:
            path.chmod(mode & ~closed)
            return True
    except FileNotFoundError:
        pass  # a temporary file of another process
    except PermissionError as error:
        log.warning("others may read the data: it belongs to another user", path=str(path), error=error.strerror)
    return False
