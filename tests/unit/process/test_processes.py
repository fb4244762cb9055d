"""Processes of their own: what they refuse, their routes, and how they start, multiply, follow each other and end."""

from __future__ import annotations

import asyncio
import ctypes
import errno
import os
import re
import select
import signal
import socket
import struct
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tallystick.app import Role, check_role
from tallystick.config import Settings
from tallystick.errors import ConfigError
from tallystick.process.handover import Handover, take
from tallystick.process.listen import hold_back, open_door
from tests.faults.rolling import Connection, Load, Part
from tests.helpers.http import plain_http
from tests.servers.process import free_port, wait_until, wait_until_stopped
from tests.servers.redis import RedisServer
from tests.servers.scratch import scratch_folder

REDIS = "redis://127.0.0.1:1/0"
EVENT = b'{"name":"a"}'
POSTGRES = "postgresql://tallystick@127.0.0.1:1/tallystick"


class Bench:
    """Starts commands on a Redis of their own, and ends those that a test left running."""

    def __init__(self, folder: Path, redis: RedisServer) -> None:
        self.folder = folder
        self.redis = redis
        self.port = free_port()
        self.parts: list[Part] = []

    def start(self, *arguments: str, ready: bool = True, **settings: str) -> Part:
        """`tallystick ARGUMENTS`; `ready`: wait until it does its part."""
        log = self.folder / f"{len(self.parts)}.log"
        given = {
            "TALLYSTICK_QUEUE_URL": self.redis.url,
            "TALLYSTICK_STATUS_PORT": "0",
            "TALLYSTICK_DATA": str(self.folder),
        }
        self.parts.append(Part(arguments, {**given, **settings}, log))
        if ready:
            self.parts[-1].until_ready()
        return self.parts[-1]

    def ingest(self, *more: str, ready: bool = True, **settings: str) -> Part:
        return self.start("ingest", "--port", str(self.port), *more, ready=ready, **settings)

    def get(self, path: str, port: int | None = None) -> httpx.Response:
        return plain_http.get(f"http://127.0.0.1:{port or self.port}{path}")


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with scratch_folder("redis") as folder:
        server = RedisServer(folder)
        server.start()
        yield server
        server.kill()


@pytest.fixture
def bench(tmp_path: Path, redis: RedisServer) -> Iterator[Bench]:
    redis.ask("FLUSHALL")
    made = Bench(tmp_path, redis)
    yield made
    for part in made.parts:
        part.kill()


# --- what is refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("role", "urls", "named"),
    [
        (Role.INGEST, {}, "TALLYSTICK_QUEUE_URL"),
        (Role.INGEST, {"queue_url": "memory://"}, "TALLYSTICK_QUEUE_URL"),
        (Role.WORK, {"store_url": POSTGRES}, "TALLYSTICK_QUEUE_URL"),
        (Role.WORK, {"queue_url": REDIS}, "TALLYSTICK_STORE_URL"),
        (Role.SERVE, {"queue_url": REDIS}, "TALLYSTICK_STORE_URL"),
        (Role.SERVE, {"store_url": POSTGRES}, "TALLYSTICK_QUEUE_URL"),
    ],
)
def test_a_part_cannot_share_what_one_process_holds(role: Role, urls: Mapping[str, str], named: str) -> None:
    with pytest.raises(
        ConfigError, match=f"{named}: `tallystick {role}` needs a .*; .* `tallystick up` does everything"
    ):
        check_role(Settings.model_validate(urls), role)


@pytest.mark.parametrize(
    ("role", "urls"),
    [
        (Role.UP, {}),
        (Role.UP, {"queue_url": REDIS}),
        (Role.UP, {"store_url": POSTGRES}),
        (Role.INGEST, {"queue_url": REDIS}),
        (Role.WORK, {"queue_url": REDIS, "store_url": POSTGRES}),
        (Role.SERVE, {"queue_url": REDIS, "store_url": POSTGRES}),
    ],
)
def test_what_several_processes_can_share_is_allowed(role: Role, urls: Mapping[str, str]) -> None:
    check_role(Settings.model_validate(urls), role)


@pytest.mark.parametrize("command", [["ingest"], ["ingest", "--workers", "2"], ["work"], ["serve"]])
def test_a_refusal_ends_the_command_with_2(bench: Bench, command: list[str]) -> None:
    part = bench.start(*command, ready=False, TALLYSTICK_QUEUE_URL="")
    assert part.process.wait(600) == 2
    assert "error: TALLYSTICK_QUEUE_URL: `tallystick" in part.output
    assert "Traceback" not in part.output


def test_a_port_of_somebody_else_is_not_shared() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        settings = Settings(queue_url=REDIS, port=port)
        with pytest.raises(ConfigError, match=f"TALLYSTICK_PORT: cannot listen on 127.0.0.1:{port}: Address already"):
            open_door(settings, Role.INGEST)


# --- routes ---------------------------------------------------------------------------------------------------------


def test_ingest_only_takes_events(bench: Bench) -> None:
    bench.ingest()
    assert bench.get("/healthz").json() == {"status": "ok"}
    assert bench.get("/readyz").json() == {"status": "ready", "durability": "fsync"}
    taken = plain_http.post(f"http://127.0.0.1:{bench.port}/v1/events", json={"name": "a"})
    assert (taken.status_code, taken.json()["accepted"]) == (202, 1)
    batch = {"events": [{"event_id": "1", "event_name": "a", "user_id": "u", "timestamp": "2026-01-01T00:00:00Z"}]}
    foreign = plain_http.post(f"http://127.0.0.1:{bench.port}/events", json=batch)
    assert foreign.status_code == 200, foreign.text
    for path in ("/v1/query", "/v1/events", "/docs", "/v1/pipeline", "/analytics/stats", "/nothing"):
        answer = bench.get(path)
        assert answer.status_code == 404
        assert "this process only takes events" in answer.json()["error"]["message"]
    metrics = bench.get("/metrics").text
    assert 'process="ingest"' in metrics
    assert "tallystick_queue_events 2.0" in metrics
    assert "tallystick_ledger_events{" not in metrics  # it has no store to read that from


@pytest.mark.usefixtures("started_anew")
def test_ingest_loads_no_store(bench: Bench) -> None:
    part = bench.ingest()
    mapped = Path(f"/proc/{part.process.pid}/maps").read_text()
    assert "asyncpg" not in mapped


# --- starting -------------------------------------------------------------------------------------------------------


def test_a_queue_that_is_not_there_yet_is_waited_for(bench: Bench) -> None:
    bench.redis.stop()
    try:
        part = bench.ingest(ready=False)
        part.until_it_says("the queue cannot be reached, trying again")
    finally:
        bench.redis.start()
    part.until_ready()
    assert bench.get("/readyz").status_code == 200


def test_a_queue_that_stays_away_ends_the_start(bench: Bench) -> None:
    """With 1, which service managers take for "try again"; a wrong setting ends it with 2, and at once."""
    url = f"redis://:secret-word@127.0.0.1:{free_port()}/0"
    part = bench.ingest(ready=False, TALLYSTICK_QUEUE_URL=url, TALLYSTICK_START_TIMEOUT="0.5")
    assert part.process.wait(600) == 1
    assert re.search(r"error: .+", part.output)
    assert "secret-word" not in part.output
    assert "Traceback" not in part.output


def test_told_to_stop_while_it_waits(bench: Bench) -> None:
    url = f"redis://127.0.0.1:{free_port()}/0"
    part = bench.ingest(ready=False, TALLYSTICK_QUEUE_URL=url, TALLYSTICK_START_TIMEOUT="3600")
    part.until_it_says("the queue cannot be reached, trying again")
    part.stop()  # it would wait for an hour


# --- several on one port --------------------------------------------------------------------------------------------


def children(part: Part) -> list[int]:
    path = Path(f"/proc/{part.process.pid}/task/{part.process.pid}/children")
    return [int(pid) for pid in path.read_text().split()]


def test_a_child_that_dies_is_replaced(bench: Bench) -> None:
    part = bench.ingest("--workers", "2")
    first, second = children(part)
    # A child tells its parent before it logs: one that is killed in between would be missing from the count below.
    wait_until(lambda: part.output.count('"event": "ready"') == 2, "both children's lines")
    os.kill(first, signal.SIGKILL)
    part.until_it_says("a process ended and is replaced")
    wait_until(lambda: len(children(part)) == 2 and first not in children(part), "a new child")
    assert second in children(part)
    wait_until(lambda: part.output.count('"event": "ready"') == 3, "the new child")
    for _ in range(20):
        assert bench.get("/readyz").status_code == 200
    part.stop()


def test_children_end_with_their_parent(bench: Bench) -> None:
    """However the parent ends, no child is left running."""
    part = bench.ingest("--workers", "2")
    left = children(part)
    part.process.kill()
    part.process.wait()
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in left), "the end of the children", 20)


def test_children_have_identities_and_ports_of_their_own(bench: Bench) -> None:
    base = free_port()
    bench.ingest("--workers", "2", TALLYSTICK_STATUS_PORT=str(base))
    receipts = set()
    for number in (1, 2):
        assert f'process="ingest-{number}"' in bench.get("/metrics", base + number).text
        url = f"http://127.0.0.1:{base + number}/v1/events"
        receipts.add(plain_http.post(url, json={"name": "a"}).json()["receipt"].partition("-")[0])
    assert len(receipts) == 2


def test_children_that_cannot_start_end_the_command(bench: Bench) -> None:
    url = f"redis://127.0.0.1:{free_port()}/0"
    part = bench.ingest("--workers", "2", ready=False, TALLYSTICK_QUEUE_URL=url, TALLYSTICK_START_TIMEOUT="0.3")
    assert part.process.wait(600) == 1
    assert "could not start" in part.output


# --- one after the other on a port ----------------------------------------------------------------------------------


def test_what_waits_to_be_accepted_survives_its_listener() -> None:
    """The reason why the socket is shared, and not opened a second time with SO_REUSEPORT."""
    with ExitStack() as stack:
        first = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        host, port = first.getsockname()
        handover = Handover(first, f"test/{port}")
        assert take(f"test/{port}", host, port) is None
        assert handover.offer()
        stack.callback(handover.close)

        async def taken() -> socket.socket | None:
            asyncio.get_running_loop().add_reader(handover.fileno(), handover.answer)
            return await asyncio.to_thread(take, f"test/{port}", host, port)

        second = asyncio.run(taken())
        assert second is not None
        stack.enter_context(second)
        waiting = [stack.enter_context(socket.create_connection((host, port))) for _ in range(20)]
        handover.close()
        first.close()
        for client in waiting:
            client.sendall(b"x")
            served, _ = second.accept()
            with served:
                assert served.recv(1) == b"x"


def test_a_socket_of_another_address_is_not_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        handover = Handover(listener, "test/wrong")
        assert handover.offer()
        try:

            async def taken() -> socket.socket | None:
                asyncio.get_running_loop().add_reader(handover.fileno(), handover.answer)
                return await asyncio.to_thread(take, "test/wrong", "127.0.0.1", listener.getsockname()[1] + 1)

            assert asyncio.run(taken()) is None
        finally:
            handover.close()


async def test_connections_nobody_accepted_yet_go_to_the_next_process(bench: Bench) -> None:
    """G11: the old one dies with them in its queue, and could not even have drained it."""
    old = bench.ingest()
    new = await asyncio.to_thread(bench.ingest)
    for part in (old, new):
        os.kill(part.process.pid, signal.SIGSTOP)
        wait_until_stopped(part.process.pid)
    connections = [Connection(bench.port) for _ in range(50)]
    asking = [asyncio.create_task(connection.ask("POST", "/v1/events", EVENT)) for connection in connections]
    await asyncio.sleep(0.3)
    old.process.kill()
    old.process.wait()
    os.kill(new.process.pid, signal.SIGCONT)
    assert [status for status, _ in await asyncio.gather(*asking)] == [202] * 50
    for connection in connections:
        await connection.close()


async def test_restarts_under_load_fail_no_request(bench: Bench) -> None:
    """G11: one process, then two on the port, then one again; no request of a sender fails."""
    running = await asyncio.to_thread(bench.ingest)
    load = Load(seed=4, ingest=bench.port)
    for more in ((), ("--workers", "2"), ("--workers", "2"), ()):
        following = await asyncio.to_thread(bench.ingest, *more)
        await asyncio.to_thread(running.stop)
        running = following
        await asyncio.sleep(0.5)
    await load.stop()
    assert load.failures == []
    assert f"tallystick_queue_events {float(len(load.accepted))}\n" in bench.get("/metrics").text
    assert len(load.accepted) > 100


def test_the_end_is_announced_before_it_comes(bench: Bench) -> None:
    """With TALLYSTICK_DRAIN_DELAY a proxy sees that the process is not ready while requests still succeed."""
    part = bench.ingest(TALLYSTICK_DRAIN_DELAY="4")
    part.process.terminate()
    began = time.monotonic()
    with plain_http.client(f"http://127.0.0.1:{bench.port}") as client:
        wait_until(lambda: client.get("/readyz").status_code == 503, "the announcement")
        taken = client.post("/v1/events", json={"name": "a"})
    assert (taken.status_code, taken.headers["connection"]) == (202, "close")
    assert part.process.wait(600) == 0
    assert time.monotonic() - began >= 4


def may_filter() -> bool:
    """Whether this kernel lets this user filter a socket: not every one lets others than root."""
    everything = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0xFFFFFFFF))
    with socket.socket() as tried:
        try:
            tried.setsockopt(socket.SOL_SOCKET, 26, struct.pack("HL", 1, ctypes.addressof(everything)))
        except OSError:
            return False
    return True


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's filter is Linux's")
@pytest.mark.skipif(not may_filter(), reason="this kernel lets this user filter no socket")
def test_held_back_connections_are_not_opened_and_open_ones_go_on() -> None:
    """G11: so that the kernel has none to reset when the listener is closed."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
        with socket.create_connection(address) as before, socket.socket() as after:
            assert hold_back(listener)
            after.setblocking(False)
            assert after.connect_ex(address) == errno.EINPROGRESS  # on loopback it is open at once otherwise
            accepted, _ = listener.accept()
            with accepted:
                before.sendall(b"x")
                assert accepted.recv(1) == b"x"
            assert select.select([], [after], [], 0.1)[1] == []
