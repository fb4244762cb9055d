"""Cancel a statement that uses too much memory of a PostgreSQL server on this machine.

PostgreSQL limits the memory of sorts and hash tables (`work_mem`), but not that of expressions and aggregates, and it
does not report the memory of a session. So the memory of the server process is read from /proc while a statement runs.
This does not work for a server on another machine or in another container.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from tallystick.config import MIB
from tallystick.errors import QueryTooExpensive
from tallystick.store.postgres.connection import Connection

T = TypeVar("T")

EVERY = 0.05
"""Seconds between two checks."""
GROWTH = 256 * MIB
"""Bytes that a statement may use in addition to its sorts and hash tables."""
SORTS = 4
"""Number of sorts and hash tables of the largest size that the limit includes."""
_PAGE = os.sysconf("SC_PAGE_SIZE")


async def watched(statement: Coroutine[Any, Any, T], connection: Connection, role: str, memory: int) -> T:
    """Run a statement and return its result. Cancelling the caller cancels the statement too.

    Args:
        role: the connection's database user.
        memory: the most bytes of one sort or hash table.

    Raises:
        QueryTooExpensive: the statement used too much memory and was cancelled.
    """
    backend = Backend(connection.get_server_pid(), role)
    running = asyncio.ensure_future(statement)
    try:
        while not running.done():
            await asyncio.wait({running}, timeout=EVERY if backend.seen else None)
            if not running.done() and backend.taken() > GROWTH + SORTS * memory:
                raise QueryTooExpensive("the query takes more memory than a query may: it was stopped")
        return running.result()
    finally:
        if not running.done():
            running.cancel()
        with contextlib.suppress(BaseException):
            await running


class Backend:
    """The server process of a connection, and its parallel workers."""

    def __init__(self, pid: int, role: str) -> None:
        self._pid = pid
        title = _title(pid)
        self.seen = title.startswith("postgres:") and f" {role} " in title
        """Whether the process runs on this machine; False if another process has this pid here."""

    def taken(self) -> int:
        """Bytes of private memory of the process and its workers, without the server's shared memory."""
        return sum(map(_private, [self._pid, *self._workers()]))

    def _workers(self) -> list[int]:
        with contextlib.suppress(OSError, ValueError, IndexError):
            parent = int(Path(f"/proc/{self._pid}/stat").read_text("utf-8").rpartition(")")[2].split()[1])
            found = Path(f"/proc/{parent}/task/{parent}/children").read_text("ascii").split()
            return [int(pid) for pid in found if f"parallel worker for PID {self._pid} " in f"{_title(int(pid))} "]
        return []


def _title(pid: int) -> str:
    """The command line of a process; empty if it cannot be read."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace").strip()
    return ""


def _private(pid: int) -> int:
    with contextlib.suppress(OSError, ValueError, IndexError):
        _, resident, shared, *_ = Path(f"/proc/{pid}/statm").read_text("ascii").split()
        return (int(resident) - int(shared)) * _PAGE
    return 0
