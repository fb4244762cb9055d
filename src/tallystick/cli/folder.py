"""Queue and store without a running Tallystick in between: the data folder of one that is stopped, opened by a command, or
queue and store on servers of their own, which others may be using at the same time.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import httpx

from tallystick import queue, store
from tallystick.cli import console
from tallystick.cli.console import quiet_logs
from tallystick.cli.server import Server
from tallystick.config import Settings, url_path
from tallystick.errors import ConfigError
from tallystick.ingest.publisher import Publisher
from tallystick.metrics import Metrics
from tallystick.store import Store, make_store, write_parquet

IN_PROCESS = "http://localhost"
"""The address of an app that is called without a network."""


@asynccontextmanager
async def open_store(settings: Settings) -> AsyncIterator[Store]:
    """The folder's store, or the one that TALLYSTICK_STORE_URL names.

    Raises:
        ConfigError: there is no such folder.
        AlreadyRunning: a server holds it.
        StoreUnavailable: it cannot be reached.
    """
    _must_be_there(store.is_embedded(settings), settings.resolved_store_url)
    quiet_logs(settings)
    opened = make_store(settings.model_copy(update={"sql": False}))  # no statement comes through here
    await opened.open()
    try:
        yield opened
    finally:
        await opened.close()


def _must_be_there(embedded: bool, url: str) -> None:
    """A command looks at what is there; it makes no folder with nothing in it."""
    if embedded and ":///" in url and not (folder := url_path(url).parent).is_dir():
        raise ConfigError(f"there is no data folder {folder}: name it with --data, or a running server with --url")


@asynccontextmanager
async def at_rest(settings: Settings) -> AsyncIterator[Server]:
    """Queue and store behind the query API of a running server, but nothing is moved: what is queued stays queued.

    Raises:
        ConfigError, AlreadyRunning, StoreUnavailable: as `open_store`.
        QueueUnavailable: the queue cannot be reached.
    """
    from tallystick.api.app import Parts, make_query_app

    _must_be_there(queue.is_embedded(settings), settings.resolved_queue_url)
    settings = settings.in_process()
    async with open_store(settings) as opened:
        waiting = queue.make_queue(settings)
        await waiting.open()
        publisher = Publisher(waiting, settings)
        publishing = asyncio.create_task(publisher.run())
        try:
            parts = Parts(
                settings=settings,
                store=opened,
                queue=waiting,
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
            await waiting.close()


@asynccontextmanager
async def somewhere(url: str | None, settings: Settings) -> AsyncIterator[Server]:
    """A running server when there is a URL, else queue and store themselves."""
    async with Server(url, key=settings.client_key()) if url is not None else at_rest(settings) as server:
        yield server


@asynccontextmanager
async def working(settings: Settings) -> AsyncIterator[tuple[Server, Callable[[], Awaitable[None]]]]:
    """The folder's whole pipeline in this process, and a call that returns once nothing is queued any more.

    A queue that others share only gets the events: whoever loads it stores these too, and the call says so.

    Raises:
        AlreadyRunning: a server holds the folder.
        Unavailable: a queue or store on a server cannot be reached.
    """
    from tallystick.app import Role, open_tallystick

    async def left_to_others() -> None:
        console.err.print("the events are in the queue; `tallystick work` (or `tallystick up`) stores them")

    quiet_logs(settings)
    shared = not queue.is_embedded(settings)
    async with open_tallystick(settings.in_process(), Role.INGEST if shared else Role.UP) as tallystick:
        async with Server(IN_PROCESS, httpx.ASGITransport(tallystick.asgi)) as server:
            yield server, left_to_others if shared else tallystick.drained
