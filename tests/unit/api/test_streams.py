"""Long answers end with their client, or when it takes nothing; and what they hold is given back before they have."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest
from starlette.types import Message

from tallystick.api.dependencies import Parts
from tallystick.api.streaming.concurrency import ConcurrencyLimit
from tallystick.api.streaming.disconnects import BrokenOff, ClientLeft, while_connected
from tallystick.api.streaming.responses import MadeFile, Stream
from tallystick.config import Settings
from tallystick.errors import NotFound, TooMany, Unavailable
from tallystick.store.turns import CALLER
from tallystick.store.waiting import in_thread
from tests.helpers.http.keyed import EVERY, KEYS, SHOP, Side, opened

SCOPE: dict[str, Any] = {"type": "http", "method": "GET", "headers": [], "path": "/"}


class Client:
    """Takes so many messages of the answer and then none, or goes away."""

    def __init__(self, takes: int, leaves: bool = False) -> None:
        self.messages: list[Message] = []
        self._takes = takes
        self._leaves = asyncio.Event()
        if leaves:
            self._leaves.set()

    async def receive(self) -> Message:
        await self._leaves.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if len(self.messages) >= self._takes:
            await asyncio.Event().wait()
        self.messages.append(message)


class Held:
    """What pieces of an answer hold until they are closed; giving it back takes a while."""

    def __init__(self, error: Exception | None = None, wait: bool = False) -> None:
        self.state = "never begun"
        self._error = error
        self._wait = wait

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        self.state = "held"
        try:
            if self._error is not None:
                raise self._error
            if self._wait:
                await asyncio.Event().wait()
            for _ in range(3):
                yield b"x" * 100
        finally:
            await asyncio.sleep(0.01)
            self.state = "given back"


def parts(folder: Path, idle: float = 0.05) -> Parts:
    """As far as such answers use them."""

    class Few:
        settings = Settings(data=folder, export_idle=idle)
        exports = ConcurrencyLimit(2, "files", "TALLYSTICK_EXPORT_CONCURRENCY")

    return cast(Parts, Few())


def left_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def test_a_stream_that_is_read_is_whole(tmp_path: Path) -> None:
    held, client = Held(), Client(10)
    await Stream(parts(tmp_path), held.pieces(), {}, "text/plain")(SCOPE, client.receive, client.send)
    assert b"".join(message.get("body", b"") for message in client.messages) == b"x" * 300
    assert client.messages[-1]["more_body"] is False
    assert held.state == "given back"


@pytest.mark.parametrize("takes", [0, 1, 3])
async def test_a_stream_that_is_not_read_is_broken_off(tmp_path: Path, takes: int) -> None:
    held, client = Held(), Client(takes)
    with pytest.raises(BrokenOff, match="took nothing"):
        await Stream(parts(tmp_path), held.pieces(), {}, "text/plain")(SCOPE, client.receive, client.send)
    assert held.state == "given back"
    assert not any(message.get("more_body") is False for message in client.messages)


async def test_a_stream_ends_with_its_client(tmp_path: Path) -> None:
    for held, client in ((Held(), Client(2, leaves=True)), (Held(wait=True), Client(9, leaves=True))):
        with pytest.raises(ClientLeft):
            await Stream(parts(tmp_path, 60), held.pieces(), {}, "text/plain")(SCOPE, client.receive, client.send)
        assert held.state in ("given back", "never begun")


async def test_what_goes_wrong_first_is_an_error_answer(tmp_path: Path) -> None:
    held, client = Held(NotFound("no such thing")), Client(9)
    with pytest.raises(NotFound):
        await Stream(parts(tmp_path), held.pieces(), {}, "text/plain")(SCOPE, client.receive, client.send)
    assert client.messages == []
    assert held.state == "given back"


async def test_nothing_keeps_a_stream_from_giving_back(tmp_path: Path) -> None:
    held, client = Held(), Client(2)
    answer = Stream(parts(tmp_path, 60), held.pieces(), {}, "text/plain")
    task = asyncio.ensure_future(answer(SCOPE, client.receive, client.send))
    await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.wait({task})
    assert held.state == "given back"


@pytest.mark.parametrize("cancelled", [1, 50])
async def test_a_file_is_removed_once_nobody_writes_it_any_more(tmp_path: Path, cancelled: int) -> None:
    """A thread cannot be stopped: a folder that is removed under it would come back."""
    given, client, writing = parts(tmp_path), Client(0), asyncio.Event()
    loop = asyncio.get_running_loop()

    def write(target: Path) -> None:
        loop.call_soon_threadsafe(writing.set)
        time.sleep(0.1)
        target.write_bytes(b"late")

    async def make(folder: Path) -> Path:
        await in_thread(write, folder / "file")
        return folder / "file"

    task = asyncio.ensure_future(MadeFile(given, make, {}, "text/plain")(SCOPE, client.receive, client.send))
    await writing.wait()
    for _ in range(cancelled):
        task.cancel()
        await asyncio.sleep(0.001)
    await asyncio.wait({task})
    assert left_in(tmp_path) == []
    assert given.exports.taken == 0


async def test_a_file_that_is_not_read_goes(tmp_path: Path) -> None:
    given, client = parts(tmp_path), Client(1)

    async def make(folder: Path) -> Path:
        (folder / "file").write_bytes(b"x" * 1_000_000)
        return folder / "file"

    with pytest.raises(BrokenOff):
        await MadeFile(given, make, {}, "text/plain")(SCOPE, client.receive, client.send)
    assert left_in(tmp_path) == []
    assert given.exports.taken == 0


async def test_work_ends_before_its_client_is_told_about() -> None:
    ended = False

    async def work() -> None:
        nonlocal ended
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.01)
            ended = True

    with pytest.raises(ClientLeft):
        await while_connected(Client(0, leaves=True).receive, work())
    assert ended


async def test_places_of_a_key_and_of_all() -> None:
    limit = ConcurrencyLimit(4, "files", "TALLYSTICK_X")
    CALLER.set("a")
    with limit.hold(), limit.hold():
        with pytest.raises(TooMany, match="half of TALLYSTICK_X"), limit.hold():
            pass
        CALLER.set("")
        with limit.hold(), limit.hold():
            assert limit.taken == 4
            CALLER.set("b")
            with pytest.raises(Unavailable, match="TALLYSTICK_X"), limit.hold():
                pass
    assert limit.taken == 0
    CALLER.set("")
    with limit.hold(), limit.hold(), limit.hold(), limit.hold():
        assert limit.taken == 4, "without keys everybody is one"


# --- what a whole server says of its turns --------------------------------------------------------------------------


@pytest.fixture
async def side(tmp_path: Path) -> AsyncIterator[Side]:
    # Without the quota of names, for which a server asks the store when it starts: the tests count its queries.
    async with opened(tmp_path, quota_site_names=0, **KEYS) as opened_side:
        yield opened_side


async def test_readiness_notices_that_no_question_can_run(side: Side) -> None:
    """Busy is not broken: a probe needs no turn."""
    turns, now = side.tallystick.store.turns, asyncio.get_running_loop().time()
    CALLER.set("busy")
    held = [await turns.take(now + 60) for _ in range(turns.each)]
    waiting = [asyncio.ensure_future(turns.take(now + 60)) for _ in range(20)]
    await asyncio.sleep(0)
    assert (await side.get("/readyz")).status_code == 200
    metrics = (await side.get("/metrics", EVERY)).text
    assert 'tallystick_queries{state="running"} 2.0' in metrics
    assert 'tallystick_queries{state="waiting"} 20.0' in metrics
    assert (await side.query(SHOP, kind="metrics")).status_code == 200, "another key's is answered"
    for turn in held:
        turn.by = now - 60
    refused = await side.get("/readyz")
    assert refused.status_code == 503
    assert "no query can be answered" in refused.json()["error"]["message"]
    assert "tallystick_ready 0.0" in (await side.get("/metrics", EVERY)).text
    for task in waiting:
        task.cancel()
    for turn in held:
        turn.end()
    assert (await side.get("/readyz")).status_code == 200


async def test_one_key_does_not_take_all_live_streams(tmp_path: Path) -> None:
    async with opened(tmp_path, live_listeners=2, **KEYS) as side:
        assert side.tallystick.asgi.queries is not None
        hub = side.tallystick.asgi.queries.state.live
        CALLER.set("one")
        async with hub.listening("shop"):
            with pytest.raises(TooMany):
                async with hub.listening("shop"):
                    pass
            CALLER.set("other")
            async with hub.listening("shop"):
                assert hub.limit.taken == 2
    assert hub.limit.taken == 0
