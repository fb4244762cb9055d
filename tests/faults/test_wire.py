"""The wire to a server: each fault is there while it lasts, in its direction, and then it is over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeAlias, cast

import pytest

from tests.servers.wire import Way, Wire

PATIENCE = 60.0
SILENCE = 0.2
"""Seconds in which nothing arrives over a dead wire."""


class Echo:
    """A server that sends everything back, and knows what each connection got."""

    def __init__(self) -> None:
        self.got: list[bytes] = []

    async def open(self) -> int:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def close(self) -> None:
        self._server.close()

    async def has(self, data: bytes) -> None:
        """Returns once the newest connection got these bytes."""
        async with asyncio.timeout(PATIENCE):
            while not self.got or data not in self.got[-1]:  # noqa: ASYNC110 - the connection has no event
                await asyncio.sleep(0.005)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = len(self.got)
        self.got.append(b"")
        try:
            while data := await reader.read(65_536):
                self.got[number] += data
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()


@pytest.fixture
async def echo() -> AsyncIterator[Echo]:
    server = Echo()
    yield server
    server.close()


@pytest.fixture
async def wire(echo: Echo) -> AsyncIterator[Wire]:
    wire = Wire(await echo.open())
    await wire.open()
    yield wire
    await wire.close()


class Client:
    """A connection over the wire."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def hears(self, data: bytes) -> None:
        async with asyncio.timeout(PATIENCE):
            assert await self.reader.readexactly(len(data)) == data

    async def hears_nothing(self) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(SILENCE):
                await self.reader.readexactly(1)

    async def is_reset(self) -> bytes:
        """What came before the reset."""
        heard = b""
        try:
            async with asyncio.timeout(PATIENCE):
                while data := await self.reader.read(65_536):
                    heard += data
        except ConnectionResetError:
            return heard
        raise AssertionError(f"the connection ended in order after {heard!r}")


Connect: TypeAlias = Callable[[], Awaitable[Client]]


@pytest.fixture
async def connect(wire: Wire) -> AsyncIterator[Connect]:
    """Opens connections over the wire; they are closed with the test."""
    clients: list[Client] = []

    async def opened() -> Client:
        clients.append(Client(*await asyncio.open_connection("127.0.0.1", wire.port)))
        return clients[-1]

    yield opened
    for client in clients:
        client.writer.transport.abort()
    await asyncio.sleep(0)


async def test_a_whole_wire_carries_everything(wire: Wire, connect: Connect) -> None:
    """Many pieces of any size, in order, to the end of the connection."""
    client = await connect()
    data = bytes(range(256)) * 4_000
    client.send(data)
    await client.hears(data)
    client.writer.close()


async def test_a_dead_wire_carries_later(wire: Wire, connect: Connect, echo: Echo) -> None:
    """Nothing arrives and nothing fails; new connections fare alike."""
    old = await connect()
    old.send(b"before")
    await old.hears(b"before")
    wire.die()
    new = await connect()
    for client in (old, new):
        client.send(b"meanwhile")
        await client.hears_nothing()
    assert echo.got == [b"before", b""]
    wire.mend()
    await old.hears(b"meanwhile")
    await new.hears(b"meanwhile")


async def test_a_wire_that_is_dead_in_one_direction(wire: Wire, connect: Connect, echo: Echo) -> None:
    """The server acts, and is not heard."""
    client = await connect()
    wire.die(Way.DOWN)
    client.send(b"heard")
    await echo.has(b"heard")
    await client.hears_nothing()
    wire.mend()
    await client.hears(b"heard")


async def test_a_slow_wire(wire: Wire, connect: Connect) -> None:
    """In both directions each; pieces overtake nothing, and do not wait for each other."""
    client = await connect()
    wire.delay(0.2)
    loop = asyncio.get_running_loop()
    begun = loop.time()
    for piece in (b"one", b"two", b"three"):
        client.send(piece)
        await asyncio.sleep(0.01)
    await client.hears(b"onetwothree")
    assert loop.time() - begun >= 0.4
    wire.mend()
    wire.delay(0.3, Way.UP)
    begun = loop.time()
    client.send(b"x")
    await client.hears(b"x")
    assert loop.time() - begun >= 0.3


async def test_one_byte_at_a_time(wire: Wire, connect: Connect, echo: Echo) -> None:
    """All of it arrives, in as many pieces as it has bytes."""

    class Sink:
        def __init__(self) -> None:
            self.pieces: list[bytes] = []

        def write(self, data: bytes) -> None:
            self.pieces.append(data)

        async def drain(self) -> None:
            pass

    wire.trickle(Way.UP)
    client = await connect()
    client.send(b"slowly" * 100)
    await client.hears(b"slowly" * 100)
    sink = Sink()
    await wire._send(Way.UP, b"abc", cast(asyncio.StreamWriter, sink))
    await wire._send(Way.DOWN, b"abc", cast(asyncio.StreamWriter, sink))
    assert [piece for piece in sink.pieces if piece] == [b"a", b"b", b"c", b"abc"]


@pytest.mark.parametrize("way", Way)
async def test_reset_after_so_many_bytes(wire: Wire, connect: Connect, echo: Echo, way: Way) -> None:
    """Of one connection, from the order on; the next one is whole."""
    client = await connect()
    client.send(b"0123456789")
    await client.hears(b"0123456789")
    happened = wire.reset_after(4, way)
    client.send(b"abc")
    await client.hears(b"abc")
    client.send(b"defghi")
    assert await client.is_reset() == (b"" if way is Way.UP else b"d")
    assert happened.is_set()
    assert echo.got[0] == b"0123456789abc" + (b"d" if way is Way.UP else b"defghi")
    again = await connect()
    again.send(b"x" * 100)
    await again.hears(b"x" * 100)


@pytest.mark.parametrize(("torn", "arrives"), [(True, b"begin;CO"), (False, b"begin;COMMIT;more")])
async def test_reset_on_what_is_said(wire: Wire, connect: Connect, echo: Echo, torn: bool, arrives: bytes) -> None:
    """In its middle, or after it and before the answer."""
    client = await connect()
    happened = wire.reset_on(b"COMMI", Way.UP, torn=torn)
    client.send(b"begin;COMMIT;more")
    assert await client.is_reset() == b""
    assert happened.is_set()
    assert echo.got == [arrives]


async def test_what_is_said_may_come_in_pieces(wire: Wire, connect: Connect, echo: Echo) -> None:
    client = await connect()
    happened = wire.reset_on(b"COMMIT", Way.UP, torn=False)
    client.send(b"COM")
    await client.hears(b"COM")
    assert not happened.is_set()
    client.send(b"MIT")
    assert await client.is_reset() == b""
    assert echo.got == [b"COMMIT"]


async def test_mending_takes_a_break_back(wire: Wire, connect: Connect) -> None:
    happened = wire.reset_on(b"x", Way.UP, torn=True)
    wire.mend()
    client = await connect()
    client.send(b"x")
    await client.hears(b"x")
    assert not happened.is_set()


async def test_without_a_server_connections_break(echo: Echo, connect: Connect) -> None:
    echo.close()
    client = await connect()
    async with asyncio.timeout(PATIENCE):
        assert await client.reader.read() == b""
