"""The data folder of a server that is not running, opened by a command."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import httpx

from runnel.cli.console import quiet_logs
from runnel.cli.server import Server
from runnel.config import Settings
from runnel.errors import ConfigError
from runnel.ingest.publisher import Publisher
from runnel.metrics import Metrics
from runnel.query.app import make_query_app
from runnel.query.parts import Parts
from runnel.queue import make_queue
from runnel.store import Store, make_store, write_parquet

IN_PROCESS = "http://localhost"
"""The address of an app that is called without a network."""


@asynccontextmanager
async def open_store(settings: Settings) -> AsyncIterator[Store]:
    """The folder's store.

    Raises:
        ConfigError: there is no such folder.
        AlreadyRunning: a server holds it.
    """
    if not settings.data.is_dir():
        raise ConfigError(
            f"there is no data folder {settings.data}: name it with --data, or a running server with --url"
        )
    quiet_logs(settings)
    store = make_store(settings)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


@asynccontextmanager
async def at_rest(settings: Settings) -> AsyncIterator[Server]:
    """The folder behind the query API of a running server, but nothing moves: what is queued stays queued.

    Raises:
        ConfigError, AlreadyRunning: as `open_store`.
    """
    async with open_store(settings) as store:
        queue = make_queue(settings)
        await queue.open()
        publisher = Publisher(queue, settings)
        publishing = asyncio.create_task(publisher.run())
        try:
            parts = Parts(
                settings=settings,
                store=store,
                queue=queue,
                republish=publisher.publish,
                metrics=Metrics(),
                started_at=datetime.now(UTC),
                ready=lambda: None,
                write_parquet=write_parquet,
            )
            async with Server(IN_PROCESS, httpx.ASGITransport(make_query_app(parts))) as server:
                yield server
        finally:
            publisher.stop()
            await publishing
            await queue.close()


@asynccontextmanager
async def somewhere(url: str | None, settings: Settings) -> AsyncIterator[Server]:
    """A running server when there is a URL, else the folder at rest."""
    async with Server(url) if url is not None else at_rest(settings) as server:
        yield server


@asynccontextmanager
async def working(settings: Settings) -> AsyncIterator[tuple[Server, Callable[[], Awaitable[None]]]]:
    """The folder's whole pipeline in this process, and a call that returns once nothing is queued any more.

    Raises:
        AlreadyRunning: a server holds the folder.
    """
    from runnel.app import open_runnel

    quiet_logs(settings)
    async with open_runnel(settings) as runnel:
        async with Server(IN_PROCESS, httpx.ASGITransport(runnel.asgi)) as server:
            yield server, runnel.drained
