"""Flipped bits, cuts and zeroed pages in store.duckdb and its log: harmless or reported, and recovered."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx
import pytest

from tallystick.app import open_tallystick
from tallystick.cli import app
from tallystick.config import Settings
from tallystick.errors import AlreadyRunning, StoreDamaged
from tallystick.model.books import Published, QueueBooks, close_books
from tallystick.model.query import EventsQuery, MetricsQuery
from tallystick.store.duckdb import DuckDBStore
from tallystick.store.duckdb.repair.recover import Recovered, recover
from tallystick.store.postgres import PostgresStore
from tests.helpers.damage.store import BLOCKS, DAMAGES, IN_A_BLOCK, Content, content, make, settings_in
from tests.helpers.samples import INGESTER, block_of, sample_event
from tests.helpers.thorough import THOROUGH, chance, some
from tests.servers.postgres import PostgresServer
from tests.servers.scratch import scratch_folder

TRIES = 200 if THOROUGH else 1
QUEUE = QueueBooks({INGESTER: Published(BLOCKS, BLOCKS * IN_A_BLOCK)}, [])
"""What the queue remembers: all these blocks were published, and acknowledged when they were stored."""
OUTCOMES: Counter[str] = Counter()


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Content]]:
    """The store as a crash leaves it, and what is in it."""
    folder = tmp_path_factory.mktemp("flips") / "sound"
    asyncio.run(make(folder))
    copied = shutil.copytree(folder, folder.with_name("read"))
    yield folder, asyncio.run(_read(settings_in(copied)))
    for outcome, number in sorted(OUTCOMES.items()):
        print(f"{number:5} {outcome}")


async def _read(settings: Settings) -> Content:
    store = DuckDBStore(settings)
    await store.open()
    try:
        found = await content(store)
        assert await store.verify() == []
        return found
    finally:
        await store.close()


async def _looked_at(settings: Settings, truth: Content) -> str:
    """The outcome of a start, every query and `verify`. Fails on anything that is wrong and not reported."""
    store = DuckDBStore(settings)
    try:
        await store.open()
    except StoreDamaged as error:
        return _refusal(error)
    try:
        found = await content(store)
        differences = await store.verify()
        if found == truth and not differences:
            await store.write([block_of(BLOCKS, [sample_event(BLOCKS * IN_A_BLOCK)])])
            return "harmless"
        # A cut after a commit looks like a write that a crash tore. The books know of it.
        assert found.events < truth.events
        assert differences == []
        assert [difference.check for difference in close_books(QUEUE, found.ledger)[1]] == ["sequence"]
        return "told by verify"
    except StoreDamaged as error:
        told = error
    finally:
        if store.damage is None:
            await store.close()
    try:
        assert str(store.damage) == str(told)
        assert "checksum" not in told.message
        with pytest.raises(StoreDamaged):
            await store.write([block_of(BLOCKS, [sample_event(BLOCKS * IN_A_BLOCK)])])
        return "not ready"
    finally:
        await store.close()


def _refusal(error: StoreDamaged) -> str:
    assert "tallystick recover store" in error.message
    return "the start is refused"


async def _stores_on(settings: Settings, truth: Content, found: Recovered) -> None:
    """A recovered store has right values only, says what is missing, and works."""
    store = DuckDBStore(settings)
    await store.open()
    try:
        kept = await content(store)
        assert kept.events <= truth.events
        assert set(kept.letters) <= set(truth.letters)
        differences = await store.verify()
        assert differences == found.differences
        assert {difference.check for difference in differences} <= {"stored", "dead"}
        books = close_books(QUEUE, kept.ledger)[1]
        if kept.events < truth.events:
            assert found.lost
            assert differences or books
        else:
            assert (kept.rollup, kept.answers) == (truth.rollup, truth.answers)
        while await store.maintain() and THOROUGH:
            pass
        await store.write([block_of(BLOCKS, [sample_event(BLOCKS * IN_A_BLOCK)])])
        assert len((await content(store)).events) == len(kept.events) + 1
        assert [found.check for found in await store.verify()] == [found.check for found in differences]
    finally:
        await store.close()


def _recovered(settings: Settings) -> tuple[str, Recovered]:
    def tell(what: str, done: int, size: int) -> None:
        assert done <= size
        assert what

    try:
        found = recover(settings, tell)
    except StoreDamaged:
        return "nothing can be read", recover(settings, tell, accept_empty=True)
    if found.lost:
        share = next((table.kept for table in found.tables if table.name == "events"), 0)
        return f"recovered {'in part' if share else 'the ledger'}", found
    return "recovered whole", found


@pytest.mark.parametrize("kinds", [[kind] for kind in DAMAGES] if THOROUGH else [[]], ids=lambda kinds: kinds or "some")
def test_damage_is_harmless_or_told_and_recovered(
    kinds: list[str], sound: tuple[Path, Content], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """G6: and what `tallystick recover store` keeps is right."""
    monkeypatch.setattr("tallystick.store.duckdb.repair.recover.PIECE_MIN", 2_048)
    base, truth = sound
    luck = chance()
    for kind, number in product(kinds or some(DAMAGES), range(TRIES)):
        seed = f"{kind} {number if THOROUGH else luck.randrange(1_000_000)}"
        print(seed)
        folder = shutil.copytree(base, tmp_path / "damaged")
        DAMAGES[kind](folder, random.Random(seed))
        damaged = {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}
        settings = settings_in(folder)
        outcome = asyncio.run(_looked_at(settings, truth))
        OUTCOMES[f"{kind}: {outcome}"] += 1
        if outcome in ("the start is refused", "not ready"):
            for name, data in damaged.items():
                (folder / name).write_bytes(data)
            how, found = _recovered(settings)
            OUTCOMES[f"{kind}: {how}"] += 1
            asyncio.run(_stores_on(settings, truth, found))
            assert found.folder is not None
            assert {file.name: file.read_bytes() for file in found.folder.iterdir()} == damaged
        shutil.rmtree(folder)


# --- while a server runs --------------------------------------------------------------------------------------------


def _ruin(path: Path) -> None:
    """Every block of the file, in place: what DuckDB has read already stays with it."""
    with path.open("r+b") as file:
        size = path.stat().st_size
        for start in range(3 * 4_096 + 1_000, size, 262_144):
            file.seek(start)
            file.write(b"damage")


async def test_a_server_whose_store_is_damaged_goes_on_taking_events(
    sound: tuple[Path, Content], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """G6: readiness is red, the queue takes events, the worker waits, no client sees the driver's message."""
    folder = shutil.copytree(sound[0], tmp_path / "data")
    tried: list[float] = []
    write = DuckDBStore.write

    async def counted(store: DuckDBStore, *blocks: Any) -> Any:
        tried.append(time.monotonic())
        return await write(store, *blocks)

    monkeypatch.setattr(DuckDBStore, "write", counted)
    settings = settings_in(folder)
    async with (
        open_tallystick(settings) as tallystick,
        httpx.AsyncClient(transport=httpx.ASGITransport(tallystick.asgi), base_url="http://localhost") as client,
    ):
        assert (await client.get("/readyz")).status_code == 200
        _ruin(folder / "store.duckdb")

        answer = await client.get("/v1/query?metric=users&breakdown=properties.text")
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "store_damaged")
        ready = await client.get("/readyz")
        assert (ready.status_code, ready.json()["error"]["message"]) == (503, answer.json()["error"]["message"])
        assert [word in ready.text for word in ("store.duckdb", str(folder), "checksum")] == [True, False, False]
        tried.clear()
        for number in range(5):
            taken = await client.post("/v1/events", json={"events": [{"name": "later", "user_id": f"u{number}"}]})
            assert taken.status_code in (200, 202)
        await _until(lambda: len(tried) >= 4)
        assert tried[3] - tried[0] > 0.6  # 0.1, 0.2 and 0.4 s between them: it does not spin
        assert (await tallystick.queue.depth()).events == 5
        assert (await client.get("/v1/verify")).status_code == 503
        assert (await client.get("/metrics")).status_code == 200
        with pytest.raises(AlreadyRunning):
            run_recover(folder)
    # Stopped in order, with its events still in the queue. Recovered, they are stored.
    found = recover(settings, lambda what, done, size: None, accept_empty=True)
    assert found.lost
    async with open_tallystick(settings) as tallystick:
        async with asyncio.timeout(60):
            await tallystick.drained()
        result = await tallystick.store.run(MetricsQuery(site_id=None, breakdown=["name"]))
        assert {"name": "later", "events": 5} in result.rows


async def _until(done: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not done():  # noqa: ASYNC110 - nothing says when the worker tries
            await asyncio.sleep(0.05)


def run_recover(folder: Path) -> None:
    """`tallystick recover store`, as the command line calls it."""
    with patch.dict(os.environ, {"TALLYSTICK_DATA": str(folder)}):
        app(["recover", "store"], standalone_mode=False)


def test_a_start_on_a_damaged_store_is_one_message(sound: tuple[Path, Content], tmp_path: Path) -> None:
    """G6: exit code 2 and what to do, no traceback."""
    folder = shutil.copytree(sound[0], tmp_path / "data")
    _ruin(folder / "store.duckdb")
    command = [sys.executable, "-c", "from tallystick.cli import main; main()"]
    done = subprocess.run([*command, "up", "--port", "0", "--data", str(folder)], capture_output=True, text=True)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "store.duckdb is damaged" in done.stderr
    assert "tallystick recover store --data" in done.stderr


async def test_postgres_says_that_its_data_are_damaged(tmp_path: Path) -> None:
    """G6: a page that is no page makes a process unready, in a sentence that names the server."""
    with scratch_folder("postgres", in_memory=True) as folder:
        server = PostgresServer(folder, durable=False)
        server.start()
        try:
            settings = Settings(data=tmp_path, store_url=server.new_database(), allow_weak_durability=True)
            store = PostgresStore(settings)
            await store.open()
            await store.write([block_of(0, [sample_event(number) for number in range(500)])])
            async with store._read() as connection:
                place = await connection.fetchval("SELECT pg_relation_filepath(tableoid) FROM events LIMIT 1")
            await store.close()
            server.stop()
            with (server._data / place).open("r+b") as file:
                file.write(b"\xff" * 8_192)
            server.start()
            await store.open()
            assert store.damage is None
            with pytest.raises(StoreDamaged, match=r"PostgreSQL on 127\.0\.0\.1 says that its data are damaged"):
                await store.run(EventsQuery(site_id=None, limit=1_000))
            assert store.damage is not None
            assert "invalid page" not in store.damage.message
            await store.close()
        finally:
            server.stop()
