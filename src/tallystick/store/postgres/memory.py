"""How much memory a statement takes of a PostgreSQL server on this machine.

PostgreSQL bounds what sorts and hash tables take (`work_mem`), not what an expression makes or an aggregate keeps, and
tells nobody how much a session has. Where its processes can be seen, they are looked at while a statement runs, and the
statement is stopped. A server on another machine, or in another container, cannot be watched so.
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
"""Seconds between two looks."""
GROWTH = 256 * MIB
"""Bytes that a statement may take beside its sorts and hash tables."""
SORTS = 4
"""For how many sorts and hash tables of the largest size there is room."""
_PAGE = os.sysconf("SC_PAGE_SIZE")


async def watched(statement: Coroutine[Any, Any, T], connection: Connection, role: str, memory: int) -> T:
    """What the statement gives. Whoever is cancelled in it takes the statement along.

    Args:
        role: whom the connection is logged in as.
        memory: bytes of each sort and hash table.

    Raises:
        QueryTooExpensive: the statement took too much and was stopped.
    """
    backend = Backend(connection.get_server_pid(), role)
    running = asyncio.ensure_future(statement)
    try:
        while not running.done():
            await asyncio.wait({running}, timeout=EVERY if backend.seen else None)
            if not running.done() and backend.taken() > GROWTH + SORTS * memory:
                raise QueryTooExpensive("the query takes more memory than a question may: it was stopped")
        return running.result()
    finally:
        if not running.done():
            running.cancel()
        with contextlib.suppress(BaseException):
            await running


class Backend:
    """The server's process of a connection, with those that help it."""

    def __init__(self, pid: int, role: str) -> None:
        self._pid = pid
        words = _words(pid)
        self.seen = words.startswith("postgres:") and f" {role} " in words
        """Whether it is a process of this machine, and not that of another server with the same number."""

    def taken(self) -> int:
        """Bytes of memory that are its own and its helpers': without what the server shares among all."""
        return sum(map(_private, [self._pid, *self._helpers()]))

    def _helpers(self) -> list[int]:
        with contextlib.suppress(OSError, ValueError, IndexError):
            parent = int(Path(f"/proc/{self._pid}/stat").read_text("utf-8").rpartition(")")[2].split()[1])
            found = Path(f"/proc/{parent}/task/{parent}/children").read_text("ascii").split()
            return [int(pid) for pid in found if f"parallel worker for PID {self._pid} " in f"{_words(int(pid))} "]
        return []


def _words(pid: int) -> str:
    """What a process calls itself; empty where there is none that can be seen."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace").strip()
    return ""


def _private(pid: int) -> int:
    with contextlib.suppress(OSError, ValueError, IndexError):
        _, resident, shared, *_ = Path(f"/proc/{pid}/statm").read_text("ascii").split()
        return (int(resident) - int(shared)) * _PAGE
    return 0
