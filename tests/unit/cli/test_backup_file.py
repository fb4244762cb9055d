"""`tallystick backup` and `tallystick restore`: what comes back, what is refused, and what damage does (G4, G6)."""

from __future__ import annotations

import asyncio
import io
import json
import os
import shutil
import tarfile
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
import zstandard

from tallystick.backup.archive import FORMAT, FORMAT_WITHOUT_ACCESS, About, Books, Part, Writer
from tallystick.cli import backup as backup_command
from tallystick.cli import restore as restore_command
from tallystick.config import Settings
from tallystick.harness.server import ServerProcess
from tallystick.queue import make_queue
from tallystick.queue.sqlite.queue import SqliteQueue
from tallystick.store import file_schema, make_store
from tallystick.store.library import Document
from tests.helpers.commands import end_command, run_command
from tests.helpers.samples import NOON, sample_block
from tests.helpers.thorough import some
from tests.unit.cli.test_renamed import OLD_DATA

STORED, QUEUED = 60, 7


async def fill(folder: Path) -> None:
    """Events in the store and in the queue, a report, and the mark of an import."""
    settings = Settings(data=folder, disk_reserve_bytes=0)
    queue, store = make_queue(settings), make_store(settings)
    await queue.open()
    await store.open()
    stored, queued = sample_block(0, range(STORED)), sample_block(1, range(STORED, STORED + QUEUED))
    await queue.publish([stored, queued])
    batch = await queue.consume(STORED, 1.0)
    assert batch is not None
    await store.write(batch.blocks)
    await batch.ack()
    body = {
        "name": "kept",
        "description": "",
        "range": "7d",
        "timezone": "UTC",
        "view": {},
        "question": {"kind": "keys"},
    }
    await store.library.add(Document("report", "0" * 12, "shop", body, NOON, NOON))
    await store.close()
    await queue.close()
    (folder / "imports").mkdir(mode=0o700)
    (folder / "imports" / "a.json").write_text('{"rows":3}')
    (folder / "visitor-salt-2026-11-30").write_text("the day's key")


@pytest.fixture
async def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    await fill(folder)
    return folder


@pytest.fixture
def made(data: Path, tmp_path: Path) -> Path:
    """A backup of it."""
    file = tmp_path / "one.tar.zst"
    run_command({}, "backup", str(file), "--data", str(data))
    return file


def contents(folder: Path) -> tuple[Any, ...]:
    """What a data folder holds: its books, the ids of its events, its reports."""
    at = ("--data", str(folder))
    verified = json.loads(run_command({}, "verify", "--json", *at))
    ids = sorted(json.loads(line)["event_id"] for line in run_command({}, "export", *at).splitlines())
    reports = json.loads(run_command({}, "report", "list", "--json", *at))["reports"]
    return verified, ids, reports


def archive_of(parts: Sequence[tuple[str, bytes]], path: Path) -> Path:
    """A compressed tar file of these members."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as tar:
        for name, content in parts:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    path.write_bytes(zstandard.compress(plain.getvalue()))
    return path


def members_of(path: Path) -> dict[str, bytes]:
    """What an archive has, as the standard library reads it."""
    with path.open("rb") as file, zstandard.ZstdDecompressor().stream_reader(file) as plain:
        with tarfile.open(fileobj=io.BytesIO(plain.read())) as tar:
            return {info.name: content.read() for info in tar if (content := tar.extractfile(info)) is not None}


def test_everything_comes_back(data: Path, made: Path, tmp_path: Path) -> None:
    """What is stored, what waits, the library and the marks of imports; not the key that midnight deletes."""
    printed = run_command({}, "restore", str(made), "--data", str(tmp_path / "restored"))
    assert f"{tmp_path}/restored is restored: the books close as they did at " in printed
    assert contents(tmp_path / "restored") == contents(data)
    assert (tmp_path / "restored/imports/a.json").read_text() == '{"rows":3}'
    assert not (tmp_path / "restored/visitor-salt-2026-11-30").exists()
    assert {file.name for file in data.iterdir()} >= {"queue.sqlite", "store.duckdb"}
    assert not list(data.glob("backup-*"))
    for path in (made, *(tmp_path / "restored").rglob("*")):
        assert path.stat().st_mode & 0o077 == 0, path
    with ServerProcess(tmp_path / "restored") as server, closing(server.api()) as api:
        while api.ledger()["queued"]:
            pass
        assert api.count() == STORED + QUEUED


def test_a_running_server_as_json(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "running.tar.zst"
    with ServerProcess(data) as server:
        found = json.loads(run_command({}, "backup", str(file), "--url", server.url, "--json"))
        code, _, said = end_command({}, "restore", str(file), "--data", str(data))
        assert (code, "is not empty" in said) == (2, True)
    assert found["file"] == str(file)
    assert found["bytes"] == file.stat().st_size
    about = found["about"]
    assert about["books"]["accepted"] == STORED + QUEUED == about["books"]["stored"] + about["books"]["queued"]
    assert (about["format"], about["schema"], about["differences"]) == (FORMAT_WITHOUT_ACCESS, file_schema(), [])
    restored = json.loads(run_command({}, "restore", str(file), "--data", str(tmp_path / "new"), "--json"))
    assert restored["ok"]
    assert restored["found"]["ledger"]["accepted"] == STORED + QUEUED


def test_tar_reads_it(made: Path) -> None:
    """The manifest is the last member, and names every other one but the first."""
    members = members_of(made)
    assert next(iter(members)) == "about.json"
    assert [*members][-1] == "manifest.json"
    listed = json.loads(members["manifest.json"])["files"]
    assert [entry["name"] for entry in listed] == [*members][1:-1]
    assert {"queue.sqlite", "queue.sqlite.mark", "store.duckdb", "imports/a.json"} <= members.keys()


def test_an_archive_that_was_cut_off_is_refused(made: Path, tmp_path: Path) -> None:
    whole = made.read_bytes()
    for length in some([*range(0, len(whole), max(1, len(whole) // 40)), len(whole) - 1]):
        cut = tmp_path / "cut.tar.zst"
        cut.write_bytes(whole[:length])
        code, _, said = end_command({}, "restore", str(cut), "--data", str(tmp_path / "restored"))
        if code == 0:
            assert length >= len(whole) - 4, "only the compressor's own checksum may be missing"
            shutil.rmtree(tmp_path / "restored")
            continue
        assert code == 2
        assert f"error: {cut}: it " in said
        assert sorted(path.name for path in tmp_path.iterdir()) == ["cut.tar.zst", "data", "one.tar.zst"]


def test_a_changed_byte_is_refused(made: Path, tmp_path: Path) -> None:
    """In the compressed file, and in a file whose archive was made again around it."""
    whole = made.read_bytes()
    # Of the first bytes, the compressor's header, some bits mean nothing.
    for position in some(range(16, len(whole), max(1, len(whole) // 40))):
        bad = tmp_path / "bad.tar.zst"
        bad.write_bytes(whole[:position] + bytes([whole[position] ^ 16]) + whole[position + 1 :])
        code, _, said = end_command({}, "restore", str(bad), "--data", str(tmp_path / "restored"))
        assert code == 2, position
        assert f"error: {bad}: it " in said
        assert not (tmp_path / "restored").exists()
    members = members_of(made)
    store = bytearray(members["store.duckdb"])
    store[len(store) // 2] ^= 1
    again = archive_of([*(members | {"store.duckdb": bytes(store)}).items()], tmp_path / "again.tar.zst")
    code, _, said = end_command({}, "restore", str(again), "--data", str(tmp_path / "restored"))
    assert (code, "it is damaged: store.duckdb is not what was written" in said) == (2, True)
    assert not [path for path in tmp_path.iterdir() if "restor" in path.name]


def changed(
    name: str, change: Callable[[dict[str, Any]], Any]
) -> Callable[[dict[str, bytes]], list[tuple[str, bytes]]]:
    def make(members: dict[str, bytes]) -> list[tuple[str, bytes]]:
        value = json.loads(members[name])
        change(value)
        return [*(members | {name: json.dumps(value).encode()}).items()]

    return make


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda members: [*members.items()][1:], "it is no backup: its first member is not about.json"),
        (lambda members: [*members.items()][:-1], "it was cut off: it has no manifest.json"),
        (lambda members: [*list(members.items())[:1], ("../evil", b"x")], "'../evil' has no place in a backup"),
        (
            lambda members: [*list(members.items())[:1], ("imports/../x", b"x")],
            "'imports/../x' has no place in a backup",
        ),
        (
            lambda members: [*list(members.items())[:2], *list(members.items())[1:]],
            "'queue.sqlite' has no place in a backup",
        ),
        (
            lambda members: [(name, text) for name, text in members.items() if name != "store.duckdb"],
            "it is damaged: store.duckdb is not what was written",
        ),
        (
            changed("about.json", lambda about: about.update(format=FORMAT + 1)),
            f"its format is {FORMAT + 1}; this Tallystick knows {FORMAT}",
        ),
        (
            changed("about.json", lambda about: about.update(schema=999, versions={"tallystick": "9.1"})),
            "it was made by Tallystick 9.1 and has schema 999; this Tallystick knows ",
        ),
        (changed("about.json", lambda about: about.pop("books")), "it is no backup, or is damaged: "),
        (changed("about.json", lambda about: about.update(bytes=1 << 60)), "bytes free; the backup needs 1,152,921,"),
    ],
)
def test_what_is_no_backup_of_this_version(
    made: Path, tmp_path: Path, change: Callable[[dict[str, bytes]], list[tuple[str, bytes]]], message: str
) -> None:
    other = archive_of(change(members_of(made)), tmp_path / "other.tar.zst")
    code, printed, said = end_command({}, "restore", str(other), "--data", str(tmp_path / "restored"))
    assert (code, printed) == (2, "")
    assert message in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "one.tar.zst", "other.tar.zst"]


def test_what_is_no_archive(tmp_path: Path) -> None:
    for content in (b"", b"not an archive", os.urandom(4_096)):
        (tmp_path / "x").write_bytes(content)
        code, _, said = end_command({}, "restore", str(tmp_path / "x"), "--data", str(tmp_path / "restored"))
        assert (code, said.startswith(f"error: {tmp_path}/x: it is no backup")) == (2, True), said
    code, _, said = end_command({}, "restore", str(tmp_path / "none"), "--data", str(tmp_path / "restored"))
    assert (code, said) == (2, f"error: {tmp_path}/none: No such file or directory\n")


def test_a_folder_that_is_used_is_left_alone(made: Path, data: Path, tmp_path: Path) -> None:
    before = {path.name: path.read_bytes() for path in data.iterdir() if path.is_file()}
    code, _, said = end_command({}, "restore", str(made), "--data", str(data))
    assert (code, said) == (2, f"error: {data} is not empty: name another folder with --data, or move it away\n")
    assert {path.name: path.read_bytes() for path in data.iterdir() if path.is_file()} == before
    (tmp_path / "empty").mkdir()
    (tmp_path / ".empty.restoring").mkdir()  # of a restore that was killed
    run_command({}, "restore", str(made), "--data", str(tmp_path / "empty"))
    assert not (tmp_path / ".empty.restoring").exists()


def test_a_file_is_never_replaced(made: Path, data: Path, tmp_path: Path) -> None:
    before = made.read_bytes()
    code, _, said = end_command({}, "backup", str(made), "--data", str(data))
    assert (code, said) == (2, f"error: {made} is there already: name another file\n")
    assert made.read_bytes() == before
    code, _, said = end_command({}, "backup", str(tmp_path / "no/x"), "--data", str(data))
    assert (code, said) == (2, f"error: there is no folder {tmp_path}/no\n")
    code, _, said = end_command({}, "backup", str(tmp_path / "x"), "--data", str(data), "--keep", "2")
    assert (code, said) == (2, f"error: --keep: {tmp_path}/x is no folder\n")


def test_the_newest_are_kept(data: Path, tmp_path: Path) -> None:
    """Files of other names stay, and so does everything when the backup fails."""
    folder = tmp_path / "backups"
    folder.mkdir()
    old = [f"tallystick-2026010{day}T000000Z.tar.zst" for day in range(1, 5)]
    for name in (*old, "mine.tar.zst", "tallystick-20260101.tar.zst"):
        (folder / name).touch()
    code, _, _ = end_command({}, "backup", str(folder), "--keep", "2", "--data", str(tmp_path / "none"))
    assert (code, len([*folder.iterdir()])) == (2, 6)
    found = json.loads(run_command({}, "backup", str(folder), "--keep", "2", "--data", str(data), "--json"))
    assert found["removed"] == old[:3]
    assert {path.name for path in folder.iterdir()} == {
        old[3], Path(found["file"]).name, "mine.tar.zst", "tallystick-20260101.tar.zst"
    }  # fmt: skip


def test_no_room(made: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is refused before anything is written; the answer of the file system is the only thing that is made up."""
    for module in (backup_command, restore_command):
        monkeypatch.setattr(module, "free_bytes", lambda _: 1_000)
    code, _, said = end_command({}, "backup", str(tmp_path / "x"), "--data", str(data))
    assert code == 2
    assert f"{tmp_path} has 1,000 bytes free; the backup may need " in said
    code, _, said = end_command({}, "restore", str(made), "--data", str(tmp_path / "restored"))
    assert code == 2
    assert f"{tmp_path} has 1,000 bytes free; the backup needs " in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "one.tar.zst"]


def test_a_disk_that_loses_what_was_written(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is read back before it gets its name: one that is not what was written never looks whole."""
    sync = os.fsync

    def lose(descriptor: int) -> None:
        sync(descriptor)
        path = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        if path.name.endswith(".part"):
            content = bytearray(path.read_bytes())
            content[len(content) // 2] ^= 1
            path.write_bytes(content)

    monkeypatch.setattr(os, "fsync", lose)
    code, _, said = end_command({}, "backup", str(tmp_path / "x.tar.zst"), "--data", str(data))
    assert (code, f"error: {tmp_path}/x.tar.zst: it " in said) == (2, True), said
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_stores_on_servers(tmp_path: Path) -> None:
    """The message has the command, without the password."""
    settings = {"TALLYSTICK_QUEUE_URL": "memory://", "TALLYSTICK_ALLOW_WEAK_DURABILITY": "true"}
    code, _, said = end_command(settings, "backup", str(tmp_path / "x"), "--data", str(tmp_path))
    assert (code, "the queue is memory://" in said) == (2, True), said


async def test_the_data_of_an_older_version_is_brought_up_to_date(tmp_path: Path) -> None:
    """As a backup of that version would have it: its store as it left it, with a log, and its queue."""
    old = tmp_path / "old"
    with tarfile.open(OLD_DATA) as archive:
        archive.extractall(old, filter="data")
    queue = SqliteQueue(Settings(data=old))
    await queue.open()
    held = queue.hold()
    (tmp_path / "copy").mkdir()
    files = [*held.copy(tmp_path / "copy" / "queue.sqlite"), old / "store.duckdb", old / "store.duckdb.wal"]
    held.close()
    await queue.close()
    parts = [Part(path.name, path, path.stat().st_size) for path in files]
    books = Books(accepted=632, stored=303, duplicates=320, dead=4, queued=5)
    about = About(FORMAT, datetime.now(UTC), {"tallystick": "0.1.0"}, 1, sum(part.size for part in parts), books, [])
    file = tmp_path / "old.tar.zst"
    file.write_bytes(zstandard.compress(b"".join(Writer(about, parts).pieces(lambda: None))))
    arguments = ("restore", str(file), "--data", str(tmp_path / "new"))
    code, printed, said = await asyncio.to_thread(end_command, {}, *arguments)
    assert code == 0, (printed, said)
    assert f"the store was brought from schema 1 to {file_schema()}" in printed
    assert f"{tmp_path}/new is restored: the books close" in printed


def test_the_size_is_known_before() -> None:
    """Of files of any length, and of more than the old tar format can say."""
    for size in (0, 1, 511, 512, 513, 9 << 30):
        part = Part("store.duckdb", Path("/dev/zero"), min(size, 600))
        about = About(FORMAT, NOON, {}, 1, size, Books(0, 0, 0, 0, 0), [])
        writer = Writer(about, [part])
        assert writer.size == sum(map(len, writer.pieces(lambda: None)))
    assert msgspec.json.decode(msgspec.json.encode(about), type=About) == about
