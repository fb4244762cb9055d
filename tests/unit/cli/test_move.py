"""`tallystick move`: what it says, what it refuses, its exit codes; killed and started again."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tallystick.config import Settings
from tallystick.store import make_store
from tallystick.store.carried import MOVE
from tests.helpers.commands import end_command, run_command
from tests.helpers.samples import sample_block
from tests.helpers.thorough import THOROUGH
from tests.servers.process import free_port

COMMAND = "import sys; from tallystick.cli import main; main(sys.argv[1:])"


async def fill(folder: Path, blocks: int, events: int = 10) -> None:
    store = make_store(Settings(data=folder, disk_reserve_bytes=0))
    await store.open()
    await store.write([sample_block(seq, range(seq * events, (seq + 1) * events)) for seq in range(blocks)])
    await store.close()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    asyncio.run(fill(tmp_path / "source", 3))
    return tmp_path / "source"


@pytest.fixture
def destination(tmp_path: Path) -> Path:
    folder = tmp_path / "destination"
    folder.mkdir(mode=0o700)
    return folder


def test_a_move(source: Path, destination: Path) -> None:
    printed = run_command({}, "move", "--from", str(source), "--to", f"duckdb:///{destination}/store.duckdb")

    assert "30 events of 1 day on 1 site are in duckdb:///" in printed
    assert "30 of them were carried now" in printed
    assert "verified: both stores have the same" in printed
    books = json.loads(run_command({}, "verify", "--json", "--data", str(destination)))
    assert books["ledger"]["stored"] == 30


def test_a_dry_run_changes_nothing(source: Path, destination: Path) -> None:
    ends = ("--from", str(source), "--to", str(destination))
    for _ in range(2):
        found = json.loads(run_command({}, "move", *ends, "--dry-run", "--json"))
        assert (found["dry_run"], found["resumed"], found["events"], found["carried"]) == (True, False, 30, 0)
    assert json.loads(run_command({}, "move", *ends, "--json"))["carried"] == 30
    again = json.loads(run_command({}, "move", *ends, "--json"))
    assert (again["ok"], again["resumed"], again["carried"]) == (True, True, 0)


@pytest.mark.parametrize(
    ("source_url", "destination_url", "message"),
    [
        ("{tmp}/none", "{tmp}/destination", "--from: there is no store {tmp}/none/store.duckdb"),
        ("{tmp}/source", "{tmp}/none", "--to: there is no folder {tmp}/none"),
        ("{tmp}/source", "mysql://u:geheim@h/d", "--to: 'mysql' is no scheme of a store"),
        ("{tmp}/source", "@{tmp}/none", "--to: {tmp}/none cannot be read: No such file or directory"),
        ("{tmp}/source", "{tmp}/source", "--from and --to name the same store"),
        ("{tmp}/source", "postgresql://u:geheim@127.0.0.1:1/d", "--to"),
    ],
)
def test_refused(
    tmp_path: Path, source: Path, destination: Path, source_url: str, destination_url: str, message: str
) -> None:
    assert destination.is_dir()
    ends = ("--from", source_url.format(tmp=tmp_path), "--to", destination_url.format(tmp=tmp_path))

    code, printed, said = end_command({}, "move", *ends)

    assert (code, printed) == (2, "")
    assert message.format(tmp=tmp_path) in said
    assert "geheim" not in said
    assert "TALLYSTICK_STORE_URL" not in said


def test_a_url_in_a_file(tmp_path: Path, source: Path, destination: Path) -> None:
    (tmp_path / "url").write_text(f"duckdb:///{destination}/store.duckdb\n")

    assert json.loads(run_command({}, "move", "--from", str(source), "--to", f"@{tmp_path / 'url'}", "--json"))["ok"]


def test_a_source_that_a_server_holds(source: Path, destination: Path) -> None:
    async def moved_meanwhile() -> tuple[int, str, str]:
        store = make_store(Settings(data=source, disk_reserve_bytes=0))
        await store.open()
        ends = ["move", "--from", str(source), "--to", str(destination)]
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", COMMAND, *ends, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        printed, said = await process.communicate()
        await store.close()
        assert process.returncode is not None
        return process.returncode, printed.decode(), said.decode()

    code, printed, said = asyncio.run(moved_meanwhile())

    assert (code, printed) == (2, "")
    assert f"--from: a running server holds {source}/store.duckdb: stop it first" in said


def test_a_server_refuses_a_half_filled_store(tmp_path: Path) -> None:
    """It would store beside the move, which then could not end."""

    async def begin() -> None:
        store = make_store(Settings(data=tmp_path / "half", disk_reserve_bytes=0))
        await store.open()
        await store.write([sample_block(0, range(3), f"{MOVE}0123456789abcdef")])
        await store.close()

    asyncio.run(begin())
    up = [sys.executable, "-c", COMMAND, "up", "--data", str(tmp_path / "half"), "--port", str(free_port())]
    ended = subprocess.run(up, capture_output=True, text=True, timeout=120, check=False)

    assert ended.returncode == 2
    assert "this store is half filled by `tallystick move`: start that again" in ended.stderr


def test_killed_and_started_again(tmp_path: Path, destination: Path) -> None:
    """SIGKILL, each time a little later, until it is done before."""
    asyncio.run(fill(tmp_path / "source", 40, 1_000))
    ends = ["move", "--from", str(tmp_path / "source"), "--to", str(destination), "--json"]
    for attempt in range(100):
        process = subprocess.Popen(
            [sys.executable, "-c", COMMAND, *ends], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        time.sleep((1.1 if THOROUGH else 1.5) ** attempt)
        process.send_signal(signal.SIGKILL)
        printed, _ = process.communicate()
        if process.returncode == 0:
            break
        assert process.returncode == -signal.SIGKILL
    else:
        printed = run_command({}, *ends).encode()

    assert json.loads(printed)["ok"]
    assert json.loads(printed)["events"] == 40_000
    books = json.loads(run_command({}, "verify", "--json", "--data", str(destination)))
    assert books["ledger"]["stored"] == 40_000
