"""`tallystick work`, `serve` and `up` on Redis and PostgreSQL: routes, a store that is down, commands beside them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.faults.rolling import Part
from tests.helpers.commands import run_command
from tests.helpers.http import plain_http
from tests.servers.postgres import PostgresServer
from tests.servers.process import free_port, wait_until
from tests.servers.redis import RedisServer
from tests.servers.scratch import scratch_folder


class Place:
    """A queue, a database, and the processes that a test starts on them."""

    def __init__(self, folder: Path, redis: RedisServer, postgres: PostgresServer) -> None:
        self.folder = folder
        self.redis = redis
        self.postgres = postgres
        self.settings = {
            "TALLYSTICK_QUEUE_URL": redis.url,
            "TALLYSTICK_STORE_URL": postgres.new_database(),
            "TALLYSTICK_DATA": str(folder / "none"),
            "TALLYSTICK_RETRY_MAX_DELAY": "0.2",
        }
        self.parts: list[Part] = []

    def start(self, role: str, port: int, **settings: str) -> Part:
        """Not necessarily ready."""
        log = self.folder / f"{role}-{len(self.parts)}.log"
        self.parts.append(Part([role, "--port", str(port)], {**self.settings, **settings}, log))
        return self.parts[-1]

    def run(self, *arguments: str) -> str:
        """The output of a command that must end well."""
        return run_command(self.settings, *arguments, "--data", str(self.folder / "none"))


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with scratch_folder("redis") as folder:
        server = RedisServer(folder)
        server.start()
        yield server
        server.kill()


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    with scratch_folder("postgres") as folder:
        server = PostgresServer(folder)
        server.start()
        yield server
        server.kill()


@pytest.fixture
def place(tmp_path: Path, redis: RedisServer, postgres: PostgresServer) -> Iterator[Place]:
    redis.ask("FLUSHALL")
    made = Place(tmp_path, redis, postgres)
    yield made
    for part in made.parts:
        part.kill()


def get(port: int, path: str) -> httpx.Response:
    return plain_http.get(f"http://127.0.0.1:{port}{path}")


def post(port: int, body: object) -> httpx.Response:
    return plain_http.post(f"http://127.0.0.1:{port}/v1/events", json=body)


def test_three_processes_are_one_pipeline(place: Place) -> None:
    ingest, work, serve = free_port(), free_port(), free_port()
    parts = [place.start("ingest", ingest), place.start("work", work), place.start("serve", serve)]
    for part in parts:
        part.until_ready()
    receipt = post(ingest, [{"name": "a"}, {"name": "b"}]).json()["receipt"]
    wait_until(lambda: get(serve, f"/v1/receipts/{receipt}").json().get("state") == "stored", "the events")
    assert get(serve, "/v1/query?metric=events").json()["rows"] == [{"events": 2}]
    assert get(serve, "/v1/verify").json()["ok"] is True

    refused = post(serve, {"name": "a"})
    assert refused.status_code == 404
    assert "this process only answers queries" in refused.json()["error"]["message"]
    described = get(serve, "/openapi.json").json()["paths"]
    assert list(described["/v1/events"]) == ["get"]
    assert "/events" not in described

    assert (get(work, "/healthz").status_code, get(work, "/readyz").status_code) == (200, 200)
    assert "tallystick_events_stored_total 2.0" in get(work, "/metrics").text
    assert "this process only loads" in get(work, "/v1/query").json()["error"]["message"]
    for part in parts:
        part.stop()


def test_a_worker_waits_for_its_store(place: Place) -> None:
    port = free_port()
    place.postgres.stop()
    try:
        work = place.start("work", port)
        work.until_it_says("the store cannot be reached, trying again")
        work.until_ready()
        answer = get(port, "/readyz")
        assert answer.status_code == 503
        assert "the store is not open yet" in answer.json()["error"]["message"]
        assert get(port, "/healthz").status_code == 200
    finally:
        place.postgres.start()
    wait_until(lambda: get(port, "/readyz").status_code == 200, "the worker")
    work.stop()


def test_a_worker_ends_although_its_store_does_not_answer(place: Place) -> None:
    """G11: what it has in hand goes back to the queue."""
    ingest, port = free_port(), free_port()
    place.start("ingest", ingest).until_ready()
    work = place.start("work", port)
    work.until_ready()
    wait_until(lambda: get(port, "/readyz").status_code == 200, "the worker")
    place.postgres.stop()
    try:
        assert post(ingest, {"name": "a"}).status_code == 202
        work.until_it_says("storing failed, trying again")
        assert get(port, "/readyz").status_code == 503
        work.stop()  # it would wait for its store for ever
    finally:
        place.postgres.start()
    assert '"queued":1' in place.run("verify", "--json")
    place.start("work", port)
    wait_until(lambda: '"stored":1' in place.run("verify", "--json"), "the event")


def test_events_are_taken_while_the_store_is_away(place: Place) -> None:
    """G6, from the first moment of `tallystick up`."""
    port = free_port()
    place.postgres.stop()
    try:
        up = place.start("up", port)
        up.until_ready()
        assert post(port, {"name": "a"}).status_code == 202
        answer = get(port, "/v1/query?metric=events")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        assert get(port, "/readyz").status_code == 200
    finally:
        place.postgres.start()
    wait_until(lambda: get(port, "/v1/query?metric=events").json().get("rows") == [{"events": 1}], "the event")
    up.stop()


def test_the_whole_in_one_process_is_followed_on_its_port_too(place: Place) -> None:
    """G11: with queue and store on servers two of `up` may run at once, so the next is ready before the first ends."""
    port = free_port()
    old = place.start("up", port)
    old.until_ready()
    assert post(port, {"name": "a"}).status_code == 202
    new = place.start("up", port)
    new.until_ready()
    old.stop()
    assert post(port, {"name": "b"}).status_code == 202
    wait_until(lambda: get(port, "/v1/query?metric=events").json().get("rows") == [{"events": 2}], "both events")
    new.stop()


def test_questions_wait_for_a_store_only_so_long(place: Place) -> None:
    place.postgres.stop()
    try:
        serve = place.start("serve", free_port(), TALLYSTICK_START_TIMEOUT="0.5")
        assert serve.process.wait(600) == 1
    finally:
        place.postgres.start()
    assert "error: " in serve.output
    assert "Traceback" not in serve.output


@pytest.mark.parametrize("role", ["up", "work", "serve"])
def test_a_newer_schema_is_refused(place: Place, role: str) -> None:
    place.run("migrate")
    name = place.settings["TALLYSTICK_STORE_URL"].rpartition("/")[2]
    place.postgres.sql("INSERT INTO schema_version VALUES (1000000)", name)
    part = place.start(role, free_port())
    assert part.process.wait(600) == 2
    assert "has schema 1000000" in part.output


def test_commands_find_queue_and_store_by_their_urls(place: Place) -> None:
    """Nothing has to be stopped for them, and no data folder is made."""
    assert "has schema version" in place.run("migrate")
    assert "not-so-secret" not in place.run("migrate")
    file = place.folder / "events.ndjson"
    file.write_text('{"name":"a"}\n{"name":"b"}\n')
    assert "2 events accepted" in place.run("import", str(file))
    assert '"queued":2' in place.run("verify", "--json")
    place.start("work", free_port())
    wait_until(lambda: '"stored":2' in place.run("verify", "--json"), "the imported events")
    assert place.run("export").count("\n") == 2
    assert "there are none" in place.run("dead", "list")
    assert not (place.folder / "none").exists()
