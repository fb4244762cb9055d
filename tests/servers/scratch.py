"""Folders for the tests' servers: short paths (socket names have a limit) that any user can reach."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def scratch_folder(name: str) -> Iterator[Path]:
    """A folder that is removed afterwards; an unprivileged server can enter it."""
    folder = Path(tempfile.mkdtemp(prefix=f"runnel-{name}-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
