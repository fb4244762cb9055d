"""The backups of docs/run/deployment.md: restored into an empty place, the books close with the same counts."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tallystick.config import Settings
from tallystick.store import make_store
from tallystick.store.library import Document
from tests.faults.rolling import Part
from tests.helpers.commands import run_command
from tests.helpers.http import plain_http
from tests.helpers.samples import NOON
from tests.servers.postgres import PostgresServer
from tests.servers.process import free_port, needed, wait_until
from tests.servers.redis import PASSWORD, RedisServer
from tests.servers.scratch import scratch_folder

STORED, QUEUED = 2_000, 300
PROGRAMS = "/usr/lib/postgresql/15/bin"


def at(settings: Mapping[str, str]) -> tuple[str, str]:
    """The option that makes a command open queue and store itself: the folder, or the servers that settings name."""
    return "--data", settings.get("TALLYSTICK_DATA", "none")


def books(settings: Mapping[str, str]) -> dict[str, int]:
    """What `tallystick verify` counts; it fails unless everything agrees."""
    ledger: dict[str, int] = json.loads(run_command(settings, "verify", "--json", *at(settings)))["ledger"]
    return ledger


def exported(settings: Mapping[str, str]) -> list[Any]:
    return sorted(json.loads(line)["event_id"] for line in run_command(settings, "export", *at(settings)).splitlines())


def reports(settings: Mapping[str, str]) -> list[Any]:
    """The saved reports, as the API shows them."""
    found: list[Any] = json.loads(run_command(settings, "report", "list", "--json", *at(settings)))["reports"]
    return found


async def save_report(settings: Mapping[str, str]) -> None:
    """Put a report into the store that these settings name."""
    store = make_store(Settings(store_url=settings["TALLYSTICK_STORE_URL"]))
    await store.open()
    body = {"name": "kept", "description": "", "range": "7d", "timezone": "UTC", "view": {}}
    body["question"] = {"kind": "keys"}
    await store.library.add(Document("report", "0" * 12, "shop", body, NOON, NOON))
    await store.close()


def until_all_is_stored(port: int) -> None:
    """Returns once nothing waits in the queue of the worker whose status page this is."""
    metrics, empty = f"http://127.0.0.1:{port}/metrics", "tallystick_queue_blocks 0.0\n"
    wait_until(lambda: empty in plain_http.get(metrics).text, "an empty queue")


def file_of_events(path: Path, count: int, name: str) -> Path:
    path.write_text("".join(f'{{"name":"{name}","user_id":"u{n % 50}"}}\n' for n in range(count)))
    return path


def test_a_folder_of_a_stopped_server(tmp_path: Path) -> None:
    """Stop, copy, start."""
    data = {"TALLYSTICK_DATA": str(tmp_path / "data")}
    port = free_port()
    up = Part(["up", "--port", str(port)], data, tmp_path / "up.log")
    try:
        up.until_ready()
        lines = file_of_events(tmp_path / "events.ndjson", STORED, "kept").read_bytes()
        headers = {"content-type": "application/x-ndjson"}
        url = f"http://127.0.0.1:{port}/v1/events"
        assert plain_http.post(url, content=lines, headers=headers).status_code == 202
        saved = {"name": "kept", "question": {"kind": "keys"}}
        assert plain_http.post(f"http://127.0.0.1:{port}/v1/reports", json=saved).status_code == 201
        up.stop()
    finally:
        up.kill()
    subprocess.run(["tar", "-C", tmp_path, "-czf", tmp_path / "backup.tar.gz", "data"], check=True)
    before, ids, kept = books(data), exported(data), reports(data)
    (tmp_path / "restored").mkdir()
    subprocess.run(["tar", "-C", tmp_path / "restored", "-xzf", tmp_path / "backup.tar.gz"], check=True)
    restored = {"TALLYSTICK_DATA": str(tmp_path / "restored" / "data")}
    assert before["accepted"] == STORED
    assert books(restored) == before
    assert exported(restored) == ids
    assert [report["name"] for report in kept] == ["kept"]
    assert reports(restored) == kept


class Servers:
    """A queue and a database with events in both, and a place to restore them to."""

    def __init__(self, folder: Path, redis: RedisServer, postgres: PostgresServer) -> None:
        self.folder = folder
        self.redis = redis
        self.postgres = postgres
        self.settings = {"TALLYSTICK_QUEUE_URL": redis.url, "TALLYSTICK_STORE_URL": postgres.new_database()}

    def load(self) -> None:
        """STORED events in the store, QUEUED in the queue."""
        run_command(
            self.settings,
            "import",
            str(file_of_events(self.folder / "first.ndjson", STORED, "stored")),
            *at(self.settings),
        )
        work = Part(["work", "--port", str(port := free_port())], self.settings, self.folder / "work.log")
        try:
            work.until_ready()
            until_all_is_stored(port)
            assert books(self.settings)["stored"] == STORED
            work.stop()
        finally:
            work.kill()
        run_command(
            self.settings,
            "import",
            str(file_of_events(self.folder / "second.ndjson", QUEUED, "queued")),
            *at(self.settings),
        )


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Servers]:
    with scratch_folder("redis") as redis_folder, scratch_folder("postgres") as postgres_folder:
        redis, postgres = RedisServer(redis_folder), PostgresServer(postgres_folder, durable=True)
        redis.start()
        postgres.start()
        yield Servers(tmp_path, redis, postgres)
        postgres.kill()
        redis.kill()


def back_up_redis(redis: RedisServer, target: Path) -> None:
    """A snapshot of the running server."""
    redis_cli = [str(needed("redis-cli", "redis-tools")), "-p", str(redis.port), "--no-auth-warning", "-a", PASSWORD]
    subprocess.run([*redis_cli, "--rdb", str(target)], check=True, capture_output=True)


def restore_redis(folder: Path, backup: Path) -> RedisServer:
    """As documented: first from the snapshot without a log, then with one."""
    server = RedisServer(folder, appendonly="no")
    shutil.copy(backup, folder / "dump.rdb")
    os.chmod(folder / "dump.rdb", 0o644)
    server.start()
    server.ask("CONFIG", "SET", "appendonly", "yes")
    wait_until(lambda: not server.ask("INFO", "persistence")["aof_rewrite_in_progress"], "the log")
    wait_until(lambda: (folder / "appendonlydir" / "appendonly.aof.manifest").exists(), "the log")
    server.configure(appendonly="yes")
    server.stop()
    server.start()
    return server


def test_redis_and_postgresql_while_they_run(servers: Servers, tmp_path: Path) -> None:
    """The queue first, then the store; what is stored in between is in both and is skipped (G3)."""
    servers.load()
    asyncio.run(save_report(servers.settings))
    before = books(servers.settings)
    assert (before["stored"], before["queued"]) == (STORED, QUEUED)

    back_up_redis(servers.redis, tmp_path / "queue.rdb")
    pg_dump = str(needed("pg_dump", "postgresql-client", PROGRAMS))
    dump = [
        pg_dump,
        "--format=custom",
        "--file",
        str(tmp_path / "store.dump"),
        servers.settings["TALLYSTICK_STORE_URL"],
    ]
    subprocess.run(dump, check=True, capture_output=True)

    empty = servers.postgres.new_database()
    pg_restore = str(needed("pg_restore", "postgresql-client", PROGRAMS))
    restore = [
        pg_restore,
        "--no-owner",
        "--no-privileges",
        "--exit-on-error",
        "--dbname",
        empty,
        str(tmp_path / "store.dump"),
    ]
    subprocess.run(restore, check=True, capture_output=True)
    with scratch_folder("restored") as folder:
        redis = restore_redis(folder, tmp_path / "queue.rdb")
        try:
            restored = {"TALLYSTICK_QUEUE_URL": redis.url, "TALLYSTICK_STORE_URL": empty}
            assert books(restored) == before
            assert exported(restored) == exported(servers.settings)
            assert [report["name"] for report in reports(restored)] == ["kept"]
            assert reports(restored) == reports(servers.settings)
            work = Part(["work", "--port", str(port := free_port())], restored, tmp_path / "restored.log")
            try:
                work.until_ready()
                until_all_is_stored(port)
                assert books(restored)["stored"] == STORED + QUEUED
            finally:
                work.kill()
        finally:
            redis.kill()


def test_a_store_that_is_newer_than_its_queue(servers: Servers, tmp_path: Path) -> None:
    """Events that were stored between the two backups are in both: they are skipped, and the books close."""
    servers.load()
    back_up_redis(servers.redis, tmp_path / "queue.rdb")
    with scratch_folder("restored") as folder:
        work = Part(["work", "--port", str(port := free_port())], servers.settings, tmp_path / "work-2.log")
        try:
            work.until_ready()
            until_all_is_stored(port)
            assert books(servers.settings)["queued"] == 0
            work.stop()
            redis = restore_redis(folder, tmp_path / "queue.rdb")
            restored = {**servers.settings, "TALLYSTICK_QUEUE_URL": redis.url}
            try:
                found = books(restored)
                assert (found["accepted"], found["stored"]) == (STORED + QUEUED, STORED + QUEUED)
                work = Part(["work", "--port", str(port := free_port())], restored, tmp_path / "restored.log")
                work.until_ready()
                until_all_is_stored(port)
                assert books(restored)["stored"] == STORED + QUEUED
            finally:
                redis.kill()
        finally:
            work.kill()
