"""Flipped bits, cuts and zeroed pages in store.duckdb and its log: harmless or told, never silent; and recovered."""

from __future__ import annotations

import asyncio
import random
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from runnel.config import Settings
from runnel.errors import StoreDamaged
from runnel.model.books import Published, QueueBooks, close_books
from runnel.store.duckdb import DuckDBStore
from runnel.store.duckdb.recover import Recovered, recover
from tests.attack.store_damage import BLOCKS, DAMAGES, IN_A_BLOCK, Content, content, make, settings_in
from tests.samples import INGESTER, block_of, sample_event
from tests.thorough import THOROUGH

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
    """What becomes of a start, every question and `verify`. Fails on anything that is wrong and not told."""
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
        # What was cut off behind a commit looks like a write that a crash tore. The books know of it.
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
        assert store.damage is told
        assert "checksum" not in told.message
        with pytest.raises(StoreDamaged):
            await store.write([block_of(BLOCKS, [sample_event(BLOCKS * IN_A_BLOCK)])])
        return "not ready"
    finally:
        await store.close()


def _refusal(error: StoreDamaged) -> str:
    assert "runnel recover store" in error.message
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
        while await store.maintain():
            pass
        await store.write([block_of(BLOCKS, [sample_event(BLOCKS * IN_A_BLOCK)])])
        assert len((await content(store)).events) == len(kept.events) + 1
        assert await store.verify() == differences
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


@pytest.mark.parametrize("kind", DAMAGES)
def test_damage_is_harmless_or_told_and_recovered(
    kind: str, sound: tuple[Path, Content], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """G6: and what `runnel recover store` keeps is right."""
    monkeypatch.setattr("runnel.store.duckdb.recover.PIECE_MIN", 2_048)
    base, truth = sound
    for number in range(TRIES):
        seed = f"{kind} {number if THOROUGH else random.randrange(1_000_000)}"
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
