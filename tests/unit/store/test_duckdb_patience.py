"""What reads without a hurry finds no memory for a moment, because other work has it: it tries again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import pytest

from tallystick.config import Settings
from tallystick.doctor import running
from tallystick.errors import QueryTooExpensive, StoreUnavailable
from tallystick.queue.memory import MemoryQueue
from tallystick.store import patience
from tallystick.store.duckdb import DuckDBStore, admin, carried, erasure, hold, library, removal
from tallystick.store.duckdb.connection import OutOfMemoryException
from tests.helpers.samples import sample_block

Reading: TypeAlias = Callable[[DuckDBStore], Awaitable[object]]


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "PAUSES", (0.01, 0.01))


def lack_memory(monkeypatch: pytest.MonkeyPatch, owner: object, name: str, times: int) -> list[int]:
    """The next so many calls fail after their rows were read; what is still to fail is left in the list."""
    left, real = list(range(times)), getattr(owner, name)

    def call(*args: Any, **kwargs: Any) -> object:
        found = real(*args, **kwargs)
        if left:
            left.pop()
            raise OutOfMemoryException("failed to allocate data of size 32.0 KiB")
        return found

    monkeypatch.setattr(owner, name, call)
    return left


async def held_ledger(store: DuckDBStore) -> object:
    async with store.hold(lambda: None) as held:
        return held.ledger


READERS: dict[str, tuple[object, str, Reading]] = {
    "verify": (admin, "verify", lambda store: store.verify()),
    "doctor, pipeline, verify": (admin, "ledger", lambda store: store.ledger()),
    "backup": (hold, "read_ledger", held_ledger),
    "move": (carried, "day_events", lambda store: store.day_events()),
    "imports": (removal, "imports", lambda store: store.imports()),
    "erasure": (erasure, "found", lambda store: store.person_found("default", "u1")),
    "reports, boards, share links": (library, "_in_transaction", lambda store: store.library.shares("b1")),
}


@pytest.mark.parametrize("reader", READERS)
async def test_it_waits_for_memory(store: DuckDBStore, reader: str, monkeypatch: pytest.MonkeyPatch) -> None:
    owner, name, read = READERS[reader]
    await store.write([sample_block(0, range(10))])
    expected = await read(store)
    lacking = lack_memory(monkeypatch, owner, name, times=2)
    assert await read(store) == expected
    assert not lacking


@pytest.mark.parametrize("reader", READERS)
async def test_it_ends_when_no_memory_comes(store: DuckDBStore, reader: str, monkeypatch: pytest.MonkeyPatch) -> None:
    owner, name, read = READERS[reader]
    await store.write([sample_block(0, range(10))])
    lacking = lack_memory(monkeypatch, owner, name, times=3)
    with pytest.raises((QueryTooExpensive, StoreUnavailable)):
        await read(store)
    assert not lacking
    await read(store)


async def test_the_doctor_finds_no_fault_in_a_moment_without_memory(
    store: DuckDBStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    lack_memory(monkeypatch, admin, "ledger", times=2)
    queue = MemoryQueue(Settings(allow_weak_durability=True))
    await queue.open()
    assert (await running.books(Settings(), queue, store)).level == "ok"
    await queue.close()


async def test_what_waits_can_be_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "PAUSES", (3_600.0,))
    tried = asyncio.Event()

    async def attempt() -> None:
        tried.set()
        raise QueryTooExpensive

    waiting = asyncio.create_task(patience.patiently(attempt))
    await tried.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
