"""What a command works on: a running server, or queue and store that the command opens itself.

The latter are the data folder of a stopped server, or queue and store on servers of their own, which other processes
may be using at the same time.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import httpx

from tallystick import queue, store
from tallystick.cli import console
from tallystick.cli.client import ServerClient
from tallystick.cli.options import load_settings, quiet_logs, server_of
from tallystick.config import Settings, url_path
from tallystick.errors import ConfigError
from tallystick.ingest.publisher import Publisher
from tallystick.metrics import Metrics
from tallystick.store import Store, make_store, write_parquet

R = TypeVar("R")
IN_PROCESS = "http://localhost"
"""The address of an app that is called without a network."""


def call(
    url: str | None,
    data: Path | None,
    key_file: str | None,
    request: Callable[[ServerClient], Awaitable[R]],
    waits_for: str | None = "waiting for the answer",
) -> R:
    """The result of `request(server)`, sent to the server that a command's options name. See `server_or_folder`.

    Args:
        waits_for: what is said when it takes a while; None: `request` shows its progress itself.
    """
    settings = load_settings(data=data, key_file=key_file)
    chosen = server_of(url, data, settings)

    async def calling() -> R:
        async with server_or_folder(chosen, settings) as server:
            return await request(server)

    with console.waiting(waits_for) if waits_for else nullcontext():
        return asyncio.run(calling())


@asynccontextmanager
async def open_store(settings: Settings) -> AsyncIterator[Store]:
    """The store in the data folder, or the one that TALLYSTICK_STORE_URL names.

    Raises:
        ConfigError: the folder does not exist.
        AlreadyRunning: a server uses the folder.
        StoreUnavailable: the store cannot be reached.
    """
    require_folder(store.is_embedded(settings), settings.resolved_store_url)
    quiet_logs(settings)
    opened = make_store(settings.model_copy(update={"sql": False}))  # commands run no SQL of users here
    await opened.open()
    try:
        yield opened
    finally:
        await opened.close()


def require_folder(embedded: bool, url: str) -> None:
    """Raises ConfigError when the data folder does not exist: a command must not create an empty one."""
    if embedded and ":///" in url and not (folder := url_path(url).parent).is_dir():
        raise ConfigError(f"there is no data folder {folder}: name it with --data, or leave --data out to ask a server")


@asynccontextmanager
async def stopped_server(settings: Settings) -> AsyncIterator[ServerClient]:
    """The query API in this process, over queue and store. Nothing is loaded: what is queued stays queued.

    Raises:
        ConfigError, AlreadyRunning, StoreUnavailable: as `open_store`.
        QueueUnavailable: the queue cannot be reached.
    """
    from tallystick.api.app import Parts, make_query_app

    require_folder(queue.is_embedded(settings), settings.resolved_queue_url)
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
            async with ServerClient(IN_PROCESS, httpx.ASGITransport(make_query_app(parts))) as server:
                yield server
        finally:
            publisher.stop()
            await publishing
            await waiting.close()


@asynccontextmanager
async def server_or_folder(url: str | None, settings: Settings) -> AsyncIterator[ServerClient]:
    """A client of the running server at `url`; None: of queue and store themselves, see `stopped_server`."""
    async with ServerClient(url, key=settings.client_key()) if url is not None else stopped_server(settings) as server:
        yield server


@asynccontextmanager
async def running_pipeline(settings: Settings) -> AsyncIterator[tuple[ServerClient, Callable[[], Awaitable[None]]]]:
    """A client of the whole pipeline in this process, and a call that returns once the queue is empty.

    A queue that other processes share only receives the events. Their workers store these too, so the call does not
    wait: it prints that.

    Raises:
        AlreadyRunning: a server uses the folder.
        Unavailable: a queue or store on a server cannot be reached.
    """
    from tallystick.app import Role, open_tallystick

    async def left_to_workers() -> None:
        console.err.print("the events are in the queue; `tallystick work` (or `tallystick up`) stores them")

    quiet_logs(settings)
    shared = not queue.is_embedded(settings)
    async with open_tallystick(settings.in_process(), Role.INGEST if shared else Role.UP) as tallystick:
        async with ServerClient(IN_PROCESS, httpx.ASGITransport(tallystick.asgi)) as server:
            yield server, left_to_workers if shared else tallystick.drained


@asynccontextmanager
async def drained_server(url: str | None, settings: Settings) -> AsyncIterator[ServerClient]:
    """The running server; without one the store, after everything that waits in a queue of this machine is stored."""
    if url is not None or not queue.is_embedded(settings):
        async with server_or_folder(url, settings) as server:
            yield server
        return
    if not settings.data.is_dir():
        async with server_or_folder(None, settings) as server:  # raises: a command must not create the folder
            yield server
        return
    async with running_pipeline(settings) as (server, drained):
        with console.waiting("storing what is queued"):
            await drained()
        yield server
