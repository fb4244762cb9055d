"""Servers whose queue is on a disk that is slow, fails, or ends the process: `failpoints.py <failpoint> up …`.

A failpoint is `slow:SECONDS`, `fails:N` (the Nth fsync and no other), `fails-from:N` (that one and all after it),
`dies-before:N` or `dies-after:N` (kill -9 of the process itself). Only fsyncs of SQLite's files are counted.
`stores:N` is a worker that stores at most so many events a second, `stores-nothing` one whose store is away.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Sequence

import apsw

from tallystick.cli import main
from tallystick.errors import StoreUnavailable
from tallystick.model.block import Block
from tallystick.store import DeadLetter, WriteReport
from tallystick.store.duckdb import DuckDBStore


class Disk(apsw.VFS):
    """The machine's file system, but for its fsyncs."""

    def __init__(self, kind: str, number: float) -> None:
        self.kind, self.number = kind, number
        self.synced = 0
        super().__init__("failpoints", "unix", makedefault=True)

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> File:
        return File(self, name, flags)


class File(apsw.VFSFile):
    def __init__(self, disk: Disk, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        self.disk = disk
        super().__init__("unix", name, flags)

    def xSync(self, flags: int) -> None:
        disk = self.disk
        disk.synced += 1
        here = disk.synced == disk.number
        match disk.kind:
            case "slow":
                time.sleep(disk.number)
            case "fails" if here:
                raise apsw.IOError("fsync failed")
            case "fails-from" if disk.synced >= disk.number:
                raise apsw.IOError("fsync failed")
            case "dies-before" if here:
                os.kill(os.getpid(), signal.SIGKILL)
        super().xSync(flags)
        if disk.kind == "dies-after" and here:
            os.kill(os.getpid(), signal.SIGKILL)


def stores(events_a_second: float) -> None:
    """Slow down the store."""
    write = DuckDBStore.write

    async def slowly(self: DuckDBStore, blocks: Sequence[Block], dead: Sequence[DeadLetter] = ()) -> WriteReport:
        report = await write(self, blocks, dead)
        await asyncio.sleep(sum(block.count for block in blocks) / events_a_second)
        return report

    DuckDBStore.write = slowly  # type: ignore[method-assign]


def stores_nothing() -> None:
    """Let events wait in the queue."""

    async def never(self: DuckDBStore, blocks: Sequence[Block], dead: Sequence[DeadLetter] = ()) -> WriteReport:
        raise StoreUnavailable

    DuckDBStore.write = never  # type: ignore[method-assign]


if __name__ == "__main__":
    kind, _, number = sys.argv[1].partition(":")
    match kind:
        case "stores":
            stores(float(number))
        case "stores-nothing":
            stores_nothing()
        case _:
            disk = Disk(kind, float(number))  # it is there as long as this name is
    main(sys.argv[2:])
