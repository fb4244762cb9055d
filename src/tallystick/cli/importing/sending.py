"""Sends the chunks of a file, several at a time. They are confirmed in order; a state file lets a repeat continue."""

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

from tallystick.cli.client import Refused, ServerClient
from tallystick.cli.importing.reading.rows import Broken
from tallystick.cli.importing.source import Chunk, Source
from tallystick.errors import InvalidRequest, TallystickError, Unavailable
from tallystick.model.event import Rejection

IN_FLIGHT = 4
"""Requests in flight at a time."""
PATIENCE = 300.0
"""Seconds for which one chunk is retried before the import gives up. It can be continued later."""
FIRST_PAUSE = 0.5
LONGEST_PAUSE = 15.0
REASONS_SHOWN = 5
SAVE_EVERY = 1.0
HEADERS = {"Content-Type": "application/x-ndjson", "Content-Encoding": "zstd"}
RETRIED = {408, 429, 502, 503, 504}
"""Statuses after which the same request is sent again. The events' ids make a repeat harmless."""


class Outcome(msgspec.Struct, frozen=True):
    """The outcome of one chunk. Indexes of rejections count from the chunk's first event."""

    accepted: int
    rejected: list[Rejection]


class RowsLost(TallystickError):
    """Rows of the file are neither accepted nor rejected."""

    code = "rows_lost"


class Sink(Protocol):
    """Receives chunks."""

    async def send(self, body: bytes, count: int) -> Outcome:
        """Returns once the accepted events are durable. Raises TallystickError when they cannot be made durable."""


class State(msgspec.Struct):
    """The progress of an import, over all its runs.

    Attributes:
        row: all rows below this one are confirmed.
        reasons: the reasons of the first rejections, as text.
        complete: every row of the file is confirmed.
        undone: how often events of this import had been taken back when it began.
    """

    row: int = 0
    accepted: int = 0
    rejected: int = 0
    reasons: list[str] = []
    complete: bool = False
    undone: int = 0

    def reject(self, place: str, reason: str) -> None:
        """Count one rejected row; `place` says where it is, such as "line 8"."""
        self.rejected += 1
        if len(self.reasons) < REASONS_SHOWN:
            self.reasons.append(f"{place}: {reason}")


class StateFile:
    """The state on disk. It is replaced atomically. A checksum detects damage, which could otherwise skip rows."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._saved = 0.0

    def load(self) -> State:
        """The state; a fresh one when there is no file.

        Raises:
            InvalidRequest: the file is damaged.
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
            f"{self._path} holds how far this import came, and is damaged: with --again every row is sent again. "
            "None counts twice that has a time of its own, or was sent within TALLYSTICK_DEDUPE_WINDOW_HOURS"
        )

    def save(self, state: State, *, now: bool = False) -> None:
        """Write the state; at most once in SAVE_EVERY seconds, unless `now`."""
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
    """Sends chunks to POST /v1/events of a server. Waits and tries again while the server cannot accept them."""

    def __init__(self, server: ServerClient, on_wait: Callable[[str], None], patience: float | None = None) -> None:
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
        """Send the chunk in two parts, for a server with a smaller limit. One event that is too large is rejected."""
        if count == 1:
            return Outcome(0, [Rejection(0, "too_large", error.message)])
        lines = body.splitlines(keepends=True)
        half = count // 2
        first = await self.send(b"".join(lines[:half]), half)
        second = await self.send(b"".join(lines[half:]), count - half)
        moved = [Rejection(r.index + half, r.code, r.message) for r in second.rejected]
        return Outcome(first.accepted + second.accepted, first.rejected + moved)


def _all_rejected(body: bytes) -> Outcome | None:
    """The outcome of a 400 that rejects every event by itself; None when it rejects the request as a whole."""
    with contextlib.suppress(msgspec.DecodeError):
        outcome = msgspec.json.decode(body, type=Outcome)
        return outcome if outcome.rejected else None
    return None


async def run(
    source: Source, sink: Sink, state: State, file: StateFile, most: int, on_progress: Callable[[Chunk, State], None]
) -> None:
    """Send all rows from `state.row` on. `state` is correct at any moment, so the import can stop at any point.

    Raises:
        TallystickError: the file is damaged, the sink gives up, or rows are missing at the end.
    """
    pending: deque[tuple[Chunk, asyncio.Task[Outcome]]] = deque()

    async def confirm_oldest() -> None:
        chunk, task = pending[0]
        outcome = await task
        pending.popleft()
        _note(state, chunk, outcome, source.file.word)
        file.save(state)
        on_progress(chunk, state)

    try:
        async for chunk in _in_thread(source.chunks(state.row, most)):
            if len(pending) >= IN_FLIGHT:
                await confirm_oldest()
            pending.append((chunk, asyncio.create_task(_sent(sink, chunk))))
        while pending:
            await confirm_oldest()
        check_books(source, state)
        state.complete = True
    finally:
        for _, task in pending:
            task.cancel()
        await asyncio.gather(*(task for _, task in pending), return_exceptions=True)
        file.save(state, now=True)


def check_books(source: Source, state: State) -> None:
    """Every row of the file is accepted or rejected.

    Raises:
        RowsLost: some are neither.
    """
    rejected = state.rejected + source.file.broken_count
    if state.accepted + rejected != source.file.counted:
        raise RowsLost(
            f"the rows do not add up: the file has {source.file.counted:,}, but {state.accepted:,} were accepted and "
            f"{rejected:,} rejected. --again sends every row once more; none counts twice. Please report this"
        )


async def _sent(sink: Sink, chunk: Chunk) -> Outcome:
    if not chunk.places:
        return Outcome(0, [])
    outcome = await sink.send(chunk.body, len(chunk.places))
    if outcome.accepted + len(outcome.rejected) != len(chunk.places):
        raise RowsLost(
            f"the server was sent {len(chunk.places):,} events, and says that it accepted {outcome.accepted:,} and "
            f"rejected {len(outcome.rejected):,}: is it another version of Tallystick?"
        )
    return outcome


def _note(state: State, chunk: Chunk, outcome: Outcome, word: str) -> None:
    notes = [Broken(chunk.places[r.index], f"{r.code}: {r.message}") for r in outcome.rejected]
    for note in sorted([*chunk.broken, *notes], key=lambda note: note.row):
        state.reject(f"{word} {note.row}", note.reason)
    state.accepted += outcome.accepted
    state.row = chunk.end


async def _in_thread(chunks: Iterator[Chunk]) -> AsyncIterator[Chunk]:
    """The chunks. A thread makes the next one while earlier ones are in flight."""
    while True:
        made = asyncio.ensure_future(asyncio.to_thread(next, chunks, None))
        try:
            chunk = await asyncio.shield(made)
        except asyncio.CancelledError:
            await asyncio.wait([made])  # the caller closes the file next, so the thread must be done with it
            raise
        if chunk is None:
            return
        yield chunk
