"""Long answers: streams, and files that are written to disk first. They end when their client disconnects.

An answer acquires what it needs inside its own `__call__`, in `with` blocks, so that it is always released. An error
before the first byte becomes an error answer. A later error cuts the answer short: its end is missing, so that no
client takes a part for the whole.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing
from pathlib import Path

from starlette.responses import FileResponse, Response
from starlette.types import Message, Receive, Scope, Send

from tallystick.api.dependencies import Parts
from tallystick.api.streaming.disconnects import BrokenOff, while_connected
from tallystick.config import Settings
from tallystick.disk import private_folder
from tallystick.store.waiting import in_thread

PIECE = 16 * 1024
"""Most bytes that are sent at a time: a client that takes less in TALLYSTICK_EXPORT_IDLE seconds counts as idle."""

Make = Callable[[Path], Awaitable[Path]]
"""Writes a file into the given folder, which nothing else uses, and returns its path."""


class Stream(Response):
    """An answer in pieces. The generator is closed when the client disconnects or takes nothing for too long."""

    def __init__(
        self, parts: Parts, pieces: AsyncGenerator[bytes, None], headers: Mapping[str, str], media_type: str
    ) -> None:
        """`pieces` must not do any work before its first piece is requested."""
        self._pieces = pieces
        self._patience = parts.settings.export_idle
        self.status_code = 200
        self.media_type = media_type
        self.background = None
        self.init_headers(headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with aclosing(self._pieces):
            await while_connected(receive, self._answer(patient(send, self._patience)))

    async def _answer(self, send: Send) -> None:
        first = await anext(self._pieces, b"")
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await _send_piece(send, first)
        async for piece in self._pieces:
            await _send_piece(send, piece)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


class MadeFile(Response):
    """An answer that is written to a file on the data disk first. The file is deleted however the answer ends."""

    def __init__(self, parts: Parts, make: Make, headers: Mapping[str, str], media_type: str) -> None:
        """`make` is called once the concurrency limit allows it, and may raise TallystickErrors."""
        self._parts = parts
        self._make = make
        self.media_type = media_type
        self.background = None
        self.status_code = 200
        self.init_headers(headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        settings = self._parts.settings
        waiting = patient(send, settings.export_idle)
        with self._parts.exports.hold():
            async with scratch_folder(settings) as folder:
                await while_connected(receive, self._answer(folder, scope, receive, waiting))

    async def _answer(self, folder: Path, scope: Scope, receive: Receive, send: Send) -> None:
        target = await self._make(folder)
        own = {name: value for name, value in self.headers.items() if name != "content-type"}
        file = FileResponse(target, headers=own, media_type=self.media_type)
        file.chunk_size = 4 * PIECE
        await file(scope, receive, send)


@contextlib.asynccontextmanager
async def scratch_folder(settings: Settings) -> AsyncIterator[Path]:
    """A new folder on the data disk, deleted afterwards."""
    folder = _new_folder(settings)  # not in a thread: a cancellation would leave the folder there
    try:
        yield folder
    finally:
        await in_thread(shutil.rmtree, folder, True)


def _new_folder(settings: Settings) -> Path:
    private_folder(settings.data, settings)  # does not exist yet when queue and store are servers
    return Path(tempfile.mkdtemp(prefix="export-", dir=settings.data))


def patient(send: Send, seconds: float) -> Send:
    """`send`, limited to this many seconds for each message. Raises BrokenOff when the client takes longer."""

    async def sending(message: Message) -> None:
        try:
            async with asyncio.timeout(seconds):
                await send(message)
        except TimeoutError as error:
            raise BrokenOff(f"the client took nothing for {seconds:g} s") from error

    return sending


async def _send_piece(send: Send, piece: bytes) -> None:
    for start in range(0, len(piece), PIECE):
        await send({"type": "http.response.body", "body": piece[start : start + PIECE], "more_body": True})
