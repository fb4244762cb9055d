"""The floor: what this machine can do at best at the time of a run. Figures of two runs compare only by their floors.

The speed of a shared machine changes by the hour. Three measurements show how fast it is now: a web server that answers
202 to everything, the typed decoder alone, and DuckDB reading the same lines into memory.
"""

from __future__ import annotations

import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import uvloop
from rich.console import Console

from tallystick.cli.bench.events import bodies
from tallystick.cli.bench.load_client import closed_loop, wrap
from tallystick.cli.bench.report import FloorFigures
from tallystick.config import Settings
from tallystick.harness.server import ServerFailed
from tallystick.ingest.decode import decode_native
from tallystick.store.duckdb.connection import connect_memory
from tallystick.store.duckdb.load import SQL

REQUESTS = 15_000
CONNECTIONS = 64
EVENTS = 50_000
RUNS = 5
START_TIMEOUT = 20.0
ANSWER = b'{"request_id":"","accepted":1,"rejected":[],"receipt":null}'


async def answer_everything(scope: Any, receive: Any, send: Any) -> None:
    """The smallest ASGI application that the load client accepts: it reads the body and answers 202."""
    while (await receive()).get("more_body"):
        pass
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(ANSWER))]
    await send({"type": "http.response.start", "status": 202, "headers": headers})
    await send({"type": "http.response.body", "body": ANSWER})


def measure_floor(console: Console) -> list[FloorFigures]:
    """The three floors; takes a few seconds. Raises ServerFailed when the bare server does not start."""
    console.print("Measuring the floor of this machine …")
    now_us = time.time_ns() // 1_000
    body = bodies(1_000, 1_000, now_us)[0]
    settings, received_at = Settings(), datetime.now(UTC)
    lines = decode_native(body, received_at, settings).lines * (EVENTS // 1_000)
    with tempfile.TemporaryDirectory() as folder, closing(connect_memory(256 * 1024 * 1024, 1)) as database:
        file = Path(folder) / "events.ndjson"
        file.write_bytes(lines)

        def read_lines() -> None:
            database.execute(SQL["read"], {"spools": [str(file)], "line_max": 1024 * 1024})

        return [
            FloorFigures("bare uvicorn, 202 to every single event, 64 connections", _bare_server(), "requests/s"),
            FloorFigures(
                "decode and encode alone, bodies of 1,000, one core",
                1_000 / _median(lambda: decode_native(body, received_at, settings)),
                "events/s",
            ),
            FloorFigures("DuckDB read_json into a table in memory, one core", EVENTS / _median(read_lines), "events/s"),
        ]


def _median(call: Callable[[], object]) -> float:
    """Median seconds of a call."""
    call()
    times = []
    for _ in range(RUNS):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def _bare_server() -> float:
    with bare_server() as url:
        requests = wrap(url, bodies(REQUESTS, 1, time.time_ns() // 1_000))
        tally = uvloop.run(closed_loop(url, requests, CONNECTIONS))
    return tally.requests / tally.seconds


@contextmanager
def bare_server() -> Iterator[str]:
    """The URL of a process of its own that answers 202 to everything. Raises ServerFailed when it does not start."""
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen([sys.executable, "-m", __name__, str(port)])
    try:
        _wait_for(port, process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise ServerFailed("the bare server for comparison did not start")


def _serve(port: int) -> None:
    import uvicorn

    uvicorn.run(
        answer_everything,
        port=port,
        loop="uvloop",
        http="httptools",
        lifespan="off",
        timeout_keep_alive=75,  # as Tallystick has it; an open loop leaves some connections idle for seconds
        log_level="error",
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
    )


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
