"""A wire to a server that can be slow, go dead, carry one byte at a time, or break: at any moment or at a chosen one.

A fault may be in one direction only. Faults hold for open connections and for new ones, until `mend`.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import socket
import struct
from dataclasses import dataclass, field
from typing import TypeAlias

RESET = struct.pack("ii", 1, 0)
"""SO_LINGER: closing drops what is not sent, and the other side gets a reset instead of an orderly end."""
DEAF_SECONDS = 0.05
"""How long a broken connection stays open and carries nothing: the server acts on the request, and is not heard."""
CHUNK = 65_536
AHEAD = 16
"""Pieces of CHUNK bytes that a slow wire holds in each direction."""


Pieces: TypeAlias = "asyncio.Queue[tuple[float, bytes]]"
"""What is under way in one direction: when it arrives, and what it is."""


class Way(enum.Enum):
    """A direction."""

    UP = "to the server"
    DOWN = "to the client"


BOTH = (Way.UP, Way.DOWN)


@dataclass
class Break:
    """Where a connection is to break: after so many bytes of it, or at the first of these bytes in it.

    Attributes:
        torn: only half of the pattern arrives; else the whole piece with it does, and what is answered does not.
        happened: set once; later connections do not break.
    """

    way: Way
    pattern: bytes = b""
    after: int = 0
    torn: bool = False
    happened: asyncio.Event = field(default_factory=asyncio.Event)


class _Connection:
    """Both ends of one connection, and what each direction has carried."""

    def __init__(self, *ends: asyncio.StreamWriter) -> None:
        self.ends = ends
        self.carried = dict.fromkeys(BOTH, 0)
        self.tail = dict.fromkeys(BOTH, b"")
        self.deaf = False

    @property
    def is_reset(self) -> bool:
        return any(end.transport.is_closing() for end in self.ends)

    def reset(self) -> None:
        for end in self.ends:
            if (found := end.get_extra_info("socket")) is not None and not end.transport.is_closing():
                with contextlib.suppress(OSError):
                    found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            end.transport.abort()


class Wire:
    """A TCP proxy on 127.0.0.1: `port` leads to `target` as long as it is whole.

    Args:
        target: the server's port.
        port: where to listen; 0: on a free one, which `port` says after `open`.
    """

    def __init__(self, target: int, port: int = 0) -> None:
        self._target = target
        self._connections: set[_Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._flows = {way: asyncio.Event() for way in BOTH}
        self._seconds = dict.fromkeys(BOTH, 0.0)
        self._single = dict.fromkeys(BOTH, False)
        self._breaks: list[Break] = []
        self.port = port
        self.mend()

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        self._server.close()
        self.cut()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    # --- faults ---------------------------------------------------------------------------------------------------

    def cut(self) -> None:
        """Reset every connection; new ones go through."""
        for connection in list(self._connections):
            connection.reset()

    def die(self, *ways: Way) -> None:
        """Carry nothing any more, without an error to either side; what was sent meanwhile arrives after `mend`."""
        for way in ways or BOTH:
            self._flows[way].clear()

    def delay(self, seconds: float, *ways: Way) -> None:
        """Carry everything so much later; as much may be under way as on a long line."""
        for way in ways or BOTH:
            self._seconds[way] = seconds

    def trickle(self, *ways: Way) -> None:
        """Carry each byte by itself."""
        for way in ways or BOTH:
            self._single[way] = True

    def reset_after(self, count: int, way: Way) -> asyncio.Event:
        """Reset the first connection that carries so many bytes from now on, right after them. Set when it happened."""
        for connection in self._connections:
            connection.carried[way] = 0
        return self._break(Break(way, after=count))

    def reset_on(self, pattern: bytes, way: Way, *, torn: bool) -> asyncio.Event:
        """Reset the first connection that carries these bytes: in the middle of them, or before they are answered."""
        return self._break(Break(way, pattern, torn=torn))

    def mend(self) -> None:
        """End every fault; connections that broke stay broken."""
        for way in BOTH:
            self._flows[way].set()
            self._seconds[way] = 0.0
            self._single[way] = False
        self._breaks.clear()

    def _break(self, where: Break) -> asyncio.Event:
        self._breaks.append(where)
        return where.happened

    # --- carrying -------------------------------------------------------------------------------------------------

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        connection = _Connection(writer, far_writer)
        self._connections.add(connection)
        for way, source, sink in ((Way.UP, reader, far_writer), (Way.DOWN, far_reader, writer)):
            task = asyncio.create_task(self._pump(way, connection, source, sink))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pump(
        self, way: Way, connection: _Connection, source: asyncio.StreamReader, sink: asyncio.StreamWriter
    ) -> None:
        pieces: Pieces = asyncio.Queue(AHEAD)
        taking = asyncio.create_task(self._take(way, source, pieces))
        try:
            with contextlib.suppress(OSError):
                await self._give(way, connection, pieces, sink)
        finally:
            taking.cancel()
            # A direction that waits for the other one to break the connection leaves that to it.
            if not connection.deaf or connection.is_reset:
                connection.reset()
                self._connections.discard(connection)

    async def _take(self, way: Way, source: asyncio.StreamReader, pieces: Pieces) -> None:
        """Put each piece on the wire with the time at which it arrives; the end is an empty one."""
        data = b"-"
        while data:
            try:
                data = await source.read(CHUNK)
            except OSError:
                data = b""
            await pieces.put((asyncio.get_running_loop().time() + self._seconds[way], data))

    async def _give(self, way: Way, connection: _Connection, pieces: Pieces, sink: asyncio.StreamWriter) -> None:
        """Hand on what has arrived, until the connection ends or breaks."""
        while True:
            due, data = await pieces.get()
            await asyncio.sleep(due - asyncio.get_running_loop().time())
            await self._flows[way].wait()
            if not data or connection.deaf:
                return
            found = self._break_in(way, connection, data)
            if found is None:
                await self._send(way, data, sink)
                continue
            where, arrives = found
            connection.deaf = True
            await self._send(way, data[:arrives], sink)
            await asyncio.sleep(DEAF_SECONDS)
            connection.reset()
            where.happened.set()
            return

    async def _send(self, way: Way, data: bytes, sink: asyncio.StreamWriter) -> None:
        sent = 0
        while self._single[way] and sent < len(data):
            sink.write(data[sent : sent + 1])
            await sink.drain()
            await asyncio.sleep(0)
            sent += 1
        sink.write(data[sent:])
        await sink.drain()

    def _break_in(self, way: Way, connection: _Connection, data: bytes) -> tuple[Break, int] | None:
        """The break that this piece of a connection reaches, which is over then, and how much of the piece arrives."""
        before, tail = connection.carried[way], connection.tail[way]
        connection.carried[way] += len(data)
        connection.tail[way] = (tail + data)[-CHUNK:]
        for one in self._breaks:
            if one.way is not way:
                continue
            if one.pattern:
                known = tail[-(len(one.pattern) - 1) :] if len(one.pattern) > 1 else b""
                at = (known + data).find(one.pattern)
                if at < 0:
                    continue
                middle = at + len(one.pattern) // 2 - len(known)
                arrives = max(0, middle) if one.torn else len(data)
            elif before + len(data) < one.after:
                continue
            else:
                arrives = max(0, one.after - before)
            self._breaks.remove(one)
            return one, arrives
        return None
