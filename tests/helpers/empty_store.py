"""New stores. Making DuckDB's tables takes longer than most tests, so each process makes them once and copies them.

`make faults` makes those by their migrations that no test opens by `open_empty`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tallystick.config import Settings
from tallystick.store import Store, make_store, migrations
from tallystick.store.duckdb import DuckDBStore, connection

_connect = DuckDBStore._connect
_usual = (migrations.migrations, connection.BLOCK_SIZE)
_made: list[bytes] = []
"""The file of a store without events, once there is one."""


class _Migrated(DuckDBStore):
    """A store that is no copy."""

    def _connect(self) -> None:
        _connect(self)


async def open_empty(settings: Settings) -> Store:
    """A store, opened and migrated, whose data folder or database is new."""
    store = make_store(settings)
    if isinstance(store, DuckDBStore):
        store.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _copy_to(store.path, 0o600)
    await store.open()
    await store.migrate()
    return store


def install() -> None:
    """From now on a file that a DuckDBStore of this process would create is a copy of one with all tables.

    Not while a test has replaced the migrations or the size of blocks.
    """
    DuckDBStore._connect = _connect_to_copy  # type: ignore[method-assign, assignment]


def empty_file() -> bytes:
    """The file of a store without events."""
    if not _made:
        with ThreadPoolExecutor(1) as pool:  # this thread may have an event loop already
            _made.append(pool.submit(asyncio.run, _make()).result())
    return _made[0]


def use(file: Path) -> None:
    """Take this file for the one without events."""
    _made[:] = [file.read_bytes()]
    install()


def _connect_to_copy(store: DuckDBStore) -> None:
    if (migrations.migrations, connection.BLOCK_SIZE) == _usual:
        _copy_to(store.path)
    _connect(store)


def _copy_to(path: Path, mode: int = 0o666) -> None:
    if path.exists():
        return
    copied = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    copied.touch(mode)
    copied.write_bytes(empty_file())
    with contextlib.suppress(FileExistsError):  # another process was faster, and has it open
        os.link(copied, path)
    copied.unlink()


async def _make() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        store = _Migrated(Settings(data=Path(folder), allow_weak_durability=True, disk_reserve_bytes=0))
        await store.open()
        await store.close()
        return store.path.read_bytes()
