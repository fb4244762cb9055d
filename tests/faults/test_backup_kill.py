"""Backups of a server under load, and one whose server is killed while it is made (G1, G2, G4)."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tallystick.harness.server import TALLYSTICK, ServerProcess
from tests.faults.killing import Clients, look
from tests.faults.oracle import ClientLedger, findings

BACKUPS = 3
LARGE = 32 << 20
"""Bytes of a file in the backup: more than what a connection takes without being read."""


async def command(*arguments: str) -> tuple[int, str, str]:
    """Exit code and output of a command in a process of its own."""
    done = await asyncio.to_thread(subprocess.run, [*TALLYSTICK, *arguments], capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


def begin_backup(url: str) -> tuple[socket.socket, bytes]:
    """A connection on which a backup is being sent, of which little is read: the server is in the middle of it."""
    address = urlsplit(url)
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    connection.connect((address.hostname, address.port))
    connection.sendall(f"GET /v1/backup HTTP/1.1\r\nhost: {address.netloc}\r\n\r\n".encode())
    return connection, connection.recv(64)


def write_large_file(imports: Path) -> None:
    """Something that is in a backup and takes long to send."""
    imports.mkdir(exist_ok=True)
    (imports / "large").write_bytes(bytes(LARGE))


def left_in(folder: Path) -> list[str]:
    """Folders of backups under way."""
    return [path.name for path in folder.glob("backup-*")]


def parts_in(folder: Path) -> list[str]:
    """What backups that failed left."""
    return [path.name for path in folder.iterdir() if path.name.endswith(".part") or path.name.startswith("second")]


async def rounds(tmp_path: Path, seed: int, backups: int) -> None:
    server = ServerProcess(tmp_path / "data")
    clients = Clients(lambda: server.url, seed)
    made: list[tuple[Path, set[str]]] = []
    try:
        await asyncio.to_thread(server.start)
        await asyncio.to_thread(write_large_file, tmp_path / "data" / "imports")
        async with clients.sending():
            clients.go_on()
            for number in range(backups):
                await asyncio.sleep(0.5)
                file, before = tmp_path / f"{number}.tar.zst", set(clients.ledger.accepted)
                code, out, err = await command("backup", str(file), "--url", server.url, "--json")
                assert code == 0, err
                assert json.loads(out)["about"]["differences"] == []
                made.append((file, before))
            connection, begun = await asyncio.to_thread(begin_backup, server.url)
            assert begun.startswith(b"HTTP/1.1 200")
            # Another one meanwhile is refused, and the one under way does not keep events from being stored.
            code, _, err = await command("backup", str(tmp_path / "second.tar.zst"), "--url", server.url)
            assert (code, "another backup is being made" in err) == (2, True)
            assert len(left_in(tmp_path / "data")) == 1
            accepted = len(clients.ledger.accepted)
            while len(clients.ledger.accepted) == accepted:  # noqa: ASYNC110 - clients have no event to wait for
                await asyncio.sleep(0.05)
            clients.pause()
            await asyncio.to_thread(server.kill)
            connection.close()
            await asyncio.to_thread(server.start)
            clients.go_on()
        file = tmp_path / "after.tar.zst"
        code, _, err = await command("backup", str(file), "--url", server.url)
        assert code == 0, err
        made.append((file, set(clients.ledger.accepted)))
        assert left_in(tmp_path / "data") == [], "what the killed server left"
        outcome = await asyncio.to_thread(look, server.url, server.url)
        assert findings(clients.ledger, outcome) == []
    finally:
        server.kill()
    assert parts_in(tmp_path) == []
    everything = clients.ledger.accepted | clients.ledger.unknown
    for file, before in made:
        await check(file, before, everything)
    assert clients.answered > 20


async def check(file: Path, before: set[str], everything: set[str]) -> None:
    """Restore a backup and serve it: what was accepted before it is there, and nothing twice."""
    folder = file.with_suffix("")
    code, out, err = await command("restore", str(file), "--data", str(folder), "--json")
    assert code == 0, (out, err)
    known = ClientLedger()
    known.sent(everything)
    known.succeeded(before)
    with ServerProcess(folder) as server:
        assert findings(known, await asyncio.to_thread(look, server.url, server.url)) == []


async def test_backups_under_load(tmp_path: Path) -> None:
    """G1, G2, G4: everything accepted before a backup is in it, once, and its books close."""
    await rounds(tmp_path, seed=7, backups=BACKUPS)


@pytest.mark.faults
@pytest.mark.parametrize("seed", range(5))
async def test_many_backups_under_load(tmp_path: Path, seed: int) -> None:
    """G1, G2, G4."""
    await rounds(tmp_path, seed, backups=10)
