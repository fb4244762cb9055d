"""A running read side for tests: the real SQLite queue and DuckDB store in a folder, and the app in front of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI

from tallystick.api.app import Parts, make_query_app
from tallystick.config import Settings
from tallystick.metrics import Metrics
from tallystick.model.block import Block, receipt_of
from tallystick.queue import Queue, make_queue
from tallystick.store import DeadLetter, Store
from tallystick.store.duckdb.parquet import write_parquet
from tests.helpers.empty_store import open_empty
from tests.helpers.samples import block_of_lines

REPLAYER = "00000000000000ff"
"""The ingester id of what is republished."""


@dataclass
class ReadSide:
    """The parts, the app, and a client of it.

    Attributes:
        not_ready: what `Parts.ready` answers.
        republished: the lines and request ids that were given to `Parts.republish`.
    """

    settings: Settings
    queue: Queue
    store: Store
    metrics: Metrics = field(default_factory=Metrics)
    not_ready: str | None = None
    republished: list[tuple[bytes, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.app: FastAPI = make_query_app(self.parts())
        transport = httpx.ASGITransport(app=self.app, raise_app_exceptions=False)
        self.client = httpx.AsyncClient(transport=transport, base_url="http://localhost:8000")

    def parts(self) -> Parts:
        """What the app is made of."""
        return Parts(
            settings=self.settings,
            store=self.store,
            queue=self.queue,
            republish=self._republish,
            metrics=self.metrics,
            started_at=datetime.now(UTC),
            ready=lambda: self.not_ready,
            write_parquet=write_parquet,
        )

    async def _republish(self, lines: bytes, count: int, request_id: str) -> str:
        seq = len(self.republished)
        await self.queue.publish([block_of_lines(seq, lines, count, REPLAYER)])
        self.republished.append((lines, request_id))
        return receipt_of(REPLAYER, seq)

    async def store_blocks(self, blocks: Sequence[Block], dead: Sequence[DeadLetter] = ()) -> None:
        """Publish these blocks and store all that waits, as the worker does."""
        await self.queue.publish(blocks)
        await self.load(dead)

    async def load(self, dead: Sequence[DeadLetter] = ()) -> None:
        """Store all that waits."""
        while batch := await self.queue.consume(100_000, 0):
            report = await self.store.write(batch.blocks, dead)
            self.metrics.loaded(report.entries, report.skipped)
            await batch.ack()

    async def get(self, path: str, **params: Any) -> Any:
        """The JSON answer of a GET that must succeed."""
        answer = await self.client.get(path, params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def post(self, path: str, body: Any, status: int = 200) -> Any:
        """The JSON answer of a POST that must have this status."""
        answer = await self.client.post(path, json=body)
        assert answer.status_code == status, answer.text
        return answer.json()


@asynccontextmanager
async def open_read_side(folder: Path, **settings: Any) -> AsyncIterator[ReadSide]:
    """A read side over an empty queue and an empty store in `folder`."""
    made = Settings(data=folder, **settings)
    queue = make_queue(made)
    await queue.open()
    store = await open_empty(made)
    try:
        side = ReadSide(made, queue, store)
        async with side.client:
            yield side
    finally:
        await store.close()
        await queue.close()
