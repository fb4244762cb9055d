"""A run under kill -9: clients with a ledger of their own, a server that dies at random moments, a look at the rest."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection, HTTPException, HTTPResponse
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

from tallystick.harness.server import TALLYSTICK, Api, ServerFailed, ServerProcess
from tests.faults.oracle import ClientLedger, Outcome
from tests.helpers.thorough import THOROUGH

SENDERS, PAUSE = (12, 0.0) if THOROUGH else (6, 0.05)
"""Clients, and the most seconds between two requests of one. `make test` has less to store, export and verify."""
RETRY_SHARE = 0.7
"""How many of the requests without an answer are sent again, with the same ids."""

UNHEARD_SHARE = 0.02
"""How many of the requests lose their connection right after they were sent, as mobile clients do."""

ANSWER_TIMEOUT = 10.0
LIFE = (0.2, 1.5)
"""Seconds of load between two kills."""

STARTING_SHARE = 0.25
STARTING_LIFE = (0.05, 1.5)
"""A quarter of the kills come so many seconds after the start, ready or not."""

DRAIN_SECONDS = 60.0
"""How long the queue may hold as much as before."""
FRESH, FRESH_SECONDS = "fresh", 10.0
"""The name of the event that a look sends, and how long it may take to be found."""
SWEPT_SECONDS = 300.0
LOOK_TIMEOUT = 600.0
"""Seconds that a million events may take to be exported or verified on a busy machine."""


class Clients:
    """Senders that go on through everything, and the answers that they got."""

    def __init__(self, url: Callable[[], str], seed: int, senders: int = SENDERS, pause: float = PAUSE) -> None:
        self.ledger = ClientLedger()
        self.answered = 0
        self.refused = 0
        """Requests that got a 503 because the queue was full."""
        self._url = url
        self._random = random.Random(seed)
        self._senders = senders
        self._pause = pause
        self._up = asyncio.Event()
        self._stopping = False

    def pause(self) -> None:
        """There is no server for now; requests under way end as they end."""
        self._up.clear()

    def go_on(self) -> None:
        """A server is there again, perhaps under another URL."""
        self._up.set()

    @asynccontextmanager
    async def sending(self) -> AsyncIterator[None]:
        """Load, from here until the end of the block; then what is still to be sent again is sent."""
        self._stopping = False
        senders = [asyncio.create_task(self._send(random.Random(self._random.random()))) for _ in range(self._senders)]
        try:
            yield
            self._stopping = True
            self._up.set()
            await asyncio.gather(*senders)
        finally:
            for sender in senders:
                sender.cancel()

    async def _send(self, chance: random.Random) -> None:
        """Send requests one after the other; one without an answer is sent again later, or never."""
        waiting: list[tuple[list[str], bytes]] = []
        while not self._stopping or waiting:
            await self._up.wait()
            await asyncio.sleep(chance.uniform(0, self._pause))
            again = waiting and (self._stopping or chance.random() < 0.5)
            ids, body = waiting.pop(0) if again else request_of(chance)
            self.ledger.sent(ids)
            if await self._accepted(body, len(ids), heard=chance.random() >= UNHEARD_SHARE):
                self.ledger.succeeded(ids)
                self.answered += 1
            elif chance.random() < RETRY_SHARE:
                waiting.append((ids, body))
                await asyncio.sleep(0.01)

    async def _accepted(self, body: bytes, events: int, heard: bool) -> bool:
        """True: 202 for all events. False: no answer that was `heard` to its end, or one that says "later"."""
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT):
                answer = await self._answer(body, heard)
        except (OSError, TimeoutError):
            return False
        status, _, rest = answer.partition(b"\r\n\r\n")
        if status.startswith(b"HTTP/1.1 202"):
            try:
                return bool(json.loads(rest)["accepted"] == events)
            except ValueError:
                return False  # cut off in the middle: that is no answer
        self.refused += b"queue_full" in rest
        if status and not status.startswith(b"HTTP/1.1 503"):
            raise ServerFailed(answer.decode(errors="replace"))
        return False

    async def _answer(self, body: bytes, heard: bool) -> bytes:
        """What came back until the connection was closed; a fresh one each time."""
        address = urlsplit(self._url())
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        try:
            head = f"POST /v1/events HTTP/1.1\r\nhost: {address.netloc}\r\nconnection: close\r\n"
            writer.write(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
            await writer.drain()
            return await reader.read() if heard else b""
        finally:
            writer.close()


class KillRun:
    """One data folder, one server after the other on it, and clients that go on through all of it."""

    def __init__(self, folder: Path, seed: int, command: tuple[str, ...] = TALLYSTICK) -> None:
        self.server = ServerProcess(folder / "data", command=command)
        self.clients = Clients(lambda: self.server.url, seed)
        self._random = random.Random(seed)

    async def run(self, kills: int) -> Outcome:
        """Kill the server so often under load, start it once more, stop the load, and look."""
        try:
            async with self.clients.sending():
                for _ in range(kills):
                    await self._life_and_death()
                await self._start()
                await asyncio.sleep(0.3)
            return await asyncio.to_thread(look, self.server.url, self.server.url)
        finally:
            self.server.kill()

    async def _life_and_death(self) -> None:
        if self._random.random() < STARTING_SHARE:
            self.server.spawn()
            await asyncio.sleep(self._random.uniform(*STARTING_LIFE))
        else:
            await self._start()
            await asyncio.sleep(self._random.uniform(*LIFE))
        self.clients.pause()
        await asyncio.to_thread(self.server.kill)

    async def _start(self) -> None:
        await asyncio.to_thread(self.server.start)
        self.clients.go_on()


def request_of(chance: random.Random) -> tuple[list[str], bytes]:
    """Ids and body of a request with one to a hundred events, half of them with a time of their own."""
    ids = [str(UUID(int=chance.getrandbits(128), version=4)) for _ in range(chance.choice((1, 1, 3, 20, 100)))]
    events: list[dict[str, Any]] = [
        {"event_id": id_, "name": "page_view", "user_id": f"user-{chance.randrange(500)}", "properties": {"n": n}}
        for n, id_ in enumerate(ids)
    ]
    for event in events[::2]:
        happened = datetime.now(UTC) - timedelta(seconds=chance.expovariate(1 / 600))
        event["timestamp"] = happened.isoformat()
    return ids, json.dumps({"events": events}).encode()


def look(write_url: str, read_url: str) -> Outcome:
    """Let the queue drain, then read everything back and send one event more."""
    with closing(Api(write_url)) as writing, closing(Api(read_url, LOOK_TIMEOUT)) as api:
        outcome = Outcome(queued=_drain(api))
        api.close()  # an export may take longer than a silent connection lives; the next request opens another one
        outcome.stored = _exported(read_url)
        outcome.dead = _dead_ids(api)
        outcome.differences = [difference["message"] for difference in api.get("/v1/verify")["differences"]]
        outcome.fresh_seconds = _fresh(writing, api)
    return outcome


def swept(seen: Callable[[], Outcome], worker: ServerProcess) -> Outcome:
    """What is left on ClickHouse, where an event that two workers stored at the same instant, with two times, counts
    twice until housekeeping has swept (G2). A worker does so soon after its start.

    Args:
        seen: looks.
    """
    outcome = seen()
    if max(outcome.stored.values(), default=0) < 2:
        return outcome
    worker.stop()
    worker.start()
    end = time.monotonic() + SWEPT_SECONDS
    while max(outcome.stored.values()) > 1 and time.monotonic() < end:
        time.sleep(1.0)
        outcome = seen()
    return outcome


def _exported(url: str) -> Counter[str]:
    """How often each id is in an export, without the events of earlier looks. One line at a time is in memory."""
    address = urlsplit(url)
    with closing(HTTPConnection(address.netloc, timeout=LOOK_TIMEOUT)) as connection:
        connection.request("GET", "/v1/export")
        answer = connection.getresponse()
        if answer.status != 200:
            raise ServerFailed(f"GET /v1/export answered {answer.status}")
        return Counter(event["event_id"] for event in map(json.loads, _lines(answer)) if event["name"] != FRESH)


def _lines(answer: HTTPResponse) -> Iterator[bytes]:
    """Line by line. Raises IncompleteRead for one that was broken off, at which `for line in answer` ends."""
    rest = b""
    while piece := answer.read1(1 << 20):
        *lines, rest = (rest + piece).split(b"\n")
        yield from lines
    if rest:
        yield rest


def _drain(api: Api) -> int:
    least, deadline = _waiting(api), time.monotonic() + DRAIN_SECONDS
    while any(waiting := _waiting(api)) and time.monotonic() < deadline:
        if waiting < least:
            least, deadline = waiting, time.monotonic() + DRAIN_SECONDS
        time.sleep(0.1)
    return waiting[0]


def _waiting(api: Api) -> tuple[int, int]:
    """Events and blocks. On Kafka the books have an ingester's newest events a moment after the blocks."""
    pipeline = api.get("/v1/pipeline")
    return pipeline["ledger"]["queued"], (pipeline["queue"] or {"blocks": 0})["blocks"]


def _dead_ids(api: Api) -> set[str]:
    ids, after = set(), 0
    while True:
        page = api.get(f"/v1/dead?limit=100&after={after}")
        for letter in page["dead"]:
            detail = api.get(f"/v1/dead/{letter['id']}")
            if letter["index"] >= 0:
                ids.add(str(json.loads(detail["original"])["event_id"]))
        if page["next_after"] is None:
            return ids
        after = page["next_after"]


def _fresh(writing: Api, api: Api) -> float | None:
    """Seconds until a new event is found by a query."""
    user, began = f"fresh-{uuid4()}", time.monotonic()
    try:
        writing.post("/v1/events", {"name": FRESH, "user_id": user})
        while (seconds := time.monotonic() - began) < FRESH_SECONDS:
            if api.query(kind="events", user_id=user)["rows"]:
                return seconds
            time.sleep(0.02)
    except (OSError, HTTPException):
        return None
    return None
