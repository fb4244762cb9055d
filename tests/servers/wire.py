"""A wire to a server that can be cut, and that can go dead without being cut."""

from __future__ import annotations

import asyncio
import contextlib


class Wire:
    """A TCP proxy on 127.0.0.1: `port` leads to `target` as long as it is whole."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._ends: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._flows = asyncio.Event()
        self._flows.set()
        self.port = 0

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        self._server.close()
        self.cut()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def cut(self) -> None:
        """Reset every connection; new ones go through."""
        for end in self._ends:
            end.transport.abort()

    def die(self) -> None:
        """Carry nothing any more, without an error to either side."""
        self._flows.clear()

    def mend(self) -> None:
        self._flows.set()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        for source, sink in ((reader, far_writer), (far_reader, writer)):
            task = asyncio.create_task(self._pump(source, sink, writer, far_writer))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *both: asyncio.StreamWriter
    ) -> None:
        self._ends.update(both)
        try:
            with contextlib.suppress(OSError):
                while data := await source.read(65_536):
                    await self._flows.wait()
                    sink.write(data)
                    await sink.drain()
        finally:
            for end in both:
                end.transport.abort()
                self._ends.discard(end)
