"""The disk reserve (G5), and the permissions of Tallystick's files (G12).

The reserve is disk space that Tallystick leaves free, so that it answers 503 before the disk is full and no file is
damaged.
"""

from __future__ import annotations

import contextlib
import errno
import os
import pwd
import shutil
import stat
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import structlog

from tallystick.config import Settings
from tallystick.errors import ConfigError

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


def free_bytes(folder: Path) -> int:
    """Free bytes of the file system of a folder, for a process that is not root's. Raises OSError."""
    return shutil.disk_usage(folder).free


# --- a folder that can be used --------------------------------------------------------------------------------------

NAME_ANOTHER = "name another folder with --data or TALLYSTICK_DATA"
_FULL = (errno.ENOSPC, errno.EDQUOT)
_NOT_A_FOLDER = (errno.ENOTDIR, errno.EEXIST)
_NOT_ALLOWED = (errno.EACCES, errno.EPERM)


@contextlib.contextmanager
def usable(folder: Path) -> Iterator[None]:
    """Turns an error of the system about a data folder, or about a file in it, into one that says what to do.

    Raises:
        ConfigError: the system refuses the folder or a file in it.
    """
    try:
        yield
    except OSError as error:
        path = Path(os.fsdecode(error.filename)) if isinstance(error.filename, str | bytes) else folder
        raise ConfigError(f"the data folder {folder} cannot be used: {_why(path, error)}") from error


def _why(path: Path, error: OSError) -> str:
    if error.errno in _NOT_A_FOLDER:
        return f"{_file_in(path)} is a file, not a folder; {NAME_ANOTHER}"
    if error.errno in _FULL:
        return "no space is left on its disk (or in its quota); free some, or " + NAME_ANOTHER
    if error.errno == errno.EROFS:
        return f"its disk can only be read; {NAME_ANOTHER}"
    if error.errno in _NOT_ALLOWED:
        return f"{_owner(path)}; change that, or {NAME_ANOTHER}"
    return f"{path}: {error.strerror or error}; {NAME_ANOTHER}"


def _file_in(path: Path) -> Path:
    """The part of a path that is a file where a folder has to be."""
    return next((part for part in (*reversed(path.parents), path) if part.exists() and not part.is_dir()), path)


def _owner(path: Path) -> str:
    """Whose a path is that this process may not use: its own owner, or the one of the folder that would hold it."""
    while not os.path.lexists(path) and path != path.parent:
        path = path.parent
    try:
        owner = path.lstat().st_uid
    except OSError:
        return f"{path} is closed to this user ({_user(os.geteuid())})"
    if owner == os.geteuid():
        return f"{path} belongs to {_user(owner)}, but its permissions or its file system let nobody write"
    return f"{path} belongs to {_user(owner)}, and this process runs as {_user(os.geteuid())}"


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"user {number}"


# --- who may read ---------------------------------------------------------------------------------------------------

OWN = (
    "queue.sqlite",
    "store.duckdb",
    "access.",
    "imports",
    "export-",
    "backup-",
    "damaged-",
    "last-verify",
    "known-names",
    "visitor-salt",
)
"""Names of a data folder's contents: queue, store, keys and accounts, bookmarks of imports, files of answers, copies
for a backup, damaged files, when the books were verified, the names of each site, and the
day's key of visitors' ids.
"""


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

    Raises:
        ConfigError: the folder cannot be made, or nothing can be written to it.
    """
    with usable(folder):
        made = not folder.exists()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()  # asks the system instead of reading permissions: root has all
        _make_private(folder, settings, names, made=made)


def _make_private(folder: Path, settings: Settings, names: tuple[str, ...], *, made: bool) -> None:
    closed = closed_to(settings)
    own = made or folder.resolve() == settings.data.resolve()
    public = bool(folder.stat().st_mode & stat.S_ISVTX)
    found = [folder] if own and not public else []
    names = (*names, *OWN) if own else names
    changed = sum(_close(path, closed) for path in (*found, *_inside(folder, names)))
    if changed and not made:
        log.warning("others could read the data, and no longer can", folder=str(folder), changed=changed)


def own_files(folder: Path) -> list[Path]:
    """Tallystick's files and folders in a data folder. Raises OSError."""
    return list(_inside(folder, OWN))


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
