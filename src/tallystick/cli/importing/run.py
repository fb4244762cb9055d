"""Sending a file's chunks: several at a time, confirmed in order, remembered on disk so that a repeat goes on."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Protocol

import msgspec
import zstandard

from tallystick.cli.importing.rows import Broken, Chunk, Source
from tallystick.cli.server import Refused, Server
from tallystick.errors import InvalidRequest, Unavailable
from tallystick.model.event import Rejection

IN_FLIGHT = 4
"""Requests under way at a time."""
PATIENCE = 300.0
"""Seconds for which one chunk is tried again before the import gives up; it can be continued later."""
FIRST_PAUSE = 0.5
LONGEST_PAUSE = 15.0
REASONS_SHOWN = 5
SAVE_EVERY = 1.0
HEADERS = {"Content-Type": "application/x-ndjson", "Content-Encoding": "zstd"}
RETRIED = {408, 429, 502, 503, 504}
"""Statuses after which the same request may succeed; the events' ids make a repeat harmless."""


class Outcome(msgspec.Struct, frozen=True):
    """What became of one chunk; rejections count from the chunk's first event."""

    accepted: int
    rejected: list[Rejection]


class Sink(Protocol):
    """Where chunks go."""

    async def send(self, body: bytes, count: int) -> Outcome:
        """Returns once the accepted events are durable. Raises TallystickError when that cannot be had."""


class State(msgspec.Struct):
    """How far an import has come, counted over all its runs.

    Attributes:
        row: all rows below this one are confirmed.
        reasons: the first rejections, for people.
        complete: the file's end was reached.
    """

    row: int = 0
    accepted: int = 0
    rejected: int = 0
    reasons: list[str] = []
    complete: bool = False

    def reject(self, row: int, reason: str) -> None:
        """Count one rejected row; `row` counts from 1."""
        self.rejected += 1
        if len(self.reasons) < REASONS_SHOWN:
            self.reasons.append(f"row {row}: {reason}")


class StateFile:
    """The state on disk; saving is atomic. A checksum keeps a wrong bit from skipping rows."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._saved = 0.0

    def load(self) -> State:
        """The state; a fresh one when there is no file.

        Raises:
            InvalidRequest: the file is not what was written.
        """
        if self._path is None:
            return State()
        try:
            content, newline, check = self._path.read_bytes().partition(b"\n")
            if not newline or check == _check(content):  # an older Tallystick wrote no checksum
                return msgspec.json.decode(content, type=State)
        except (FileNotFoundError, NotADirectoryError):
            return State()
        except (OSError, msgspec.DecodeError):
            pass
        raise InvalidRequest(
            f"{self._path} says how far this import came, and is damaged: with --again every row is sent once more. "
            "None counts twice that has a time of its own, or was sent within TALLYSTICK_DEDUPE_WINDOW_HOURS"
        )

    def save(self, state: State, *, now: bool = False) -> None:
        """Write it, at most once per SAVE_EVERY seconds unless `now`."""
        if self._path is None or (not now and time.monotonic() - self._saved < SAVE_EVERY):
            return
        self._saved = time.monotonic()
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            fresh = self._path.with_name(self._path.name + ".new")
            content = msgspec.json.encode(state)
            fresh.write_bytes(content + b"\n" + _check(content))
            os.replace(fresh, self._path)


def _check(content: bytes) -> bytes:
    return blake2b(content, digest_size=8).hexdigest().encode()


class ServerSink:
    """POST /v1/events of a server; waits and tries again while it cannot take any."""

    def __init__(self, server: Server, on_wait: Callable[[str], None], patience: float | None = None) -> None:
        self._server = server
        self._on_wait = on_wait
        self._patience = PATIENCE if patience is None else patience

    async def send(self, body: bytes, count: int) -> Outcome:
        packed = await asyncio.to_thread(zstandard.ZstdCompressor(level=1).compress, body)
        pause = FIRST_PAUSE
        give_up = time.monotonic() + self._patience
        while True:
            try:
                answer = await self._server.post_bytes("/v1/events", packed, HEADERS)
                return msgspec.convert({k: answer[k] for k in ("accepted", "rejected")}, Outcome)
            except Refused as error:
                if error.status == 400 and (outcome := _all_rejected(error.body)):
                    return outcome
                if error.status == 413:
                    return await self._in_halves(body, count, error)
                if error.status not in RETRIED or time.monotonic() > give_up:
                    raise
                self._on_wait(error.message)
                wait = error.wait or pause
            except Unavailable as error:
                if time.monotonic() > give_up:
                    raise
                self._on_wait(error.message)
                wait = pause
            await asyncio.sleep(wait)
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _in_halves(self, body: bytes, count: int, error: Refused) -> Outcome:
        """For a server with smaller limits than usual; a single event that is too large is rejected."""
        if count == 1:
            return Outcome(0, [Rejection(0, "too_large", error.message)])
        lines = body.splitlines(keepends=True)
        half = count // 2
        first = await self.send(b"".join(lines[:half]), half)
        second = await self.send(b"".join(lines[half:]), count - half)
        moved = [Rejection(r.index + half, r.code, r.message) for r in second.rejected]
        return Outcome(first.accepted + second.accepted, first.rejected + moved)


def _all_rejected(body: bytes) -> Outcome | None:
    """The outcome in a 400 that rejects each event by itself; None when the request as a whole was at fault."""
    with contextlib.suppress(msgspec.DecodeError):
        outcome = msgspec.json.decode(body, type=Outcome)
        return outcome if outcome.rejected else None
    return None


async def run(
    source: Source, sink: Sink, state: State, file: StateFile, most: int, on_progress: Callable[[Chunk, State], None]
) -> None:
    """Send everything from `state.row` on. `state` is right at any moment, whatever ends this early.

    Raises:
        TallystickError: the file is damaged, or the sink cannot take any more.
    """
    pending: deque[tuple[Chunk, asyncio.Task[Outcome]]] = deque()

    async def confirm_oldest() -> None:
        chunk, task = pending[0]
        outcome = await task
        pending.popleft()
        _note(state, chunk, outcome)
        file.save(state)
        on_progress(chunk, state)

    try:
        async for chunk in _in_thread(source.chunks(state.row, most)):
            if len(pending) >= IN_FLIGHT:
                await confirm_oldest()
            pending.append((chunk, asyncio.create_task(_sent(sink, chunk))))
        while pending:
            await confirm_oldest()
        state.complete = True
    finally:
        for _, task in pending:
            task.cancel()
        await asyncio.gather(*(task for _, task in pending), return_exceptions=True)
        file.save(state, now=True)


async def _sent(sink: Sink, chunk: Chunk) -> Outcome:
    return await sink.send(chunk.body, len(chunk.rows)) if chunk.rows else Outcome(0, [])


def _note(state: State, chunk: Chunk, outcome: Outcome) -> None:
    notes = [Broken(chunk.rows[r.index] + 1, f"{r.code}: {r.message}") for r in outcome.rejected]
    for note in sorted([*chunk.broken, *notes], key=lambda note: note.row):
        state.reject(note.row, note.reason)
    state.accepted += outcome.accepted
    state.row = chunk.end


async def _in_thread(chunks: Iterator[Chunk]) -> AsyncIterator[Chunk]:
    """The chunks, each made in a thread while the ones before are under way."""
    while True:
        made = asyncio.ensure_future(asyncio.to_thread(next, chunks, None))
        try:
            chunk = await asyncio.shield(made)
        except asyncio.CancelledError:
            await asyncio.wait([made])  # whoever cancels closes the file next, and the thread still reads it
            raise
        if chunk is None:
            return
        yield chunk
