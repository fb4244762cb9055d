"""Folders for the tests' servers: short paths (socket names have a limit) that any user can reach."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MEMORY = Path("/dev/shm")
ROOM = 4 << 30


@contextmanager
def scratch_folder(name: str, *, in_memory: bool = False) -> Iterator[Path]:
    """A folder that is removed afterwards; an unprivileged server can enter it.

    Args:
        in_memory: for files that need not survive anything: where the machine has the room, they are not on a disk.
    """
    memory = in_memory and MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM
    folder = Path(tempfile.mkdtemp(prefix=f"tallystick-{name}-", dir=MEMORY if memory else None))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
