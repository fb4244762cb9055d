"""Only their owner can read Tallystick's files (G12), whatever the umask, new or old."""

from __future__ import annotations

import contextlib
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import structlog

from tallystick.config import Settings
from tallystick.disk import private_folder
from tallystick.harness.server import ServerProcess
from tallystick.queue import make_queue
from tallystick.store import make_store
from tests.helpers.http.plain_http import get, post


def modes(folder: Path) -> dict[str, str]:
    """Permissions of the folder and of everything in it that others have a right to, by name; empty is good."""
    open_to_others = {}
    inside = (Path(parent, name) for parent, folders, files in os.walk(folder) for name in (*folders, *files))
    for path in (folder, *inside):
        with contextlib.suppress(FileNotFoundError):  # an answer's file, which goes once it is sent
            mode = path.lstat().st_mode
            if not stat.S_ISLNK(mode) and mode & 0o077:
                open_to_others[str(path.relative_to(folder))] = oct(stat.S_IMODE(mode))
    return open_to_others


def command(umask: int, *arguments: str) -> None:
    """A command that has to end well, started with this umask."""
    subprocess.run(
        [sys.executable, "-c", "from tallystick.cli import main; main()", *arguments],
        check=True,
        capture_output=True,
        timeout=600,
        umask=umask,
    )


def test_a_server_and_commands_beside_it_write_for_themselves_alone(tmp_path: Path) -> None:
    """G12: with a umask of 0: queue, WAL, lock, store, spool, salt, marks of imports, exports."""
    data = tmp_path / "data"
    before = os.umask(0)
    try:
        allowed = {"TALLYSTICK_ENRICH_VISITOR": "true", "TALLYSTICK_LEDGER_KEEP_HOURS": "0"}
        with ServerProcess(data, allowed) as server:
            for number in range(3):
                post(f"{server.url}/v1/events", [{"name": "a", "properties": {"n": number}}])
            assert modes(data) == {}
            get(f"{server.url}/v1/export?format=parquet")
            assert modes(data) == {}
            names = {path.name for path in data.iterdir()}
            assert {"queue.sqlite", "queue.sqlite-wal", "queue.sqlite.lock", "store.duckdb"} <= names
        assert modes(data) == {}
        rows = tmp_path / "rows.ndjson"
        rows.write_text('{"name":"b"}\n')
        out = tmp_path / "out.ndjson"
        command(0, "import", str(rows), "--data", str(data))
        command(0, "export", "-o", str(out), "--data", str(data))
        assert (data / "imports").is_dir()
        assert modes(data) == {}
        assert stat.S_IMODE(out.stat().st_mode) == 0o600
    finally:
        os.umask(before)


@pytest.mark.parametrize(("readable", "folder_mode", "file_mode"), [(False, 0o700, 0o600), (True, 0o750, 0o640)])
async def test_what_others_could_read_is_closed_at_the_start(
    tmp_path: Path, readable: bool, folder_mode: int, file_mode: int
) -> None:
    """G12: a folder of an earlier version, with one line in the log; the group keeps what it was given on purpose."""
    data = tmp_path / "data"
    settings = Settings(data=data, disk_reserve_bytes=0, data_group_readable=readable)
    await touched(settings)
    (data / "imports").mkdir()
    (data / "imports" / "mark.json").write_text("{}")
    (data / "notes.txt").write_text("the operator's own")
    for path in (data, *data.rglob("*")):
        path.chmod(0o777 if path.is_dir() else 0o666)
    with structlog.testing.capture_logs() as lines:
        await touched(settings)
    assert stat.S_IMODE(data.stat().st_mode) == folder_mode
    for name in ("queue.sqlite", "queue.sqlite.lock", "store.duckdb", "imports/mark.json"):
        assert stat.S_IMODE((data / name).stat().st_mode) == file_mode, name
    assert stat.S_IMODE((data / "notes.txt").stat().st_mode) == 0o666
    assert len([line for line in lines if line["event"].startswith("others could read the data")]) == 1


async def touched(settings: Settings) -> None:
    """Open and close queue and store."""
    for part in (make_queue(settings), make_store(settings)):
        await part.open()
        await part.close()


async def test_a_folder_of_everybodys_is_left_as_it_is(tmp_path: Path) -> None:
    """Files beside others' are closed; their folder is not Tallystick's, nor is one that is like /tmp."""
    shared, sticky = tmp_path / "shared", tmp_path / "sticky"
    for folder, mode in ((shared, 0o755), (sticky, 0o1777)):
        folder.mkdir()
        folder.chmod(mode)
        (folder / "other.txt").write_text("x")
        (folder / "other.txt").chmod(0o644)
    beside = Settings(
        data=tmp_path / "data",
        queue_url=f"sqlite:///{shared}/queue.sqlite",
        store_url=f"duckdb:///{shared}/store.duckdb",
        disk_reserve_bytes=0,
    )
    await touched(beside)
    assert modes(shared).keys() == {".", "other.txt"}
    await touched(Settings(data=sticky, disk_reserve_bytes=0))
    assert modes(sticky).keys() == {".", "other.txt"}


def test_links_are_not_followed(tmp_path: Path) -> None:
    """A link in the folder does not change what it leads to."""
    outside = tmp_path / "outside"
    outside.write_text("x")
    outside.chmod(0o644)
    data = tmp_path / "data"
    data.mkdir()
    (data / "queue.sqlite.link").symlink_to(outside)
    private_folder(data, Settings(data=data), "queue.sqlite")
    assert stat.S_IMODE(outside.stat().st_mode) == 0o644
