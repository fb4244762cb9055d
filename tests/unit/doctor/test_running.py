"""What the doctor says of queue and store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from tallystick.config import MIB, Settings
from tallystick.doctor import running
from tallystick.doctor.verified import FILE, LastVerify, last_verify, note_verify
from tallystick.errors import StoreDamaged
from tallystick.queue.sqlite.queue import SqliteQueue
from tallystick.store.duckdb import DuckDBStore
from tests.helpers.samples import incompressible_block, sample_block

NOW = datetime(2026, 11, 30, tzinfo=UTC)


@pytest.fixture
async def queue(tmp_path: Path) -> AsyncIterator[SqliteQueue]:
    queue = SqliteQueue(Settings(data=tmp_path, disk_reserve_bytes=0))
    await queue.open()
    yield queue
    await queue.close()


async def levels(settings: Settings, queue: SqliteQueue, store: DuckDBStore) -> dict[str, str]:
    return {finding.check: finding.level for finding in await running.checks(settings, queue, store)}


async def test_a_healthy_pipeline(queue: SqliteQueue, store: DuckDBStore, tmp_path: Path) -> None:
    """Only `verify` was never run; then it was."""
    settings = Settings(data=tmp_path)
    assert await levels(settings, queue, store) == {
        "durability": "ok", "backlog": "ok", "books": "ok", "last verify": "warn"
    }  # fmt: skip
    note_verify(settings, 0)
    assert (await levels(settings, queue, store))["last verify"] == "ok"


async def test_lost_events(queue: SqliteQueue, store: DuckDBStore, tmp_path: Path) -> None:
    """G4: a block that left the queue and is not stored."""
    await queue.publish([sample_block(0, range(3)), sample_block(1, range(3, 6))])
    assert (await levels(Settings(data=tmp_path), queue, store))["books"] == "ok"
    batch = await queue.consume(3, 1.0)
    assert batch is not None
    await batch.ack()
    assert (await levels(Settings(data=tmp_path), queue, store))["books"] == "fail"


async def test_a_backlog(queue: SqliteQueue, store: DuckDBStore, tmp_path: Path) -> None:
    """Events that wait are well until they wait for long, or fill the budget."""
    await queue.publish([incompressible_block(0, 600_000)])
    settings = Settings(data=tmp_path)
    assert (await running.backlog(settings, queue, store)).level == "ok"
    full = settings.model_copy(update={"queue_max_bytes": MIB // 2})
    assert (await running.backlog(full, queue, store)).level == "fail"
    writer = queue._writer
    for age, level in ((90, "warn"), (4_000, "fail")):
        moved = f"UPDATE blocks SET enqueued_at = {datetime.now(UTC).timestamp() - age}"
        await queue._writing.run(lambda moved=moved: list(writer.execute(moved)))
        assert (await running.backlog(settings, queue, store)).level == level


async def test_a_damaged_store(queue: SqliteQueue, store: DuckDBStore, tmp_path: Path) -> None:
    """Found by what reads it; from then on the doctor knows."""
    store._damaged.report(StoreDamaged("a block's checksum is wrong"))
    assert (await levels(Settings(data=tmp_path), queue, store))["store"] == "fail"


def test_durability() -> None:
    """G1."""
    for level, found in (("fsync", "ok"), ("2 of 3 replicas", "ok"), ("memory", "fail"), ("written", "fail")):
        assert running.durability(level).level == found


@pytest.mark.parametrize(
    ("seconds", "level"),
    [(0, "ok"), (0.9, "ok"), (-0.9, "ok"), (5, "warn"), (-5, "warn"), (61, "fail"), (-3_600, "fail")],
)
def test_skew(seconds: float, level: str) -> None:
    """How long the question took is no skew."""
    asked = (NOW, NOW + timedelta(seconds=30))
    theirs = (asked[1] if seconds > 0 else asked[0]) + timedelta(seconds=seconds)
    assert running.skew("clock", "a server", theirs, asked).level == level
    assert running.skew("clock", "a server", NOW + timedelta(seconds=15), asked).level == "ok"


def test_the_last_verify(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path)
    note_verify(settings, 2)
    assert running.verified(settings).level == "fail"
    old = LastVerify(datetime.now(UTC) - timedelta(days=40), 0)
    (tmp_path / FILE).write_bytes(msgspec.json.encode(old))
    assert running.verified(settings).level == "warn"
    (tmp_path / FILE).write_bytes(b"torn")
    assert last_verify(settings) is None
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600
    note_verify(settings.model_copy(update={"data": tmp_path / "none"}), 0)
    assert not (tmp_path / "none").exists()
