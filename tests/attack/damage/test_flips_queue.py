"""Flipped bits, cut ends and zeroed pages in the embedded queue's files: detected or harmless, never silent (G6)."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from tallystick.errors import QueueBroken, QueueDamaged
from tallystick.model.books import close_books
from tests.faults.times import REPETITIONS, Record
from tests.helpers.damage.flips import PAGE, Harm, Kind, fresh_copy, harms
from tests.helpers.queue.steps import NO_WAIT, opened
from tests.helpers.queue.world import QUEUE, World, make_world, outcome, quiet, settings_of
from tests.helpers.samples import sample_block
from tests.helpers.thorough import THOROUGH, chance, examples
from tests.servers.scratch import scratch_folder

FLIPS, OTHERS = 200, 60


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with scratch_folder("flips", in_memory=True) as folder:
        yield asyncio.run(make_world(folder))


FILES = [
    ("killed", "queue.sqlite"),
    ("killed", "queue.sqlite-wal"),
    ("killed", "queue.sqlite-shm"),
    ("killed", "queue.sqlite.mark"),
    ("stopped", "queue.sqlite"),
    ("stopped", "queue.sqlite.mark"),
]
TOLD: dict[tuple[str, str], set[str]] = {
    ("killed", "queue.sqlite"): {"harmless", "refused"},
    ("killed", "queue.sqlite-wal"): {"refused"},
    ("killed", "queue.sqlite-shm"): {"harmless"},
    ("killed", "queue.sqlite.mark"): {"harmless", "told"},
    ("stopped", "queue.sqlite"): {"harmless", "refused", "set aside"},
    ("stopped", "queue.sqlite.mark"): {"harmless", "told"},
}


@pytest.mark.parametrize("kind", ["flip", "cut", "zero"])
@pytest.mark.parametrize(("state", "file"), FILES)
async def test_damage_is_detected_or_harmless(
    world: World, tmp_path: Path, record_property: Record, state: str, file: str, kind: Kind
) -> None:
    """G6: never silent; and a flip in the log is always found, wherever it is."""
    source = getattr(world, state)
    count = examples(FLIPS if kind == "flip" else OTHERS)
    count = count if THOROUGH else -(-count // 3)
    record_property(REPETITIONS, count)
    outcomes: Counter[str] = Counter()
    with scratch_folder("flip", in_memory=True) as scratch:
        for harm in harms((source / file).read_bytes(), kind, count, seed=chance().randrange(100)):
            outcomes[await of_harm(world, source, scratch / "data", file, harm)] += 1
    assert outcomes.keys() <= TOLD[state, file], outcomes


async def of_harm(world: World, source: Path, folder: Path, file: str, harm: Harm) -> str:
    fresh_copy(source, folder)
    (folder / file).write_bytes(harm.content)
    try:
        return await outcome(world, folder)
    except Exception as error:
        raise AssertionError(f"{file}: {harm}") from error


async def test_a_page_that_everything_hangs_on(world: World, tmp_path: Path) -> None:
    """G6: the first page, the root of each table, the rows of the books: all blocks and all numbers come back."""
    connection = apsw.Connection(str(fresh_copy(world.stopped, tmp_path / "data") / QUEUE))
    roots = [row[0] for row in connection.execute("SELECT rootpage FROM sqlite_schema WHERE rootpage > 0")]
    connection.close()
    content = (world.stopped / QUEUE).read_bytes()
    for page in {1, *roots}:
        fresh_copy(world.stopped, tmp_path / "data")
        harmed = content[: (page - 1) * PAGE] + bytes(PAGE) + content[page * PAGE :]
        (tmp_path / "data" / QUEUE).write_bytes(harmed)
        assert await outcome(world, tmp_path / "data") == "refused"
        async with opened(settings_of(tmp_path / "data")) as queue:
            assert close_books(await queue.books(), world.ledger)[0].missing == 0


@pytest.mark.parametrize("gone", ["queue.sqlite", "queue.sqlite-wal", "queue.sqlite-shm", "queue.sqlite.mark"])
async def test_a_file_that_is_gone(world: World, tmp_path: Path, gone: str) -> None:
    """G6: no new queue is begun where one was; only the index of the log is nothing that anybody needs."""
    fresh_copy(world.killed, tmp_path / "data")
    (tmp_path / "data" / gone).unlink()
    expected = {"queue.sqlite-shm": "harmless", "queue.sqlite.mark": "told"}.get(gone, "refused")
    assert await outcome(world, tmp_path / "data") == expected


async def test_a_changed_row_is_noticed(world: World, tmp_path: Path) -> None:
    """G6: rows that SQLite finds nothing wrong with."""
    for change in (
        "DELETE FROM blocks WHERE id = (SELECT max(id) FROM blocks)",
        "UPDATE blocks SET count = count + 1 WHERE id = (SELECT max(id) FROM blocks)",
        "UPDATE blocks SET seq = seq + 100 WHERE id = (SELECT max(id) FROM blocks)",
        "UPDATE ingesters SET events = events - 1 WHERE ingester LIKE '%a2'",
        "UPDATE ingesters SET next_seq = next_seq + 16 WHERE ingester LIKE '%a3'",
        "DELETE FROM ingesters WHERE ingester LIKE '%a4'",
        "UPDATE sqlite_sequence SET seq = 9223372036854775807",
        "UPDATE tally SET sealed = zeroblob(120)",
        "DROP TABLE tally",
    ):
        fresh_copy(world.stopped, tmp_path / "data")
        connection = apsw.Connection(str(tmp_path / "data" / QUEUE))
        connection.execute(change)
        connection.close()
        assert await outcome(world, tmp_path / "data") == "refused", change


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ("UPDATE blocks SET count = count + 1", "is not what was written"),
        ("UPDATE blocks SET seq = seq + 100", "is not the one that its row names"),
        ("DELETE FROM blocks", "is not what was written"),
        ("UPDATE ingesters SET events = events - 1", None),
    ],
)
async def test_damage_while_it_runs(tmp_path: Path, change: str, verdict: str | None) -> None:
    """G4, G6: noticed when it is read: the process ends, and the next start refuses; `verify` sees it before."""
    settings = settings_of(tmp_path / "data")
    async with opened(settings) as queue:
        await queue.publish([sample_block(seq, [2 * seq, 2 * seq + 1]) for seq in range(3)])
        connection = apsw.Connection(str(tmp_path / "data" / QUEUE))
        connection.execute(change)
        connection.close()
        if "seq" not in change:
            assert "queue" in [difference.check for difference in close_books(await queue.books(), {})[1]]
        if verdict is not None:
            with pytest.raises(QueueBroken, match=verdict):
                await queue.consume(10, NO_WAIT)
    with pytest.raises(QueueDamaged):
        await quiet(tmp_path / "data")


async def test_an_acknowledged_block_that_is_gone(tmp_path: Path) -> None:
    """G6: a delivered block that the file does not hold any more means that the file is damaged."""
    async with opened(settings_of(tmp_path / "data")) as queue:
        await queue.publish([sample_block(0, [0])])
        batch = await queue.consume(10, NO_WAIT)
        assert batch is not None
        connection = apsw.Connection(str(tmp_path / "data" / QUEUE))
        connection.execute("DELETE FROM blocks")
        connection.close()
        with pytest.raises(QueueBroken, match="1 delivered blocks are not in it"):
            await batch.ack()
