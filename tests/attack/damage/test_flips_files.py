"""Flipped bits in every other small file that Tallystick writes, and what commands say of damage (G6)."""

from __future__ import annotations

import asyncio
import io
import json
import os
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

import pytest

from tallystick.cli import main
from tallystick.cli.importing.sending import State, StateFile
from tallystick.config import Settings
from tallystick.errors import ConfigError, InvalidRequest
from tallystick.ingest.enrich.visitor import DAY, FILE, Salts
from tallystick.store import make_store
from tests.helpers.damage.flips import every_flip, fresh_copy, harms
from tests.helpers.queue.steps import NO_WAIT, opened
from tests.helpers.samples import sample_block
from tests.servers.scratch import scratch_folder

NOON = 20_000 * DAY + DAY / 2


def test_the_visitors_salt(tmp_path: Path) -> None:
    """G6: each bit of it; under another salt every visitor of the day would count once more."""
    salt = Salts(tmp_path, lambda: NOON).salt()
    file = tmp_path / f"{FILE}20000"
    content = file.read_bytes()
    for harm in [*every_flip(content), *harms(content, "zero", 1)]:
        file.write_bytes(harm.content)
        with pytest.raises(ConfigError, match=f"{FILE}20000 is damaged: delete it"):
            Salts(tmp_path, lambda: NOON)
    for end in range(len(content)):
        file.write_bytes(content[:end])
        try:
            assert Salts(tmp_path, lambda: NOON).salt() == salt
        except ConfigError:
            continue


def test_the_mark_of_an_import(tmp_path: Path) -> None:
    """G6: each bit of it; with another row number rows would be skipped that were never sent."""
    path = tmp_path / "import.json"
    state = State(row=70_000, accepted=69_000, rejected=1_000, reasons=["row 8: bad: is bad"])
    StateFile(path).save(state, now=True)
    content = path.read_bytes()
    damaged = 0
    cuts = [content[:end] for end in range(len(content))]
    for harmed in [*(harm.content for harm in every_flip(content)), *cuts, bytes(len(content))]:
        path.write_bytes(harmed)
        try:
            assert StateFile(path).load() == state, harmed
        except InvalidRequest as error:
            damaged += "with --again every row is sent again" in error.message
    assert damaged >= 9 * len(content) - 2


async def test_what_a_dead_process_left_in_the_spool(tmp_path: Path) -> None:
    """G6: nothing of it is read again."""
    settings = Settings(data=tmp_path, disk_reserve_bytes=0)
    spool = tmp_path / "store.duckdb.spool"
    spool.mkdir()
    (spool / "left.ndjson").write_bytes(b'{"event_id"' + bytes(4_096))
    store = make_store(settings)
    await store.open()
    await store.migrate()
    await store.write([sample_block(0, [0, 1])])
    assert await store.verify() == []
    assert not (spool / "left.ndjson").exists()
    await store.close()


async def test_whatever_is_in_the_lock(tmp_path: Path) -> None:
    """Its content means nothing."""
    settings = Settings(data=tmp_path, disk_reserve_bytes=0)
    async with opened(settings) as queue:
        await queue.publish([sample_block(0, [0])])
    (tmp_path / "queue.sqlite.lock").write_bytes(b"\xff" * 4_096)
    async with opened(settings) as queue:
        assert (await queue.depth()).events == 1


# --- by commands ----------------------------------------------------------------------------------------------------


class Ended(NamedTuple):
    """How a command ended: its exit code and what it printed."""

    code: int
    out: str
    err: str


def command(data: Path, *arguments: str) -> Ended:
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    environment = patch.dict(os.environ, {"TERM": "dumb", "COLUMNS": "200"})
    with environment, redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as ended:
        main([*arguments, "--data", str(data)])
    code = ended.value.code
    return Ended(code if isinstance(code, int) else 0, *(end.detach().getvalue().decode() for end in (out, err)))


@pytest.fixture(scope="module")
def killed() -> Iterator[Path]:
    """A data folder with store and queue as kill -9 leaves it: of 30 blocks with two events each 10 are stored."""
    with scratch_folder("killed", in_memory=True) as folder:
        yield asyncio.run(_killed(folder))


async def _killed(folder: Path) -> Path:
    settings = Settings(data=folder / "data", disk_reserve_bytes=0)
    store = make_store(settings)
    await store.open()
    await store.migrate()
    async with opened(settings) as queue:
        await queue.publish([sample_block(0, [0, 1])])
        for seq in range(1, 30):
            await queue.publish([sample_block(seq, [2 * seq, 2 * seq + 1])])
        batch = await queue.consume(20, NO_WAIT)
        assert batch is not None
        await store.write(batch.blocks)
        await batch.ack()
        await store.close()
        return fresh_copy(folder / "data", folder / "killed")


def test_a_damaged_log_from_the_refusal_to_closed_books(killed: Path, tmp_path: Path) -> None:
    """G6: every command refuses in one sentence; the recovery it names brings all events back."""
    data = fresh_copy(killed, tmp_path / "data")
    wal = bytearray((data / "queue.sqlite-wal").read_bytes())
    wal[32 + 5 * 4_120 + 3_000] ^= 1
    (data / "queue.sqlite-wal").write_bytes(wal)

    for arguments in (("up", "--port", "0"), ("verify",), ("dead", "list")):
        refused = command(data, *arguments)
        assert refused.code == 2
        assert "whole commits follow it, which SQLite would not see" in refused.err
        assert f"`tallystick recover queue --data {data}`" in refused.err
        assert len(refused.err.splitlines()) == 1
    recovered = command(data, "recover", "queue")
    assert recovered.code == 0, recovered
    assert "40 events in 20 blocks wait in the new queue" in recovered.out
    assert "no accepted event is missing" in recovered.out
    assert sorted(file.name for file in next(data.glob("damaged-*")).iterdir()) == [
        "queue.sqlite",
        "queue.sqlite-shm",
        "queue.sqlite-wal",
        "queue.sqlite.mark",
    ]
    found = command(data, "verify", "--json")
    assert found.code == 0, found
    assert json.loads(found.out)["ledger"] == {
        "accepted": 60,
        "stored": 20,
        "duplicates": 0,
        "conflicts": 0,
        "dead": 0,
        "erased": 0,
        "queued": 40,
    }
    assert "is not damaged; nothing was changed" in command(data, "recover", "queue").out


def test_what_cannot_be_brought_back_stays_in_the_books(killed: Path, tmp_path: Path) -> None:
    """G4, G6: the log's end is gone: the mark knows how much, and `verify` goes on saying so."""
    data = fresh_copy(killed, tmp_path / "data")
    wal = (data / "queue.sqlite-wal").read_bytes()
    (data / "queue.sqlite-wal").write_bytes(wal[: len(wal) * 2 // 3])

    refused = command(data, "verify")
    assert refused.code == 2
    assert "commits are missing" in refused.err
    recovered = command(data, "recover", "queue")
    assert recovered.code == 1, recovered
    found = command(data, "verify", "--json")
    assert found.code == 1
    answer = json.loads(found.out)
    books = answer["ledger"]
    missing = 60 - books["stored"] - books["queued"]
    assert (books["accepted"], books["stored"]) == (60, 20)
    assert missing > 0
    assert f"{missing} accepted events are missing" in recovered.out
    assert [difference["check"] for difference in answer["differences"]] == ["sequence"]
    assert f"{missing // 2} of 30 blocks are missing" in answer["differences"][0]["message"]


def test_without_its_store_a_recovery_says_what_it_does_not_know(killed: Path, tmp_path: Path) -> None:
    """G6: a damaged store does not keep the queue's blocks from coming back; the ledger skips them later (G2)."""
    data = fresh_copy(killed, tmp_path / "data")
    wal = bytearray((data / "queue.sqlite-wal").read_bytes())
    wal[32 + 5 * 4_120 + 3_000] ^= 1
    (data / "queue.sqlite-wal").write_bytes(wal)
    store = (data / "store.duckdb").read_bytes()
    (data / "store.duckdb").write_bytes(bytes(4_096))

    recovered = command(data, "recover", "queue")
    assert recovered.code == 1
    assert "60 events in 30 blocks wait in the new queue" in recovered.out
    assert "the store could not be read" in recovered.out

    (data / "store.duckdb").write_bytes(store)
    found = command(data, "verify", "--json")
    assert found.code == 0, found
    assert json.loads(found.out)["ledger"]["queued"] == 40


def test_every_file_of_a_data_folder_is_one_that_is_looked_after(killed: Path) -> None:
    """A new kind of file needs its flips tested: here, in test_flips_queue.py, or with the store's."""
    known = {"queue.sqlite", "queue.sqlite-wal", "queue.sqlite-shm", "queue.sqlite.lock", "queue.sqlite.mark"}
    stores = {"store.duckdb", "store.duckdb.wal", "store.duckdb.spool"}
    assert {file.name for file in killed.iterdir()} <= known | stores
