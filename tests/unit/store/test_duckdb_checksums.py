"""DuckDB's checksums as Tallystick reckons them: a flipped bit is found, and never another one than that."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from tallystick.config import Settings
from tallystick.errors import StoreDamaged
from tallystick.model.query import MetricsQuery
from tallystick.store.duckdb import DuckDBStore, connection
from tallystick.store.duckdb.repair.checksums import BLOCK_SIZES, bad_blocks, block_size, flipped_in_header, read_log
from tallystick.store.duckdb.repair.damage import check_log, log_of
from tallystick.store.duckdb.repair.mend import mend_log
from tests.helpers.samples import sample_block


@pytest.fixture
async def files(store: DuckDBStore, tmp_path: Path) -> Path:
    """A store's file and its log, as a crash leaves them."""
    for seq in range(4):
        await store.write([sample_block(seq, range(seq * 500, seq * 500 + 500))])
        if seq == 1:
            await store._in(store._writing, store._writer.execute, "CHECKPOINT tallystick")
    copied = tmp_path / "copied.duckdb"
    shutil.copy(store.path, copied)
    shutil.copy(log_of(store.path), log_of(copied))
    return copied


@pytest.mark.parametrize("size", BLOCK_SIZES)
async def test_the_size_of_blocks_is_the_files_own(size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file keeps the blocks with which it was made, as those of earlier versions do, whatever new files get."""
    monkeypatch.setattr(connection, "BLOCK_SIZE", size)
    for seq in (0, 1):
        store = DuckDBStore(Settings(data=tmp_path))
        await store.open()
        await store.migrate()
        await store.write([sample_block(seq, range(seq * 2_000, seq * 2_000 + 2_000))])
        assert (await store.run(MetricsQuery())).rows[0]["events"] == 2_000 * (seq + 1)
        await store.close()
        monkeypatch.undo()
    data = bytearray(store.path.read_bytes())
    with store.path.open("rb") as file:
        assert block_size(file) == size
    assert bad_blocks(store.path) == []
    for header in (4_096, 8_192):
        data[header + 100] ^= 1
    store.path.write_bytes(data)
    assert [bad.start for bad in bad_blocks(store.path)] == [4_096, 8_192]


def flipped(data: bytes, byte: int, bit: int) -> bytes:
    changed = bytearray(data)
    changed[byte] ^= 1 << bit
    return bytes(changed)


def test_what_duckdb_wrote_is_sound(files: Path) -> None:
    assert bad_blocks(files) == []
    log = read_log(log_of(files).read_bytes())
    assert (log.damaged, log.sound) == (False, log_of(files).stat().st_size)


def test_a_flipped_bit_of_the_file_is_seen_and_no_other_is_blamed(files: Path) -> None:
    data, dice = files.read_bytes(), random.Random(1)
    for _ in range(20):
        place = (dice.randrange(len(data)), dice.randrange(8))
        files.write_bytes(flipped(data, *place))
        (bad,) = bad_blocks(files)
        assert bad.start <= place[0] < bad.start + bad.size
        assert bad.flipped in (None, place)


def test_a_flipped_bit_of_the_log_is_damage_wherever_it_is(files: Path) -> None:
    """G6: in the header too, for which DuckDB would take the log for an empty one."""
    data, dice = log_of(files).read_bytes(), random.Random(2)
    header = data.index(b"\xff\xff") + 2
    for _ in range(100):
        place = (dice.randrange(header, len(data)), dice.randrange(8))
        log = read_log(flipped(data, *place))
        assert log.damaged
        assert log.bad is not None
        assert log.bad.flipped in (None, place)
    for place in [(byte, bit) for byte in (0, 1, 2, 3, 4, 6, 7) for bit in range(8)]:
        assert not read_log(flipped(data, *place)).header
        assert flipped_in_header(flipped(data, *place)) == place


def test_a_torn_end_is_no_damage(files: Path) -> None:
    """G6: a crash cuts a log anywhere; what was not written whole was not committed."""
    data = log_of(files).read_bytes()
    for size in [*range(0, 300, 7), *range(300, len(data), 997)]:
        assert not read_log(data[:size]).damaged


def test_a_last_write_that_is_damaged_is_told_when_it_is_cut_off(files: Path) -> None:
    """G6: pages that it lacks may be a crash's or damage; a torn end is a crash's."""
    path = log_of(files)
    data = path.read_bytes()
    start = read_log(data[:-1]).sound
    size = len(data) - start
    middle = data[: start + 20] + bytes(size // 2) + data[start + 20 + size // 2 :]
    beginning = data[:start] + bytes(size // 2) + data[start + size // 2 :]
    for changed, told in [
        (middle, True),
        (beginning, True),
        (data[:start] + bytes(size), False),
        (data[: start + size // 2], False),
        (data, False),
    ]:
        path.write_bytes(changed)
        mended: list[str] = []
        lost: list[str] = []
        mend_log(path, mended, lost)
        assert (bool(lost), mended) == (told, [])
        assert path.stat().st_size == (len(data) if changed == data else start)


def test_the_check_of_a_cut_file_says_no_more_than_its_size(files: Path) -> None:
    files.write_bytes(files.read_bytes()[:7_402])
    told: list[tuple[int, int]] = []
    assert bad_blocks(files, lambda done, size: told.append((done, size)))
    assert told == [(4_096, 7_402), (7_402, 7_402), (7_402, 7_402)]


def test_a_log_without_its_file_is_not_taken_for_a_new_store(files: Path) -> None:
    """G6: DuckDB would make an empty file and delete the log."""
    files.unlink()
    with pytest.raises(StoreDamaged, match="is missing"):
        check_log(files)
