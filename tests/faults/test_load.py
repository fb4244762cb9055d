"""A thousand slow clients, and more events than the store takes, for a minute."""

from __future__ import annotations

import asyncio
import json
import resource
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from tests.faults.disk_faults import DiskRun, failing
from tests.faults.oracle import findings
from tests.faults.times import REPETITIONS, Record

pytestmark = pytest.mark.faults
SLOW_CLIENTS = 1_000
PIECES = 10
PAUSE = 0.5
"""Seconds between two pieces of a slow request."""
BESIDE = 200
"""Requests of others that are answered meanwhile."""
OVERLOAD_SECONDS = 60.0
STORED_A_SECOND = 200
"""Events that the slowed-down store takes; clients send many more."""
TIMES_MORE = 5
MEMORY = 600 << 20
"""Bytes of a process that refuses what it has no room for."""


@pytest.fixture
def descriptors() -> Iterator[None]:
    """This process may have all connections of the slow clients."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = SLOW_CLIENTS + 500
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip(f"this machine allows {hard} descriptors, not {wanted}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def slow_request(run: DiskRun) -> None:
    """An event of which each piece waits for its turn; it is in the clients' ledger, as all others are."""
    address, ids = urlsplit(run.url), [str(uuid4())]
    body = json.dumps({"events": [{"event_id": ids[0], "name": "slow", "user_id": "slow"}]}).encode()
    head = f"POST /v1/events HTTP/1.1\r\nhost: {address.netloc}\r\nconnection: close\r\n"
    text = f"{head}content-length: {len(body)}\r\n\r\n".encode() + body
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    run.clients.ledger.sent(ids)
    try:
        size = -(-len(text) // PIECES)
        for start in range(0, len(text), size):
            writer.write(text[start : start + size])
            await writer.drain()
            await asyncio.sleep(PAUSE)
        answer = await reader.read()
        assert answer.startswith(b"HTTP/1.1 202"), answer
        run.clients.ledger.succeeded(ids)
    finally:
        writer.close()


async def test_a_thousand_slow_clients(tmp_path: Path, descriptors: None, record_property: Record) -> None:
    """G1, G5: all of them are taken in the end, and others are answered meanwhile."""
    record_property(REPETITIONS, SLOW_CLIENTS)
    patience = {name: "600" for name in ("TALLYSTICK_BODY_TIMEOUT", "TALLYSTICK_HEADER_TIMEOUT")}
    run = DiskRun(tmp_path, seed=41, settings={"TALLYSTICK_CONNECTIONS": "1400", **patience})

    async def course() -> None:
        await run.start()
        slow = [asyncio.create_task(slow_request(run)) for _ in range(SLOW_CLIENTS)]
        await run.answers(BESIDE)
        assert not all(task.done() for task in slow), "the slow clients were gone before others were answered"
        await asyncio.gather(*slow)

    outcome = await run.run(course)
    assert findings(run.clients.ledger, outcome) == []


async def test_five_times_as_much_as_is_stored(tmp_path: Path) -> None:
    """G5: for a minute: what has no room is refused, memory has bounds, and what was accepted is stored."""
    run = DiskRun(tmp_path, seed=42, settings={"TALLYSTICK_QUEUE_MAX_BYTES": str(1 << 20)}, senders=12)

    async def overload() -> None:
        await run.start(failing(f"stores:{STORED_A_SECOND}"))
        await asyncio.sleep(OVERLOAD_SECONDS)
        await run.refuses()
        with closing(run.server.api()) as api:
            stored = api.get("/v1/pipeline")["ledger"]["stored"]
        sent = len(run.clients.ledger.accepted | run.clients.ledger.unknown)
        peak = run.server.resident_peak()
        assert sent >= TIMES_MORE * stored, f"{sent} events were sent, {stored} stored: that is no overload"
        assert peak is None or peak < MEMORY
        run.clients.pause()
        await asyncio.to_thread(run.server.kill)

    outcome = await run.run(overload)
    assert findings(run.clients.ledger, outcome) == []
