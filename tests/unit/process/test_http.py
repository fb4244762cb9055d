"""What a request's cycle saves the write routes: an answer in one write, a body without a wait, a task."""

from __future__ import annotations

import asyncio
import gc
import logging
import socket
from typing import Any

import pytest
from uvicorn import Config
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.server import ServerState

from tallystick.config import Settings
from tallystick.ingest.app import reply
from tallystick.metrics import Metrics
from tallystick.process import http
from tallystick.process.connections import Connections
from tallystick.process.http import Answer, HttpProtocol, _Cycle, protocol_of


class Transport(asyncio.Transport):
    """Keeps what is written, piece by piece."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.closed = False

    def write(self, data: Any) -> None:
        self.written.append(bytes(data))

    def is_closing(self) -> bool:
        return False

    def close(self) -> None:
        self.closed = True

    def resume_reading(self) -> None:
        pass


@pytest.fixture
def transport() -> Transport:
    return Transport()


def cycle(transport: Transport, method: str = "POST") -> _Cycle:
    log = logging.getLogger(__name__)
    scope: Any = {"type": "http", "method": method}
    return _Cycle(
        scope, transport, FlowControl(transport), log, log, False, [], asyncio.Event(), False, True, lambda: None
    )


async def test_an_answer_leaves_in_one_write(transport: Transport) -> None:
    await reply(cycle(transport).send, 202, b'{"accepted":1}', "r1")

    (answer,) = transport.written
    assert answer.startswith(b"HTTP/1.1 202 Accepted\r\n")
    assert answer.endswith(b'\r\n\r\n{"accepted":1}')


async def test_an_answer_with_a_header_of_two_lines_is_refused(transport: Transport) -> None:
    with pytest.raises(RuntimeError, match="Invalid HTTP header value"):
        await reply(cycle(transport).send, 202, b"{}", "r1\r\nset-cookie: a=b")


async def test_the_last_answer_of_a_connection_closes_it(transport: Transport) -> None:
    request = cycle(transport)
    request.keep_alive = False
    await reply(request.send, 202, b"{}", "r1")

    assert b"\r\nconnection: close\r\n" in b"".join(transport.written)
    assert transport.closed


async def test_an_answer_to_head_has_its_head(transport: Transport) -> None:
    await reply(cycle(transport, "HEAD").send, 200, b"{}", "r1")

    assert b"".join(transport.written).endswith(b"\r\n\r\n")


async def test_a_body_that_has_arrived_is_there_without_a_wait_and_once(transport: Transport) -> None:
    request = cycle(transport)
    request.body += b"half"
    assert request.whole_body() is None

    request.body += b" and half"
    request.more_body = False
    request.message_event.set()

    assert request.whole_body() == b"half and half"
    waiting = asyncio.ensure_future(request.receive())
    await asyncio.sleep(0)
    assert not waiting.done()  # for the end of the connection, as after `receive`
    request.disconnected = True
    request.message_event.set()
    assert (await waiting)["type"] == "http.disconnect"


async def test_the_body_of_a_client_that_is_gone_is_not_there(transport: Transport) -> None:
    request = cycle(transport)
    request.more_body = False
    request.disconnected = True

    assert request.whole_body() is None


# --- requests without a task ----------------------------------------------------------------------------------------


class Wire(Transport):
    """A client's end of a connection, whose answers are read from `written`."""

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 2)}.get(name, default)

    def pause_reading(self) -> None:
        pass

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return 0

    def write_eof(self) -> None:
        pass

    @property
    def bodies(self) -> list[str]:
        return [part.split("\r\n\r\n")[1] for part in b"".join(self.written).decode().split("HTTP/1.1 ")[1:]]


class Taking:
    """A connection to an application that takes what it is told to, and says its body when `go` is called."""

    def __init__(self, takes: bool = True) -> None:
        self.offered: list[bytes] = []
        self.scopes: list[Any] = []
        self.tasks = 0
        self._takes = takes
        self._late: list[tuple[Answer, bytes]] = []
        self.wire = Wire()
        self.protocol = self._connected()

    def _connected(self) -> HttpProtocol:
        made = protocol_of(Connections(Settings(), Metrics()), self._take)
        protocol = made(
            config=configured(self._app), server_state=ServerState(), app_state={}, _loop=asyncio.get_running_loop()
        )
        protocol.connection_made(self.wire)
        return protocol

    def _take(self, scope: Any, body: bytes, answer: Answer) -> bool:
        self.offered.append(body)
        self.scopes.append(scope)
        scope["tallystick.writer"] = b"a key"  # as admission does
        if self._takes:
            self._late.append((answer, body))
        return self._takes

    def go(self) -> None:
        for answer, body in self._late:
            answer(202, b"content-length: %d\r\n" % len(body), body)
        self._late.clear()

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:
        self.tasks += 1
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if message["type"] == "http.disconnect" or not message.get("more_body"):
                break
        await reply(send, 202, b"task:" + body, "r1")

    async def rest(self) -> None:
        for _ in range(10):
            await asyncio.sleep(0)


def configured(app: Any) -> Config:
    config = Config(app, interface="asgi3", ws="none", lifespan="off", log_config=None, access_log=False)
    config.server_header = config.date_header = False
    config.load()
    return config


def request(body: bytes, more: str = "") -> bytes:
    return b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n%b\r\n%b" % (len(body), more.encode(), body)


async def test_a_request_that_has_arrived_whole_is_answered_without_a_task() -> None:
    taking = Taking()
    taking.protocol.data_received(request(b"one"))
    assert taking.wire.written == []

    taking.go()

    assert (taking.wire.bodies, taking.tasks) == (["one"], 0)
    taking.protocol.data_received(request(b"two"))
    taking.go()
    assert taking.wire.bodies == ["one", "two"]


async def test_a_request_that_arrives_in_parts_is_not_offered() -> None:
    taking = Taking()
    whole = request(b"one")
    taking.protocol.data_received(whole[:-1])
    await taking.rest()
    taking.protocol.data_received(whole[-1:])
    await taking.rest()

    assert (taking.offered, taking.tasks, taking.wire.bodies) == ([], 1, ["task:one"])


async def test_a_request_that_is_not_taken_keeps_its_body() -> None:
    taking = Taking(takes=False)
    taking.protocol.data_received(request(b"one"))
    await taking.rest()

    assert (taking.offered, taking.wire.bodies) == ([b"one"], ["task:one"])


async def test_pipelined_requests_are_answered_in_their_order() -> None:
    taking = Taking()
    taking.protocol.data_received(request(b"one") + request(b"two") + request(b"three"))
    await taking.rest()
    assert taking.wire.written == []

    taking.go()
    await taking.rest()

    assert taking.wire.bodies == ["one", "task:two", "task:three"]


async def test_what_follows_a_request_may_be_refused_after_its_answer() -> None:
    taking = Taking()
    taking.protocol.data_received(request(b"one") + b"nonsense\r\n\r\n")
    await taking.rest()
    assert taking.wire.written == []

    taking.go()
    await taking.rest()

    answers = b"".join(taking.wire.written)
    assert answers.startswith(b"HTTP/1.1 202 ")
    assert b"HTTP/1.1 400 " in answers


async def test_the_last_answer_of_a_connection_closes_it_without_a_task_too() -> None:
    taking = Taking()
    taking.protocol.data_received(request(b"one", "connection: close\r\n"))
    taking.go()
    await taking.rest()

    assert taking.wire.bodies == ["one"]
    assert b"connection: close" in b"".join(taking.wire.written)
    assert taking.wire.closed


async def test_an_answer_to_a_client_that_is_gone_is_dropped() -> None:
    taking = Taking()
    taking.protocol.data_received(request(b"one"))
    taking.protocol.connection_lost(None)

    taking.go()
    await taking.rest()

    assert taking.wire.written == []


# --- heads that came before -----------------------------------------------------------------------------------------


class NoParser:
    """Fails when it is given anything."""

    def feed_data(self, data: bytes) -> None:
        raise AssertionError(f"parsed: {data!r}")


async def knowing(takes: bool = True) -> Taking:
    """A connection that has answered `request(b"one")` twice and remembers its head."""
    taking = Taking(takes)
    for _ in range(2):
        taking.protocol.data_received(request(b"one"))
        taking.go()
        await taking.rest()
    taking.wire.written.clear()
    taking.scopes.pop()
    return taking


async def test_a_head_that_came_before_is_not_parsed_again() -> None:
    taking = await knowing()
    taking.protocol.parser = NoParser()  # type: ignore[assignment]

    taking.protocol.data_received(request(b"two"))
    taking.go()

    assert (taking.wire.bodies, taking.tasks) == (["two"], 0)
    first, second = taking.scopes
    assert second == first
    assert second is not first
    assert second["headers"] == [(b"host", b"a"), (b"content-length", b"3")]


async def test_a_head_is_known_on_every_connection_and_a_scope_is_its_own() -> None:
    taking = await knowing()
    (head,) = taking.protocol.heads.values()
    assert "tallystick.writer" not in head.scope
    taking.protocol.connection_lost(None)
    wire = Wire()
    other = type(taking.protocol)(
        config=taking.protocol.config,
        server_state=ServerState(),
        app_state={},
        _loop=asyncio.get_running_loop(),
    )
    other.connection_made(wire)
    other.parser = NoParser()  # type: ignore[assignment]
    other.client = ("192.0.2.1", 7)

    other.data_received(request(b"two"))
    taking.go()

    assert wire.bodies == ["two"]
    assert taking.scopes[1]["client"] == ("192.0.2.1", 7)


@pytest.mark.parametrize(
    "pieces",
    [
        [request(b"two")[:-1], request(b"two")[-1:]],
        [request(b"two")[:20], request(b"two")[20:]],
        [request(b"two") + request(b"three")],
        [request(b"two") + b"\r\n"],
        [b"\r\n" + request(b"two")],
        [b"\r\n", request(b"two")],
    ],
    ids=["body in parts", "head in parts", "two at once", "line after it", "line before it", "line before, alone"],
)
async def test_a_known_head_that_does_not_come_alone_with_its_body_is_parsed(pieces: list[bytes]) -> None:
    taking = await knowing()
    for piece in pieces:
        taking.protocol.data_received(piece)
        await taking.rest()
    taking.go()
    await taking.rest()

    assert [body.removeprefix("task:") for body in taking.wire.bodies] in (["two"], ["two", "three"])
    assert len(taking.wire.bodies) == b"".join(pieces).count(b"POST")


async def test_a_known_head_during_another_request_waits_for_its_turn() -> None:
    taking = await knowing()
    taking.protocol.data_received(request(b"two"))
    taking.protocol.data_received(request(b"three"))
    await taking.rest()
    assert taking.wire.bodies == []

    taking.go()
    await taking.rest()

    assert taking.wire.bodies == ["two", "task:three"]


async def test_a_request_with_a_known_head_that_is_not_taken_has_a_task() -> None:
    taking = await knowing()
    taking._takes = False
    taking.protocol.data_received(request(b"two"))
    await taking.rest()

    assert taking.wire.bodies == ["task:two"]


async def test_the_answer_to_a_known_head_is_dropped_when_the_client_is_gone() -> None:
    taking = await knowing()
    taking.protocol.data_received(request(b"two"))
    taking.protocol.connection_lost(None)
    taking.go()
    await taking.rest()

    assert taking.wire.bodies == []


async def test_the_answer_to_a_known_head_during_the_shutdown_closes_the_connection() -> None:
    taking = await knowing()
    taking.protocol.data_received(request(b"two"))
    taking.protocol.shutdown()
    taking.go()
    await taking.rest()

    assert taking.wire.bodies == ["two"]
    assert b"connection: close" in taking.wire.written[-2]
    assert taking.wire.closed


async def test_the_answer_to_a_known_head_waits_for_a_slow_reader() -> None:
    taking = await knowing()
    taking.protocol.data_received(request(b"two"))
    taking.protocol.pause_writing()
    taking.go()
    await taking.rest()
    assert taking.wire.bodies == []

    taking.protocol.resume_writing()
    await taking.rest()

    assert taking.wire.bodies == ["two"]
    taking.protocol.data_received(request(b"six"))
    taking.go()
    assert taking.wire.bodies == ["two", "six"]


@pytest.mark.parametrize(
    "data",
    [
        b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n0\r\n\r\n",
        request(b"one", "expect: 100-continue\r\n"),
        request(b"one", "upgrade: h2c\r\nconnection: upgrade\r\n"),
        request(b"one", "connection: close\r\n"),
        request(b"one", "long: " + "a" * http.HEAD_REMEMBERED_MAX + "\r\n"),
        request(b"one").replace(b"HTTP/1.1", b"HTTP/1.0"),
        b"\r\n" + request(b"one"),
        request(b"one") + request(b"two"),
        request(b"one") + b"POST",
    ],
    ids=["chunked", "expect", "upgrade", "close", "long", "1.0", "line before it", "two at once", "more after it"],
)
async def test_an_unusual_head_is_not_remembered(data: bytes) -> None:
    heads: dict[bytes, http._Head] = {}
    seen: set[int] = set()
    for _ in range(3):
        taking = Taking()
        made = type(taking.protocol)
        made.heads, made.seen = heads, seen
        taking.protocol.data_received(data)
        await taking.rest()
        taking.go()
        await taking.rest()
        assert taking.offered[:1] == [b"one"]

    assert heads == {}


async def test_a_head_that_is_not_taken_is_not_remembered() -> None:
    taking = await knowing(takes=False)

    assert len(taking.offered) == 2
    assert taking.protocol.heads == {}


async def test_clients_with_ever_new_heads_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "HEADS_MAX", 3)
    monkeypatch.setattr(http, "SEEN_MAX", 5)
    taking = Taking()
    for number in range(20):
        for times in range(3):
            taking.protocol.data_received(request(b"one", f"x-request-id: {number}\r\n"))
            taking.go()
            assert len(taking.protocol.heads) <= 3
            assert len(taking.protocol.seen) <= 5
            assert (number in (int(head.split(b"id: ")[1][:-4]) for head in taking.protocol.heads)) == (times > 0)

    assert taking.wire.bodies == ["one"] * 60


@pytest.mark.parametrize("takes", [True, False], ids=["taken", "with a task"])
async def test_an_answered_request_leaves_nothing_for_the_garbage_collector(takes: bool) -> None:
    """A collection stops every request, for as long as there are objects to look at."""
    taking = Taking(takes)

    async def ask() -> None:
        taking.protocol.data_received(request(b"one"))
        taking.go()
        await taking.rest()

    await ask()
    gc.collect()
    gc.disable()
    try:
        for _ in range(100):
            await ask()
        assert len(taking.wire.bodies) == 101
        assert gc.collect() < 100
    finally:
        gc.enable()


# --- the end of a process -------------------------------------------------------------------------------------------


async def _says_its_body(scope: Any, receive: Any, send: Any) -> None:
    await reply(send, 202, (await receive())["body"], "r1")


def _until_the_end(connection: socket.socket) -> bytes:
    return b"".join(iter(lambda: connection.recv(4096), b""))


@pytest.mark.parametrize("process_ends", [True, False], ids=["the process ends", "the connection was idle for long"])
async def test_a_request_that_no_one_has_read_yet_is_answered(process_ends: bool) -> None:
    """G11: it came on a connection that was idle until then."""
    loop, state = asyncio.get_running_loop(), ServerState()
    made = protocol_of(Connections(Settings(), Metrics()))
    config = configured(_says_its_body)
    server = await loop.create_server(lambda: made(config=config, server_state=state, app_state={}), "127.0.0.1", 0)
    address = server.sockets[0].getsockname()
    with socket.create_connection(address) as client, socket.create_connection(address) as idle:
        for connection in (client, idle):
            connection.sendall(request(b"one"))
            assert (await asyncio.to_thread(connection.recv, 4096)).endswith(b"one")

        last = request(b"two", "" if process_ends else "connection: close\r\n")
        client.sendall(last)  # the loop does not run between this line and the end
        for protocol in list(state.connections):
            assert isinstance(protocol, HttpProtocol)
            if process_ends:
                protocol.shutdown()
            else:
                protocol.look(loop.time() + 3_600.0)

        answer = await asyncio.to_thread(_until_the_end, client)
        assert answer.endswith(b"\r\n\r\ntwo")
        assert b"\r\nconnection: close\r\n" in answer
        assert await asyncio.to_thread(_until_the_end, idle) == b""
    server.close()
    await server.wait_closed()


async def test_the_last_request_of_a_process_is_told_so_although_its_head_is_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    taking = Taking()
    for body in (b"one", b"two"):
        taking.protocol.data_received(request(body))
        taking.go()
    monkeypatch.setattr(taking.protocol, "_bytes_arrived", lambda: True)
    taking.protocol.shutdown()
    assert not taking.wire.closed

    taking.protocol.data_received(request(b"six"))
    taking.go()
    await taking.rest()

    assert taking.wire.bodies == ["one", "two", "six"]
    assert b"connection: close" in taking.wire.written[-1] + taking.wire.written[-2]
    assert taking.wire.closed
